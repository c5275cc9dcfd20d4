"""Stop strings, which apply only after thinking has ended."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

from evalsuite.words.thinking import FORMS, split

# Where the answer to "has thinking ended?" can change; between two marks it is constant.
_MARK = re.compile("|".join(re.escape(t) for t in (*(tag for form in FORMS for tag in form), "<|channel|>", "<|message|>")))

Decode = Callable[[Sequence[int]], str]


def find(text: str, stop: Sequence[str], opened: bool = False, start: int = 0) -> int | None:
    """Index of the first stop string in `text` at which thinking has ended, from `start` on; None without one.

    `opened` says that the prompt ended inside a thought.
    """
    if not stop:
        return None
    marks = [m.end() for m in _MARK.finditer(text)]
    ended: dict[int, bool] = {}
    for match in re.compile("|".join(map(re.escape, stop))).finditer(text, start):
        at = match.start()
        segment = bisect_right(marks, at)
        if segment not in ended:
            ended[segment] = split(text[:at], opened=opened).closed
        if ended[segment]:
            return at
    return None


class StopWatch:
    """Tells token by token whether one sample has reached a stop string. Its cost per token is a dictionary look-up.

    The text is decoded piecewise and only when a token could complete a stop string: one that holds the last character of
    one, or a part of a character. `pieces` caches the text of single tokens and may be shared among samples.
    """

    def __init__(self, decode: Decode, stop: Sequence[str], opened: bool, pieces: dict[int, str]) -> None:
        self._decode, self._stop, self._opened, self._pieces = decode, tuple(stop), opened, pieces
        self._last = {s[-1] for s in self._stop} | {"\ufffd"}
        # The space before a word is lost where a single token is decoded alone: then every token is a candidate.
        self._every = any(c.isspace() and c != "\n" for c in self._last)
        self._longest = max(map(len, self._stop))
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
        return find(self._text, self._stop, self._opened, max(0, old - self._longest)) is not None
