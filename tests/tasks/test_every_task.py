"""What holds for every task that comes with evalsuite: it is documented, loads without data, and passes its own checks."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from evalsuite import Source
from evalsuite.errors import UsageError
from evalsuite.metrics.reduce import parse_metric
from evalsuite.registry import index, load_task, select, suites
from evalsuite.sources import Loaded, Where, load

HERE = Path(importlib.import_module("evalsuite.tasks.math").__path__[0]).parent  # type: ignore[attr-defined]
TASKS = {name: info for name, info in index().items() if Path(info.path).is_relative_to(HERE)}
GENERATED = (
    "sort_letters", "arithmetic", "linear_equations", "masked_step", "step_reorder", "code_output", "code_input", "code_function",
)  # fmt: skip
# name: (samples in the data folder, size of the full set)
LOCAL = {
    "gsm8k": (1319, 1319),
    "math500": (500, 500),
    "aime24": (30, 30),
    "aime25": (30, 30),
    "amc23": (40, 40),
    "minerva_math": (272, 272),
    "olympiadbench": (675, 674),
    "nq": (3610, 3610),
    "triviaqa": (1, 11313),
    "popqa": (1000, 14267),
    "hotpotqa": (500, 7405),
    "2wiki": (500, 12576),
    "musique": (500, 2417),
    "bamboogle": (125, 125),
    "simpleqa": (5, 4326),
    "sciknoweval_biology": (50, 50),
    "sciknoweval_chemistry": (210, 210),
    "sciknoweval_material": (94, 94),
    "sciknoweval_physics": (80, 80),
    "ifeval": (541, 541),
    "humaneval": (164, 164),
    "mbpp": (500, 500),
    "mbpp_sanitized": (427, 427),
    "debugbench": (151, 1414),
}
HUB_ONLY = (
    "aime26", "hmmt_feb25", "hmmt_nov25", "hmmt_feb26", "gpqa_diamond", "humaneval_plus", "mbpp_plus", "livecodebench", "apps",
    "code_contests",
)  # fmt: skip


def thinned(loaded: Loaded, most: int = 120) -> Loaded:
    """At most `most` samples, spread over the set."""
    step = -(-len(loaded.samples) // most)
    return dataclasses.replace(loaded, samples=loaded.samples[::step])


def test_the_tasks_are_the_ones_that_the_tables_here_name() -> None:
    assert set(TASKS) == {*LOCAL, *GENERATED, *HUB_ONLY}


@pytest.mark.parametrize("name", TASKS)
def test_a_definition_is_short_and_says_where_it_comes_from(name: str) -> None:
    info = TASKS[name]
    source = Path(info.path).read_text()
    function = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.lineno == info.line)
    assert function.end_lineno - function.decorator_list[0].lineno + 1 <= 16  # type: ignore[operator]
    assert info.doc.endswith(".")
    header = ast.get_docstring(ast.parse(source)) or ""
    for word in ("Data:", "Protocol", "Pitfall"):
        assert word in header or "_protocol.py" in header, f"{info.path}: the header lacks {word!r}"
    if name not in GENERATED:
        assert "arXiv" in header or "TACL" in header or name == "amc23"
        licence = r"MIT|Apache|CC[ -]BY|never ship|no copy is\s+kept"
        assert re.search(licence, header), f"{info.path}: the header does not name the licence of the data"


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_complete_without_any_data(name: str) -> None:
    task = load_task(name)
    assert task.sampling.max_tokens >= 16 and task.sampling.repeats >= 1
    assert parse_metric(task.metrics[0]).needs_n == 1
    for metric in task.metrics:
        parse_metric(metric)
    names = [prompt.name for prompt in (task.prompt, *task.prompts)]
    assert len(set(names) - {task.prompt.name}) == len({*task.prompts} - {task.prompt})
    for prompt in (task.prompt, *task.prompts):
        assert prompt.user.count("{problem}") == 1 and prompt.plain.count("{problem}") == 1
    if isinstance(task.samples, Source):
        assert task.samples.size, "the full set's size is what marks a partial one"
    if isinstance(task.fewshot, Source):
        assert task.fewshot.split != task.samples.split  # type: ignore[union-attr]  # never worked examples from the test set


def test_suites_name_tasks_that_exist() -> None:
    for name, members in suites().items():
        assert select(f"suite:{name}").tasks == tuple(members)
    assert suites()["qa"] == ("nq", "triviaqa", "popqa", "hotpotqa", "2wiki", "musique", "bamboogle")
    assert {"math", "science", "reasoning"} <= set(suites())


@pytest.mark.parametrize("name", LOCAL)
def test_the_data_folder_gives_the_samples(name: str, from_data) -> None:
    _, loaded = from_data(name)
    n, size = LOCAL[name]
    skipped = 20 if name == "debugbench" else 0  # records whose examples cannot tell the bug from the repair
    assert (len(loaded.samples), loaded.size, loaded.skipped, loaded.kind) == (n, size, skipped, "local")
    assert loaded.label(name) == (f"{name}[{n}/{size}]" if n < size else name)


@pytest.mark.parametrize("name", LOCAL)
def test_its_own_checks_pass_on_samples_spread_over_the_set(name: str, from_data, failures, request) -> None:
    task, loaded = from_data(name)
    if task.verifier.name == "code":
        request.getfixturevalue("isolated")
    assert failures(task, thinned(loaded, 20 if task.verifier.name == "code" else 120)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", LOCAL)
def test_its_own_checks_pass_on_every_sample(name: str, from_data, failures, request) -> None:
    task, loaded = from_data(name)
    if task.verifier.name == "code":
        request.getfixturevalue("isolated")
    assert failures(task, loaded) == []


@pytest.mark.parametrize("name", HUB_ONLY)
def test_a_set_without_a_local_file_says_where_it_would_come_from(name: str, tmp_path: Path) -> None:
    task = load_task(name)
    with pytest.raises(UsageError) as error:
        load(task, Where(data_dir=tmp_path, offline=True))
    assert task.samples.hub in str(error.value)  # type: ignore[union-attr]
    assert "offline" in str(error.value)
