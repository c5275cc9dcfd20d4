"""Size gates: what is refused before any parser or CAS sees it. All of them are linear in the text."""

from __future__ import annotations

LONGEST = 4000  # characters of an answer
DEEPEST = 60  # nested brackets


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
