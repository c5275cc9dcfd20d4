"""A program that must pass its tests, and one that must not."""

from __future__ import annotations

from typing import Any

from evalsuite import Score
from evalsuite.sandbox import run


def passes(program: str, tests: Any, entry_point: str | None = None, **options: Any) -> Score:
    score = run(program, tests, entry_point, **options)
    assert (score.value, score.outcome) == (1.0, "ok"), score.feedback
    assert score.parts["passed"] == 1.0 and not score.feedback
    return score


def fails(program: str, tests: Any, entry_point: str | None = None, **options: Any) -> str:
    score = run(program, tests, entry_point, **options)
    assert score.value == 0.0 and score.parts["passed"] < 1.0, "a wrong program passed"
    return score.feedback
