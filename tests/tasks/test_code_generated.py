"""The generated code families: the same everywhere, all different, right by running them again, and no good guesses."""

from __future__ import annotations

import ast
import copy
import dataclasses
import hashlib
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from evalsuite import ask, sandbox
from evalsuite.errors import UnavailableError, UsageError
from evalsuite.registry import load_task
from evalsuite.sources import Where, load
from evalsuite.tasks.code import code_input, code_output
from evalsuite.tasks.code._programs import DRAWS, SHAPES, TRIVIAL, _value, draw_program
from evalsuite.tasks.code._programs_grammar import Draft, Var
from evalsuite.tasks.code._programs_idioms import HELPER_IDIOMS, IDIOMS
from evalsuite.tasks.code._programs_names import INSIDE, ITEMS
from evalsuite.verifiers.code.validity import check_program

FAMILIES = ("code_output", "code_input", "code_function")
# First 12 hex digits of a sha256 over (id, problem, target, tests) of the first 20 samples of every level.
DIGESTS: dict[tuple[str, int], str] = {
    ("code_output", 1): "216b503051b9",
    ("code_output", 2): "99dcce31e7b8",
    ("code_output", 3): "cf7a34f62234",
    ("code_output", 4): "b76086a2809e",
    ("code_output", 5): "75ccb71f7e5e",
    ("code_input", 1): "459b7822ab7a",
    ("code_input", 2): "a4a572df97d8",
    ("code_input", 3): "e854ea252f70",
    ("code_input", 4): "7b8e4f4dbc49",
    ("code_input", 5): "46a60499c66b",
    ("code_function", 1): "d6a689524278",
    ("code_function", 2): "0654cd40940e",
    ("code_function", 3): "a6a238a7d4ff",
    ("code_function", 4): "b3f0e8b368ee",
    ("code_function", 5): "3f7b7173d3f6",
}
ALL = [f"{family}@level={level}:size=20" for family in FAMILIES for level in SHAPES]


@pytest.fixture(scope="module")
def isolated() -> None:
    """Skips where programs cannot be isolated."""
    try:
        sandbox.require()
    except UnavailableError as error:
        pytest.skip(str(error))


def digest(samples: Any) -> str:
    rows = [[s.id, s.problem, s.target, repr(s.tests)] for s in samples]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def run(source: str) -> Any:
    """`f` of a program of our own grammar."""
    names: dict[str, Any] = {}
    exec(source, names)
    return names["f"]


def code(problem: str) -> str:
    return re.search(r"```python\n(.*?)```", problem, re.DOTALL)[1]


# The same everywhere


@pytest.mark.parametrize(("family", "level"), [(f, level) for f in FAMILIES for level in SHAPES])
def test_the_samples_are_the_same_on_every_machine(family: str, level: int, generated) -> None:
    samples = generated(f"{family}@level={level}:size=20")[1].samples
    assert digest(samples) == DIGESTS[family, level]
    assert [s.id for s in samples] == [f"l{level}-s0-{i:04d}" for i in range(20)]
    assert len({s.problem for s in samples}) == 20 and all(re.fullmatch("[0-9a-f]{12}", s.cluster) for s in samples)


