"""Tier three: expressions. Exact algebra first, then 120-digit evaluation, then math-verify for what our parser cannot read.

Two expressions that exact algebra cannot decide (functions, nested roots) are equal if they agree to 100 digits at four
points. No elementary identity test on short expressions is fooled at that depth except by terms of extreme size, and those
(beyond 1e+-30, see `_Extreme`) are refused. mpmath, sympy and math-verify are imported on first use.
"""

from __future__ import annotations

import random
from fractions import Fraction
from functools import lru_cache
from typing import Any

from evalsuite.verifiers.math import gates
from evalsuite.verifiers.math.algebra import UNIT, Quotient, Undecided, Undefined, add, canonical, multiply
from evalsuite.verifiers.math.expression import Node, Unreadable, parse
from evalsuite.verifiers.math.normalize import TEXT_CLOSE, TEXT_OPEN

PRECISION, AGREE = 120, 100


class _Extreme(ValueError):
    """A value too large or too small to be told from its neighbours by evaluation."""


@lru_cache(maxsize=4096)
def quotient(text: str) -> Quotient | None:
    """Canonical form of a readable expression, None where exact algebra gives up. Raises Unreadable, Undefined."""
    node = parse(text)
    try:
        return canonical(node)
    except (Undecided, RecursionError, OverflowError):
        return None


def value_of(text: str) -> Fraction | None:
    """The rational value of an expression, if it has one; None for anything else."""
    try:
        q = quotient(text)
    except (Unreadable, Undefined):
        return None
    return q.constant() if q is not None else None


def same(gold: str, answer: str) -> bool:
    """Whether two cleaned texts denote the same expression. Raises Unreadable where one cannot be read."""
    try:
        left, right = quotient(gold), quotient(answer)
        if left is not None and right is not None:
            difference = add(left, right, -1)
            if difference.is_zero():
                return True
            if not difference.opaque and not (left.opaque or right.opaque):
                return False
    except Undefined:
        return False
    except (Undecided, OverflowError):
        pass  # too large for exact algebra: evaluation decides
    return agree(parse(gold), parse(answer))


def proportional(gold: tuple[str, str], answer: tuple[str, str]) -> Fraction | None:
    """c with (answer left - right) = c (gold left - right), both sides readable and not constant; None otherwise."""
    try:
        parts = [quotient(side) for side in (*gold, *answer)]
        if any(p is None for p in parts):
            return None
        g, a = add(parts[0], parts[1], -1), add(parts[2], parts[3], -1)  # type: ignore[arg-type]
        left, right = multiply(g.top, a.bottom), multiply(a.top, g.bottom)
    except (Unreadable, Undefined, Undecided):
        return None
    if not left or len(left) != len(right) or set(left) != set(right) or set(left) == {UNIT}:
        return None
    ratios = {right[m] / left[m] for m in left}
    return ratios.pop() if len(ratios) == 1 else None


def agree(gold: Node, answer: Node) -> bool:
    """Whether two trees agree to `AGREE` digits at four points (one, if there is no variable)."""
    import mpmath

    names = sorted(_symbols(gold) | _symbols(answer))
    if len(names) > 12:
        return False
    shown = 0
    rng = random.Random(20250)
    signed = _has(gold, ("abs", "floor", "ceil")) or _has(answer, ("abs", "floor", "ceil"))
    with mpmath.workdps(PRECISION):
        for attempt in range(10 if names else 1):
            point = {
                n: mpmath.mpf(rng.randint(10**6, 4 * 10**6)) / 10**6 * (-1 if signed and attempt % 2 else 1) for n in names
            }
            try:
                a, b = _evaluate(gold, point), _evaluate(answer, point)
            except (ZeroDivisionError, ValueError, OverflowError, TypeError, ArithmeticError):
                # Not defined here, or too extreme to tell: try elsewhere; without a variable there is no elsewhere.
                continue
            scale = max(abs(a), abs(b))
            if scale == 0:
                shown += 1
            elif abs(a - b) > scale * mpmath.mpf(10) ** -AGREE:
                return False
            else:
                shown += 1
            if shown >= (4 if names else 1):
                return True
    return False


def approximate(text: str) -> complex | None:
    """Floating value of a constant expression; None if it is not one."""
    import mpmath

    try:
        node = parse(text)
        if _symbols(node):
            return None
        with mpmath.workdps(PRECISION):
            return complex(_evaluate(node, {}))
    except (Unreadable, ZeroDivisionError, ValueError, OverflowError, TypeError, ArithmeticError):
        return None


