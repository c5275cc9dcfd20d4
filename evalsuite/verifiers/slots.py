"""Explicit answer slots: `\\boxed{...}` with brace matching and `<answer>...</answer>`, else the last line. Linear time on any text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is text
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
# What joins two slots into one answer: a sign or nothing on one line, or words that offer another answer anywhere. A new
# line or a sentence between them ("Wait, no.") is a correction.
_OFFER = r"(?:or|and|also|else|alternatively|maybe|perhaps|possibly|probably|equally|even)\b"
_JOINER = re.compile(
    r"(?:[^\S\n]|[$*]|\\[()\[\]])*(?:[,;/|&+.]|\\l?or\b|\\vee\b|\\text\{ ?(?:or|and) ?\})?(?:[^\S\n]|[$*]|\\[()\[\]])*"
    rf"|(?:[\s$*.,;]|\\[()\[\]])*(?:{_OFFER}(?:[\s$*,:]|\\[()\[\]])*)+",
    re.IGNORECASE,
)
_JOINER_LENGTH = 80  # characters; more than that is not a joiner, which also bounds the time
_OPEN_END = re.compile(r"(?:^|\W)(?:or|alternatively)[\s,:]*$", re.IGNORECASE)


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


def strung(text: str, slots: Sequence[Slot]) -> list[Slot]:
    """The last slot and those before it that are joined to it: "\\boxed{A} or \\boxed{B}", "\\boxed{A}\\boxed{B}"."""
    joined = list(slots[-1:])
    for earlier in reversed(slots[:-1]):
        between = text[earlier.end : joined[0].start]
        if len(between) > _JOINER_LENGTH or not _JOINER.fullmatch(between):
            break
        joined.insert(0, earlier)
    return joined


def last_line(text: str) -> str | None:
    """The last line that is not empty, with those before it that offer it as another answer ("abc\\nor\\nacb")."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    first = len(lines) - 1
    while first and _OPEN_END.search(lines[first - 1][-40:]):
        first -= 1
    if first and _OPEN_END.fullmatch(lines[first]):  # a line that is no more than "or" joins the one before it
        first -= 1
    return " ".join(lines[first:])
