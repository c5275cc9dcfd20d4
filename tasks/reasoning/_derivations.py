"""Derivations whose every step sympy has computed: what `masked_step` and `step_reorder` ask about.

A template is data: named givens, a goal, and steps written as formulas over the names of givens and of other steps. The
same formula is shown to the model and evaluated, and the names in it are the dependencies, so that a step's value, its
text and the partial order of the steps cannot disagree. Values are integers, rationals and polynomials in x; they are
printed by our own code, the same under every sympy version.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sympy import Poly


class Template(NamedTuple):
    """A kind of derivation: `givens` draws named values as formulas, `goal` says what is derived, `steps` are (name, formula)."""

    givens: Callable[[random.Random], Mapping[str, str] | None]
    goal: str
    steps: tuple[tuple[str, str], ...]


class Derivation(NamedTuple):
    """A filled template: the statement, and per step its name, formula and value as text, and the steps it uses."""

    statement: str
    names: tuple[str, ...]
    formulas: tuple[str, ...]
    values: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]

    def line(self, step: int, value: str | None = None) -> str:
        """The text of a step, `A = U*V = 2x^2 + x`, or with another value in place of its own."""
        return f"{self.names[step]} = {self.formulas[step]} = {self.values[step] if value is None else value}"


def poly(rng: random.Random, degree: int, largest: int = 6) -> str:
    """A random polynomial in x as a formula: integer coefficients up to `largest`, none of them 0."""
    return " + ".join(f"{rng.choice((-1, 1)) * rng.randint(1, largest)}*x^{k}" for k in range(degree, -1, -1))


def numbers(rng: random.Random, names: str, largest: int = 9) -> dict[str, str]:
    """Different integers of -largest..largest without 0 under one-letter names."""
    values = rng.sample([n for n in range(-largest, largest + 1) if n], len(names))
    return dict(zip(names, map(str, values)))


def _quadratic(rng: random.Random) -> dict[str, str] | None:
    a, r, s = rng.randint(1, 4), rng.randint(-9, 9), rng.randint(-9, 9)
    b, c = -a * (r + s), a * r * s
    return {"a": str(a), "b": str(b), "c": str(c)} if r != s and b and c else None


def _cramer(rng: random.Random) -> dict[str, str] | None:
    given = numbers(rng, "abcdef")
    a, b, c, d, e, f = (int(given[n]) for n in "abcdef")
    return given if a * d - b * c and e * d - b * f and a * f - c * e else None


def _primitive(rng: random.Random, degree: int) -> dict[str, str]:
    """A polynomial with an integer antiderivative, and limits m < n."""
    terms = (f"{(k + 1) * rng.choice((-1, 1)) * rng.randint(1, 4)}*x^{k}" for k in range(degree, -1, -1))
    low = rng.randint(-3, 2)
    return {"P": " + ".join(terms), "m": str(low), "n": str(rng.randint(low + 1, low + 4))}


def _range(rng: random.Random) -> dict[str, str]:
    low = rng.randint(1, 12)
    return {"m": str(low), "n": str(low + rng.randint(2, 20))}


LEVELS: dict[int, tuple[Template, ...]] = {
    1: (
        Template(
            lambda rng: _primitive(rng, 2),
            "the integral of P from x = m to x = n",
            (("F", "antiderivative of P"), ("H", "F at x = n"), ("L", "F at x = m"), ("R", "H - L")),
        ),
        Template(
            lambda rng: {"P": poly(rng, 1), "Q": poly(rng, 1), "R": poly(rng, 1), "S": poly(rng, 1), **numbers(rng, "k", 4)},
            "the value of P*Q + R*S at x = k",
            (("A", "P*Q"), ("B", "R*S"), ("T", "A + B"), ("V", "T at x = k")),
        ),
        Template(
            lambda rng: {"P": poly(rng, 3), "Q": poly(rng, 2), **numbers(rng, "k", 4)},
            "the slope of P - Q at x = k",
            (("A", "derivative of P"), ("B", "derivative of Q"), ("S", "A - B"), ("V", "S at x = k")),
        ),
        Template(
            lambda rng: numbers(rng, "sp", 12),
            "the sum of the squares and the squared difference of the roots of x^2 - s*x + p",
            (("A", "s^2"), ("B", "2*p"), ("C", "4*p"), ("Q", "A - B"), ("D", "A - C")),
        ),
        Template(
            _range,
            "the sum of 1/(k*(k + 2)) over k = m, ..., n, half of what is left of the sum of 1/k - 1/(k + 2)",
            (("A", "1/m + 1/(m + 1)"), ("B", "1/(n + 1) + 1/(n + 2)"), ("C", "A - B"), ("S", "C/2")),
        ),
    ),
    2: (
        Template(
            lambda rng: {"P": poly(rng, 2), "Q": poly(rng, 1), **numbers(rng, "k", 4)},
            "the slope of P*Q at x = k by the product rule",
            (
                ("U", "derivative of P"),
                ("V", "derivative of Q"),
                ("A", "U*Q"),
                ("B", "P*V"),
                ("S", "A + B"),
                ("R", "S at x = k"),
            ),
        ),
        Template(
            _quadratic,
            "the roots of a*x^2 + b*x + c by the quadratic formula",
            (
                ("A", "b^2"),
                ("B", "4*a*c"),
                ("D", "A - B"),
                ("R", "square root of D"),
                ("N", "2*a"),
                ("X", "(-b - R)/N"),
                ("Y", "(-b + R)/N"),
            ),
        ),
        Template(
            _cramer,
            "the solution (X, Y) of a*x + b*y = e and c*x + d*y = f by Cramer's rule",
            (
                ("A", "a*d"),
                ("B", "b*c"),
                ("D", "A - B"),
                ("M", "e*d - b*f"),
                ("N", "a*f - c*e"),
                ("X", "M/D"),
                ("Y", "N/D"),
            ),
        ),
        Template(
            lambda rng: {"P": poly(rng, 3, 4), **numbers(rng, "k", 4)},
            "the tangent line T of P at x = k",
            (("V", "P at x = k"), ("U", "derivative of P"), ("M", "U at x = k"), ("B", "V - k*M"), ("T", "M*x + B")),
        ),
    ),
    3: (
        Template(
            lambda rng: {"P": poly(rng, 2), "Q": poly(rng, 1), **numbers(rng, "k", 4)},
            "the slope of P/Q at x = k by the quotient rule",
            (
                ("U", "derivative of P"),
                ("V", "derivative of Q"),
                ("A", "U*Q"),
                ("B", "P*V"),
                ("N", "A - B"),
                ("D", "Q^2"),
                ("G", "N at x = k"),
                ("H", "D at x = k"),
                ("R", "G/H"),
            ),
        ),
        Template(
            lambda rng: numbers(rng, "abcdefghi"),
            "the determinant of the matrix with rows (a, b, c), (d, e, f), (g, h, i) by its first row",
            (
                ("K", "e*i - f*h"),
                ("L", "d*i - f*g"),
                ("M", "d*h - e*g"),
                ("A", "a*K"),
                ("B", "b*L"),
                ("C", "c*M"),
                ("T", "A - B"),
                ("D", "T + C"),
            ),
        ),
        Template(
            lambda rng: numbers(rng, "abcd", 12),
            "the variance of the four numbers a, b, c, d, each being as likely",
            (
                ("S", "a + b + c + d"),
                ("M", "S/4"),
                ("A", "(a - M)^2"),
                ("B", "(b - M)^2"),
                ("C", "(c - M)^2"),
                ("D", "(d - M)^2"),
                ("T", "A + B + C + D"),
                ("V", "T/4"),
            ),
        ),
        Template(
            lambda rng: {**_primitive(rng, 2), "Q": poly(rng, 1)},
            "the mean of P*Q' + P'*Q over x from m to n, which is the mean slope of P*Q there",
            (
                ("F", "P*Q"),
                ("U", "derivative of F"),
                ("W", "antiderivative of U"),
                ("H", "W at x = n"),
                ("L", "W at x = m"),
                ("R", "H - L"),
                ("N", "n - m"),
                ("V", "R/N"),
            ),
        ),
    ),
}

_NAME = re.compile(r"\b[A-Z]\b")


def needs(template: Template) -> tuple[tuple[int, ...], ...]:
    """For each step the earlier steps whose names stand in its formula."""
    place = {name: i for i, (name, _) in enumerate(template.steps)}
    return tuple(tuple(sorted({place[n] for n in _NAME.findall(formula) if n in place})) for _, formula in template.steps)


def derive(rng: random.Random, template: Template) -> Derivation:
    """The template filled in, drawn again until no two values agree and none is 0: no step gives another away."""
    while True:
        if found := _fill(template, template.givens(rng)):
            return found


def _fill(template: Template, drawn: Mapping[str, str] | None) -> Derivation | None:
    if drawn is None:
        return None
    env: dict[str, Poly] = {}
    for name, formula in (*drawn.items(), *template.steps):
        try:
            env[name] = evaluate(formula, env)
        except ZeroDivisionError:
            return None
    values = {name: text(value) for name, value in env.items()}
    if len(set(values.values())) < len(values) or any(value.is_zero for value in env.values()):
        return None
    names, formulas = zip(*template.steps)
    statement = f"Given {', '.join(f'{name} = {values[name]}' for name in drawn)}, find {template.goal}."
    return Derivation(statement, names, formulas, tuple(values[name] for name in names), needs(template))


def evaluate(formula: str, env: Mapping[str, Poly]) -> Poly:
    """The value of a formula, as a sympy polynomial in x with rational coefficients. Raises ZeroDivisionError."""
    from sympy import Symbol, sqrt

    if found := re.fullmatch(r"(\w) at x = (\w)", formula):
        return _constant(env[found[1]].eval(env[found[2]].LC()))
    if found := re.fullmatch(r"derivative of (\w)", formula):
        return env[found[1]].diff()
    if found := re.fullmatch(r"antiderivative of (\w)", formula):
        return env[found[1]].integrate()
    if found := re.fullmatch(r"square root of (\w)", formula):
        return _constant(sqrt(env[found[1]].LC()))
    x = _constant(1) * Symbol("x")
    return _arithmetic(ast.parse(formula.replace("^", "**"), mode="eval").body, {**env, "x": x})


def _arithmetic(node: ast.expr, env: Mapping[str, Poly]) -> Poly:
    """+, -, *, / by a number, and ^ with a written exponent."""
    match node:
        case ast.Constant(value=int(number)):
            return _constant(number)
        case ast.Name(id=name):
            return env[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_arithmetic(operand, env)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
            return _arithmetic(left, env) ** power
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _arithmetic(left, env), _arithmetic(right, env)
            if isinstance(op, ast.Div):
                if b.is_zero or not b.is_ground:
                    raise ZeroDivisionError
                return a.quo_ground(b.LC())
            return {ast.Add: a.add, ast.Sub: a.sub, ast.Mult: a.mul}[type(op)](b)
    raise ValueError(f"not a formula: {ast.dump(node)}")


def _constant(number: Any) -> Poly:
    from sympy import Poly, Symbol

    return Poly(number, Symbol("x"), domain="QQ")


def text(value: Poly) -> str:
    """An integer, a rational `-5/6` or a polynomial in x, `3x^2 - x + 4`, as text."""
    out = ""
    for (power,), c in value.terms():
        size = "" if abs(c) == 1 and power else f"({abs(c)})" if c.q > 1 and power else str(abs(c))
        out += (" - " if c < 0 else " + ") + size + ("" if not power else "x" if power == 1 else f"x^{power}")
    return "-" + out[3:] if out.startswith(" - ") else out[3:]
