"""Size gates: what is refused before any parser or CAS sees it. All of them are linear in the text."""

from __future__ import annotations

import re

LONGEST = 4000  # characters of an answer
DEEPEST = 60  # nested brackets
_TOWER = re.compile(r"\^\s*\{?\s*[^{}^]{0,40}\^")
_BIG_POWER = re.compile(r"\^\s*\{?\s*\(?\s*-?\s*\d{4,}")
_BIG_NUMBER = re.compile(r"\d{5,}")
_FACTORIAL = re.compile(r"[\d)}\]]\s*!")
_OPERATORS = frozenset({r"\sum", r"\prod", r"\int", r"\lim", r"\iint", r"\oint", r"\partial", r"\nabla", r"\det"})
_COMMAND = re.compile(r"\\[A-Za-z]+")


def depth(text: str) -> int:
    """Deepest nesting of brackets."""
    deepest = level = 0
    for char in text:
        if char in "({[⦃⟨":
            level += 1
            deepest = max(deepest, level)
        elif char in ")}]⦄⟩":
            level -= 1
    return deepest


def fit(text: str) -> bool:
    """Whether `text` may be parsed as an answer at all: short and not deeply nested."""
    return len(text) <= LONGEST and depth(text) <= DEEPEST


def fit_for_sympy(text: str) -> bool:
    """Whether a CAS may see `text`: short, shallow, no towers, large powers, long literals or factorials of numbers."""
    return (
        len(text) <= 300
        and depth(text) <= 12
        and text.count("^") <= 12
        and not _TOWER.search(text)
        and not _BIG_POWER.search(text)
        and not _BIG_NUMBER.search(text)
        and not _FACTORIAL.search(text)
    )


def alike(gold: str, answer: str) -> bool:
    """Whether two formulas that our parser cannot read use the same commands: only then is a CAS asked to compare them."""
    commands = set(_COMMAND.findall(gold))
    return bool(commands & _OPERATORS) and commands == set(_COMMAND.findall(answer)) and len(answer) <= 2 * len(gold) + 40
