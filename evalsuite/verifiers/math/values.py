"""Reads a cleaned answer into a structure: number, expression, group, list, union, matrix, relation, ratio or words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalsuite.verifiers.math import units
from evalsuite.verifiers.math.exact import HEDGES, Number, number
from evalsuite.verifiers.math.naming import is_name
from evalsuite.verifiers.math.normalize import CLOSERS, FUNCTIONS, OPENERS, TEXT_CLOSE, TEXT_OPEN, flat, trim
from evalsuite.verifiers.math.units import UNITS

MOST_ITEMS, DEEPEST = 100, 12


@dataclass(frozen=True, slots=True)
class Expr:
    """Mathematics that is no literal, as cleaned text without its unit."""

    text: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """A text answer, or mathematics with prose in it."""

    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """A bracketed sequence: tuple, point, vector or interval, told apart only by its brackets."""

    opens: str
    closes: str
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Several values whose order does not matter. `braces`: a set; `either`, `both`: joined by "or", "and"; `text` as written."""

    items: tuple[Value, ...]
    braces: bool = False
    either: bool = False
    text: str = ""
    both: bool = False


@dataclass(frozen=True, slots=True)
class Union:
    """A union of intervals and sets."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries; `bars` for a determinant."""

    rows: tuple[tuple[Value, ...], ...]
    bars: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """`name = value` or `name ∈ value`."""

    name: str
    value: Value
    text: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain of two or more sides with the relation signs between them."""

    sides: tuple[str, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """`a:b` or `a:b:c`; `clock` where it reads as a time of day."""

    parts: tuple[str, ...]
    clock: str = ""


Value = Number | Expr | Words | Group | Listing | Union | Matrix | Named | Relation | Ratio

FLIP = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!=", "≈": "≈", "∈": "∈"}
_MATRIX = re.compile(
    r"\\begin ?\{(?:[bpvBV]?matrix|smallmatrix|array)\}(?: ?\{[lcr| ]*\})?(.*?)\\end ?\{(?:[bpvBV]?matrix|smallmatrix|array)\}",
    re.S,
)
_CONNECT = re.compile(
    rf"{TEXT_OPEN}[ ,;]*(and|or|and also|or else|maybe|or maybe)[ ,;]*{TEXT_CLOSE}|(?<![A-Za-z\\])(and|or)(?=[\s\d(\[{{⦃\\±-]|[A-Za-z] ?[(=])",
    re.I,
)
_SIGN = re.compile(r":=|<=|>=|!=|==|[=<>≈∈]")
_CLOCK = re.compile(r"\d{1,2}:[0-5]\d(?::[0-5]\d)?(?: ?[ap]\.?m\.?)?", re.I)
_RATIO = re.compile(r"[^:=<>,]{1,40}(?::[^:=<>,]{1,40}){1,3}")
_LONG_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{4,}")
_FUNCTION_WORD = re.compile(r"sqrt|cbrt|frac|binom|floor|ceil|arc(?:sin|cos|tan)|sinh|cosh|tanh")
_TRAILING = re.compile(rf"{TEXT_OPEN}([^{TEXT_CLOSE}]*){TEXT_CLOSE}\s*(?:\^ ?\{{?\d\}}?)?\s*$")
_TRANSPOSED = re.compile(r"([)\]])\^ ?\{? ?(?:T|\\top|\\intercal) ?\}?$")
_BUILDER = re.compile(r"[A-Za-z](?: ?∈ ?ℝ)? ?[:|] ?(.*[<>=∈].*)", re.S)
_LEAD = re.compile(
    rf"^{TEXT_OPEN}?(?:so |thus |therefore )?(?:the )?(?:final |correct )?(?:answer|result|solution)s?(?: is| are|:|=)+[:\s]*{TEXT_CLOSE}?[:\s]*",
    re.I,
)


def connected(text: str) -> tuple[str, bool]:
    """`text` with every "and"/"or" between values as `;;`, and whether there was an "or"."""
    either = False

    def join(match: re.Match[str]) -> str:
        nonlocal either
        word = (match[1] or match[2]).casefold()
        either |= word not in ("and", "and also")
        return "\ue002"

    return _CONNECT.sub(join, text), either


def split_top(text: str, separators: str) -> list[str]:
    """Pieces of `text` at top-level separators; empty pieces next to a connective are dropped."""
    pieces, depth, start = [], 0, 0
    for index, char in enumerate(text):
        if char in OPENERS:
            depth += 1
        elif char in CLOSERS:
            depth = max(0, depth - 1)
        elif depth == 0 and char in separators:
            pieces.append(text[start:index])
            start = index + 1
    pieces.append(text[start:])
    return [p.strip() for p in pieces]


def signs_top(text: str) -> tuple[list[str], list[str]]:
    """Sides and relation signs of a chain at top level."""
    sides, signs, start, depth, index = [], [], 0, 0, 0
    matches = {m.start(): m.group() for m in _SIGN.finditer(text)}
    while index < len(text):
        char = text[index]
        if char in OPENERS:
            depth += 1
        elif char in CLOSERS:
            depth -= 1
        elif depth == 0 and index in matches:
            sign = matches[index]
            sides.append(trim(text[start:index]))
            signs.append("=" if sign in (":=", "==") else sign)
            start = index + len(sign)
            index = start
            continue
        index += 1
    sides.append(trim(text[start:]))
    return sides, signs


def read(text: str, depth: int = 0) -> Value:
    """The structure of a cleaned text."""
    text = trim(text)
    if depth > DEEPEST or not text:
        return Words(text)
    if depth == 0:
        text = trim(_LEAD.sub("", text, count=1)) or text
        if text.count(TEXT_OPEN) < text.count(TEXT_CLOSE):
            text = trim(text.rstrip(TEXT_CLOSE)) or text
    literal = number(text)
    if literal is not None:
        return literal
    if text.replace(" ", "") == "⦃⦄":
        return Expr("∅")
    if "\\begin" in text:
        return _read_matrix(text, depth)
    linked, either = connected(text)
    listing = _read_listing(linked, text, either, depth)
    if listing is not None:
        return listing
    sides, signs = signs_top(text)
    if signs:
        return _read_relation(text, sides, signs, depth)
    if "∪" in text:
        parts = split_top(text, "∪")
        if len(parts) > 1:
            return Union(tuple(read(p, depth + 1) for p in parts))
    bracketed = _read_group(text, depth)
    if bracketed is not None:
        return bracketed
    if ("±" in text or "∓" in text) and text.count("±") + text.count("∓") <= 2:
        both = [text.replace("±", s).replace("∓", t) for s, t in (("+", "-"), ("-", "+"))]
        return Listing(tuple(read(trim(b), depth + 1) for b in both), text=text)
    if ":" in text and _RATIO.fullmatch(text):
        clock = _CLOCK.fullmatch(" ".join(text.replace(TEXT_OPEN, "").replace(TEXT_CLOSE, "").split()))
        return Ratio(
            tuple(p.strip() for p in text.split(":")),
            clock.group().casefold().replace(" ", "").replace(".", "") if clock else "",
        )
    return _read_atom(text)


def _read_listing(linked: str, text: str, either: bool, depth: int) -> Listing | None:
    if "," not in linked and ";" not in linked and "\ue002" not in linked:
        return None
    outer = split_top(linked, ";\ue002")
    if len(outer) > 1 and all("," in p or not p for p in outer):
        whole = [split_top(p, ",") for p in outer if p]
        if all(len(p) > 1 and len(p) == len(whole[0]) for p in whole):
            if len(whole) > MOST_ITEMS:
                return None
            return Listing(
                tuple(Group("(", ")", tuple(read(x, depth + 1) for x in p)) for p in whole), either=either, text=text
            )
    pieces = [p for p in split_top(linked, ",;\ue002") if p]
    if len(pieces) < 2 or len(pieces) > MOST_ITEMS:
        return None
    both = "\ue002" in linked and not either
    return Listing(tuple(read(p, depth + 1) for p in pieces), either=either, text=text, both=both)


def _read_relation(text: str, sides: list[str], signs: list[str], depth: int) -> Value:
    if len(sides) > 12:
        return Words(text)
    if len(signs) == 1 and signs[0] in "=∈≈" and all(sides):
        left, right = sides
        if is_name(left):
            return Named(flat(left), read(right, depth + 1), text)
        if signs[0] == "=" and is_name(right) and number(left) is not None:
            return Named(flat(right), read(left, depth + 1), text)
    return Relation(tuple(sides), tuple(signs))


def _read_group(text: str, depth: int) -> Value | None:
    text = _TRANSPOSED.sub(r"\1", text)
    first, last = text[0], text[-1]
    if first not in "([⦃⟨" or last not in ")]⦄⟩" or len(text) < 2:
        return None
    level = 0
    for index, char in enumerate(text):
        if char in OPENERS:
            level += 1
        elif char in CLOSERS:
            level -= 1
            if level == 0 and index < len(text) - 1:
                return None
    inner = text[1:-1].strip()
    builder = _BUILDER.fullmatch(inner) if first == "⦃" else None
    if builder:
        return read(builder.group(1), depth + 1)
    linked, either = connected(inner)
    separators = ";" if ";" in linked and len(split_top(linked, ";")) > 1 and first != "⦃" else ",;"
    pieces = [p for p in split_top(linked, separators + ("\ue002" if first == "⦃" else "")) if p]
    if first == "⦃":
        if last != "⦄":
            return None
        items = [read(p, depth + 1) for p in pieces]
        spread = [x for item in items for x in (item.items if isinstance(item, Listing) and "±" in item.text else (item,))]
        return Listing(tuple(spread), braces=True, either=either, text=text)
    if len(pieces) > MOST_ITEMS:
        return None
    if len(pieces) > 1:
        return Group(first, last, tuple(read(p, depth + 1) for p in pieces))
    if first == "(" and last == ")" and pieces:
        return read(inner, depth + 1)
    if first == "[" and last == "]" and pieces:
        inside = read(inner, depth + 1)
        return inside if not isinstance(inside, Group) else Group("[", "]", (inside,))
    return None


def _read_matrix(text: str, depth: int) -> Value:
    sides, signs = signs_top(text) if "=" in text else ([text], [])
    if len(signs) == 1 and is_name(sides[0]):
        return Named(flat(sides[0]), read(sides[1], depth + 1), text)
    if len(signs) == 1 and "vmatrix" in sides[0] and "\\begin" not in sides[1]:
        return read(sides[1], depth + 1)  # a determinant and its value
    match = _MATRIX.search(text)
    if match is None:
        return Words(text)
    around = (text[: match.start()] + text[match.end() :]).replace(" ", "")
    if around not in ("", "()", "[]", "||"):
        return Expr(text)
    bars = around == "||" or "vmatrix" in match.group().casefold()
    rows = [r for r in re.split(r"\\\\(?: ?\[[^\]]*\])?", match.group(1)) if r.strip()]
    if len(rows) > 30:
        return Words(text)
    return Matrix(tuple(tuple(read(trim(c), depth + 1) for c in row.split("&")) for row in rows), bars)


def _read_atom(text: str) -> Value:
    unit = ""
    trailing = _TRAILING.search(text)
    if trailing and trailing.start() > 0:
        names = trailing.group(1).casefold().replace(".", " ").replace("/", " ").split()
        plain = all(re.fullmatch(r"[a-z]+", n) for n in names) and len(names) <= 5
        if plain and not any(n in HEDGES and not (n == "squared" and names[0] in UNITS) for n in names):
            body = trim(text[: trailing.start()])
            unit = units.canonical(trailing.group()) if any(n in UNITS for n in names) else ""
            if (not body.endswith(("^", "_", "+", "-", "*", "/")) and len(names[0] if names else "x") > 1) or (
                names and names[0] in UNITS
            ):
                text = body
                literal = number(text)
                if literal is not None:
                    return Number(literal.value, literal.decimals, literal.digits, literal.percent, unit)
    elif text.endswith("°") and not re.search(r"sin|cos|tan|sec|csc|cot", text):
        text, unit = trim(text[:-1]), "degree"
    bare = _FUNCTION_WORD.sub("", text) if "sqrt" in text or "frac" in text or "arc" in text else text
    if (
        (re.fullmatch(r"[A-Za-z]{3,}|no", bare, re.I) and bare not in FUNCTIONS)
        or _LONG_WORD.search(bare)
        or (TEXT_OPEN in text and not re.search(r"[\d\\+=^*/]", text))
    ):
        return Words(text)
    return Expr(text, unit)


def interval(relation: Relation) -> Value | None:
    """The interval of an inequality in one name: x > 3, -2 <= x < 7; None for any other relation."""
    sides, signs = relation.sides, relation.signs
    if signs == ("!=",) and is_name(sides[0]) and not is_name(sides[1]):
        at, ends = read(sides[1]), (Expr("-∞"), Expr("∞"))
        return Union((Group("(", ")", (ends[0], at)), Group("(", ")", (at, ends[1]))))
    if not set(signs) <= {"<", "<=", ">", ">="} or len(sides) > 3:
        return None
    if signs[0] in (">", ">="):
        sides, signs = sides[::-1], tuple(FLIP[s] for s in signs[::-1])
    if any(s in (">", ">=") for s in signs):
        return None
    if len(sides) == 3 and is_name(sides[1]):
        return Group("[" if signs[0] == "<=" else "(", "]" if signs[1] == "<=" else ")", (read(sides[0]), read(sides[2])))
    if len(sides) == 2 and is_name(sides[0]) and not is_name(sides[1]):
        return Group("(", "]" if signs[0] == "<=" else ")", (Expr("-∞"), read(sides[1])))
    if len(sides) == 2 and is_name(sides[1]) and not is_name(sides[0]):
        return Group("[" if signs[0] == "<=" else "(", ")", (read(sides[0]), Expr("∞")))
    return None


def middle(relation: Relation) -> str:
    """The name that an inequality is about; empty where there is none."""
    return next((flat(s) for s in relation.sides if is_name(s)), "")
