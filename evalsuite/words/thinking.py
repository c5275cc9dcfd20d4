"""Splits a model's reasoning from its answer. The text itself is never edited; this is a view of it."""

from __future__ import annotations

import re
from typing import NamedTuple

# (opener, closer) as models write them: DeepSeek/Qwen/most, Claude-style, Gemma-style, Magistral, Kimi, Seed, Sky-T1, Command A.
FORMS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
# Angle brackets are markup in any case; "[Think]" may be a word of the answer.
_TAG = re.compile("|".join(f"(?i:{re.escape(tag)})" if tag[0] == "<" else re.escape(tag) for form in FORMS for tag in form))


def _folded(tag: str) -> str:
    return tag.lower() if tag[0] == "<" else tag


_CLOSER = {_folded(opener): _folded(closer) for opener, closer in FORMS}
_CLOSERS = frozenset(_CLOSER.values())
# gpt-oss "harmony" channels: everything before the last final channel is reasoning.
# A tool call or structured answer names its format: "final <|constrain|>json<|message|>".
_HARMONY = re.compile(r"<\|channel\|>\s*+(\w++)[^<]*+(?:<\|constrain\|>[^<]*+)?<\|message\|>")
_HARMONY_START = re.compile(r"\s*+(?:<\|start\|>\s*+assistant\s*+)?<\|channel\|>")


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
    if _HARMONY_START.match(text) or _HARMONY.search(text):  # a mere mention of "<|channel|>" is text
        return _split_harmony(text)
    start, depth_opener, seen = 0, "<think>" if opened else None, False
    for match in _TAG.finditer(text):
        tag = _folded(match.group())
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
