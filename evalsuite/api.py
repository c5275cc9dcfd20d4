"""The calls that `import evalsuite` offers on their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.verifiers import make
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask
from evalsuite.words.score import Score

_SAMPLE_FIELDS = frozenset({"id", "choices", "tests", "tools", "metadata", "privileged"})


def score(verifier: str, *, text: str, target: Any = None, problem: str = "", **fields: Any) -> Score:
    """Score one answer: `score("math", target="1/2", text="so \\\\boxed{0.5}")`.

    `verifier` is a name of `evalsuite.verifiers.VERIFIERS`. `problem` and the fields of a Sample (`choices`, `tests`,
    `metadata`, ...) go into the sample, every other keyword is a setting of the verifier.

    A program is judged by its tests, in the sandbox, and has no target; `tests` is test code, a list of asserts, or the
    mapping that `evalsuite.sandbox.run` describes, and `timeout` is in seconds:

        score("code", text=answer, tests=["assert add(1, 2) == 3", "assert add(-1, 1) == 0"], entry_point="add", timeout=5)

    Runs in the default pool, so a hang ends at its deadline. Raises UsageError for an unknown verifier or setting, and
    UnavailableError where something that the verifier needs is not there.
    """
    known = {name: fields.pop(name) for name in _SAMPLE_FIELDS & fields.keys()}
    if known.get("tests") is not None and not isinstance(known["tests"], Mapping):
        known["tests"] = {"code": known["tests"]}
    sample = ask(problem, target=target, **{"id": "0"} | known)
    judge = make(verifier, **fields)
    judge.prepare()
    return judge(sample, Completion(text=text))
