"""Equality of huge exact expressions, (2+√3)^2016 and the like: both sides modulo random 61-bit primes.

An element of a number field, or a rational function, that is not zero vanishes modulo few of the about 2^55 primes in the
range, so three that agree settle it. Square roots become residues, the same one for the same prime radicand.
"""

from __future__ import annotations

import random
from fractions import Fraction

from evalsuite.verifiers.math.algebra import factorize
from evalsuite.verifiers.math.notation import Node

MOST_EXPONENT = 10**12
_CONSTANTS = frozenset(("i", "e", "∞", "\\pi"))
_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


class Unsupported(ValueError):
    """Not built from rationals, symbols, + - * /, whole powers and square roots, or without a value for this prime."""


def same(gold: Node, answer: Node) -> bool:
    """Whether two trees are equal modulo three primes. Raises Unsupported."""
    rng = random.Random(61)
    radicands: set[int] = set()
    _radicands(gold, radicands)
    _radicands(answer, radicands)
    if len(radicands) > 6:
        raise Unsupported("many radicands")
    for _ in range(3):
        p, roots = _prime(rng, sorted(radicands))
        values: dict[str, int] = {}
        left, right = (_residue(node, p, roots, values, rng) for node in (gold, answer))
        if left != right:
            return False
    return True


def _is_prime(n: int) -> bool:
    """Miller-Rabin with the bases that decide every n below 3.3e24."""
    d, r = n - 1, 0
    while d % 2 == 0:
        d, r = d // 2, r + 1
    for a in _WITNESSES:
        x = pow(a, d, n)
        if x in (1, n - 1):
            continue
        for _ in range(r - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def _prime(rng: random.Random, radicands: list[int]) -> tuple[int, dict[int, int]]:
    """A prime, 3 modulo 4, in which every radicand is a square, and the roots."""
    for _ in range(20_000):
        p = rng.getrandbits(61) | 1 << 60 | 3
        if any(pow(q, (p - 1) // 2, p) != 1 for q in radicands) or not _is_prime(p):
            continue
        return p, {q: pow(q, (p + 1) // 4, p) for q in radicands}
    raise Unsupported("no prime found")


def _root_of(node: Node) -> tuple[dict[int, int], Fraction] | None:
    """Primes and exponents (in halves) of c^(n/2) with a positive rational c; None for any other node."""
    if node[0] != "^" or node[2][0] != "/" or node[2][2] != ("n", Fraction(2)) or node[2][1] != ("n", Fraction(1)):
        return None
    if node[1][0] != "n" or node[1][1] <= 0:
        raise Unsupported("root")
    value = node[1][1]
    above, below = factorize(value.numerator * value.denominator), value.denominator
    if above is None:
        raise Unsupported("radicand too large")
    return above, Fraction(below)


def _radicands(node: Node, out: set[int]) -> None:
    root = _root_of(node)
    if root is not None:
        out.update(prime for prime, count in root[0].items() if count % 2)
        return
    if node[0] in ("f", "!") or (node[0] == "s" and node[1] in _CONSTANTS):
        raise Unsupported(node[1])
    for child in node[1:]:
        if isinstance(child, tuple):
            _radicands(child, out)


def _whole(node: Node) -> int:
    """A small integer written as a literal, a negated literal or a product or quotient of them."""
    if node[0] == "n" and node[1].denominator == 1:
        value = int(node[1])
    elif node[0] == "*":
        value = 1
        for child in node[1:]:
            value *= _whole(child)
    elif node[0] == "+":
        value = sum(_whole(child) for child in node[1:])
    else:
        raise Unsupported("exponent")
    if abs(value) > MOST_EXPONENT:
        raise Unsupported("exponent too large")
    return value


def _residue(node: Node, p: int, roots: dict[int, int], values: dict[str, int], rng: random.Random) -> int:
    kind = node[0]
    if kind == "n":
        return _divide(node[1].numerator, node[1].denominator, p)
    if kind == "s":
        return values.setdefault(node[1], rng.randrange(2, p))
    if kind == "^":
        root = _root_of(node)
        if root is not None:
            value = 1
            for prime, count in root[0].items():
                value = value * pow(prime, count // 2, p) * (roots[prime] if count % 2 else 1) % p
            return _divide(value, int(root[1]), p)
        exponent, base = _whole(node[2]), _residue(node[1], p, roots, values, rng)
        return pow(base, exponent, p) if exponent >= 0 else _divide(1, pow(base, -exponent, p), p)
    if kind in ("+", "*", "/"):
        parts = [_residue(child, p, roots, values, rng) for child in node[1:]]
        if kind == "+":
            return sum(parts) % p
        if kind == "/":
            return _divide(parts[0], parts[1], p)
        value = 1
        for part in parts:
            value = value * part % p
        return value
    raise Unsupported(kind)


def _divide(above: int, below: int, p: int) -> int:
    if below % p == 0:
        raise Unsupported("division by zero")
    return above * pow(below, -1, p) % p
