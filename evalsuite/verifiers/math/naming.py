"""Left sides of equations: which ones only name a quantity, and when two of them name the same."""

from __future__ import annotations

import re

from evalsuite.verifiers.math.normalize import FUNCTIONS, TEXT_CLOSE, TEXT_OPEN

_OPERATOR = re.compile(r"\\(?:lim|sum|int|prod|sqrt|det|bmod)")
_VALUE_OF = re.compile(  # a function of something: sin x = 1/2 does not name 1/2
    r"\\?(?:arc)?(?:sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|coth|ln|log|lg|exp|sqrt|cbrt|abs)(?![a-z])|\\?a(?:sin|cos|tan)\b"
)
_NAME = re.compile(
    r"\\?[A-Za-z]+(?:_(?:\w|\\[A-Za-z]+|\{[^{}]*\}))?(?:\^\{? ?-1 ?\}?)?'*(?:\([A-Za-z0-9\\_,{}/ -]*\))?|\|[A-Za-z]+\||"
    r"\([A-Za-z\\](?:_\{?\w+\}?)?(?:,[A-Za-z\\]+(?:_\{?\w+\}?)?)*\)|\\angle ?[A-Z_{}0-9 ]+|"
    r"\\?[A-Za-z]+(?:_\{?\w+\}?)?:[A-Za-z]+(?:_\{?\w+\}?)?|\\frac\{[A-Za-z']+\}\{[A-Za-z']+\}|[A-Z]{1,3}/[A-Z]{1,3}|[a-z]_\{\\[a-z]+\}|"
    r"\\(?:overline|hat|tilde|vec)\{?\\?[A-Za-z]+\}?(?:_\{?\w+\}?)?|\\triangle[A-Z]+|\\angle[A-Za-z_{}0-9]+"
)
_CALL = re.compile(r"([A-Za-z]+)\(([A-Za-z])\)")
_SIMPLE = re.compile(r"\\?[A-Za-z]+")
_DERIVATIVE = re.compile(r"\\frac\{d([A-Za-z])\}\{d[A-Za-z]\}|([A-Za-z])'(?:\([A-Za-z]\))?")


def is_name(text: str) -> bool:
    """Whether the left side of an equation only names the quantity: x, f(x), AB, (p,q), P(A), A:B."""
    bare = text.replace(" ", "").replace(TEXT_OPEN, "").replace(TEXT_CLOSE, "")
    if TEXT_OPEN in text and len(text) <= 60 and not re.search(r"[\d+*/=-]", text):
        return True
    if _OPERATOR.match(bare) or _VALUE_OF.match(text.strip()):
        return False
    if bare in ("e", "i", "\\pi") or bare.lstrip("\\") in FUNCTIONS:
        return False
    return len(bare) <= 40 and bool(_NAME.fullmatch(bare))


def _bare(name: str) -> str:
    """A name without the dressing that changes nothing: braces, bars around a segment, the m of m∠."""
    name = re.sub(r"\{([^{}]*)\}", r"\1", name) if "\\frac" not in name else name
    name = re.sub(r"\|([A-Z]{2})\||\\(?:overline|vec)([A-Z]{2})", lambda m: m[1] or m[2], name)
    return name.removeprefix("m") if name.startswith("m\\angle") else name


def same_name(gold: str, answer: str, *, gold_text: str, collection: bool) -> bool:
    """Whether both flat names name the same quantity, as far as names tell: x and y do not, W(n) = 1 and W(x) = 1 do.

    `gold_text` is the whole equation of the gold; `collection`: its value is an interval or the like, where case may differ.
    """
    left, right = _bare(gold), _bare(answer)
    if left == right:
        return True
    if _SIMPLE.fullmatch(left) and _SIMPLE.fullmatch(right):
        if len(left) > 3 or len(right) > 3:  # "Area" and "A": words against a letter
            return (len(left) > 3) != (len(right) > 3) and left[0] != "\\" and right[0] != "\\"
        return left.casefold() == right.casefold() and collection
    calls = _CALL.fullmatch(left), _CALL.fullmatch(right)
    if calls[0] and calls[1]:
        if calls[0][1] != calls[1][1]:
            return False
        if calls[0][2].isupper() or calls[1][2].isupper():
            return False  # P(A) and P(B): events, not arguments
        return not re.search(rf"(?<![A-Za-z\\]){calls[0][2]}(?![A-Za-z])", gold_text.partition("=")[2])
    for call, other in ((calls[0], right), (calls[1], left)):
        if call:
            # f(x) is often called f or y, S(n) is S_n.
            return other in ("y", call[1], f"{call[1]}_{call[2]}")
    derivatives = _DERIVATIVE.fullmatch(gold), _DERIVATIVE.fullmatch(answer)
    if derivatives[0] and derivatives[1]:
        return (derivatives[0][1] or derivatives[0][2]) == (derivatives[1][1] or derivatives[1][2])
    return False
