"""Compares what a program printed with what it should have printed: by lines as LiveCodeBench, by tokens as AlphaCode.

Both texts may be hostile: time and memory are linear in their lengths, whatever they hold.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Literal

Compare = Literal["lines", "tokens"]

_TOLERANCE = Decimal("1e-5")  # of tokens, absolute
_CONTEXT = Context(prec=40, traps=[])  # what is no number becomes NaN; a difference never has more digits than this
_SHOWN = 120  # characters of a line in feedback


def same_output(got: str, expected: str, compare: Compare = "lines") -> bool:
    """Whether `got` is as good as `expected`.

    `lines` is LiveCodeBench's comparison (`lcb_runner/evaluation/testing_util.py`, `grade_stdio`). Tolerated: whitespace
    around the text and around each line; on a line that holds nothing but numbers on both sides, how they are written (`1`,
    `1.0`, `1e0`, `+1`, `01`) and the whitespace between them. Not tolerated: blank lines inside the text that are missing or
    too many, other line breaks, case (`YES` and `Yes`), whitespace inside a line of words, and any difference in value:
    decimals are compared exactly, so `0.333333` is not `0.3333333`. NaN equals no number, though lines of the same text are
    the same, whatever it says.

    `tokens` is AlphaCode's (google-deepmind/code_contests, `execution/tester_sandboxer.cc`, `OutputsMatch`). Tolerated: any
    whitespace between tokens, line breaks included; case; and, unless both numbers are written as integers, a difference
    below 1e-5. Not tolerated: integers that differ, tokens that are missing or too many.
    """
    return _first(*_units(got, expected, compare), compare) is None


def first_difference(got: str, expected: str, compare: Compare = "lines") -> str:
    """Words for where `same_output` sees the first difference: its number, got and expected, bounded; "" for none."""
    ours, theirs = _units(got, expected, compare)
    at = _first(ours, theirs, compare)
    if at is None:
        return ""
    counts = f"; {len(ours)} {compare}, expected {len(theirs)}" if len(ours) != len(theirs) else ""
    return f"{compare[:-1]} {at + 1}: got {_show(ours, at)}, expected {_show(theirs, at)}{counts}"


def _units(got: str, expected: str, compare: Compare) -> tuple[list[str], list[str]]:
    if compare == "tokens":
        return got.lower().split(), expected.lower().split()
    return _lines(got), _lines(expected)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _first(ours: list[str], theirs: list[str], compare: Compare) -> int | None:
    """Index of the first unit that differs or is there on one side only."""
    same = _close if compare == "tokens" else _same_numbers
    for at, (a, b) in enumerate(zip(ours, theirs)):
        if a != b and not same(a, b):
            return at
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))


def _same_numbers(a: str, b: str) -> bool:
    """Whether two lines hold the same exact numbers, and nothing else."""
    ours, theirs = a.split(), b.split()
    return len(ours) == len(theirs) and all(_equal(_number(x), _number(y)) for x, y in zip(ours, theirs))


def _close(a: str, b: str) -> bool:
    ours, theirs = _number(a), _number(b)
    integers = a.lstrip("+-").isdigit() and b.lstrip("+-").isdigit()
    if integers or not (ours.is_finite() and theirs.is_finite()):
        return _equal(ours, theirs)
    return _CONTEXT.abs(_CONTEXT.subtract(ours, theirs)) < _TOLERANCE


def _equal(a: Decimal, b: Decimal) -> bool:
    return not a.is_nan() and not b.is_nan() and a == b


def _number(token: str) -> Decimal:
    """The token's exact value; NaN for what is not a number."""
    return Decimal(token, _CONTEXT)


def _show(units: list[str], at: int) -> str:
    if at >= len(units):
        return "nothing"
    unit = units[at]
    return repr(unit if len(unit) <= _SHOWN else unit[: _SHOWN // 2] + " ... " + unit[-_SHOWN // 2 :])
