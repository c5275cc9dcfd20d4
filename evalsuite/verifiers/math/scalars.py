"""Compares single values: expressions, ratios and times of day."""

from __future__ import annotations

import re

from evalsuite.verifiers.math import symbolic, units
from evalsuite.verifiers.math.exact import IRRATIONAL_DIGITS, Number, number, same_number, stands_for
from evalsuite.verifiers.math.expression import Unreadable
from evalsuite.verifiers.math.normalize import flat
from evalsuite.verifiers.math.values import Expr, Ratio, Value
from evalsuite.verifiers.math.wording import same_choice


def same_text(gold: str, answer: str) -> bool:
    """Whether two cleaned texts are the same expression; where one cannot be read, the same text."""
    try:
        return symbolic.same(gold, answer)
    except Unreadable:
        return flat(gold) == flat(answer)


def _seconds(clock: str) -> int | None:
    """Seconds since midnight of `8:34pm`, `20:34` or `20:34:00`."""
    hands = [int(part) for part in re.findall(r"\d+", clock)]
    if not hands or (clock[-1] == "m" and not 1 <= hands[0] <= 12):
        return None
    hour = hands[0] % 12 + 12 * ("p" in clock) if clock[-1] == "m" else hands[0]
    return hour * 3600 + hands[1] * 60 + (hands[2] if len(hands) > 2 else 0)


def same_ratio(gold: Value, answer: Value) -> bool:
    """A ratio against a ratio or a fraction; a time of day only against a time of day."""
    if isinstance(gold, Ratio) and isinstance(answer, Ratio):
        if gold.clock or answer.clock:
            return gold.parts == answer.parts or (gold.clock != "" and _seconds(gold.clock) == _seconds(answer.clock))
        if len(gold.parts) != len(answer.parts):
            return False
        first_g, first_a = gold.parts[0], answer.parts[0]
        return all(same_text(f"({g})*({first_a})", f"({a})*({first_g})") for g, a in zip(gold.parts[1:], answer.parts[1:]))
    ratio, other = (gold, answer) if isinstance(gold, Ratio) else (answer, gold)
    if not isinstance(ratio, Ratio) or ratio.clock or len(ratio.parts) != 2 or not isinstance(other, Number | Expr):
        return False
    if isinstance(other, Number):
        whole = number(ratio.parts[0]), number(ratio.parts[1])
        if other.decimals is not None or whole[0] is None or whole[1] is None or not whole[1].value:
            return False
        return whole[0].value / whole[1].value == other.value
    return "/" in other.text + "\\frac" and same_text(f"({ratio.parts[0]})/({ratio.parts[1]})", other.text)


def same_expression(gold: Value, answer: Value) -> bool:
    """An expression against an expression or a literal number."""
    if isinstance(gold, Expr) and isinstance(answer, Expr):
        if units.differ(gold.unit, answer.unit):
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
            return False
    if isinstance(gold, Number) and isinstance(answer, Expr):
        if gold.unit and _same_by_symbol(gold, answer.text):
            return True
        if gold.base not in (None, 10) or (units.differ(gold.unit, answer.unit)):
            return False
        exact = symbolic.value_of(answer.text)
        if exact is None and _readable(answer.text) and gold.decimals is not None:
            exact = symbolic.decimal_of(answer.text)
        if exact is not None:
            return same_number(gold, Number(exact))
        return gold.decimals is None and same_text(_plain(gold), answer.text)
    if isinstance(gold, Expr) and isinstance(answer, Number):
        if answer.unit and _same_by_symbol(answer, gold.text):
            return True
        if answer.base not in (None, 10) or answer.percent or (units.differ(gold.unit, answer.unit)):
            return False
        exact = symbolic.value_of(gold.text)
        if exact is not None:
            return same_number(Number(exact), answer)
        if answer.decimals is None or answer.digits < IRRATIONAL_DIGITS:
            return answer.decimals is None and _readable(gold.text) and same_text(gold.text, _plain(answer))
        close = symbolic.decimal_of(gold.text)
        return close is not None and stands_for(answer, close, IRRATIONAL_DIGITS)
    return False


def _same_by_symbol(number_of: Number, text: str) -> bool:
    """5 newtons and 5 N."""
    found = units.by_symbol(text)
    literal = number(found[0]) if found else None
    return literal is not None and found is not None and found[1] == number_of.unit and literal.value == number_of.value


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
