"""Explicit answer slots: `\\boxed{...}` with brace matching and `<answer>...</answer>`. Linear time on any text."""

from __future__ import annotations

import re
from typing import NamedTuple

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is text
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)


class Slot(NamedTuple):
    """One slot: `text[start:end]` is the whole of it, `content` what stands inside."""

    start: int
    end: int
    content: str


def boxes(text: str) -> list[Slot]:
    """Every outermost closed `\\boxed{...}` or `\\fbox{...}`, in order; one that is never closed is left out."""
    openers = {m.end() - 1: m.start() for m in _BOX.finditer(text)}
    if not openers:
        return []
    closed: list[Slot] = []
    stack: list[int] = []
    for brace in _BRACE.finditer(text):
        if brace.group() == "{":
            stack.append(brace.start())
        elif brace.group() == "}" and stack:
            opened = stack.pop()
            if opened in openers:
                closed.append(Slot(openers[opened], brace.end(), text[opened + 1 : brace.start()]))
    outer: list[Slot] = []
    for slot in sorted(closed):
        if not outer or slot.start >= outer[-1].end:
            outer.append(slot)
    return outer


def answer_tags(text: str) -> list[Slot]:
    """Every closed `<answer>...</answer>`, in order; behind nested openers the innermost counts."""
    found: list[Slot] = []
    opener: re.Match[str] | None = None
    for tag in _TAG.finditer(text):
        if not tag.group(1):
            opener = tag
        elif opener:
            found.append(Slot(opener.start(), tag.end(), text[opener.end() : tag.start()]))
            opener = None
    return found
