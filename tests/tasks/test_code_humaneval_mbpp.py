"""HumanEval, MBPP and their extensions: what their records become, what their prompts show, and their golds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalsuite import Completion, Sample, Score, Task, sandbox
from evalsuite.errors import UnavailableError, UsageError
from evalsuite.registry import load_task
from evalsuite.sources import Loaded, Where, load, load_shots
from evalsuite.tasks.code import mbpp
from evalsuite.tasks.code._evalplus import runnable, zero_check
from evalsuite.tasks.code._prompts import AUSTIN, BLOCK, COMPLETE, called_function, mbpp_problem
from evalsuite.verifiers.base import run_verifier

SPECIAL_MBPP = {"126", "367", "601", "927"}  # defines `sum`; setup after the program; a class among the arguments; as 367


@pytest.fixture
def isolated() -> None:
    """Skips where programs cannot be isolated."""
    try:
        sandbox.require()
    except UnavailableError as error:
        pytest.skip(str(error))


def wrong_golds(task: Task, samples: list[Sample]) -> list[str]:
    """The ids of samples whose reference does not pass, with the reason."""
    scores = {s.id: answered(task, s, task.verifier.gold(s) or "") for s in samples}
    return [f"{id}: {score.outcome} {score.feedback}" for id, score in scores.items() if score.value != 1.0]


def answered(task: Task, sample: Sample, text: str) -> Score:
    return run_verifier(task.verifier, sample, Completion(text, finish_reason="stop"))


def test_humaneval_samples_and_prompts(from_data) -> None:
    task, loaded = from_data("humaneval")
    sample = loaded.samples[38]
    assert (sample.id, sample.tests["entry_point"], sample.target) == ("HumanEval/38", "decode_cyclic", None)
    assert sample.tests["helpers"] == sample.problem and "def encode_cyclic" in sample.problem
    assert sample.privileged["reference"].startswith(sample.problem)
    rendered = task.prompt.render(sample)
    assert (rendered.plain, task.prompt) == (sample.problem, COMPLETE)  # continued as it is
    assert "\ndef" in rendered.plain_stop
    assert f"```python\n{sample.problem}\n```" in rendered.messages[-1].text
    for text in (rendered.plain, rendered.messages[-1].text):
        assert "check(candidate)" not in text and "return encode_cyclic(encode_cyclic(s))" not in text
    assert (task.sampling.repeats, task.sampling.temperature, task.metrics) == (20, 0.8, ("pass@1", "pass@10"))


@pytest.mark.usefixtures("isolated")
def test_humaneval_canonical_solutions(from_data) -> None:
    task, loaded = from_data("humaneval")
    assert wrong_golds(task, list(loaded.samples)) == []


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize(("model", "solved"), [("gpt-4", 134), ("gpt-3.5-turbo", 42)])
def test_humaneval_recorded_verdicts(model: str, solved: int, data_dir: Path, from_data) -> None:
    task, loaded = from_data("humaneval")
    samples = {sample.id: sample for sample in loaded.samples}
    rows = [json.loads(line) for line in (data_dir / f"humaneval/recorded/{model}_simple.jsonl").read_text().splitlines()]
    scores = [(row, answered(task, samples[row["task_id"]], row["solution"])) for row in rows]
    assert [row["task_id"] for row, score in scores if (score.value == 1.0) != row["is_solved"]] == []
    assert sum(score.value == 1.0 for _, score in scores) == solved
    assert all((score.outcome == "no_answer") == (row["solution"] == "") for row, score in scores)


@pytest.mark.usefixtures("isolated")
def test_humaneval_answers_of_chat_models_and_of_base_models(from_data) -> None:
    task, loaded = from_data("humaneval")
    sample = next(s for s in loaded.samples if s.id == "HumanEval/38")
    body = "    return encode_cyclic(encode_cyclic(s))"
    function = f"def decode_cyclic(s: str):\n{body}"
    for text in (
        body,
        f"{body}\n\nThis undoes it.\n",
        f"```python\n{function}\n```",  # the helper comes from the prompt
        f"```python\n{function}\n```\nUsage:\n```python\nprint(decode_cyclic('bca'))\n```",
        f"```python\n{sample.problem}{body}\n```",
        f"```\n{body.strip()}\n```",
    ):
        assert answered(task, sample, text).value == 1.0, text
    for text in ("    return s", "```python\ndef decode_cyclic(s):\n    return encode_cyclic(s)\n```", "```python\npass\n```"):
        assert answered(task, sample, text).value == 0.0, text
    # What the answer says about the helper is of no use to it: the tests use the task's own.
    cheat = "```python\ndef encode_cyclic(s):\n    return s\n\n\ndef decode_cyclic(s):\n    return s\n```"
    assert answered(task, sample, cheat).value == 0.0


def test_mbpp_prompt_is_that_of_the_paper(data_dir: Path, from_data) -> None:
    task, loaded = from_data("mbpp")
    sample = loaded.samples[0]
    assert (sample.id, sample.tests["entry_point"], loaded.samples[-1].id) == ("11", "remove_Occ", "510")
    shots = load_shots(task, Where(data_dir=data_dir, offline=True), task.num_fewshot)
    rendered = task.prompt.render(sample, shots)
    assert rendered.plain.startswith(
        "You are an expert Python programmer, and here is your task: Write a function to find the similar elements from the "
        "given two tuple lists. Your code should pass these tests:\n\n"
        "assert similar_elements((3, 4, 5, 6),(5, 7, 4, 10)) == (4, 5)\n"
    )
    assert "  return (res) \n[DONE]\n\nYou are an expert" in rendered.plain
    assert rendered.plain.count("[BEGIN]") == 4 and rendered.plain.endswith('== "PHP"\n[BEGIN]\n'.replace("PHP", "H"))
    assert [m.role for m in rendered.messages] == ["user", "assistant"] * 3 + ["user"]
    assert (rendered.plain_stop, task.prompt) == (("[DONE]",), AUSTIN)
    assert sample.privileged["reference"] not in rendered.plain and "\r" not in rendered.plain


def test_mbpp_splits(data_dir: Path) -> None:
    sizes = {"test": 500, "validation": 90, "train": 374, "prompt": 10, "full": 974}
    for split, size in sizes.items():
        task = load_task("mbpp" if split == "test" else f"mbpp@{split}")
        loaded = load(task, Where(data_dir=data_dir, offline=True))
        assert (len(loaded.samples), loaded.size) == (size, size)
        shown = {"2", "3", "4"} & {sample.id for sample in loaded.samples}
        assert task.num_fewshot == (0 if shown else 3)
    assert task.samples.split == "test+validation+train+prompt"
    with pytest.raises(UsageError, match="no split 'dev'"):
        load_task("mbpp@dev")


@pytest.mark.parametrize(
    ("code", "asserts", "name"),
    [
        ("def sum(a, b):\n    return a", ["assert sum(10, 15) == 6"], "sum"),
        ("class Pair: pass\ndef longest(p):\n    return 1", ["assert longest([Pair(1), Pair(2)]) == 1"], "longest"),
        ("def a(): pass\ndef b(): pass", ["assert set(b()) == set(a())", "assert b()"], "b"),
        ("f = abs", ["assert f(-1) == 1"], None),
    ],
)
def test_the_tested_function(code: str, asserts: list[str], name: str | None) -> None:
    assert called_function(code, asserts) == name


def test_mbpp_names_a_function_for_every_task(data_dir: Path) -> None:
    loaded = load(load_task("mbpp@full"), Where(data_dir=data_dir, offline=True))
    assert all(sample.tests["entry_point"] for sample in loaded.samples)
    found = {s.id: s.tests["entry_point"] for s in loaded.samples if s.id in SPECIAL_MBPP}
    assert found == {"126": "sum", "367": "is_tree_balanced", "601": "max_chain_length", "927": "max_height"}


@pytest.mark.usefixtures("isolated")
def test_mbpp_references_pass_spread_over_the_set_and_where_it_is_special(data_dir: Path) -> None:
    task = load_task("mbpp@full")
    samples = load(task, Where(data_dir=data_dir, offline=True)).samples
    assert wrong_golds(task, [s for i, s in enumerate(samples) if i % 10 == 0 or s.id in SPECIAL_MBPP]) == []


@pytest.mark.slow
@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize(("name", "size"), [("mbpp@full", 974), ("mbpp_sanitized", 427)])
def test_every_mbpp_reference_passes(name: str, size: int, data_dir: Path) -> None:
    task = load_task(name)
    samples = load(task, Where(data_dir=data_dir, offline=True)).samples
    assert (len(samples), wrong_golds(task, list(samples))) == (size, [])


def test_mbpp_sanitized_shows_three_asserts_and_imports_before_them(from_data) -> None:
    task, loaded = from_data("mbpp_sanitized")
    assert task.prompt == BLOCK and task.num_fewshot == 0
    sphere = next(s for s in loaded.samples if s.id == "82")
    assert sphere.tests["setup"] == "import math"
    assert all(sample.problem.count("\nassert ") <= 3 for sample in loaded.samples)
    assert mbpp_problem("Add. ", ["assert 1", "assert 2", "assert 3", "assert 4"]).endswith(":\n\nassert 1\nassert 2\nassert 3")


# The columns of evalplus/humanevalplus and evalplus/mbppplus, with test code of the same shape.
ASSERTION = """import numpy as np