def test_hash_seeds_do_not_matter() -> None:
    script = (
        "from evalsuite.registry import load_task; from evalsuite.sources import Where, load; import hashlib\n"
        "rows = [(s.problem, s.target, s.tests) for f in ('code_output', 'code_input', 'code_function')"
        " for s in load(load_task(f'{f}@level=4:size=5'), Where(offline=True)).samples]\n"
        "print(hashlib.sha256(repr(rows).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1 and len(found.pop().strip()) == 64


def test_a_smaller_size_is_the_beginning_and_another_seed_is_another_set(generated) -> None:
    samples = generated("code_output@level=1:size=20")[1].samples
    assert load(load_task("code_output@size=7"), Where()).samples == samples[:7]
    other = load(load_task("code_output@size=7:seed=1"), Where()).samples
    assert other[0].id == "l1-s1-0000" and {s.problem for s in other}.isdisjoint(s.problem for s in samples)


@pytest.mark.parametrize("family", FAMILIES)
def test_impossible_arguments_are_refused(family: str) -> None:
    with pytest.raises(UsageError, match=rf"{family}: there is no level 6; the levels are 1, 2, 3, 4, 5"):
        load_task(f"{family}@level=6")
    with pytest.raises(UsageError, match="size 0 must be at least 1"):
        load_task(f"{family}@size=0")


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize("spec", ALL)
def test_its_own_checks_pass(spec: str, generated, failures) -> None:
    task, loaded = generated(spec)
    if spec.startswith("code_function"):  # hostile programs are tests/sandbox's affair, and take seconds
        task = dataclasses.replace(task, exempt={**task.exempt, "attacks": "tested elsewhere"})
    assert failures(task, dataclasses.replace(loaded, samples=loaded.samples[:5])) == []


# The programs


@pytest.mark.parametrize("level", SHAPES)
def test_programs_are_different_short_and_alive(level: int) -> None:
    rng = random.Random(f"programs {level}")
    programs = [p for _ in range(50) if (p := draw_program(rng, level)) is not None]
    assert len(programs) > 15
    assert len({p.source for p in programs}) >= 0.9 * len(programs)
    for program in programs:
        function = run(program.source)
        assert len(program.examples) >= DRAWS // 2
        assert max(Counter(repr(e.output) for e in program.examples).values()) <= DRAWS // 4
        for example in program.examples:
            args = copy.deepcopy(example.args)
            assert repr(function(*args)) == repr(example.output)
            assert repr(args) == repr(example.args)  # arguments are left as they were
            assert repr(example.output) not in TRIVIAL and example.output not in example.args
        lines = program.source.splitlines()
        assert all(len(line) < 120 and line == line.rstrip() for line in lines) and len(lines) < 90
        tree = ast.parse(program.source)
        assert not any(isinstance(node, ast.Import | ast.Global) for node in ast.walk(tree))
        bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        assert {p.name for p in program.params} <= read
        assert {name for name in bound - read if name not in ("i", "key", "count")} <= _loop_names(tree)
        helpers = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name != "f"]
        assert all(helper.name in read for helper in helpers)
        assert bool(helpers) == (level > 3)


def _loop_names(tree: ast.AST) -> set[str]:
    """A loop may count without looking: `for n in numbers: total += 2`."""
    targets = [n.target for n in ast.walk(tree) if isinstance(n, ast.For | ast.comprehension)]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize("level", SHAPES)
def test_programs_pass_the_check_that_those_of_others_must_pass(level: int) -> None:
    rng = random.Random(f"valid {level}")
    programs = [p for _ in range(12) if (p := draw_program(rng, level)) is not None]
    assert programs
    for program in programs:
        assert check_program(program.source, [e.args for e in program.examples[:6]]) is None, program.source


EDGES: dict[str, tuple[Any, ...]] = {
    "int": (0, 1, -7, 10, 9999),
    "count": (0, 1, -3, 7),
    "phrase": ("", "a", "a  b"),
    "str": ("", "a", "aab", "B 7-"),
    "ints": ([], [0], [-3, 5, 5], [10, 2, 1]),
    "words": ([], [""], ["a", ""], ["be", "bee", "a"]),
    "table": ({}, {"": 0}, {"a": -1, "bc": 30}),
    "tally": ({}, {0: 0}, {-2: 5, 7: 30}),
    "rows": ([], [[]], [[1], [2, 3]], [[5, 0], [], [7, 7]]),
}


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda i: f"{i.takes}-{i.gives}-{i.names[0]}")
def test_no_idiom_raises_or_changes_what_it_takes(idiom: Any) -> None:
    kinds = {"int": int, "ints": list, "words": list, "rows": list, "str": str, "tally": dict, "table": dict}
    for seed in range(4):
        draft = Draft(random.Random(seed), 3, 2, 2, 1)
        body = draft.code(idiom, Var("given", idiom.takes), "out")
        helpers = [source for _, _, source in draft.functions.values()]
        small = [p.name for p in draft.params]
        lines = [
            *helpers,
            f"def f({', '.join(['given', *small])}):",
            *(f"    {line}" for line in body.split("\n")),
            "    return out",
        ]
        assert "$" not in body
        function = run("\n".join(lines))
        for value in (*EDGES[idiom.takes], _value(random.Random(seed), Var("given", _drawn(idiom.takes)))):
            if _drawn(idiom.takes) == idiom.takes or value in EDGES[idiom.takes]:
                given = copy.deepcopy(value)
                assert type(function(given, *(2 + n for n, _ in enumerate(small)))) is kinds[idiom.gives]
                assert given == value


