"""Derivations, and the two families that ask about them: every line re-computed from its text alone, every order tried."""

from __future__ import annotations

import itertools
import math
import random
import re
import statistics
from fractions import Fraction

import pytest
import sympy

from evalsuite import Completion
from evalsuite.tasks.reasoning import step_reorder
from evalsuite.tasks.reasoning._derivations import LEVELS, Derivation, derive, needs
from evalsuite.tasks.reasoning.masked_step import MASK
from evalsuite.verifiers.base import run_verifier

X = sympy.Symbol("x")
TEMPLATES = [(level, i) for level, templates in LEVELS.items() for i in range(len(templates))]


def derivations(level: int, i: int, n: int = 4) -> list[Derivation]:
    rng = random.Random(f"test {level} {i}")
    return [derive(rng, LEVELS[level][i]) for _ in range(n)]


def parse(text: str) -> sympy.Expr:
    """`-3x^2 + (1/2)x - 4` with sympy's own parser."""
    return sympy.sympify(re.sub(r"([\d)])x", r"\1*x", text).replace("^", "**"), rational=True)


def givens(statement: str) -> dict[str, sympy.Expr]:
    part = re.fullmatch(r"Given (.*), find .*\.", statement)[1]
    return {name: parse(value) for name, value in re.findall(r"(\w) = (.*?)(?=, \w = |$)", part)}


def value_of(formula: str, env: dict[str, sympy.Expr]) -> sympy.Expr:
    """What a formula is worth, by other means than the generator's: expressions, and Python's own arithmetic on them."""
    if found := re.fullmatch(r"(\w) at x = (\w)", formula):
        return env[found[1]].subs(X, env[found[2]])
    if found := re.fullmatch(r"([a-z ]+) of (\w)", formula):
        function = {"derivative": sympy.diff, "antiderivative": sympy.integrate, "square root": lambda e, _: sympy.sqrt(e)}
        return function[found[1]](env[found[2]], X)
    return eval(formula.replace("^", "**"), {"__builtins__": {}}, {**env, "x": X})  # noqa: S307  # our own templates


@pytest.mark.parametrize(("level", "i"), TEMPLATES)
def test_every_line_follows_from_its_text(level: int, i: int) -> None:
    for found in derivations(level, i):
        env = givens(found.statement)
        for step, (name, formula, value) in enumerate(zip(found.names, found.formulas, found.values, strict=True)):
            assert found.line(step) == f"{name} = {formula} = {value}"
            # Only the steps that it needs are in reach: a hidden dependency would be a NameError.
            reach = {n: env[n] for n in env if n in givens(found.statement) or found.names.index(n) in found.needs[step]}
            assert sympy.expand(value_of(formula, reach) - parse(value)) == 0
            env[name] = parse(value)
        shown = [str(env[name]) for name in env]
        assert len(set(shown)) == len(shown) and "0" not in shown


def _roots(e, s):
    a, b, c = e["a"], e["b"], e["c"]
    return {s["X"], s["Y"]} == set(sympy.roots(a * X**2 + b * X + c, X))


# What the last steps claim, by a route that the derivation does not take.
CLAIMS = {
    (1, 0): lambda e, s: s["R"] == sympy.integrate(e["P"], (X, e["m"], e["n"])),
    (1, 1): lambda e, s: s["V"] == (e["P"] * e["Q"] + e["R"] * e["S"]).subs(X, e["k"]),
    (1, 2): lambda e, s: s["V"] == sympy.diff(e["P"] - e["Q"], X).subs(X, e["k"]),
    (1, 3): lambda e, s: (s["Q"], s["D"]) == _power_sums(e["s"], e["p"]),
    (1, 4): lambda e, s: s["S"] == sum(sympy.Rational(1, k * (k + 2)) for k in range(int(e["m"]), int(e["n"]) + 1)),
    (2, 0): lambda e, s: s["R"] == sympy.diff(e["P"] * e["Q"], X).subs(X, e["k"]),
    (2, 1): _roots,
    (2, 2): lambda e, s: (e["a"] * s["X"] + e["b"] * s["Y"], e["c"] * s["X"] + e["d"] * s["Y"]) == (e["e"], e["f"]),
    (2, 3): lambda e, s: sympy.rem(e["P"] - s["T"], (X - e["k"]) ** 2, X) == 0,
    (3, 0): lambda e, s: s["R"] == sympy.diff(e["P"] / e["Q"], X).subs(X, e["k"]),
    (3, 1): lambda e, s: s["D"] == sympy.Matrix(3, 3, [e[n] for n in "abcdefghi"]).det(),
    (3, 2): lambda e, s: str(s["V"]) == str(statistics.pvariance([Fraction(int(e[n])) for n in "abcd"])),
    (3, 3): lambda e, s: s["V"] == sympy.integrate(sympy.diff(e["P"] * e["Q"]), (X, e["m"], e["n"])) / (e["n"] - e["m"]),
}


def _power_sums(s, p):
    u, v = sympy.Poly(X**2 - s * X + p, X).all_roots() if s**2 - 4 * p >= 0 else sympy.solve(X**2 - s * X + p, X)
    return sympy.simplify(u**2 + v**2), sympy.simplify((u - v) ** 2)


@pytest.mark.parametrize(("level", "i"), TEMPLATES)
def test_the_goal_is_reached(level: int, i: int) -> None:
    for found in derivations(level, i, 4):
        values = {name: parse(value) for name, value in zip(found.names, found.values, strict=True)}
        assert CLAIMS[level, i](givens(found.statement), values), found


