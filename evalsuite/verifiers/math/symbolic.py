"""Tier three: expressions. Exact algebra first, then residues modulo primes, then 120-digit evaluation.

Two expressions that exact algebra cannot decide (functions, nested roots) are equal if they agree to 100 digits at four
points. No elementary identity test on short expressions is fooled at that depth except by terms of extreme size, and those
(beyond 1e+-30, see `_Extreme`) are refused. mpmath is imported on first use.
"""

from __future__ import annotations

import random
from fractions import Fraction
from functools import lru_cache
from typing import Any

from evalsuite.verifiers.math import modular
from evalsuite.verifiers.math.algebra import UNIT, Poly, Quotient, Undecided, Undefined, add, canonical, multiply
from evalsuite.verifiers.math.expression import Unreadable, parse
from evalsuite.verifiers.math.notation import Node, as_calls, names_of

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
    gold, answer = as_calls(gold, answer)
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
        pass  # too large for exact algebra: residues or evaluation decide
    try:
        return modular.same(parse(gold), parse(answer))
    except modular.Unsupported:
        pass  # functions, i or higher roots: evaluation decides
    return agree(parse(gold), parse(answer))


def proportional(gold: tuple[str, str], answer: tuple[str, str]) -> Fraction | None:
    """c with (answer left - right) = c (gold left - right), both sides readable and not constant; None otherwise."""
    sides = [side for text in as_calls("\ue003".join(gold), "\ue003".join(answer)) for side in text.split("\ue003")]
    try:
        parts = [quotient(side) for side in sides]
        if any(p is None for p in parts):
            return None
        g, a = add(parts[0], parts[1], -1), add(parts[2], parts[3], -1)  # type: ignore[arg-type]
        left, right = multiply(g.top, a.bottom), multiply(a.top, g.bottom)
    except (Unreadable, Undefined, Undecided):
        return None
    left, right = _cleared(left), _cleared(right)
    if not left or len(left) != len(right) or set(left) != set(right) or set(left) == {UNIT}:
        return None
    ratios = {right[m] / left[m] for m in left}
    return ratios.pop() if len(ratios) == 1 else None


def _cleared(poly: Poly) -> Poly:
    """A polynomial multiplied by what clears the negative powers of its symbols: a = F/m as am = F."""
    lowest: dict[Any, Fraction] = {}
    for monomial in poly:
        for generator, exponent in monomial:
            if isinstance(generator, str) and exponent < 0:
                lowest[generator] = min(lowest.get(generator, exponent), exponent)
    return multiply(poly, {frozenset((g, -e) for g, e in lowest.items()): Fraction(1)}) if lowest else poly


_WHOLE = frozenset("nmkjN")  # letters of whole numbers: a floor of one is asked about at whole numbers only


def _some_real(rng: random.Random, wide: bool) -> Any:
    import mpmath

    return mpmath.mpf(rng.randint(10**6, (400 if wide else 4) * 10**6)) / 10**6


def agree(gold: Node, answer: Node) -> bool:
    """Whether two trees agree to `AGREE` digits at four points (one, if there is no variable)."""
    import mpmath

    names = sorted(_symbols(gold) | _symbols(answer))
    if len(names) > 12:
        return False
    shown = 0
    rng = random.Random(20250)
    signed = _has(gold, ("abs", "floor", "ceil")) or _has(answer, ("abs", "floor", "ceil"))
    stepped = _has(gold, ("floor", "ceil")) or _has(answer, ("floor", "ceil"))
    wanted = (40 if stepped else 4) if names else 1  # steps agree by chance: many points, whole ones first
    with mpmath.workdps(PRECISION):
        for attempt in range((70 if stepped else 10) if names else 1):
            whole = stepped and (attempt < 35 or all(n in _WHOLE for n in names))
            point = {
                n: mpmath.mpf(
                    attempt + 1 if whole and n == names[0] else rng.randint(1, 30) if whole else _some_real(rng, stepped)
                )
                * (-1 if signed and attempt % 2 and not whole else 1)
                for n in names
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
            if shown >= wanted:
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
    return names_of(node) - {"e", "i", "\\pi"}


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


_EVALUATED = frozenset(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot ln exp abs floor ceil binom max min".split()
)


def _call(name: str, arguments: list[Any]) -> Any:
    import mpmath

    if name in ("max", "min"):
        return (max if name == "max" else min)(arguments)
    if name not in _EVALUATED:
        raise _Extreme  # sums, accents, f(x): nothing to evaluate
    if any(abs(x) > 60 for x in arguments) and name in ("tanh", "coth", "sinh", "cosh", "arctan", "arccot", "binom"):
        raise _Extreme
    if name == "arccot":
        return mpmath.acot(arguments[0])
    own = {"ln": "log", "abs": "fabs", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "binom": "binomial"}
    return getattr(mpmath, own.get(name, name))(*arguments)
