"""Answers in words: names, yes and no, "no solution", and the letters of a multiple choice."""

from __future__ import annotations

import re

from evalsuite.verifiers.math.normalize import TEXT_CLOSE, TEXT_OPEN, flat, words

_EMPTY = frozenset(
    {"∅", "no solution", "no solutions", "none", "empty set", "no real solution", "no real solutions", "nosolution"}
)
_REALS = frozenset({"ℝ", "(-∞,∞)", "(-∞,+∞)", "all real numbers", "all reals", "all real values", "real numbers"})
_CHOICE = re.compile(r"\(? ?([A-J]) ?\)?[.)]?")
_CHOICE_TEXT = re.compile(r"\(? ?([A-Ja-j]) ?(?:\)|[.:]|\) ?[.:])\s*(\S.*)", re.S)
_SECOND_CHOICE = re.compile(
    r"\b(?:and|or|not|nor|wrong|incorrect|false|rejected)\b|\([A-Ja-j]\)|(?:^|\s)[A-J][.)]|^[A-J]$", re.I
)


def same_words(gold: str, answer: str) -> bool:
    """Text answers: the same words, or the letter of the choice."""
    if not flat(gold) or not flat(answer):
        return False
    if gold == answer:
        return True
    left, right = words(gold), words(answer)
    if left and left == right and flat(gold).casefold().strip("()[].") == flat(answer).casefold().strip("()[]."):
        return True
    if left and left == right and not re.search(r"[-+*/^=<>\\\d]", gold + answer):
        return True
    if flat(gold).casefold() in _EMPTY or left in _EMPTY:
        return flat(answer).casefold() in _EMPTY or right in _EMPTY
    if flat(gold) in _REALS or left in _REALS:
        return flat(answer) in _REALS or right in _REALS
    return same_choice(gold, answer)


def same_choice(gold: str, answer: str) -> bool:
    """Multiple choice: `(C)`, `C.`, `C) 5` and `(C) 5` for C; case matters only where it would be a variable."""
    gold, answer = (t.replace(TEXT_OPEN, " ").replace(TEXT_CLOSE, " ").strip() for t in (gold, answer))
    letter = _CHOICE.fullmatch(gold)
    long_gold = _CHOICE_TEXT.fullmatch(gold)
    if letter is None and (long_gold is None or not long_gold.group(1).isupper()):
        return False
    want = letter.group(1) if letter else long_gold.group(1)  # type: ignore[union-attr]
    bare = _CHOICE.fullmatch(answer) or _CHOICE.fullmatch(answer.upper()) if len(answer) <= 4 else None
    if bare:
        return bare.group(1) == want
    long_answer = _CHOICE_TEXT.fullmatch(answer)
    if long_answer:
        return long_answer.group(1).upper() == want and not _SECOND_CHOICE.search(long_answer.group(2))
    return long_gold is not None and words(long_gold.group(2)) == words(answer) != ""
