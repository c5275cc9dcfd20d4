r"""Finds the answer in a completion: the last box, else an explicit answer phrase, else the last mathematics or number.

Contract. The last `\boxed{}` (or `\fbox{}`) wins; an unclosed last box is no answer. Boxes that follow each other with only
punctuation or "and" between them are one list (`\boxed{1} and \boxed{-2}`); with "or" between them they are several
guesses and stay visible as such. Every scan is linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalsuite.verifiers.math import hedging

LONGEST = 4000  # characters of an answer; what is longer is not one


@dataclass(frozen=True, slots=True)
class Extracted:
    """`answer` is the text to judge; `how` says where it was found: box, tag, phrase, math, number, whole.

    `listed` is set where several boxes follow each other: their contents joined by commas (or "or"), to be read as one list.
    `guesses` says that they stand on one line or are joined by "or", so that the last does not replace the others.
    """

    answer: str
    how: str
    listed: str | None = None
    guesses: bool = False


_BOX = re.compile(
    r"\\{1,2}(?:begin)?boxed|\\{1,2}f(?:rame)?box|\x08oxed|(?<![A-Za-z\\])boxed(?=\s*\{)|\\\\(?=[{}])|\\[{}]|[{}]"
)
_BARE_BOX = re.compile(r"[ \t]*((?:\\d?t?frac\s*(?:\{[^{}]*\}|\d)\s*(?:\{[^{}]*\}|\d))|[^\s{}$\\]+)")
_JOIN = re.compile(
    r"(?:\\text(?:rm|bf)?\s*\{([^{}]*)\}|\\[,;:!()\[\]\\]|\\q?quad|[\s$,;.&*]|\b(and|or|also|maybe|perhaps|possibly|either)\b)*",
    re.I,
)
_ASSIGNED = re.compile(r"[A-Za-z](?:_\{?\w\}?)? ?= ?$")  # the y = of "x = \boxed{3} and y = \boxed{4}"
_AND_THE = re.compile(
    r"[\s$]*(?:[a-z]{1,15} and|\\text\s*\{ ?for [a-z() ]{1,20} and ?\})[\s$]*", re.I
)  # \boxed{1} papers and \boxed{2}
_JOIN_WORDS = re.compile(r"[\s,;.]*(?:(?:and|or|also|maybe|perhaps|possibly|either)[\s,;.]*)*", re.I)


def boxes(text: str) -> tuple[list[tuple[int, int, str]], bool]:
    r"""Top-level boxes as (start, end, content) in order, and whether the text ends inside a box that is never closed."""
    found: list[tuple[int, int, str]] = []
    stack: list[tuple[bool, int, int]] = []  # (opened by a box, start of the command, start of the content)
    open_boxes = 0
    pending: int | None = None
    pending_end = 0
    for match in _BOX.finditer(text):
        token, at = match.group(), match.start()
        if token in ("\\{", "\\}", "\\\\"):
            continue
        if token == "{":
            is_box = pending is not None and not text[pending_end:at].strip()
            stack.append((is_box, at if pending is None or not is_box else pending, at + 1))
            open_boxes += is_box
            pending = None
        elif token == "}":
            if stack:
                is_box, start, content = stack.pop()
                if is_box:
                    open_boxes -= 1
                    while found and found[-1][0] > start:
                        found.pop()
                    found.append((start, match.end(), text[content:at]))
            pending = None
        else:
            pending, pending_end = at, match.end()
            bare = _BARE_BOX.match(text, pending_end)
            if bare:
                found.append((at, bare.end(), bare.group(1).rstrip(".,;:")))
                pending = None
    last_end = found[-1][1] if found else -1
    unclosed = any(is_box and start > last_end for is_box, start, _ in stack)
    return [box for box in found if box[2].strip(" \t\n.$")], unclosed


def _side_by_side(text: str, found: list[tuple[int, int, str]]) -> tuple[str | None, bool]:
    """The contents of the last boxes that only list words separate, joined; and whether they are one line of guesses."""
    parts = [found[-1][2]]
    either = guesses = False
    for left, right in zip(reversed(found[:-1]), reversed(found[1:])):
        gap = text[left[1] : right[0]]
        if len(gap) > 60 or len(parts) >= 60:
            break
        if hedging.guesses_between(gap):
            either = guesses = True
            parts.append(left[2])
            continue
        if _AND_THE.fullmatch(gap):
            parts.append(left[2])
            continue
        named = _ASSIGNED.search(gap)
        gap = gap[: named.start()] if named else gap
        match = _JOIN.fullmatch(gap)
        inner = re.findall(r"\\text(?:rm|bf)?\s*\{([^{}]*)\}", gap)
        if not match or not all(_JOIN_WORDS.fullmatch(words) for words in inner):
            break
        either |= bool(re.search(r"\b(?:or|maybe|perhaps|possibly|either)\b", gap, re.I))
        guesses |= either or ("\n" not in gap and not named)
        parts.append(left[2])
    other = hedging.other_guess(text[found[-1][1] :])
    if other is not None:
        parts.insert(0, other)
        either = guesses = True
    if len(parts) == 1 or (not either and len(parts) > 3 and len(set(parts[1:])) == 1):
        return None, False  # one value repeated, then another: no list
    return (" or " if either else ", ").join(reversed(parts)), guesses


_EMPTY_BOX = re.compile(r"\\{1,2}f?box(?:ed)?\{[ $.]{0,20}\}")
_TAG = re.compile(r"<answer>(.{0,4000}?)</answer>", re.S | re.I)
_HOPE = re.compile(r"final answer is:?\s*(\S[^\n]{0,300}?)\.?\s*I hope it is correct", re.I)  # the Minerva prompt's last line
_HASHES = re.compile(r"(?:^|[ \t])####[ \t]*(\S[^\n]*)", re.M)
_A_LINE = re.compile(r"^[ \t]*A:[ \t]*(\S[^\n]*)", re.M)
_PHRASE = re.compile(
    r"\b(?:final|correct)[ \t]+(?:answer|result)\b|\banswers?\b|\bans\b|答案|réponse\b|respuesta\b|risposta\b|antwort\b|\bсоставляет\b|ответ\b",
    re.I,
)
_AFTER = re.compile(
    r"[\"'*_\s)]*(?:(?:(?:is|are|was|be|equals?|est|es|ist|是|为|為)\b|(?:是|为|為)|would\s+be|should\s+be|must\s+be|=|:|：|\*|->|→)[\s*_\"']*)+"
    r"(?:(?:therefore|thus|indeed|then|simply|just|exactly|for\s+sure|clearly|given\s+by|:)[\s*:]+){0,2}",
    re.I,
)
_CUT = re.compile(
    r"\n|<\||[.!?。](?=\s|$|[*\"')])|,?\s+(?:because|since|so|which|where|I hope|as\s+(?:we|it|the)|it\s+(?:is|can|does|could)|"
    r"after\s|by\s|if\s+we)|\s[-–—]\s(?=[A-Za-z])|;\s(?=[A-Za-z]{3})|,\s+it\b|。",
    re.I,
)
_MATH = re.compile(r"\$\$([^$]{1,1500})\$\$|\$([^$\n]{1,1500})\$|\\\[(.{1,1500}?)\\\]|\\\(([^\n]{1,1500}?)\\\)", re.S)
_NUM = r"[-+−]?(?:[$€£]\s?)?(?:\d{1,3}(?: \d{3})+(?![\d.])|\d+(?:\s?:\s?\d+)+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)(?:[eE][-+]?\d+)?(?:\s?/\s?\d+(?:\.\d+)?)?(?:\s?\\?%|\s(?:percent|pct)\b)?"
_NUMBERS = re.compile(
    rf"(?<![A-Za-z0-9_.,/\\^{{:])(?<!\d )(?>{_NUM})(?:\s*(?:,\s*(?:and|or)\b|,|\bor\b|\band\b)\s*(?>{_NUM}))*", re.I
)
_FORMULA = re.compile(
    r"(?:\\[A-Za-z]+|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|[-+*/^_=()\[\]0-9,!|]|\.\d|(?<=[^\s]) (?=[-+*/=\\0-9])|\b[A-Za-z]\b)+"
)
_MATHEMATICAL = re.compile(r"\\(?:[dt]?frac|sqrt|binom|pi)(?![A-Za-z])")
_SOLUTIONS = re.compile(
    r"\b(?:solutions|roots|values|zeros)\b[^.$\n]{0,40}?\b(?:are|were)\b[:\s]*((?:\$[^$\n]{1,60}\$(?:\s*,\s*(?:and\s+)?|\s+and\s+)?){2,8})(?<=\$)"
)
_GUESSING = re.compile(r"\b(?:or|either|maybe|perhaps|possibly|not|neither|alternatively|otherwise)\b", re.I)
_WORD = re.compile(r"[^\W\d_]{2,}")
_PROSE = re.compile(
    r"(?<![\\A-Za-z])(?!sqrt|frac|arcsin|arccos|arctan|sinh|cosh|tanh)[^\W\d_]{4,}|\b(?:the|is|it|we|so|are|not)\b|"
    r"[\u0400-\u06ff\u0900-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]+",
    re.I,
)
_ASIAN = re.compile(r"^[\u3040-\u9fff\s]+|[\u3040-\u9fff\s]+$")
_LETTER = re.compile(r"\(([A-J])\)|\b([A-J])\b(?![')]|\s*=)")


_FIRST_OPTION = re.compile(r"\A\(?([A-J])[.)]\s+(?=[A-Za-z][a-z']+ (?![A-J][.)])[^\d()]*\Z)")
_ONE_OPTION = re.compile(
    r"[A-Za-z\u4e00-\u9fff'] ?(?:is |s )?\(([A-J])\)(?=[.!]?\s*\Z)|[\u4e00-\u9fff] ?([A-J]) ?[\u4e00-\u9fff]"
)
_OTHER_OPTION = re.compile(
    r"\b(?:or|not|nor|neither|either|never|and)\b|n't\b|[/|]|[不非或和]|\([A-J]\).*\([A-J]\)", re.I | re.S
)


def extract(text: str) -> Extracted | None:
    """The answer in `text` (what follows the last closed thought), or None where there is none."""
    if "box" in text or "\x08oxed" in text:
        found, unclosed = boxes(text)
        if unclosed:
            return None
        if found:
            last = _HOPE.search(text, found[-1][1])
            if last:
                return _some(_first_of(last.group(1)), "phrase")
            if hedging.denied(text[max(0, found[-1][0] - 40) : found[-1][0]]):
                return None
            return Extracted(found[-1][2].strip(), "box", *_side_by_side(text, found))
        text = _EMPTY_BOX.sub(" ", text)
    text = text.replace("<|im_end|>", "\n").strip()
    if not text:
        return None
    if "<answer>" in text:
        tags = _TAG.findall(text[-20000:])
        if tags:
            return _some(tags[-1], "tag")
    tail = text[-6000:]
    for pattern in (_HASHES, _A_LINE):
        lines = pattern.findall(tail)
        if lines:
            return _some(_first_of(lines[-1]), "phrase")
    phrased = _phrase(tail)
    if phrased:
        return phrased
    letter = _option(text) if len(text) <= 100 else None
    if letter is not None:
        return _some(letter, "whole")
    if len(text) <= 300 and _is_bare(text):
        return _some(text, "whole")
    return _last_math(tail)


def _option(text: str) -> str | None:
    """The one option letter of a short reply: "I think it's (D).", "D. It can't be A or B", "选项 C 正确"."""
    if _OTHER_OPTION.search(text) and not _FIRST_OPTION.match(text):
        return None
    for pattern in (_FIRST_OPTION, _ONE_OPTION):
        found = pattern.findall(text)
        if len(found) == 1:
            return next((f for f in found[0] if f), None) if isinstance(found[0], tuple) else found[0]
    return None


def _some(answer: str, how: str) -> Extracted | None:
    answer = answer.strip().lstrip("*")
    if not ("**" in answer[:-2] and answer.endswith("**")):  # 25 + 17 = **42**
        answer = answer.rstrip("*")
    answer = answer.strip()
    return Extracted(answer, how) if answer else None


def _is_bare(text: str) -> bool:
    """A text that is itself an answer: no sentence around it."""
    if "\n" in text and "\\begin" not in text and not text.startswith(("\\[", "$$")):
        return False
    outside = _MATH.sub(" ", text)
    prose = _PROSE.findall(re.sub(r"\\[A-Za-z]+(?:\{[^{}\\]*\})?", " ", outside))
    if not prose:
        return True
    if outside != text:
        return False
    return len(prose) <= 3 and (_NUMBERS.match(text) is not None or not any(c.isdigit() for c in text))


def _first_of(rest: str) -> str:
    """The part of a line after an answer phrase that is the answer: its mathematics, or the text up to a cut."""
    rest = rest.strip()
    math = _MATH.match(rest)
    if math:
        after = rest[math.end() :]
        inner = next(g for g in math.groups() if g is not None)
        chain = re.match(r"\s*(?:,|and|or|,\s*and|,\s*or)\s*(?=[$\\\d-])", after, re.I)
        if chain:
            cut = _CUT.search(rest, math.end())
            return rest[: cut.start()] if cut else rest
        unit = re.match(r"\s*(%|percent\b|pct\b)", after, re.I)
        return inner + (" %" if unit else "")
    cut = _CUT.search(rest)
    return rest[: cut.start()] if cut else rest


def _phrase(tail: str) -> Extracted | None:
    """The answer after the last "the answer is", "Answer:" and the like."""
    for match in reversed(list(_PHRASE.finditer(tail))[-40:]):
        after = _AFTER.match(tail, match.end())
        if not after or after.end() >= len(tail):
            continue
        if hedging.denies(re.split(r"[.!?\n]\s", tail[: match.start()])[-1]):
            return None
        found = _said(_first_of(tail[after.end() : after.end() + 3000]))
        if found is not None:
            return found
    return None


def _said(candidate: str) -> Extracted | None:
    """The answer in what follows an answer phrase: all of it if it is short, else its number, letter or formula."""
    candidate = _ASIAN.sub("", candidate)
    if not candidate.strip(" *.:$"):
        return None
    outside = _MATH.sub(" ", candidate)
    plain = _WORD.findall(re.sub(r"\\[A-Za-z]+(?:\{[^{}\\]*\})?", " ", outside))
    if (len(plain) < 3 and outside == candidate) or not plain or _GUESSING.search(outside):
        return _some(candidate, "phrase")
    number = _NUMBERS.match(candidate)
    if number:
        return _some(number.group(), "phrase")
    letter = re.match(r"\(?([A-J])\)?[.,:)]?(?=\s)", candidate)
    if letter and not candidate.startswith("A "):
        return _some(letter.group(1), "phrase")
    links = list(re.finditer(r"\b(?:is|are|equals?|was|be)\s+(?=\S)", candidate, re.I))
    if links and len(_WORD.findall(candidate[links[-1].end() :])) <= 3:
        return _some(_first_of(candidate[links[-1].end() :]), "phrase")
    if len(plain) < 3:
        return _some(candidate, "phrase") if outside == candidate else _last_math(candidate)
    return _last_math(candidate) or _some(candidate, "phrase")


def _listed_math(text: str, last: re.Match[str]) -> str | None:
    """The formulas of "the solutions are $x=1$ and $x=2$", joined by commas; None where the last stands alone."""
    run = list(_SOLUTIONS.finditer(text, max(0, last.start() - 400), last.end()))
    return run[-1].group(1).replace("$", " ").replace("and", ",") if run and run[-1].end() == last.end() else None


def _last_formula(text: str) -> re.Match[str] | None:
    """The last LaTeX formula outside dollars: a run of signs, digits, lone letters, braces and commands."""
    last = None
    for match in _FORMULA.finditer(text):
        if _MATHEMATICAL.search(match.group()):
            last = match
    return last


def _last_math(text: str) -> Extracted | None:
    """The last formula or number of a text that names no answer: the last resort."""
    text = re.sub(r"<\|[a-z_]+\|>\s*\w*\s*$", "", text)
    math = None
    for match in _MATH.finditer(text):
        if next(g for g in match.groups() if g is not None).strip():
            math = match
    start = math.end() if math else 0
    formula = _last_formula(text[start:]) if "\\" in text[start:] else None
    if formula is not None:
        start += formula.end()
    number = None
    for match in _NUMBERS.finditer(text, start):
        number = match
    if number is not None:
        line = text[text.rfind("\n", 0, number.start()) + 1 :]
        before = text[: number.start()].split()
        sentence = re.split(r"[.!?\n]\s", text[: number.start()])[-1]
        if hedging.denies(sentence) or hedging.denied(text[: number.start()]) or hedging.is_code(line):
            return None
        if any(_GUESSING.fullmatch(word) for word in before[-1:]) or " ".join(before[-2:]).casefold() in (
            "or rather",
            "or maybe",
            "or even",
        ):
            return _some(line, "whole")  # "... or 0": a guess among others, not a number
        return _some(number.group(), "number")
    if formula is not None:
        return _some(formula.group().strip(" ,.=("), "math")
    if math is not None:
        inner = _listed_math(text, math)
        if inner:
            return _some(inner, "math")
        inner = next(g for g in math.groups() if g is not None)
        unit = re.match(r"\s*(?:\\?%|percent\b|pct\b)", text[math.end() :], re.I)
        return _some(inner + (" %" if unit else ""), "math")
    letter = list(_LETTER.finditer(text[-200:]))
    if letter:
        return _some(letter[-1].group(1) or letter[-1].group(2), "whole")
    if len(text) <= 60:
        return _some(text, "whole")
    return None
