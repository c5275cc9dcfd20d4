"""The check `attacks` of `evalsuite tasks test`: sound tests pass it, tests that accept anything do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

import pytest

from evalsuite import Completion, Prompt, Sample, Score, Task, Verifier, ask, sandbox
from evalsuite.attacks import ATTACKS
from evalsuite.checks import CHECKS, CODE_CHECKS, CheckResult, check_task
from evalsuite.errors import UnavailableError
from evalsuite.sources import Loaded
from evalsuite.verifiers.base import run_verifier
from evalsuite.verifiers.code import CodeVerifier
from evalsuite.verifiers.exact import ExactVerifier

pytestmark = pytest.mark.usefixtures("isolated")

try:
    sandbox.require()
except UnavailableError as error:
    pytest.skip(f"programs cannot be isolated here: {error}", allow_module_level=True)

FUNCTIONS = [a for a in ATTACKS if not a.endless and a.kind == "function"]


class Few:
    """A pool that scores every `step`-th item in this process, and remembers what it was given."""

    def __init__(self, step: int) -> None:
        self.step, self.seen = step, {}

    def score(self, verifier: Verifier, items: Mapping[Any, tuple[Sample, Completion]]) -> dict[Any, Score]:
        self.seen |= items
        return {key: run_verifier(verifier, *items[key]) for key in list(items)[:: self.step]}

    def call(self, verifier: Verifier, method: str, items: Mapping[Hashable, tuple[Any, ...]]) -> dict[Hashable, Any]:
        return {key: getattr(verifier, method)(*args) for key, args in items.items()}


def check(samples: list[Sample], step: int = 60, **fields: Any) -> tuple[dict[str, CheckResult], Few]:
    pool = Few(step)
    task = Task(**({"samples": samples, "prompt": Prompt(name="bare"), "verifier": CodeVerifier(), "name": "toy"} | fields))
    return {r.name: r for r in check_task(task, Loaded(tuple(samples), "inline", "toy", ""), pool)}, pool


def program(code: Any, number: int = 0, **tests: Any) -> Sample:
    reference = "def add(a, b):\n    return a + b\n"
    sample = ask(f"Add {number}.", id=str(number), target="", privileged={"reference": reference})
    return dataclasses.replace(sample, tests={"code": code, **tests})


def test_sound_tests_pass_and_every_attack_is_tried() -> None:
    results, pool = check([program([f"assert add({i}, 2) == {i + 2}"], i) for i in range(3)])
    assert list(results) == [*CHECKS, *CODE_CHECKS]
    assert results["attacks"].passed and results["attacks"].n > 0 and results["attacks"].exempt_reason is None
    assert {key[1] for key in pool.seen if isinstance(key, tuple) and isinstance(key[1], str)} == {a.name for a in FUNCTIONS}


def test_every_sample_meets_an_attack() -> None:
    _, pool = check([program(["assert add(1, 2) == 3"], i) for i in range(len(FUNCTIONS) + 5)], step=10_000)
    assert {key[0] for key in pool.seen if isinstance(key, tuple) and isinstance(key[1], str)} == set(range(len(FUNCTIONS) + 5))


def test_tests_that_accept_anything_are_found() -> None:
    results, _ = check([program(["add(1, 2)"])])
    assert not results["attacks"].passed and "attack 'plain-wrong' got 1 (ok" in results["attacks"].detail


def test_a_verifier_that_breaks_has_not_refused() -> None:
    sample = dataclasses.replace(
        program(["assert add(1, 2) == 3"]), tests={"inputs": [[1, 2]], "entry_point": "add"}, privileged={}
    )
    results, _ = check([sample])
    assert not results["attacks"].passed and "got None (error" in results["attacks"].detail


def test_only_programs_are_attacked_and_a_task_can_be_exempt() -> None:
    results, _ = check([ask("2+2?", id="a", target="4"), ask("3+3?", id="b", target="6")], verifier=ExactVerifier())
    assert list(results) == list(CHECKS)
    results, _ = check([program(["add(1, 2)"])], exempt={"attacks": "its tests only ask that it runs"})
    assert results["attacks"].exempt_reason == "its tests only ask that it runs"