@pytest.mark.parametrize(("level", "i"), TEMPLATES)
def test_steps_lead_to_the_end(level: int, i: int) -> None:
    """Names are unique, dependencies point backwards, and no more than two steps are left unused: the results."""
    graph = needs(LEVELS[level][i])
    names = [name for name, _ in LEVELS[level][i].steps]
    assert len(set(names)) == len(names)
    assert all(n < step for step, needed in enumerate(graph) for n in needed)
    used = {n for needed in graph for n in needed}
    assert 1 <= len(names) - len(used) <= 2
    low, high = {1: (4, 5), 2: (5, 7), 3: (8, 9)}[level]
    assert low <= len(names) <= high


# masked_step


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_that_is_shown_earns_the_hidden_value(level: int, generated, score) -> None:
    task, loaded = generated(f"masked_step@level={level}")
    for sample in loaded.samples[:60]:
        lines = re.findall(r"^\(\d+\) (.*)$", sample.problem, re.MULTILINE)
        (hidden,) = [line for line in lines if MASK in line]
        formula = hidden.split(" = ", 1)[1].removesuffix(f" = {MASK}")
        assert sample.problem.count(MASK) == 2  # in its line and in the question
        for shown in (formula, *(line.rpartition(" = ")[2] for line in lines if line != hidden)):
            assert score(task, sample, f"\\boxed{{{shown}}}").value == 0.0, shown
        assert score(task, sample, f"\\boxed{{{sample.target}}}").value == 1.0


def test_an_equivalent_form_of_the_hidden_value_is_right(generated, score) -> None:
    task, loaded = generated("masked_step@level=1")
    polynomial = next(s for s in loaded.samples if s.target == "-18x^2 - 2x + 5")
    for text in ("5 - 2x - 18x^2", "-18x^2-2x+5", "-2x(9x + 1) + 5"):
        assert score(task, polynomial, f"\\boxed{{{text}}}").value == 1.0
    assert score(task, polynomial, "\\boxed{-18x^2 - 2x + 6}").value == 0.0
    rational = next(s for s in loaded.samples if "/" in s.target)
    p, q = rational.target.split("/")
    assert score(task, rational, f"\\boxed{{\\frac{{{p}}}{{{q}}}}}").value == 1.0


# step_reorder


def valid(order: tuple[int, ...], before: list[list[int]]) -> bool:
    return all(order.index(i) < order.index(j) for i, j in before)


@pytest.mark.parametrize("level", LEVELS)
def test_the_listed_steps_depend_on_each_other_as_their_texts_say(level: int, generated) -> None:
    for sample in generated(f"step_reorder@level={level}")[1].samples:
        lines = re.findall(r"^\((\d+)\) (\w) = (.*) = [^=]*$", sample.problem, re.MULTILINE)
        numbers = {name: int(number) for number, name, _ in lines}
        assert list(numbers.values()) == list(range(1, sample.tests["steps"] + 1))
        before = [
            [numbers[n], numbers[name]] for _, name, formula in lines for n in re.findall(r"\b[A-Z]\b", formula) if n in numbers
        ]
        assert sorted({tuple(pair) for pair in before}) == [tuple(pair) for pair in sample.tests["before"]]
        assert not valid(tuple(range(1, len(lines) + 1)), sample.tests["before"])
        assert sample.target is None


def test_the_verifier_accepts_exactly_the_topological_orders(generated) -> None:
    task, loaded = generated("step_reorder@level=1")
    for sample in loaded.samples[:12]:
        for order in itertools.permutations(range(1, sample.tests["steps"] + 1)):
            score = run_verifier(task.verifier, sample, Completion(f"\\boxed{{{', '.join(map(str, order))}}}"))
            assert score.value == float(valid(order, sample.tests["before"])), (order, sample.tests)


@pytest.mark.parametrize(("level", "i"), TEMPLATES)
def test_linear_extensions_by_brute_force(level: int, i: int) -> None:
    graph = needs(LEVELS[level][i])
    if len(graph) > 8:
        pytest.skip("9! orders are too many to try; the same function is tried on twelve others")
    edges = [(n, step) for step, needed in enumerate(graph) for n in needed]
    brute = 0
    for order in itertools.permutations(range(len(graph))):
        place = [0] * len(order)
        for position, step in enumerate(order):
            place[step] = position
        brute += all(place[n] < place[step] for n, step in edges)
    assert step_reorder.linear_extensions(graph) == brute


def test_linear_extensions_of_chains_and_antichains() -> None:
    assert step_reorder.linear_extensions([(), (0,), (1,), (2,)]) == 1
    assert step_reorder.linear_extensions([(), (), (), ()]) == 24
    assert step_reorder.linear_extensions([(), (), (0, 1)]) == 2


@pytest.mark.parametrize("level", LEVELS)
def test_chance_of_a_random_order(level: int, generated) -> None:
    """The mean over the samples, whose templates are drawn at random, lies near the mean over the templates."""
    task, loaded = generated(f"step_reorder@level={level}")

    def share(tests) -> float:
        graph = [[i - 1 for i, j in tests["before"] if j == step] for step in range(1, tests["steps"] + 1)]
        return step_reorder.linear_extensions(graph) / math.factorial(tests["steps"])

    shares = [share(sample.tests) for sample in loaded.samples]
    assert statistics.mean(shares) == pytest.approx(task.chance, rel=0.25)
    rng = random.Random(level)
    if level == 1:
        hits = [
            valid(tuple(rng.sample(range(1, s.tests["steps"] + 1), s.tests["steps"])), s.tests["before"])
            for s in loaded.samples
            for _ in range(50)
        ]
        assert statistics.mean(hits) == pytest.approx(task.chance, abs=0.012)  # 10,000 draws, standard deviation .003
