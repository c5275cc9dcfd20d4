"""What a text says around its answers: alternatives between or after boxes, denials, and text that is code, not prose."""

from __future__ import annotations

import re

_OR = (
    r"\\l?or\b|\\vee\b|\b(?:or|maybe|perhaps|possibly|either|alternatively?|else|vs|versus|another|otherwise|oder|ou|o)\b|"
    r"或|или|もしくは|または|\bhoặc\b|\bif (?:not|you prefer)\b|\(if\b"
)
_BETWEEN = re.compile(rf"{_OR}|[|/]", re.I)
_NUMBERED = re.compile(r"\b(?:option|candidate|possibility|guess|choice)\b", re.I)
_SECOND = re.compile(r"\b(?:option|candidate|answer|possibility|guess)\s*(?:[2-9]|[B-J]|two|three)\b", re.I)
_EQUATED = re.compile(r"[\s$]*[=~≈][\s$]*")
_PROBLEM_WORDS = re.compile(r"\b(?:where|hence|so|then|therefore|thus|but actually|part|which|because)\b", re.I)
_AFTER = re.compile(
    r"(?:[\s$)\]}.,;*]|\\[)\]])*\(?\s*(?:\\text\s*\{\s*)?"
    r"(?:\\l?or\b|\\vee\b|or\b|oder\b|ou\b|alternatively\b|maybe\b|perhaps\b|possibly\b|vs\b|versus\b|或|или)"
    r"(?:[\s}$(\\,]|maybe|perhaps|possibly|else|it (?:is|could be)|also|even)*"
    r"(?P<other>[-+−]?\d[\d,./]*\d|[-+−]?\d|\\d?t?frac\s*\{[^{}]*\}\s*\{[^{}]*\}|\\sqrt\s*\{[^{}]*\})(?P<percent>\s?\\?%)?",
    re.I,
)
_NOT = re.compile(
    r"(?:\b(?:not|never|isn't|isnt|wasn't|cannot|can't|couldn't|cannot be|neither|nor)|\\neq?)\s*(?:equal(?:s| to)?|be|necessarily|simply)?"
    r"[\s$*:(\[\\]*$",
    re.I,
)
_DENIED = re.compile(
    r"\bneither\b|\bnor\b|\b(?:not|isn't|never|hardly) (?:the case|true|right|correct|so|equal)|\b(?:false|wrong|incorrect|doubt) that\b",
    re.I,
)
_CODE = re.compile(r"__\w+__|\bfor \w+ in\b|\bimport \w|\blambda \w*:|\b(?:open|exec|eval|print)\(|\bos\.\w")


def guesses_between(gap: str) -> bool:
    """Whether the text between two boxes offers them as alternatives ("or", "/", "vs", "Option 2:"), or as equal."""
    if _SECOND.search(gap) or _EQUATED.fullmatch(gap):
        return True
    if "\n" in gap or len(gap) > 60 or _PROBLEM_WORDS.search(gap):
        return False
    return bool(_BETWEEN.search(gap) or _NUMBERED.search(gap))


def other_guess(after: str) -> str | None:
    """The other value in what follows the last box, as in "\\boxed{5} or 6"; None if there is none."""
    match = _AFTER.match(after[:80])
    return match["other"].rstrip(".,") + (match["percent"] or "") if match else None


def denied(before: str) -> bool:
    """Whether the text right before an answer says that it is not the answer."""
    return bool(_NOT.search(before[-40:]))


def denies(sentence: str) -> bool:
    """Whether a sentence says that something is not so: neither ... nor, it is not the case that."""
    return bool(_DENIED.search(sentence))


def is_code(text: str) -> bool:
    """Whether a text is program code, whose numbers answer nothing."""
    return bool(_CODE.search(text))
