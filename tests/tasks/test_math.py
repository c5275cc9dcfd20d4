"""The mathematics benchmarks: what their records become, and what their protocols say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from evalsuite import Completion
from evalsuite.errors import UsageError
from evalsuite.registry import load_task
from evalsuite.sources import Where, load, load_shots
from evalsuite.tasks.math import gsm8k, minerva_math, olympiadbench
from evalsuite.tasks.math._prompts import ANSWER_LINE, BOXED, BOXED_AIME, QWEN
from evalsuite.verifiers.base import run_verifier

# name: (id, start of the problem, target) of the first sample
FIRST = {
    "gsm8k": (None, "Janet’s ducks lay 16 eggs per day.", "18"),
    "math500": ("test/precalculus/807.json", "Convert the point $(0,3)$", "\\left( 3, \\frac{\\pi}{2} \\right)"),
    "aime24": ("60", "Every morning Aya goes for a $9$-kilometer-long walk", "204"),
    "aime25": ("0", "Find the sum of all integer bases $b>9$", "70"),
    "amc23": ("0", "Cities $A$ and $B$ are $45$ miles apart.", "27"),
    "minerva_math": ("0", "Each of the two Magellan telescopes", "1.6"),
    "olympiadbench": ("1606", "Xenia and Sergey play the following game.", "2"),
}


@pytest.mark.parametrize("name", FIRST)
def test_first_sample(name: str, from_data) -> None:
    _, loaded = from_data(name)
    sample = loaded.samples[0]
    sample_id, problem, target = FIRST[name]
    assert sample.problem.startswith(problem)
    assert sample.target == target
    assert sample_id is None or sample.id == sample_id


def test_math500_is_the_authors_file(data_dir: Path, from_data) -> None:
    digest = "35dc41080a3680858b27fa7e0533d2d547825316fc5dafe5d316f4ccc5a06132"
    assert hashlib.sha256((data_dir / "math500/test.jsonl").read_bytes()).hexdigest() == digest
    _, loaded = from_data("math500")
    assert loaded.revision == digest
    assert {sample.metadata["level"] for sample in loaded.samples} == {1, 2, 3, 4, 5}
    assert len({sample.metadata["subject"] for sample in loaded.samples}) == 7


def test_math500_worked_examples_are_right_and_our_own(from_data, score) -> None:
    task, loaded = from_data("math500")
    # 7 * 21; roots -2 and 4; (4^2 - 3^2) / 36; 6 / (sqrt 5 - sqrt 2) = 6 (sqrt 5 + sqrt 2) / 3.
    right = ("147", "[-2, 4]", "\\frac{7}{36}", "2(\\sqrt{2} + \\sqrt{5})")
    shots = load_shots(task, Where(offline=True), 4)
    for shot, target in zip(shots, right, strict=True):
        assert run_verifier(task.verifier, _sample(shot.problem, target), Completion(shot.answer)).value == 1.0
        assert not any(shot.problem == sample.problem for sample in loaded.samples)
    plain = task.prompt.render(loaded.samples[0], shots).plain
    assert plain.count("Question: ") == 5 and plain.endswith(f"{loaded.samples[0].problem}\nAnswer:")


def test_gsm8k_solution_is_privileged_and_free_of_annotations() -> None:
    row = gsm8k.read({"question": "q", "answer": "She has 3*400 = <<3*400=1200>>1200 eggs.\n#### 1,200"})
    assert row["answer"] == "1200"
    assert row["solution"] == "She has 3*400 = 1200 eggs.\nThe final answer is \\boxed{1200}."


def test_gsm8k_worked_examples_come_from_the_training_set(tmp_path: Path) -> None:
    task = load_task("gsm8k")
    with pytest.raises(UsageError, match=r"gsm8k/train\.jsonl.*openai/gsm8k"):
        load_shots(task, Where(data_dir=tmp_path, offline=True), 5)
    (tmp_path / "gsm8k").mkdir()
    rows = [{"question": f"{i} and {i}?", "answer": f"{i}+{i}=<<{i}+{i}={2 * i}>>{2 * i}\n#### {2 * i}"} for i in range(6)]
    (tmp_path / "gsm8k/train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    shots = load_shots(task, Where(data_dir=tmp_path, offline=True), 5)
    assert shots[3].problem == "3 and 3?"
    assert shots[3].answer == "3+3=6\nThe final answer is \\boxed{6}."


def test_recorded_gsm8k_completions_score_as_their_authors_said(data_dir: Path, from_data, score) -> None:
    task, loaded = from_data("gsm8k")
    by_question = {sample.problem: sample for sample in loaded.samples}
    lines = (data_dir / "gsm8k/example_model_solutions.jsonl").read_text().splitlines()[::10]
    for row in map(json.loads, lines):
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            verdict = score(task, by_question[row["question"]], row[model]["solution"]).value
            assert (verdict == 1.0) == row[model]["is_correct"], row["question"]


def test_aime_answers_are_integers_whatever_their_spelling(from_data, score) -> None:
    task, loaded = from_data("aime24")
    padded = [sample for sample in loaded.samples if sample.target.startswith("0")]
    assert padded
    for sample in padded:
        number = int(sample.target)
        for text in (f"\\boxed{{{number}}}", f"\\boxed{{{number:03d}}}", f"so the answer is {number}.0"):
            assert score(task, sample, text).value == 1.0, text
        for text in (f"\\boxed{{{number + 1}}}", f"\\boxed{{{number}.5}}", f"\\boxed{{{number}}} or \\boxed{{{number + 1}}}"):
            assert score(task, sample, text).value == 0.0, text
    assert all("solution" in sample.privileged for sample in loaded.samples)


def test_minerva_gold_is_the_last_box_of_the_solution() -> None:
    assert minerva_math.read({"solution": "first \\boxed{1} then $\\boxed{\\frac{a}{b}}$ cm"})["answer"] == "\\frac{a}{b}"
    assert minerva_math.read({"question": "q", "answer": "7"})["answer"] == "7"


def test_olympiadbench_joins_context_and_question_and_keeps_what_scoring_needs(from_data, score) -> None:
    row = {"context": "Let $n$ be odd.", "question": "Find $n$.", "final_answer": ["1", "3"], "is_multiple_answer": True}
    read = olympiadbench.read({**row, "solution": ["first", "second"]})
    assert (read["problem"], read["answer"], read["multiple"]) == ("Let $n$ be odd.\nFind $n$.", "1, 3", True)
    assert read["solution"] == "first\n\nsecond"

    task, loaded = from_data("olympiadbench")
    assert sum(sample.metadata["multiple"] for sample in loaded.samples) == 94
    several = next(sample for sample in loaded.samples if sample.target == "$69$,$84$")
    assert score(task, several, "\\boxed{84, 69}").value == 1.0
    assert score(task, several, "\\boxed{69}").value == 0.0
    tolerant = next(sample for sample in loaded.samples if sample.metadata.get("error"))
    assert (tolerant.target, float(tolerant.metadata["error"])) == ("4.2", 0.1)
    assert score(task, tolerant, "\\boxed{4.25}").value == 1.0
    assert score(task, tolerant, "\\boxed{4.31}").value == 0.0


def test_prompts_are_the_published_ones(from_data) -> None:
    sample = _sample("What is $1+1$?", "2")
    assert BOXED.render(sample).messages[-1].text == "Put your final answer within \\boxed{}.\n\nWhat is $1+1$?"
    assert "between 0 and 999 inclusive.\n\nWhat is" in BOXED_AIME.render(sample).messages[-1].text
    system, user = QWEN.render(sample).messages
    assert (system.role, system.text) == ("system", "Please reason step by step, and put your final answer within \\boxed{}.")
    assert (user.role, user.text) == ("user", "What is $1+1$?")
    assert load_task("aime25").prompt is BOXED_AIME
    assert ANSWER_LINE in load_task("math500").prompts
    for prompt in load_task("math500").prompts:
        assert prompt.render(sample).plain.endswith("Question: What is $1+1$?\nAnswer:")


def test_an_answer_line_counts_without_a_box(from_data, score) -> None:
    task, loaded = from_data("gsm8k")
    assert score(task, loaded.samples[0], "16 - 7 = 9 eggs, 9 * 2 = 18.\n\nAnswer: $18").value == 1.0
    assert score(task, loaded.samples[0], "Answer: 17").value == 0.0


@pytest.mark.parametrize(
    ("name", "edition"), [("hmmt_feb25", "feb_2025"), ("hmmt_nov25", "nov_2025"), ("hmmt_feb26", "feb_2026")]
)
def test_hmmt_reads_matharena_records(name: str, edition: str, tmp_path: Path, score) -> None:
    folder = tmp_path / f"hmmt_{edition}"
    folder.mkdir()
    row = {"problem_idx": 1, "problem": "Find all $x$.", "answer": "\\sqrt{\\frac{95}{24}}, 3", "problem_type": ["Algebra"]}
    (folder / "test.jsonl").write_text(json.dumps(row))
    task = load_task(name)
    loaded = load(task, Where(data_dir=tmp_path, offline=True))
    assert (loaded.samples[0].id, loaded.size) == ("1", 33 if name == "hmmt_feb26" else 30)
    assert score(task, loaded.samples[0], "\\boxed{3, \\sqrt{95/24}}").value == 1.0
    assert score(task, loaded.samples[0], "\\boxed{3}").value == 0.0


def _sample(problem: str, target: str):
    from evalsuite import ask

    return ask(problem, id="x", target=target)