def _drawn(kind: str) -> str:
    """A kind that inputs are drawn of."""
    return kind if kind not in ("str", "tally") else "int"


@pytest.mark.parametrize("helper", HELPER_IDIOMS, ids=lambda h: h.names[0])
def test_no_helper_raises(helper: Any) -> None:
    for seed in range(4):
        body = Draft(random.Random(seed), 3, 2, 2, 1).fill(helper.code, {"in": "given"}, plain=True)
        function = run("\n".join(["def f(given):", *(f"    {line}" for line in body.split("\n"))]))
        for value in (0, 1, -7, 10, 9999) if helper.takes == "int" else ("", "a", "bee", "umbrella"):
            assert type(function(value)) is {"int": int, "bool": bool, "word": str}[helper.gives]


def test_names_used_inside_are_no_names_of_variables() -> None:
    elements = {name for names in ITEMS.values() for name in names}
    for idiom in (*IDIOMS, *HELPER_IDIOMS):
        body = re.sub(r"\$(\w+)", r"hole_\1", idiom.code)
        tree = ast.parse("def f():\n" + "\n".join(f"    {line}" for line in body.split("\n")))
        bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        assert {name for name in bound if not name.startswith("hole_")} <= INSIDE | elements, idiom
        assert INSIDE.isdisjoint(idiom.names)


# code_output


@pytest.mark.parametrize("level", SHAPES)
def test_outputs_are_those_of_the_program_that_is_shown(level: int, generated) -> None:
    for sample in generated(f"code_output@level={level}:size=20")[1].samples:
        arguments = re.search(r"What does `f\((.*)\)` return\?$", sample.problem)[1]
        assert repr(run(code(sample.problem))(*ast.literal_eval(f"({arguments},)"))) == sample.target


@pytest.mark.parametrize("level", [1, 2])
def test_the_best_fixed_answer_is_worth_no_more_than_chance_says(level: int) -> None:
    rng = random.Random(f"chance {level}")
    samples = [s for _ in range(500) if (s := code_output._make(rng, level)) is not None]
    top = Counter(s.target for s in samples).most_common(1)[0][1]
    assert top < len(samples) * code_output.CHANCE[level] + 5 * (len(samples) * code_output.CHANCE[level]) ** 0.5


# code_input


@pytest.mark.parametrize("level", SHAPES)
def test_inputs_give_the_output_and_easy_ones_do_not(level: int, generated) -> None:
    for sample in generated(f"code_input@level={level}:size=20")[1].samples:
        function, wanted = run(code(sample.problem)), ast.literal_eval(sample.tests["output"])
        assert sample.tests["program"] == code(sample.problem) and f"returns `{wanted!r}`" in sample.problem
        assert function(*ast.literal_eval(f"({sample.target},)")) == wanted
        for easy in ([], [0], [1, 2, 3], "", "a", 0, 1, {}, [[]], ["a"], wanted):
            try:
                assert function(easy) != wanted
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                continue  # no input of this program


