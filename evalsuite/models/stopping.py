"""Stop strings, which apply only after thinking has ended."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

from evalsuite.errors import UsageError
from evalsuite.words.thinking import FORMS, split

# Where the answer to "has thinking ended?" can change; between two marks it is constant.
_MARKS = (*(tag for form in FORMS for tag in form), "<|channel|>", "<|message|>")
_MARK = re.compile("|".join(map(re.escape, _MARKS)), re.IGNORECASE)
_BACK = max(map(len, _MARKS)) - 1  # a mark that ends in new text begins at most so far ahead of it

Decode = Callable[[Sequence[int]], str]


def checked(stop: Sequence[str]) -> tuple[str, ...]:
    """The stop strings. Raises UsageError for an empty one, which every text contains."""
    if "" in stop:
        raise UsageError("a stop string is empty; leave it out")
    return tuple(stop)


class _Search:
    """Looks for stop strings in a text that grows; what was read before is not read again."""

    def __init__(self, stop: Sequence[str], opened: bool) -> None:
        self._pattern, self._opened = re.compile("|".join(map(re.escape, stop))), opened
        self._marks: list[int] = []
        self._read = 0
        self._ended: dict[int, bool] = {}

    def first(self, text: str, start: int) -> int | None:
        """Index of the first stop string from `start` on at which thinking has ended. `text` begins with the one before."""
        fresh = max(0, self._read - _BACK)
        self._marks += [m.end() for m in _MARK.finditer(text, fresh) if m.end() > self._read]
        self._read = len(text)
        for match in self._pattern.finditer(text, start):
            at = match.start()
            segment = bisect_right(self._marks, at)
            if segment not in self._ended:
                self._ended[segment] = split(text[:at], opened=self._opened).closed
            if self._ended[segment]:
                return at
        return None


def find(text: str, stop: Sequence[str], opened: bool = False) -> int | None:
    """Index of the first stop string in `text` at which thinking has ended; None without one.

    `opened` says that the prompt ended inside a thought.
    """
    return _Search(stop, opened).first(text, 0) if stop else None


class StopWatch:
    """Tells token by token whether one sample has reached a stop string. Its cost per token is a dictionary look-up,
    or a search of the new characters.

    The text is decoded piecewise and only when a token could complete a stop string: one that holds the last character of
    one, or a part of a character. `pieces` caches the text of single tokens and may be shared among samples.
    """

    def __init__(self, decode: Decode, stop: Sequence[str], opened: bool, pieces: dict[int, str]) -> None:
        self._decode, self._pieces, self._search = decode, pieces, _Search(stop, opened)
        self._last = {s[-1] for s in stop} | {"\ufffd"}
        # The space before a word is lost where a single token is decoded alone: then every token is a candidate.
        self._every = any(c.isspace() and c != "\n" for c in self._last)
        self._overlap = max(map(len, stop)) - 1
        self._text, self._from, self._read = "", 0, 0

    def __call__(self, tokens: Sequence[int]) -> bool:
        """Whether `tokens`, all of the sample's so far, contain a stop string after thinking."""
        token = tokens[-1]
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._decode([token])
        if not self._every and self._last.isdisjoint(piece):
            return False
        before = self._decode(tokens[self._from : self._read])
        after = self._decode(tokens[self._from :])
        if after.endswith("\ufffd"):  # the middle of a character: wait for the rest
            return False
        old = len(self._text)
        self._text += after[len(before) :]
        self._from, self._read = self._read, len(tokens)
        return self._search.first(self._text, max(0, old - self._overlap)) is not None
