"""Splits a model's reasoning from its answer. The text itself is never edited; this is a view of it."""

from __future__ import annotations

import re
from typing import NamedTuple

# (opener, closer) as models write them: DeepSeek/Qwen/most, Claude-style, Gemma-style, Magistral, Kimi, Seed.
FORMS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
)
_TAG = re.compile("|".join(re.escape(tag) for form in FORMS for tag in form))
_CLOSER = {opener: closer for opener, closer in FORMS}
_CLOSERS = frozenset(_CLOSER.values())
# gpt-oss "harmony" channels: everything before the last final channel is reasoning.
_HARMONY = re.compile(r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>")


class Thought(NamedTuple):
    """`reasoning` (None where the model showed none), the `answer` after it, and whether thinking was `closed`."""

    reasoning: str | None
    answer: str
    closed: bool


def split(text: str, *, opened: bool = False) -> Thought:
    """Split `text` after its last closed thought.

    `opened` says that the prompt itself ended inside a thought (R1-style templates), so that a text without a closer is
    all reasoning. A thought opened after the last closed one and never closed makes the whole text reasoning: `closed`
    is False and `answer` is empty.
    """
    if "<|channel|>" in text:
        return _split_harmony(text)
    start, depth_opener, seen = 0, "<think>" if opened else None, False
    for match in _TAG.finditer(text):
        tag = match.group()
        if tag in _CLOSERS:
            # A closer ends the open thought of its own form; a bare one ends a thought that the prompt opened.
            if depth_opener is None or _CLOSER[depth_opener] == tag or (opened and not seen):
                start, depth_opener, seen = match.end(), None, True
        elif depth_opener is None:
            depth_opener = tag
    if depth_opener is not None:
        return Thought(text, "", False)
    if not seen:
        return Thought(None, text, True)
    return Thought(text[:start], text[start:], True)


def _split_harmony(text: str) -> Thought:
    channels = list(_HARMONY.finditer(text))
    final = next((m for m in reversed(channels) if m.group(1) == "final"), None)
    if final is None:
        return Thought(text, "", False)
    answer = text[final.end() :]
    end = re.search(r"<\|(return|end|start|channel)\|>", answer)
    return Thought(text[: final.start()] or None, answer[: end.start()] if end else answer, True)
