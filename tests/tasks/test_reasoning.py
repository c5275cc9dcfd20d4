"""Generated families: the same on every machine, all different, right by independent means, with a chance score that holds."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import itertools
import json
import math
import random
import re
from collections import Counter
from fractions import Fraction

import pytest

from evalsuite.errors import UsageError
from evalsuite.registry import load_task
from evalsuite.sources import Where, load, load_shots
from evalsuite.tasks.reasoning import arithmetic, linear_equations, masked_step, sort_letters
from evalsuite.tasks.reasoning._derivations import LEVELS

# First 12 hex digits of a sha256 over (id, problem, target, tests) of the default 200 samples of every level.
DIGESTS = {
    ("sort_letters", 1): "e4ca0bfe4a0b",
    ("sort_letters", 2): "629f96f633ee",
    ("sort_letters", 3): "c4ab8431d920",
    ("sort_letters", 4): "03b09b75c2a3",
    ("sort_letters", 5): "f0bcc931bf91",
    ("arithmetic", 1): "c254de3a0d94",
    ("arithmetic", 2): "041c8f7e9012",
    ("arithmetic", 3): "dff8a081f3f9",
    ("arithmetic", 4): "5a4fa4e8a531",
    ("arithmetic", 5): "1279c0d4f4d7",
    ("linear_equations", 1): "ce2fca6e2552",
    ("linear_equations", 2): "10207d4822dc",
    ("linear_equations", 3): "99167854d73b",
    ("linear_equations", 4): "6b62f07e3330",
    ("linear_equations", 5): "ede64592938b",
    ("masked_step", 1): "7c718f9ee10f",
    ("masked_step", 2): "766a6310e10c",
    ("masked_step", 3): "f9075df5ff38",
    ("step_reorder", 1): "49972fd22e6b",
    ("step_reorder", 2): "01e60b389963",
    ("step_reorder", 3): "0191b4e4328b",
}
ALL = [f"{family}@level={level}" for family, level in DIGESTS]


def digest(samples) -> str:
    rows = [[s.id, s.problem, s.target, s.tests] for s in samples]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


@pytest.mark.parametrize(("family", "level"), DIGESTS)
def test_the_samples_are_the_same_on_every_machine(family: str, level: int, generated) -> None:
    assert digest(generated(f"{family}@level={level}")[1].samples) == DIGESTS[family, level]


def test_every_level_is_pinned() -> None:
    levels = {"sort_letters": 5, "arithmetic": 5, "linear_equations": 5, "masked_step": 3, "step_reorder": 3}
    assert set(DIGESTS) == {(family, level) for family, n in levels.items() for level in range(1, n + 1)}
    assert len(set(DIGESTS.values())) == len(DIGESTS)


@pytest.mark.parametrize("spec", ALL)
def test_samples_are_different_and_their_ids_readable(spec: str, generated) -> None:
    task, loaded = generated(spec)
    level = int(spec.rpartition("=")[2])
    assert (loaded.kind, loaded.size, len(loaded.samples)) == ("generated", 200, 200)
    assert [s.id for s in loaded.samples] == [f"l{level}-s0-{i:04d}" for i in range(200)]
    assert len({s.problem for s in loaded.samples}) == 200
    assert 0.0 < task.chance < 0.1


@pytest.mark.parametrize("spec", ALL)
def test_its_own_checks_pass(spec: str, generated, failures) -> None:
    task, loaded = generated(spec)
    assert failures(task, dataclasses.replace(loaded, samples=loaded.samples[:40])) == []


@pytest.mark.parametrize("family", ["sort_letters", "arithmetic", "linear_equations", "masked_step", "step_reorder"])
def test_a_smaller_size_is_the_beginning_and_another_seed_is_another_set(family: str, generated) -> None:
    samples = generated(f"{family}@level=1")[1].samples
    few = load(load_task(f"{family}@size=7"), Where()).samples
    assert few == samples[:7]
    other = load(load_task(f"{family}@size=7:seed=1"), Where()).samples
    assert other[0].id == "l1-s1-0000"
    assert {s.problem for s in other} != {s.problem for s in few}


@pytest.mark.parametrize("family", ["sort_letters", "arithmetic", "linear_equations", "masked_step", "step_reorder"])
def test_impossible_arguments_are_refused(family: str) -> None:
    with pytest.raises(UsageError, match=rf"{family}: there is no level 9; the levels are 1, 2, 3"):
        load_task(f"{family}@level=9")
    with pytest.raises(UsageError, match="size 0 must be at least 1"):
        load_task(f"{family}@size=0")


def test_more_questions_than_there_are_is_refused() -> None:
    held = sum(map(sort_letters.held_out, map("".join, itertools.product("abcdefghij", repeat=4))))
    with pytest.raises(UsageError, match=r"found only \d+ different questions of level 1 and 2000 were asked for"):
        load(load_task("sort_letters@size=2000"), Where())
    assert 900 < held < 1100  # a tenth of 10,000, standard deviation 30


@pytest.mark.parametrize("family", ["sort_letters", "arithmetic", "linear_equations", "masked_step", "step_reorder"])
def test_worked_examples_are_answered_right(family: str, generated, score) -> None:
    """An example's answer earns 1.0 on its own question, whose gold is found here by the families' own rules."""
    task = load_task(family)
    golds = {
        "sort_letters": ["abc", "djj", "efg", "bbi"],
        "arithmetic": ["155", "21", "23", "-7"],
        "linear_equations": ["5", "7/13", "5/11", "(2, 3)"],
        "masked_step": ["6x + 2"],
        "step_reorder": [{"steps": 2, "before": [[2, 1]]}, {"steps": 4, "before": [[2, 4], [4, 1], [3, 1]]}],
    }[family]
    from evalsuite import ask

    for shot, gold in zip(load_shots(task, Where(), len(golds)), golds, strict=True):
        fields = {"tests": gold} if isinstance(gold, dict) else {"target": gold}
        assert score(task, ask(shot.problem, id="x", **fields), shot.answer).value == 1.0, shot
        assert not any(shot.problem == s.problem for s in generated(f"{family}@level=1")[1].samples)


# sort_letters


@pytest.mark.parametrize("level", sort_letters.LEVELS)
def test_sorted_letters(level: int, generated) -> None:
    _, loaded = generated(f"sort_letters@level={level}")
    n, alphabet = sort_letters.LEVELS[level]
    for sample in loaded.samples:
        letters = re.fullmatch(r"sort ([a-z]+)=", sample.problem)[1]
        assert len(letters) == n and max(letters) <= chr(96 + alphabet)
        assert sort_letters.held_out(letters)
        assert Counter(letters) == Counter(sample.target) and list(sample.target) == sorted(sample.target)


def test_letters_are_asked_as_the_demo_model_learns_them(generated) -> None:
    from evalsuite import demo

    task, loaded = generated("sort_letters@level=1")
    rendered = task.prompt.render(loaded.samples[0])
    letters = loaded.samples[0].problem[5:-1]
    assert rendered.plain == demo.prompt(letters) == f"sort {letters}="
    assert rendered.messages[-1].text.endswith(rendered.plain)
    assert task.prompt.render(loaded.samples[0], task.fewshot[:1]).plain == f"sort cab=abc\n\nsort {letters}="
    trained = set(demo.questions())
    assert trained.isdisjoint(s.problem[5:-1] for s in loaded.samples)


def test_chance_of_a_random_order_by_enumeration() -> None:
    def orders(word: str) -> int:
        return math.factorial(len(word)) // math.prod(map(math.factorial, Counter(word).values()))

    strings = list(map("".join, itertools.product("abcdefghij", repeat=4)))
    assert sort_letters.chance(1) == pytest.approx(sum(1 / orders(s) for s in strings) / len(strings), abs=1e-12)
    assert sort_letters.chance(1) == 0.0715


# arithmetic


@pytest.mark.parametrize("level", arithmetic.CHANCE)
def test_expressions_have_their_value_and_no_bracket_too_many(level: int, generated) -> None:
    for sample in generated(f"arithmetic@level={level}")[1].samples:
        tree = ast.parse(sample.problem.replace("mod", "%"), mode="eval")
        assert str(_exact(tree.body)) == sample.target
        # The unparser of the standard library brackets only where it must.
        assert ast.unparse(tree).replace("%", "mod") == sample.problem
        assert sum(isinstance(node, ast.BinOp) for node in ast.walk(tree)) == level


def _exact(node: ast.expr) -> int:
    if isinstance(node, ast.Constant):
        return node.value
    left, right = _exact(node.left), _exact(node.right)
    match node.op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv():
            assert left > right > 1
            quotient = Fraction(left, right)
            assert math.floor(quotient) == math.trunc(quotient)  # every convention of rounding agrees
            return math.floor(quotient)
        case ast.Mod():
            assert left > right > 1
            return left - right * (left // right)
    raise AssertionError(ast.dump(node))


def test_all_operations_occur_and_can_be_chosen(generated) -> None:
    texts = " ".join(s.problem for s in generated("arithmetic@level=2")[1].samples)
    assert all(f" {op} " in texts for op in arithmetic.OPERATIONS)
    chosen = load_task("arithmetic@level=2:ops=+-")
    assert chosen.chance is None
    assert not re.search(r"[*/m]", " ".join(s.problem for s in load(chosen, Where()).samples))
    with pytest.raises(UsageError, match=r"ops '\+\^' must be some of"):
        load_task("arithmetic@ops=+^")


def test_copying_the_expression_is_no_answer_to_it(generated, score) -> None:
    task, loaded = generated("arithmetic@level=3")
    for sample in loaded.samples:
        assert score(task, sample, sample.problem).value == 0.0
        assert score(task, sample, f"\\boxed{{{sample.problem}}}").value == 0.0
        assert score(task, sample, f"So {sample.problem} = {sample.target}.").value == 1.0


@pytest.mark.parametrize(
    ("family", "levels"), [(arithmetic, (1, 2, 3)), (linear_equations, (1, 2, 3, 4)), (masked_step, (1, 2))]
)
def test_chance_of_the_best_fixed_answer_by_simulation(family, levels: tuple[int, ...]) -> None:
    n = 600 if family is masked_step else 6000
    for level in levels:
        rng = random.Random(f"simulation {level}")
        options = {"ops": arithmetic.OPERATIONS} if family is arithmetic else {}
        draws = (family._make(rng, level, **options) for _ in itertools.count())
        targets = Counter(s.target for s in itertools.islice(filter(None, draws), n))
        p = family.CHANCE[level]
        # The largest of many counts lies above its mean: 5 standard deviations up, 4 down.
        spread = math.sqrt(n * p * (1 - p))
        assert -4 * spread < max(targets.values()) - n * p < 5 * spread, (level, targets.most_common(2))


# linear_equations


@pytest.mark.parametrize("level", linear_equations.CHANCE)
def test_equations_have_exactly_the_solution_that_sympy_finds(level: int, generated) -> None:
    import sympy

    for sample in generated(f"linear_equations@level={level}")[1].samples[:60]:
        text = re.fullmatch(r"Solve (?:the system )?(.*) for .*\.", sample.problem)[1]
        sides = [re.sub(r"(\d)(?=[xyz(])", r"\1*", equation).split(" = ") for equation in text.split(", ")]
        unknowns = sympy.symbols("x y z")[: max(1, level - 2)] if level > 3 else (sympy.Symbol("x"),)
        equations = [sympy.sympify(left) - sympy.sympify(right) for left, right in sides]
        (solution,) = sympy.linsolve(equations, unknowns)
        assert not any(value.free_symbols for value in solution)
        shown = ", ".join(map(str, solution))
        assert sample.target == (f"({shown})" if level > 3 else shown)


def test_levels_are_of_different_kinds(generated) -> None:
    kinds = {1: r"-?\d+", 2: r"-?\d+(/\d+)?", 3: r"-?\d+(/\d+)?", 4: r"\(-?\d+, -?\d+\)", 5: r"\(-?\d+, -?\d+, -?\d+\)"}
    for level, kind in kinds.items():
        assert all(re.fullmatch(kind, s.target) for s in generated(f"linear_equations@level={level}")[1].samples)
    assert all("(" in s.problem for s in generated("linear_equations@level=3")[1].samples)
    assert set(LEVELS) == {1, 2, 3}