def is_floats(x) -> bool:
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)):
        return all(isinstance(i, float) for i in x)
    if isinstance(x, np.ndarray):
        return x.dtype == np.float64 or x.dtype == np.float32
    return False


def assertion(out, exp, atol):
    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if out != exp and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert out == exp
"""
HALVES: dict[str, Any] = {
    "task_id": "HumanEval/0",
    "entry_point": "halves",
    "prompt": 'def halves(xs):\n    """ Half of each. """\n',
    "canonical_solution": "    return [x / 2 for x in xs]\n",
}
HALVES_TEST = (
    ASSERTION + "\n\ndef check(candidate):\n    inputs = [[[1, 3]], [[]], [[0.2]]]\n    results = [[0.5, 1.5], [], [0.1]]\n"
    "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assertion(candidate(*inp), exp, 0)\n"
)
HALVES_RELEASE = {
    **HALVES,
    "base_input": [[[1, 3]], [[]]],
    "plus_input": [[[0.2]]],
    "atol": 0,
    "contract": "",
    "test": "of HumanEval",
}


def local(name: str, folder: Path, row: dict[str, Any]) -> tuple[Task, Loaded]:
    place = folder / {"humaneval_plus": "humanevalplus", "mbpp_plus": "mbppplus"}[name]
    place.mkdir()
    (place / "Plus-v1.jsonl").write_text(json.dumps(row) + "\n")
    task = load_task(name)
    return task, load(task, Where(data_dir=folder, offline=True))


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize("row", [{**HALVES, "test": HALVES_TEST}, HALVES_RELEASE], ids=["table", "release"])
def test_humaneval_plus_in_both_forms(row: dict[str, Any], tmp_path: Path) -> None:
    task, loaded = local("humaneval_plus", tmp_path, row)
    sample = loaded.samples[0]
    assert loaded.label("humaneval_plus") == "humaneval_plus[1/164]"
    assert wrong_golds(task, [sample]) == []
    for body, value in (
        ("[x * 0.5 for x in xs]", 1.0),
        ("[x / 2 + 1e-9 for x in xs]", 1.0),  # within the tolerance
        ("[x // 2 for x in xs]", 0.0),
        ("[x / 2 + 1e-3 for x in xs]", 0.0),
        ("[x / 2 for x in xs] or [0.0]", 0.0),
        ("sum(xs) / 2", 0.0),
    ):
        assert answered(task, sample, f"    return {body}").value == value, body


@pytest.mark.usefixtures("isolated")
def test_whole_numbers_are_compared_exactly_where_the_reference_gives_them(tmp_path: Path) -> None:
    row = {**HALVES_RELEASE, "canonical_solution": "    return sum(xs)\n", "base_input": [[[10**9, 1]]], "plus_input": []}
    task, loaded = local("humaneval_plus", tmp_path, row)
    assert wrong_golds(task, list(loaded.samples)) == []
    assert answered(task, loaded.samples[0], "    return sum(xs) - 1").value == 0.0


ZERO: dict[str, Any] = {
    "task_id": "HumanEval/32",
    "entry_point": "find_zero",
    "prompt": 'def find_zero(xs):\n    """ A zero of the polynomial. """\n',
    "canonical_solution": "    return -xs[0] / xs[1] if len(xs) == 2 else 1.0\n",
}
ZERO_TEST = (
    "import math\n\ndef _poly(xs, x):\n    return sum([coeff * math.pow(x, i) for i, coeff in enumerate(xs)])\n\n\n"
    "def check(candidate):\n    inputs = [[[1, 2]], [[-6, 11, -6, 1]]]\n    results = [-0.5, 1.0]\n"
    "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assert _poly(*candidate(*inp), inp) <= 0.0001\n"
)


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize(
    "row",
    [{**ZERO, "test": ZERO_TEST}, {**ZERO, "base_input": [[[1, 2]]], "plus_input": [[[-6, 11, -6, 1]]], "atol": 1e-4}],
    ids=["table", "release"],
)
def test_any_zero_of_the_polynomial_counts(row: dict[str, Any], tmp_path: Path) -> None:
    task, loaded = local("humaneval_plus", tmp_path, row)
    assert wrong_golds(task, list(loaded.samples)) == []
    other = "    return -xs[0] / xs[1] if len(xs) == 2 else 3.0"  # -6 + 33 - 54 + 27 = 0 too
    assert answered(task, loaded.samples[0], other).value == 1.0
    for wrong in ("    return 0.0", "    return -100.0", "    return -xs[0] / xs[1] if len(xs) == 2 else 1.5"):
        assert answered(task, loaded.samples[0], wrong).value == 0.0, wrong  # a value far below zero is none


@pytest.mark.usefixtures("isolated")
def test_mbpp_plus(tmp_path: Path) -> None:
    row = {
        "task_id": 98,
        "prompt": "Write a function to halve each of a list's numbers.",
        "code": "def halves(xs):\n  return [x / 2 for x in xs]",
        "test_imports": ["import math"],
        "test_list": ["assert halves([1, 3]) == [0.5, 1.5]"],
        "test": ASSERTION + "\ninputs = [[[1, 3]], [[]], [[0.2]]]\nresults = [[0.5, 1.5], [], [0.1]]\n"
        "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(halves(*inp), exp, 0)\n",
    }
    task, loaded = local("mbpp_plus", tmp_path, row)
    sample = loaded.samples[0]
    assert "assert halves([1, 3])" in sample.problem and "0.2" not in sample.problem
    assert wrong_golds(task, [sample]) == []
    assert answered(task, sample, "```python\ndef halves(xs):\n    return [0.5, 1.5]\n```").value == 0.0


def test_the_stand_in_for_numpy_compares_as_numpy_does() -> None:
    import numpy

    namespace: dict[str, Any] = {}
    exec(runnable("import numpy as np\n"), namespace)
    ours = namespace["np"]
    inf, nan = float("inf"), float("nan")
    pairs = [
        (1, 1.0),
        (1.0, 1.0 + 5e-7),
        (1.0, 1.00001),
        (1e9, 1e9 + 1),
        (inf, inf),
        (-inf, inf),
        (inf, 1.0),
        (1.0, inf),
        (nan, nan),
    ]
    pairs += [([1.0, 2.0], [1.0, 2.0000001]), ((1.0, 2.0), [1.0, 2.1]), ([], []), ([[1.0], [2.0]], [[1.0], [2.0]]), (1 + 2j, 1 + 2j)]  # fmt: skip
    for out, exp in pairs:
        for atol in (0, 1e-6, 1e-4):
            assert bool(ours.allclose(out, exp, rtol=1e-7, atol=atol)) == numpy.allclose(out, exp, rtol=1e-7, atol=atol), (
                out,
                exp,
            )
    for out, exp in ((True, [1.0]), ([1.0], [1.0, 2.0]), (None, 1.0), ("a", 1.0)):
        with pytest.raises((TypeError, AssertionError)):
            ours.testing.assert_allclose(out, exp)


def test_code_that_needs_no_numpy_stays_as_it_is() -> None:
    assert (
        runnable("def check(candidate):\n    assert candidate(1) == 2\n")
        == "def check(candidate):\n    assert candidate(1) == 2\n"
    )
    assert "candidate(list(xs))" in zero_check([[[1.0, 2.0]]], 1e-4)


def test_worked_examples_are_those_of_the_paper() -> None:
    row = {"task_id": 5, "text": "t", "code": "def f():\r\n  return 1", "test_list": ["assert f() == 1"], "test_setup_code": ""}
    assert not mbpp.EXAMPLES.select(row) and mbpp.EXAMPLES.select({**row, "task_id": 3})
    assert mbpp.example({**row, "task_id": 3})["solution"] == "def f():\n  return 1\n[DONE]"
