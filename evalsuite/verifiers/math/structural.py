"""Tier two: compares structures part by part. Order matters in tuples, brackets in intervals, neither in sets and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from evalsuite.verifiers.math import symbolic
from evalsuite.verifiers.math.exact import (
    Number,
    comma_decimal,
    number,
    same_number,
)
from evalsuite.verifiers.math.naming import is_name, same_name
from evalsuite.verifiers.math.normalize import flat
from evalsuite.verifiers.math.scalars import same_expression, same_ratio, same_text
from evalsuite.verifiers.math.values import (
    FLIP,
    Expr,
    Group,
    Listing,
    Matrix,
    Named,
    Ratio,
    Relation,
    Union,
    Value,
    Words,
    interval,
    middle,
    read,
)
from evalsuite.verifiers.math.wording import same_words

_LINE = Group("(", ")", (Expr("-∞"), Expr("∞")))
_COMBINATION = re.compile(r"[A-Za-z](?:_\w)?(?: ?[-+*/]? ?[A-Za-z](?:_\w)?){0,5}")
_OPERATED = re.compile(r"\\(?:(?:sum|prod|lim) ?_|(?:int|iint|oint|det|bmod)(?![A-Za-z]))")  # what only a CAS could evaluate
_MODULO = re.compile(r"(\d{1,30}) ?\\bmod ?(\d{1,30})")
_PUNCTURED = re.compile(r"(?:ℝ|R|\(-∞, ?\+?∞\)) ?[∖\\-] ?⦃([^⦃⦄]{1,80})⦄")


def same(gold: Value, answer: Value) -> bool:
    """Whether `answer` is right where `gold` is. Not symmetric: a name, a unit or a percent sign may be left out."""
    if isinstance(answer, Relation | Named) and isinstance(gold, Relation | Named):
        left, right = _equation(gold), _equation(answer)
        if left is not None and right is not None and _same_halves(left, right):
            return True
    if isinstance(gold, Relation) and not isinstance(answer, Relation | Named):
        if "≈" in gold.signs and "=" not in gold.signs:
            return any(same(read(side), answer) for side in gold.sides)  # the value, or its approximation as the gold has it
        if gold.signs == ("=",) and _OPERATED.search(gold.sides[0]):
            return same(read(gold.sides[1]), answer)
    settled = _settle(answer)
    if settled is None:
        return False
    answer = settled
    if isinstance(gold, Named):
        return _same_named(gold, answer)
    if isinstance(answer, Named):
        if isinstance(gold, Relation) and set(gold.signs) == {"="}:
            return _same_relation(gold, _as_relation(answer))
        return same(gold, answer.value)
    if isinstance(gold, Relation):
        return _same_relation(gold, answer)
    if isinstance(answer, Relation):
        spread = interval(answer)
        return spread is not None and same(gold, spread)
    if isinstance(gold, Number) and isinstance(answer, Number):
        return same_number(gold, answer)
    if isinstance(gold, Words) or isinstance(answer, Words):
        return isinstance(gold, Words | Expr) and same_words(gold.text, _text(answer))
    gold, answer = _collected(gold, answer), _collected(answer, gold)
    if isinstance(gold, Listing | Group | Union | Matrix) or isinstance(answer, Listing | Group | Union | Matrix):
        return _same_collection(gold, answer)
    if isinstance(gold, Ratio) or isinstance(answer, Ratio):
        return same_ratio(gold, answer)
    return same_expression(gold, answer)


def _settle(answer: Value) -> Value | None:
    """A chain of equalities as its value if all its sides agree, None if it contradicts itself or says nothing."""
    if not isinstance(answer, Relation) or not set(answer.signs) <= {"=", "≈"}:
        return answer
    sides, signs = list(answer.sides), list(answer.signs)
    if any(not s for s in sides) or len({flat(s) for s in sides}) < len(sides):
        return None
    while len(sides) > 1 and is_name(sides[0]):
        sides, signs = sides[1:], signs[1:]
    if len(sides) == 1:
        return read(sides[0])
    if len(sides) == 2 and signs == ["="] and _OPERATED.search(sides[0]) and not _OPERATED.search(sides[1]):
        modulo = _MODULO.fullmatch(sides[0])
        if modulo and sides[1] != str(int(modulo[1]) % max(1, int(modulo[2]))):
            return None
        return read(sides[1])
    exact = sides[: signs.index("≈") + 1] if "≈" in signs else sides
    values = [read(s) for s in sides]
    if len(sides) == 2 and signs == ["="] and (_variables(sides[0]) or _variables(sides[1])):
        # An equation of two expressions: what it asks for may stand on its left, as in a + b = 7.
        if isinstance(values[1], Number) and values[1].value != 0 and _COMBINATION.fullmatch(sides[0]):
            return Named(flat(sides[0]), values[1], "=".join(sides))
        return answer
    for value in values[: len(exact) - 1]:
        if not same(values[len(exact) - 1], value):
            return None
    if len(exact) < len(sides):
        number_of = symbolic.approximate(exact[-1])
        for side in sides[len(exact) :]:
            near = symbolic.approximate(side)
            if number_of is None or near is None or abs(near - number_of) > 0.02 * abs(number_of):
                return None
    return values[len(exact) - 1]


def _variables(text: str) -> bool:
    return bool(re.search(r"(?<![\\A-Za-z])[A-DF-HJ-Za-df-hj-z](?![A-Za-z]{2})", text))


def _equation(value: Named | Relation) -> Relation | None:
    """An equation between two expressions, named or not; None for any other relation or a named number."""
    if isinstance(value, Named):
        return _as_relation(value) if isinstance(value.value, Expr) and "=" in value.text else None
    return value if value.signs == ("=",) else None


def _as_relation(named: Named) -> Relation:
    left, _, right = named.text.partition("=")
    return Relation((left.strip(), right.strip()), ("=",))


def _same_named(gold: Named, answer: Value) -> bool:
    if isinstance(answer, Named):
        if "=" in gold.text and flat(gold.text).split("=") == flat(answer.text).split("=")[::-1]:
            return True
        ordered = isinstance(gold.value, Group | Union)
        return same_name(gold.name, answer.name, gold_text=gold.text, collection=ordered) and same(gold.value, answer.value)
    if isinstance(answer, Relation) and isinstance(gold.value, Expr) and "=" in gold.text:
        return set(answer.signs) == {"="} and _same_relation(_as_relation(gold), answer)
    return same(gold.value, answer)


def _same_relation(gold: Relation, answer: Value) -> bool:
    if isinstance(answer, Relation):
        if _matching_sides(gold, answer) or _matching_sides(
            gold, Relation(answer.sides[::-1], tuple(FLIP[s] for s in answer.signs[::-1]))
        ):
            return True
        if len(gold.signs) == len(answer.signs) == 1:
            return _same_halves(gold, answer)
        left, right = interval(gold), interval(answer)
        return left is not None and right is not None and middle(gold) == middle(answer) and same(left, right)
    spread = interval(gold)
    if spread is not None:
        return same(spread, answer)
    if set(gold.signs) <= {"=", "≈"} and len(gold.sides) > 2:
        return same(read(gold.sides[-1]), answer)
    if gold.signs == ("=",) and not re.search(r"[+\d|-]|\\?(?:sin|cos|tan|cot|sec|csc|ln|log|exp)(?![a-z])", gold.sides[0]):
        return number(gold.sides[1]) is not None and number(gold.sides[1]).value != 0 and same(read(gold.sides[1]), answer)  # type: ignore[union-attr]
    return False


def _matching_sides(gold: Relation, answer: Relation) -> bool:
    if gold.signs != answer.signs:
        return False
    return all(flat(g) == flat(a) or same_text(g, a) for g, a in zip(gold.sides, answer.sides))


def _same_halves(gold: Relation, answer: Relation) -> bool:
    """Two equations or inequalities whose sides differ by a constant factor: of the right sign, for an inequality."""
    sign = answer.signs[0]
    factor = symbolic.proportional((gold.sides[0], gold.sides[1]), (answer.sides[0], answer.sides[1]))
    if factor is None:
        return False
    if gold.signs[0] in ("=", "!="):
        return sign == gold.signs[0]
    return sign == (gold.signs[0] if factor > 0 else FLIP[gold.signs[0]])


def _text(value: Value) -> str:
    if isinstance(value, Words | Expr | Listing):
        return value.text
    return ""


def _items(value: Value) -> Sequence[Value] | None:
    """The values of an unordered list, with plus-minus spread out."""
    if isinstance(value, Listing):
        return [
            x
            for item in value.items
            for x in (_items(item) if isinstance(item, Listing) and "±" in item.text else None) or (item,)
        ]
    return None


def _same_collection(gold: Value, answer: Value) -> bool:
    if isinstance(gold, Matrix) or isinstance(answer, Matrix):
        return _same_matrix(gold, answer)
    if isinstance(gold, Union) or isinstance(answer, Union):
        parts = _parts(gold), _parts(answer)
        return parts[0] is not None and parts[1] is not None and _match(parts[0], parts[1])
    if isinstance(gold, Group) and isinstance(answer, Group):
        if not _same_brackets(gold, answer) or len(gold.items) != len(answer.items):
            return False
        return all(same(g, a) for g, a in zip(gold.items, answer.items))
    left, right = _items(gold), _items(answer)
    if left is not None and right is not None:
        if isinstance(gold, Listing) and isinstance(answer, Listing) and _joined_otherwise(gold, answer):
            return False
        names = {item.name for item in left if isinstance(item, Named)}
        if len(names) == len(left) == len(right) and not any(isinstance(item, Named) for item in right):
            return all(same(g, a) for g, a in zip(left, right))  # x = 1, y = 2: unnamed values keep the order
        if _match(left, right):
            return True
        # An answer may repeat a value; what the gold repeats must be there, except in a set.
        sets = isinstance(gold, Listing) and isinstance(answer, Listing) and gold.braces and answer.braces
        once = _distinct(left)
        return len(left) != len(right) and (sets or len(once) == len(left)) and _match(once, _distinct(right))
    if left is not None and isinstance(answer, Number | Expr | Named):
        if isinstance(gold, Listing) and gold.braces and len(left) == 1:
            return not _symbolic(left[0]) and same(left[0], answer)  # {x} is a fractional part or a set
        decimal = comma_decimal(gold.text) if isinstance(gold, Listing) and not gold.braces else None
        return decimal is not None and isinstance(answer, Number) and same_number(decimal, answer)
    if right is not None and isinstance(gold, Number | Expr):
        if isinstance(answer, Listing) and answer.braces and len(right) == 1:
            return not _symbolic(right[0]) and same(gold, right[0])
        decimal = comma_decimal(answer.text) if isinstance(answer, Listing) and not answer.braces else None
        return decimal is not None and isinstance(gold, Number) and same_number(gold, decimal)
    if (
        isinstance(gold, Group)
        and gold.opens + gold.closes in ("()", "⟨⟩")
        and right is not None
        and isinstance(answer, Listing)
        and not answer.braces
        and not answer.either
    ):
        return len(gold.items) == len(right) and all(same(g, a) for g, a in zip(gold.items, right))
    if isinstance(gold, Listing) and gold.braces and len(gold.items) == 2:
        return False  # {1, 2} is no interval or point
    if isinstance(answer, Group) and left is not None and answer.opens + answer.closes in ("()", "[]", "⟨⟩"):
        return len(answer.items) == len(left) and all(same(g, a) for g, a in zip(left, answer.items))
    return False


def _symbolic(value: Value) -> bool:
    return isinstance(value, Expr) and _variables(value.text)


def _joined_otherwise(gold: Listing, answer: Listing) -> bool:
    """Whether one says "and" and the other "or" of statements, not of values: p and q, x > 1 or x < 0."""
    if not (gold.either and answer.both) and not (gold.both and answer.either):
        return False
    return any(isinstance(i, Relation | Words) or (isinstance(i, Expr) and _variables(i.text)) for i in gold.items)


def _collected(value: Value, other: Value) -> Value:
    """Where the other side is a collection: inequalities joined by "or" as a union; ℝ as a line; nested square brackets as a matrix."""
    if not isinstance(other, Listing | Group | Union | Matrix):
        return value
    if isinstance(value, Listing) and value.either and all(isinstance(i, Relation) for i in value.items):
        spread = [interval(i) for i in value.items if isinstance(i, Relation)]
        if all(s is not None for s in spread) and len({middle(i) for i in value.items if isinstance(i, Relation)}) == 1:
            return Union(tuple(s for s in spread if s is not None))
    if isinstance(value, Expr) and flat(value.text) in ("ℝ", "R"):
        return _LINE
    if isinstance(value, Expr):
        return _punctured(value)
    if (
        isinstance(value, Group)
        and value.opens == "["
        and value.items
        and all(isinstance(i, Group) and i.opens == "[" for i in value.items)
    ):
        return Matrix(tuple(i.items for i in value.items if isinstance(i, Group)))
    return value


def _punctured(value: Expr) -> Value:
    """ℝ without finitely many points, as a union of intervals."""
    match = _PUNCTURED.fullmatch(value.text)
    points = [(symbolic.decimal_of(p), p.strip()) for p in match.group(1).split(",")] if match else []
    if not points or any(at is None for at, _ in points):
        return value
    ends = ["-∞", *(p for _, p in sorted(points, key=lambda point: point[0] or 0)), "∞"]
    return Union(tuple(Group("(", ")", (read(a), read(b))) for a, b in pairwise(ends)))


def _parts(value: Value) -> list[Value] | None:
    if isinstance(value, Union):
        return list(value.parts)
    return [value] if isinstance(value, Group | Listing) else None


def _same_brackets(gold: Group, answer: Group) -> bool:
    left, right = (g.opens.replace("⟨", "(") + g.closes.replace("⟩", ")") for g in (gold, answer))
    return left == right or (len(gold.items) > 2 and {left, right} == {"()", "[]"})


def _same_matrix(gold: Value, answer: Value) -> bool:
    def rows(value: Value) -> tuple[tuple[Value, ...], ...] | None:
        if isinstance(value, Matrix):
            return value.rows
        if isinstance(value, Group) and value.opens in "([⟨":
            return tuple((i,) for i in value.items)
        return None

    if (isinstance(gold, Matrix) and gold.bars) != (isinstance(answer, Matrix) and answer.bars):
        return False
    left, right = rows(gold), rows(answer)
    if left is None or right is None:
        return False
    if (isinstance(gold, Group) and len(right) == 1) or (isinstance(answer, Group) and len(left) == 1):
        left, right = (tuple((c,) for c in r[0]) if len(r) == 1 else r for r in (left, right))
    if [len(r) for r in left] != [len(r) for r in right]:
        return False
    return all(same(g, a) for gr, ar in zip(left, right) for g, a in zip(gr, ar))


def _distinct(items: Sequence[Value]) -> list[Value]:
    out: list[Value] = []
    for item in items:
        if not any(same(seen, item) for seen in out):
            out.append(item)
    return out


def _match(gold: Sequence[Value], answer: Sequence[Value]) -> bool:
    """Whether the two lists hold the same values, in any order."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    for item in gold:
        found = next((i for i, other in enumerate(left) if same(item, other)), None)
        if found is None:
            return False
        left.pop(found)
    return True
