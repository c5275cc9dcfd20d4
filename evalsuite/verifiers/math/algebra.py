"""Exact canonical forms: decides equality of polynomials, rational functions, radicals and powers without a CAS.

An expression becomes a quotient of two polynomials. A monomial is a set of (generator, rational exponent);
generators are symbols, primes under a fractional power, pi, e, i, powers with a symbolic exponent, and "opaque" function
values such as sin(x). Distinct products of fractional prime powers are linearly independent over the rationals (Besicovitch,
J. London Math. Soc. 15, 1940), so without opaque generators two values are equal exactly when their difference is the
zero polynomial. Fractional powers of symbols are read for positive symbols, as school algebra does.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from evalsuite.verifiers.math.notation import Node

Monomial = frozenset[tuple[Any, Fraction]]
Poly = dict[Monomial, Fraction]
MOST_TERMS, MOST_BITS, TRIAL = 400, 40_000, 2_000
UNIT: Monomial = frozenset()
ONE: Poly = {UNIT: Fraction(1)}


class Undecided(ValueError):
    """Outside what exact algebra can decide, or too large."""


class Undefined(ValueError):
    """Not a value: a division by zero, or infinity used as a number."""


class Quotient:
    """`top / bottom` of two polynomials; `opaque` where a generator hides relations (functions, nested roots)."""

    __slots__ = ("bottom", "opaque", "top")

    def __init__(self, top: Poly, bottom: Poly = ONE, opaque: bool = False) -> None:
        if not bottom:
            raise Undefined("division by zero")
        if len(bottom) == 1 and bottom != ONE:
            (monomial, coefficient), bottom = next(iter(bottom.items())), ONE
            inverse, factor = power_of(monomial, Fraction(-1))
            top = multiply(top, {inverse: factor / coefficient})
        self.top, self.bottom, self.opaque = top, bottom, opaque

    def is_zero(self) -> bool:
        return not self.top

    def constant(self) -> Fraction | None:
        """The rational value, if it is one without more ado."""
        if self.bottom is ONE or self.bottom == ONE:
            if not self.top:
                return Fraction(0)
            if len(self.top) == 1 and UNIT in self.top:
                return self.top[UNIT]
        return None

    def key(self) -> Any:
        """Hashable form, the same within a process: the generator that stands for this value inside a function."""
        lead = Fraction(1) if self.bottom == ONE else self.bottom[max(self.bottom, key=hash)]
        return tuple(frozenset((m, c / lead) for m, c in p.items()) for p in (self.top, self.bottom))


def power_of(monomial: Monomial, exponent: Fraction) -> tuple[Monomial, Fraction]:
    """A power of a monomial, and its rational factor."""
    return _reduced({g: e * exponent for g, e in monomial})


def _join(left: Monomial, right: Monomial) -> tuple[Monomial, Fraction]:
    """Product of two reduced monomials, and the rational factor that it leaves behind."""
    if not left or not right:
        return left or right, Fraction(1)
    powers: dict[Any, Fraction] = dict(left)
    for generator, exponent in right:
        powers[generator] = powers.get(generator, 0) + exponent
    return _reduced(powers)


def _reduced(powers: dict[Any, Fraction]) -> tuple[Monomial, Fraction]:
    """The monomial with whole powers of primes and of i moved into a rational factor."""
    factor = Fraction(1)
    for generator, exponent in list(powers.items()):
        if exponent == 0:
            del powers[generator]
        elif generator == "i":
            turns = int(exponent) % 4
            factor *= -1 if turns >= 2 else 1
            powers[generator] = Fraction(turns % 2)
        elif isinstance(generator, int):
            whole = math.floor(exponent)
            if whole:
                if abs(whole) * generator.bit_length() > MOST_BITS:
                    raise Undecided("power too large")
                factor *= Fraction(generator) ** whole
                powers[generator] = exponent - whole
    return frozenset((g, e) for g, e in powers.items() if e), factor


def multiply(a: Poly, b: Poly) -> Poly:
    if a is ONE:
        return b
    if b is ONE:
        return a
    if len(a) * len(b) > MOST_TERMS * 40:
        raise Undecided("too many terms")
    out: Poly = {}
    for m1, c1 in a.items():
        for m2, c2 in b.items():
            monomial, factor = _join(m1, m2)
            c = c1 * c2 * factor
            if c.numerator.bit_length() + c.denominator.bit_length() > MOST_BITS:
                raise Undecided("coefficient too large")
            total = out.get(monomial, 0) + c
            if total:
                out[monomial] = total
            else:
                out.pop(monomial, None)
    if len(out) > MOST_TERMS:
        raise Undecided("too many terms")
    return out


def plus(a: Poly, b: Poly, sign: int = 1) -> Poly:
    out = dict(a)
    for monomial, c in b.items():
        total = out.get(monomial, 0) + sign * c
        if total:
            out[monomial] = total
        else:
            out.pop(monomial, None)
    return out


def add(a: Quotient, b: Quotient, sign: int = 1) -> Quotient:
    opaque = a.opaque or b.opaque
    if a.bottom == b.bottom:
        return Quotient(plus(a.top, b.top, sign), a.bottom, opaque)
    return Quotient(plus(multiply(a.top, b.bottom), multiply(b.top, a.bottom), sign), multiply(a.bottom, b.bottom), opaque)


def times(a: Quotient, b: Quotient) -> Quotient:
    return Quotient(multiply(a.top, b.top), multiply(a.bottom, b.bottom), a.opaque or b.opaque)


def invert(a: Quotient) -> Quotient:
    if a.is_zero():
        raise Undefined("division by zero")
    return Quotient(a.bottom, a.top, a.opaque)


def _single(generator: Any, exponent: Fraction = Fraction(1)) -> Monomial:
    return frozenset({(generator, exponent)})


def _opaque(name: str, *arguments: Quotient) -> Quotient:
    return Quotient({_single((name, *(a.key() for a in arguments))): Fraction(1)}, ONE, True)


def factorize(n: int) -> dict[int, int] | None:
    """Prime factors of a positive integer by trial division; None where that does not settle it."""
    if n.bit_length() > 4000:
        return None
    out: dict[int, int] = {}
    d = 2
    while d * d <= n and d < TRIAL:
        while n % d == 0:
            out[d] = out.get(d, 0) + 1
            n //= d
        d += 1 if d == 2 else 2
    if n > 1:
        if n >= TRIAL * TRIAL:
            root = math.isqrt(n)
            if root * root == n and root < TRIAL * TRIAL:
                out[root] = out.get(root, 0) + 2
                return out
            return None
        out[n] = out.get(n, 0) + 1
    return out


def _rational_power(value: Fraction, exponent: Fraction) -> Quotient:
    """`value ** exponent` for a rational value and a proper rational exponent, in canonical radicals."""
    if value == 0:
        if exponent <= 0:
            raise Undefined("power of zero")
        return Quotient({})
    if value < 0:
        if exponent.denominator == 2:
            unit, factor = _reduced({"i": Fraction(exponent.numerator % 4)})
            return times(Quotient({unit: factor}), _rational_power(-value, exponent))
        if exponent.denominator % 2:
            sign = -1 if exponent.numerator % 2 else 1
            return times(Quotient({UNIT: Fraction(sign)}), _rational_power(-value, exponent))
        raise Undecided("root of a negative number")
    out: Poly = {UNIT: Fraction(1)}
    for n, sign in ((value.numerator, 1), (value.denominator, -1)):
        factors = factorize(n)
        if factors is None:
            raise Undecided("number too hard to factor")
        for prime, count in factors.items():
            total = exponent * count * sign
            if abs(total) * prime.bit_length() > MOST_BITS:
                raise Undecided("power too large")
            whole = math.floor(total)
            rest = total - whole
            out = multiply(out, {_single(prime, rest) if rest else UNIT: Fraction(prime) ** whole})
    return Quotient(out)


def power(base: Quotient, exponent: Quotient) -> Quotient:
    n = exponent.constant()
    opaque = base.opaque or exponent.opaque
    if n is None:
        return _symbolic_power(base, exponent)
    if n == 0:
        if base.is_zero():
            raise Undefined("0^0")
        return Quotient(ONE, ONE, opaque)
    if n < 0:
        return invert(power(base, Quotient({UNIT: -n})))
    if n.denominator == 1:
        return _whole_power(base, int(n))
    value = base.constant()
    if value is not None:
        return _rational_power(value, n)
    if len(base.top) == 1 and base.bottom == ONE:
        (monomial, coefficient) = next(iter(base.top.items()))
        # sqrt(x^2) and sqrt(i) stay as they are: a branch would have to be chosen.
        plain = all(g != "i" and (isinstance(g, int) or e == 1 or e.denominator > 1) for g, e in monomial)
        if plain and (coefficient > 0 or n.denominator % 2):
            root, factor = power_of(monomial, n)
            return times(_rational_power(coefficient, n), Quotient({root: factor}, ONE, opaque))
    return _opaque_power(base, n)


def _opaque_power(base: Quotient, n: Fraction) -> Quotient:
    return Quotient({_single(("root", base.key()), n): Fraction(1)}, ONE, True)


def _whole_power(base: Quotient, n: int) -> Quotient:
    if n > 1 and len(base.top) <= 1 and base.bottom == ONE and base.top:
        ((monomial, c),) = base.top.items()
        if n * (c.numerator.bit_length() + c.denominator.bit_length() - 2) > MOST_BITS:
            raise Undecided("power too large")
        scaled, factor = power_of(monomial, Fraction(n))
        return Quotient({scaled: c**n * factor}, ONE, base.opaque)
    if n > 64 or (len(base.top) > 1 and n > 24):
        raise Undecided("power too large")
    out = Quotient(ONE, ONE, base.opaque)
    for _ in range(n):
        out = times(out, base)
    return out


def _symbolic_power(base: Quotient, exponent: Quotient) -> Quotient:
    """e^(a+2b) as e^a (e^b)^2; 4^n as (2^n)^2; anything else is opaque."""
    value = base.constant()
    generators: list[tuple[Any, Fraction]]
    if exponent.bottom != ONE:
        return _opaque("pow", base, exponent)
    if value is not None and value > 0:
        generators = []
        for n, sign in ((value.numerator, 1), (value.denominator, -1)):
            factors = factorize(n)
            if factors is None:
                raise Undecided("number too hard to factor")
            generators += [(prime, Fraction(count * sign)) for prime, count in factors.items()]
    elif base.bottom == ONE and len(base.top) == 1 and next(iter(base.top.values())) == 1:
        generators = list(next(iter(base.top)))
        if any((isinstance(g, tuple) and g[0] == "power") or g == "i" for g, _ in generators):
            return _opaque("pow", base, exponent)
    else:
        return _opaque("pow", base, exponent)
    out = Quotient(ONE, ONE, base.opaque or exponent.opaque)
    for monomial, c in exponent.top.items():
        for generator, count in generators:
            if monomial == UNIT:
                if isinstance(generator, int):
                    out = times(out, _rational_power(Fraction(generator), c * count))
                else:
                    out = times(out, Quotient({_single(generator, c * count): Fraction(1)}))
            else:
                out = times(out, Quotient({_single(("power", generator, monomial), c * count): Fraction(1)}))
    # i, pi and logarithms in an exponent hide relations (e^(i pi) = -1).
    hidden = any((isinstance(g, str) and g in ("i", "\\pi")) or isinstance(g, tuple) for m in exponent.top for g, _ in m)
    out.opaque = out.opaque or hidden
    return out


def canonical(node: Node) -> Quotient:
    """The quotient that `node` denotes. Raises Undecided or Undefined."""
    kind = node[0]
    if kind == "n":
        return Quotient({UNIT: node[1]} if node[1] else {})
    if kind == "s":
        if node[1] == "∞":
            raise Undefined("infinity")
        return Quotient({_single(node[1]): Fraction(1)})
    if kind == "+":
        total = canonical(node[1])
        for term in node[2:]:
            total = add(total, canonical(term))
        return total
    if kind == "*":
        total = canonical(node[1])
        for factor in node[2:]:
            total = times(total, canonical(factor))
        return total
    if kind == "/":
        return times(canonical(node[1]), invert(canonical(node[2])))
    if kind == "^":
        return power(canonical(node[1]), canonical(node[2]))
    if kind == "!":
        inner = canonical(node[1])
        n = inner.constant()
        if n is not None and n.denominator == 1 and 0 <= n <= 3000:
            return Quotient({UNIT: Fraction(math.factorial(int(n)))})
        return _opaque("!", inner)
    return _function(node[1], [canonical(a) for a in node[2:]])


def _function(name: str, arguments: list[Quotient]) -> Quotient:
    values = [a.constant() for a in arguments]
    if all(v is not None for v in values):
        exact = _exact_call(name, [v for v in values if v is not None])
        if exact is not None:
            return Quotient({UNIT: exact} if exact else {})
    return _opaque(name, *arguments)


def _exact_call(name: str, v: list[Fraction]) -> Fraction | None:
    if name == "abs":
        return abs(v[0])
    if name == "floor":
        return Fraction(math.floor(v[0]))
    if name == "ceil":
        return Fraction(math.ceil(v[0]))
    if name in ("max", "min"):
        return max(v) if name == "max" else min(v)
    if name == "ln" and v[0] == 1:
        return Fraction(0)
    whole = [int(x) for x in v if x.denominator == 1 and abs(x) < 10**12]
    if len(whole) != len(v):
        return None
    if name in ("gcd", "lcm"):
        return Fraction(math.gcd(*whole) if name == "gcd" else math.lcm(*whole))
    if name == "binom" and 0 <= whole[1] <= whole[0] <= 3000:
        return Fraction(math.comb(*whole))
    return None
