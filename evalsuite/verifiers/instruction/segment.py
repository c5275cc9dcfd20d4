"""Sentences, words and languages as the IFEval checkers count them, without downloads.

The official code counts sentences with NLTK's trained Punkt model and words in capitals with NLTK's Treebank tokeniser.
Both rule sets are written out here. What Punkt *learned* (about 150 abbreviations, sentence starters, which words are
seen in lower case) is a 1.5 MB download; short lists stand in for it, so counts can differ by one where a rare
abbreviation or a full stop before a lower-case word occurs.
"""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import Any

_ABBREVIATIONS = """
mr mrs ms dr prof rev hon st jr sr gen col capt lt cmdr sgt gov sen rep supt messrs vs v etc al cf e.g i.e inc corp co
ltd bros dept univ assn nos vol pp eds approx apt ave blvd rd mt ft u.s u.s.a u.k u.n d.c a.m p.m ph.d m.d b.a m.a m.b.a
jan feb mar apr jun jul aug sep sept oct nov dec tues wed thurs fri oz lb lbs hr hrs calif conn fla ga ky mich minn n.y
n.j n.h n.c n.d s.c s.d ore pa tenn tex va wis
"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# Words of lower case in running text: with a capital after an abbreviation, an ellipsis or an initial they open a sentence.
_STARTERS = """
the this that these those there then they their he she his her it its we our you your my i a an in on at by for from
with without to of and but or so if when while where why how what who which as after before since because although
though however moreover meanwhile also such some many most each every all both no not one two other another last
"""
STARTERS = frozenset(_STARTERS.split())

_BOUNDARY = r")\";}\]*:@'({\[!?‘’“”«»"  # characters that end a word in front of them
_END = re.compile(rf"[.?!](?=[{_BOUNDARY}]|\s+(?P<next>\S+))")
_ABUTTING = re.compile(rf"[.?!](?=[{_BOUNDARY}])")
_TOKEN = re.compile(rf"[^{_BOUNDARY}]+|.", re.DOTALL)
_CLOSERS = re.compile(r"[\"')\]}‘’“”«»]+?(?:\s+|(?=--)|$)", re.MULTILINE)
_NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*\.?\Z")
_INITIAL = re.compile(r"[^\W\d]\.\Z")


def count_sentences(text: str) -> int:
    """Number of sentences by the rules of Punkt (Kiss and Strunk 2006): 0 for blank text."""
    ends: list[tuple[int, re.Match[str]]] = []  # the last candidate of each whitespace-free run, with the run's start
    for end in _END.finditer(text):
        low = ends[-1][1].end() if ends else 0
        between = re.split(r"\s", text[low : end.start()])
        if len(between) > 1 or not ends:
            ends.append((end.start() - len(between[-1]), end))
        else:
            ends[-1] = (ends[-1][0], end)
    starts, stops = [0], []
    for run, end in ends:
        if _breaks(text[run : end.end()], end.group("next") or text[end.end()]):
            stops.append(end.end())
            starts.append(end.start("next") if end.group("next") else end.end())
    stops.append(len(text.rstrip()))
    count = 0
    for start, stop in zip(starts, stops, strict=True):
        closing = _CLOSERS.match(text, start) if start else None  # closing quotes belong to the sentence before
        count += bool(text[closing.end() if closing else start : stop].strip())
    return count


def _breaks(run: str, following: str) -> bool:
    """Whether a sentence ends with `run`, whose last character is one of `.?!`, before `following`."""
    if "!" in run or "?" in run:
        return True
    # Punkt looks at both runs at once, so that an end inside the following one, as in "Dr. (Done.)", counts here too.
    following = following[:200]
    if any(_breaks(following[: m.end()], following[m.end()]) for m in _ABUTTING.finditer(following)):
        return True
    token = re.split(rf"[{_BOUNDARY}]", run)[-1]
    after = _TOKEN.match(following).group()  # type: ignore[union-attr]  # following is not empty
    kind = token[:-1].lower()
    opener = after[0].isupper() and after.strip(".,").lower() in STARTERS
    if token.endswith("..") or kind in ABBREVIATIONS or kind.rpartition("-")[2] in ABBREVIATIONS:
        return opener and not _INITIAL.match(token)
    inside = after[0] in ";:,.!?" or after[0].islower()
    if _INITIAL.match(token):
        return not inside and (opener or not after[0].isupper())
    return not (inside and _NUMBER.match(token))


_SEPARATE = re.compile(r"[«»“”‘’„`\"@#$%&;?!*\[\](){}<>‒-―]|''|--|\.{2,}|[:,](?!\d)")
_CLITIC = re.compile(r"(?<=[^'\s])('[smd]|'ll|'re|'ve|n't|'[SMD]|'LL|'RE|'VE|N'T)(?=\.*(?:\s|$))")
_CONTRACTED = re.compile(
    r"\b(can)(not)\b|\b(d)('ye)\b|\b(gim)(me)\b|\b(gon)(na)\b|\b(got)(ta)\b|\b(lem)(me)\b|\b(more)('n)\b|\b(wan)(na)(?=\s)"
    r"|(?<=\s)('t)(is)\b|(?<=\s)('t)(was)\b",
    re.IGNORECASE,
)


def capital_words(text: str) -> int:
    """Number of Treebank tokens in capitals: "DON'T" are two ("DO", "N'T"), "UP-TO-DATE" and "U.S." one each."""
    text = _CLITIC.sub(r" \1", _SEPARATE.sub(" ", text))
    text = _CONTRACTED.sub(lambda m: " ".join(g for g in m.groups() if g), f" {text} ")
    return sum(token.isupper() for token in text.split())


def count_words(text: str) -> int:
    r"""Number of runs of word characters (`\w+`)."""
    return sum(1 for _ in re.finditer(r"\w+", text))


_LOADING = threading.Lock()


@lru_cache(maxsize=1)
def _profiles() -> Any:
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.seed = 0  # unseeded, langdetect is random
    return factory


def language(text: str) -> str | None:
    """ISO 639-1 code by langdetect, seeded; None where the text has nothing to go by (digits, symbols)."""
    from langdetect import LangDetectException

    with _LOADING:
        factory = _profiles()
    detector = factory.create()
    detector.append(text)
    try:
        return detector.detect()
    except LangDetectException:
        return None