def decimal_of(text: str, digits: int = 60) -> Fraction | None:
    """A real constant to `digits` decimals as a Fraction; None if it is not one."""
    import mpmath

    try:
        node = parse(text)
        if _symbols(node):
            return None
        with mpmath.workdps(PRECISION):
            value = mpmath.mpmathify(_evaluate(node, {}))
            if isinstance(value, mpmath.mpc):
                if abs(value.imag) > mpmath.mpf(10) ** -80:
                    return None
                value = value.real
            return Fraction(int(mpmath.nint(value * mpmath.mpf(10) ** digits)), 10**digits)
    except (Unreadable, ZeroDivisionError, ValueError, OverflowError, TypeError, ArithmeticError):
        return None


def _symbols(node: Node) -> set[str]:
    if node[0] == "s":
        return set() if node[1] in ("e", "i", "\\pi") else {node[1]}
    return {name for child in node[1:] if isinstance(child, tuple) for name in _symbols(child)}


def _has(node: Node, names: tuple[str, ...]) -> bool:
    return (node[0] == "f" and node[1] in names) or any(_has(c, names) for c in node[1:] if isinstance(c, tuple))


def _evaluate(node: Node, point: dict[str, Any]) -> Any:
    import mpmath

    kind = node[0]
    if kind == "n":
        value = mpmath.mpf(node[1].numerator) / node[1].denominator
    elif kind == "s":
        constants = {"e": mpmath.e, "i": mpmath.mpc(0, 1), "\\pi": mpmath.pi}
        value = +constants[node[1]] if node[1] in constants else point[node[1]]
    elif kind == "+":
        value = sum((_evaluate(c, point) for c in node[2:]), _evaluate(node[1], point))
    elif kind == "*":
        value = _evaluate(node[1], point)
        for child in node[2:]:
            value = value * _evaluate(child, point)
    elif kind == "/":
        value = _evaluate(node[1], point) / _evaluate(node[2], point)
    elif kind == "^":
        base, exponent = _evaluate(node[1], point), _evaluate(node[2], point)
        if abs(exponent) > 2000 or abs(base) > 1e30:
            raise _Extreme
        odd_root = (
            node[2][0] == "/"
            and node[2][1][0] == node[2][2][0] == "n"
            and node[2][2][1] % 2 == 1
            and node[2][2][1].denominator == 1
        )
        if odd_root and mpmath.im(base) == 0 and mpmath.re(base) < 0:
            value = (-1) ** int(node[2][1][1]) * (-base) ** exponent if node[2][1][1].denominator == 1 else base**exponent
        else:
            value = mpmath.power(base, exponent)
    elif kind == "!":
        inner = _evaluate(node[1], point)
        if abs(inner) > 25:
            raise _Extreme
        value = mpmath.gamma(inner + 1)
    else:
        value = _call(node[1], [_evaluate(c, point) for c in node[2:]])
    if value != 0 and not 1e-30 < abs(value) < 1e30:
        raise _Extreme
    return value


def _call(name: str, arguments: list[Any]) -> Any:
    import mpmath

    if name in ("max", "min"):
        return (max if name == "max" else min)(arguments)
    if name in ("gcd", "lcm"):
        raise _Extreme
    if any(abs(x) > 60 for x in arguments) and name in ("tanh", "coth", "sinh", "cosh", "arctan", "arccot", "binom"):
        raise _Extreme
    if name == "arccot":
        return mpmath.acot(arguments[0])
    own = {"ln": "log", "abs": "fabs", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "binom": "binomial"}
    return getattr(mpmath, own.get(name, name))(*arguments)


def by_math_verify(gold: str, answer: str) -> bool:
    """math-verify's verdict on two cleaned texts, behind the size gates; gold first, its own timers off."""
    if not gates.fit_for_sympy(gold) or not gates.fit_for_sympy(answer):
        return False
    import logging

    from math_verify import parse as read
    from math_verify import verify

    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    texts = [_latex(t) for t in (gold, answer)]
    left, right = (read(f"${t}$", parsing_timeout=None) for t in texts)
    if not left or not right:
        return False
    return bool(verify(left, right, strict=True, timeout_seconds=None))


def _latex(text: str) -> str:
    table = {
        "⦃": r"\{",
        "⦄": r"\}",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∖": r"\setminus ",
        "∈": r"\in ",
        "±": r"\pm ",
        "∞": r"\infty ",
        "≈": r"\approx ",
    }
    table |= {
        "∅": r"\emptyset ",
        "°": r"^{\circ}",
        TEXT_OPEN: r"\text{",
        TEXT_CLOSE: "}",
        "*": r"\cdot ",
        "%": r"\%",
        "⟨": "(",
        "⟩": ")",
    }
    return "".join(table.get(c, c) for c in text)
