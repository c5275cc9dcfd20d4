"""Tier two: compares structures part by part. Order matters in tuples, brackets in intervals, neither in sets and lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from evalsuite.verifiers.math import gates, symbolic
from evalsuite.verifiers.math.exact import (
    IRRATIONAL_DIGITS,
    Number,
    comma_decimal,
    number,
    same_number,
    stands_for,
    units_differ,
)
from evalsuite.verifiers.math.expression import Unreadable
from evalsuite.verifiers.math.normalize import flat
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
    is_name,
    middle,
    read,
)
from evalsuite.verifiers.math.wording import same_choice, same_words

_LINE = Group("(", ")", (Expr("-∞"), Expr("∞")))
_COMBINATION = re.compile(r"[A-Za-z](?:_\w)?(?: ?[-+*/]? ?[A-Za-z](?:_\w)?){0,5}")
_CALL = re.compile(r"([A-Za-z]+)\(([A-Za-z])\)")
_PUNCTURED = re.compile(r"(?:ℝ|R|\(-∞, ?\+?∞\)) ?[∖\\-] ?⦃([^⦃⦄]{1,80})⦄")


def same(gold: Value, answer: Value) -> bool:
    """Whether `answer` is right where `gold` is. Not symmetric: a name, a unit or a percent sign may be left out."""
    if isinstance(answer, Relation) and answer.signs == ("=",) and isinstance(gold, Relation | Named):
        equation = _as_relation(gold) if isinstance(gold, Named) and isinstance(gold.value, Expr) else gold
        if isinstance(equation, Relation) and equation.signs == ("=",) and _same_halves(equation, answer):
            return True
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
        return _same_ratio(gold, answer)
    return _same_expression(gold, answer)


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


def _as_relation(named: Named) -> Relation:
    left, _, right = named.text.partition("=")
    return Relation((left.strip(), right.strip()), ("=",))


def _same_named(gold: Named, answer: Value) -> bool:
    if isinstance(answer, Named):
        if "=" in gold.text and flat(gold.text).split("=") == flat(answer.text).split("=")[::-1]:
            return True
        return _same_name(gold, answer) and same(gold.value, answer.value)
    if isinstance(answer, Relation) and isinstance(gold.value, Expr) and "=" in gold.text:
        return set(answer.signs) == {"="} and _same_relation(_as_relation(gold), answer)
    return same(gold.value, answer)


def _same_name(gold: Named, answer: Named) -> bool:
    """Whether both name the same quantity, as far as names tell: x and y do not, W(n) = 1 and W(x) = 1 do."""
    if gold.name == answer.name:
        return True
    if _simple(gold.name) and _simple(answer.name):
        return gold.name.casefold() == answer.name.casefold() and isinstance(gold.value, Group | Union)
    if "\\frac" in gold.name and "\\frac" in answer.name:
        return False
    left, right = _CALL.fullmatch(gold.name), _CALL.fullmatch(answer.name)
    if left and right:
        return left[1] == right[1] and not re.search(rf"(?<![A-Za-z\\]){left[2]}(?![A-Za-z])", gold.text.partition("=")[2])
    return True


def _simple(name: str) -> bool:
    return bool(re.fullmatch(r"\\?[A-Za-z]+", name))


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
    if gold.signs == ("=",) and not re.search(r"[+\d-]", gold.sides[0]) and not isinstance(answer, Relation):
        return number(gold.sides[1]) is not None and number(gold.sides[1]).value != 0 and same(read(gold.sides[1]), answer)  # type: ignore[union-attr]
    return False


def _matching_sides(gold: Relation, answer: Relation) -> bool:
    if gold.signs != answer.signs:
        return False
    return all(flat(g) == flat(a) or _same_text(g, a) for g, a in zip(gold.sides, answer.sides))


def _same_text(gold: str, answer: str) -> bool:
    try:
        return symbolic.same(gold, answer)
    except Unreadable:
        return flat(gold) == flat(answer)


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
        names = {item.name for item in left if isinstance(item, Named)}
        if len(names) == len(left) == len(right) and not any(isinstance(item, Named) for item in right):
            return all(same(g, a) for g, a in zip(left, right))  # x = 1, y = 2: unnamed values keep the order
        return _match(left, right) or (len(left) != len(right) and _match(_distinct(left), _distinct(right)))
    if left is not None and isinstance(answer, Number | Expr | Named):
        if isinstance(gold, Listing) and gold.braces and len(left) == 1:
            return same(left[0], answer)
        decimal = comma_decimal(gold.text) if isinstance(gold, Listing) and not gold.braces else None
        return decimal is not None and isinstance(answer, Number) and same_number(decimal, answer)
    if right is not None and isinstance(gold, Number | Expr):
        if isinstance(answer, Listing) and answer.braces and len(right) == 1:
            return same(gold, right[0])
        decimal = comma_decimal(answer.text) if isinstance(answer, Listing) and not answer.braces else None
        return decimal is not None and isinstance(gold, Number) and same_number(gold, decimal)
    if (
        isinstance(gold, Group)
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


def _same_ratio(gold: Value, answer: Value) -> bool:
    if isinstance(gold, Ratio) and isinstance(answer, Ratio):
        if gold.clock or answer.clock:
            return gold.clock.lstrip("0") == answer.clock.lstrip("0") != "" or gold.parts == answer.parts
        if len(gold.parts) != len(answer.parts):
            return False
        first_g, first_a = gold.parts[0], answer.parts[0]
        return all(_same_text(f"({g})*({first_a})", f"({a})*({first_g})") for g, a in zip(gold.parts[1:], answer.parts[1:]))
    ratio, other = (gold, answer) if isinstance(gold, Ratio) else (answer, gold)
    if not isinstance(ratio, Ratio) or ratio.clock or len(ratio.parts) != 2 or not isinstance(other, Number | Expr):
        return False
    if isinstance(other, Number):
        whole = number(ratio.parts[0]), number(ratio.parts[1])
        if other.decimals is not None or whole[0] is None or whole[1] is None or not whole[1].value:
            return False
        return whole[0].value / whole[1].value == other.value
    return "/" in other.text + "\\frac" and _same_text(f"({ratio.parts[0]})/({ratio.parts[1]})", other.text)


def _same_expression(gold: Value, answer: Value) -> bool:
    """An expression against an expression or a literal number."""
    if isinstance(gold, Expr) and isinstance(answer, Expr):
        if units_differ(gold.unit, answer.unit):
            return False
        if flat(gold.text).lstrip("+") == flat(answer.text).lstrip("+"):
            return True
        try:
            return symbolic.same(gold.text, answer.text)
        except Unreadable:
            if same_choice(gold.text, answer.text):
                return True
            if _readable(gold.text) or _readable(answer.text):
                return False
            return gates.alike(gold.text, answer.text) and symbolic.by_math_verify(gold.text, answer.text)
    if isinstance(gold, Number) and isinstance(answer, Expr):
        if gold.base not in (None, 10) or (units_differ(gold.unit, answer.unit)):
            return False
        exact = symbolic.value_of(answer.text)
        if exact is None and _readable(answer.text) and gold.decimals is not None:
            exact = symbolic.decimal_of(answer.text)
        if exact is not None:
            return same_number(gold, Number(exact))
        return gold.decimals is None and _same_text(_plain(gold), answer.text)
    if isinstance(gold, Expr) and isinstance(answer, Number):
        if answer.base not in (None, 10) or answer.percent or (units_differ(gold.unit, answer.unit)):
            return False
        exact = symbolic.value_of(gold.text)
        if exact is not None:
            return same_number(Number(exact), answer)
        if answer.decimals is None or answer.digits < IRRATIONAL_DIGITS:
            return answer.decimals is None and _readable(gold.text) and _same_text(gold.text, _plain(answer))
        close = symbolic.decimal_of(gold.text)
        return close is not None and stands_for(answer, close, IRRATIONAL_DIGITS)
    return False


def _readable(text: str) -> bool:
    try:
        symbolic.quotient(text)
    except Unreadable:
        return False
    except ValueError:
        return True
    return True


def _plain(value: Number) -> str:
    return (
        f"({value.value.numerator}/{value.value.denominator})" if value.value.denominator != 1 else f"({value.value.numerator})"
    )