@pytest.mark.usefixtures("isolated")
def test_another_input_than_the_drawn_one_is_right_too(generated, score) -> None:
    """Inputs found by drawing until the program gives the output again: all of them count."""
    task, loaded = generated("code_input@level=1:size=20")
    rng = random.Random("others")
    found = 0
    for sample in loaded.samples:
        function, wanted = run(sample.tests["program"]), ast.literal_eval(sample.tests["output"])
        gold = ast.literal_eval(f"({sample.target},)")
        if not (len(gold) == 1 and isinstance(gold[0], list) and gold[0] and isinstance(gold[0][0], int)):
            continue
        for _ in range(400):
            other = [rng.randint(0, 20) for _ in range(rng.randint(1, 6))]
            if other != gold[0] and function(other) == wanted:
                assert score(task, sample, f"```input\n{other}\n```").value == 1.0
                found += 1
                break
    assert found >= 2


# code_function


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize("level", [1, 3, 5])
def test_a_function_is_judged_by_calls_that_are_not_shown(level: int, generated, score) -> None:
    task, loaded = generated(f"code_function@level={level}:size=20")
    for sample in loaded.samples[:3]:
        shown = re.findall(r"^f\((.*)\) == (.*)$", sample.problem, re.MULTILINE)
        assert (len(shown), len(sample.tests["inputs"])) == (6, 8)
        function = run(sample.privileged["reference"])
        assert all(repr(function(*ast.literal_eval(f"({a},)"))) == out for a, out in shown)
        assert [function(*args) for args in sample.tests["inputs"]] == sample.tests["outputs"]
        outputs = [out for _, out in shown] + list(map(repr, sample.tests["outputs"]))
        assert len(set(outputs)) == 14  # whoever knows some by heart knows none of the others
        table = ", ".join(f"({a},).__repr__(): {out}" for a, out in shown)
        by_heart = score(task, sample, f"```python\ndef f(*args):\n    return {{{table}}}.get(repr(args), {outputs[0]})\n```")
        assert (by_heart.value, by_heart.parts["passed"]) == (0.0, 0.0)
        right = score(task, sample, f"```python\n{sample.privileged['reference']}```")
        assert (right.value, right.parts["passed"]) == (1.0, 1.0)
        assert sample.privileged["reference"] not in sample.problem


@pytest.mark.usefixtures("isolated")
def test_some_calls_right_are_a_part(score) -> None:
    task = load_task("code_function")
    tests = {"inputs": [[1], [2], [3], [4]], "outputs": [1, 2, 3, -4], "entry_point": "f"}
    found = score(task, ask("f(9) == 9", id="x", tests=tests), "```python\ndef f(x):\n    return x\n```")
    assert (found.value, found.parts["passed"]) == (0.0, 0.75)


# Worked examples


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize("family", FAMILIES)
def test_worked_examples_are_answered_right(family: str, score) -> None:
    """An example's answer earns 1.0 on its own question, whose gold is found here by running what it shows."""
    task = load_task(family)
    for shot in task.fewshot:
        fields: dict[str, Any] = {}
        if family == "code_output":
            arguments = re.search(r"`f\((.*)\)`", shot.problem)[1]
            fields = {"target": repr(run(code(shot.problem))(*ast.literal_eval(f"({arguments},)")))}
        elif family == "code_input":
            output = re.search(r"returns `(.*)`", shot.problem)[1]
            fields = {"tests": {"program": code(shot.problem), "entry_point": "f", "output": output}}
        else:
            calls = [
                ast.literal_eval(f"(({a},), {b})") for a, b in re.findall(r"^f\((.*)\) == (.*)$", shot.problem, re.MULTILINE)
            ]
            fields = {"tests": {"inputs": [list(a) for a, _ in calls], "outputs": [b for _, b in calls], "entry_point": "f"}}
        assert score(task, ask(shot.problem, id="x", **fields), shot.answer).value == 1.0, shot


def test_easy_guesses_cover_every_kind_of_parameter() -> None:
    assert set(code_input.EASY) == {kind for shape in SHAPES.values() for kind in shape.kinds}
