"""Loads tasks by name for the tests of this folder, offline, and scores one text."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evalsuite import Completion, Sample, Score, Task, Verifier
from evalsuite.checks import check_task
from evalsuite.registry import load_task
from evalsuite.sources import Loaded, Where, load
from evalsuite.verifiers.base import run_verifier

Load = Callable[[str], tuple[Task, Loaded]]


@pytest.fixture(scope="session")
def from_data(data_dir: Path) -> Load:
    """`from_data(name)`: the task and its samples from the folder of real files, each loaded once."""
    known: dict[str, tuple[Task, Loaded]] = {}

    def get(name: str) -> tuple[Task, Loaded]:
        if name not in known:
            task = load_task(name)
            known[name] = task, load(task, Where(data_dir=data_dir, offline=True))
        return known[name]

    return get


@pytest.fixture(scope="session")
def generated() -> Load:
    """`generated(spec)`: the task and its samples without any data folder, each made once."""
    known: dict[str, tuple[Task, Loaded]] = {}

    def get(spec: str) -> tuple[Task, Loaded]:
        if spec not in known:
            task = load_task(spec)
            known[spec] = task, load(task, Where(offline=True))
        return known[spec]

    return get


@pytest.fixture(scope="session")
def score() -> Callable[[Task, Sample, str], Score]:
    """`score(task, sample, text)`: the task's own verifier on a finished completion, in this process."""
    return lambda task, sample, text: run_verifier(task.verifier, sample, Completion(text, finish_reason="stop"))


class Direct:
    """The pool's two methods, in this process."""

    def score(self, verifier: Verifier, items: Mapping[Hashable, tuple[Sample, Completion]]) -> dict[Hashable, Score]:
        return {key: run_verifier(verifier, *item) for key, item in items.items()}

    def call(self, verifier: Verifier, method: str, items: Mapping[Hashable, tuple[Any, ...]]) -> dict[Hashable, Any]:
        return {key: getattr(verifier, method)(*args) for key, args in items.items()}


@pytest.fixture(scope="session")
def failures() -> Callable[[Task, Loaded], list[str]]:
    """`failures(task, loaded)`: what `evalsuite tasks test` would complain about, with the task's own worked examples."""

    def run(task: Task, loaded: Loaded) -> list[str]:
        shots = task.fewshot if isinstance(task.fewshot, tuple) else ()
        return [f"{r.name}: {r.detail}" for r in check_task(task, loaded, Direct(), shots) if not r.passed]

    return run
