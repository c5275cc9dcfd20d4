"""Helpers of the parser: words it knows, digits after `\\frac`, letters that are functions, and walks over its trees."""

from __future__ import annotations

import re
from typing import Any

Node = tuple[Any, ...]
OPERATORS = frozenset(("sum", "prod", "int", "lim"))
ACCENTS = frozenset(("overline", "hat", "tilde"))
CALLS = dict(zip("fghFGHPQ", map(chr, range(0xE010, 0xE018))))  # letters that are functions here, not factors; see `as_calls`
NAMES = "arcsin|arccos|arctan|arccot|asin|acos|atan|sinh|cosh|tanh|coth|sin|cos|tan|cot|sec|csc|sqrt|cbrt|frac|binom|exp|floor|ceil|abs|log|ln|pi"
_FRAC_DIGITS = re.compile(r"(\\frac|\\binom)\s*(?:(\d)(\d)(?!\d)|(\d)(?=\s*[{\\a-zA-Z])|(\{[^{}]*\})\s*(\d))")


_LETTER = re.compile(rf"\\\\[A-Za-z]+|(?:{NAMES})(?![a-z])|[A-Za-z](?P<call>'* ?\(|\^\{{? ?-1 ?\}}? ?\()?")


def as_calls(gold: str, answer: str) -> tuple[str, str]:
    """Both texts with the letters f, g, h, F, G, H, P, Q marked as functions where neither text uses them otherwise."""
    if "(" not in gold or "(" not in answer:
        return gold, answer
    uses = [(m.group()[0], m["call"] is not None) for t in (gold, answer) for m in _LETTER.finditer(t)]
    calls = {letter for letter, call in uses if call and letter in CALLS} - {letter for letter, call in uses if not call}
    if not calls:
        return gold, answer

    def mark(match: re.Match[str]) -> str:
        return CALLS[match.group()[0]] + match.group()[1:] if match["call"] and match.group()[0] in calls else match.group()

    return _LETTER.sub(mark, gold), _LETTER.sub(mark, answer)


def split_digits(text: str) -> str:
    """`\\frac12` and `\\frac1{23}` with their braces."""
    if "\\frac" not in text and "\\binom" not in text:
        return text

    def braces(m: re.Match[str]) -> str:
        if m[2]:
            return f"{m[1]}{{{m[2]}}}{{{m[3]}}}"
        return f"{m[1]}{{{m[4]}}}" if m[4] else f"{m[1]}{m[5]}{{{m[6]}}}"

    text = re.sub(r"(\\frac|\\binom) ?(\d) (\d)", r"\1{\2}{\3}", text)
    text = re.sub(r"(\\frac|\\binom) ?(\d)(\d+)", lambda m: f"{m[1]}{{{m[2]}}}{{{m[3][0]}}}{m[3][1:]}", text)
    return _FRAC_DIGITS.sub(braces, text)


def names_of(node: Node) -> set[str]:
    """Names of the symbols in a tree."""
    if node[0] == "s":
        return {node[1]}
    return {name for child in node[1:] if isinstance(child, tuple) for name in names_of(child)}


def replaced(node: Node, name: str, by: Node) -> Node:
    """The tree with `by` for every symbol `name`."""
    if node[0] == "s":
        return by if node[1] == name else node
    return (node[0], *(replaced(c, name, by) if isinstance(c, tuple) else c for c in node[1:]))
