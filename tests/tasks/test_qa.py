"""Closed-book question answering: the Search-R1 protocol without its search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalsuite.registry import load_task
from evalsuite.sources import Where, load
from evalsuite.tasks.qa._protocol import CLOSED_BOOK, SHOTS, read

# name: (id, start of the first question, its accepted answers)
FIRST = {
    "nq": (None, "when was the last time anyone was on the moon?", ("14 December 1972 UTC", "December 1972")),
    "popqa": ("test_10207", "Who was the composer of Easy Living?", ("Ralph Rainger", "Ralph Reichenthal")),
    "hotpotqa": ("1", "In the 1973 NFL season, the Pro Bowl took place", "Kauffman Stadium"),
    "2wiki": ("1", "Who is Ahmose-Henutemipet's paternal grandmother?", "Tetisheri"),
    "musique": ("1", "What was the director of Addicted to Love", "Academy Award for Best Live Action Short Film"),
    "bamboogle": ("1", "Who was president of the United States in the year", "james madison"),
    "simpleqa": ("example_0", "Who received the IEEE Frank Rosenblatt Award in 2010?", "Michio Sugeno"),
}


@pytest.mark.parametrize("name", FIRST)
def test_first_sample(name: str, from_data) -> None:
    _, loaded = from_data(name)
    sample = loaded.samples[0]
    sample_id, question, target = FIRST[name]
    assert sample.problem.startswith(question)
    assert sample.target == target
    assert sample_id is None or sample.id == sample_id


def test_triviaqa_reads_the_official_records_and_flashrags(from_data, tmp_path: Path) -> None:
    _, loaded = from_data("triviaqa")
    sample = loaded.samples[0]
    assert (sample.id, sample.problem[:26]) == ("tc_33", "Which Lloyd Webber musical")
    assert "Sunset Boulevard" in sample.target
    (tmp_path / "triviaqa").mkdir()
    row = {"id": "test_0", "question": "Who?", "golden_answers": ["David Seville", "Ross"], "metadata": {}}
    (tmp_path / "triviaqa/test.jsonl").write_text(json.dumps(row))
    again = load(load_task("triviaqa"), Where(data_dir=tmp_path, offline=True)).samples[0]
    assert (again.id, again.target) == ("test_0", ("David Seville", "Ross"))


def test_questions_end_with_one_question_mark() -> None:
    assert read({"question": " who wrote it "})["question"] == "who wrote it?"
    assert read({"question": "who wrote it?"})["question"] == "who wrote it?"


def test_possible_answers_are_json_inside_a_string() -> None:
    assert read({"question": "q?", "possible_answers": '["a", "b"]'})["golden_answers"] == ["a", "b"]


def test_popqa_questions_that_occur_twice_are_one_cluster(from_data) -> None:
    _, loaded = from_data("popqa")
    assert len({sample.cluster for sample in loaded.samples}) == len({sample.problem for sample in loaded.samples}) == 986
    assert loaded.samples[0].metadata == {"metadata.prop": "composer", "metadata.s_pop": 1381}


@pytest.mark.parametrize("name", ["nq", "triviaqa", "popqa", "hotpotqa", "2wiki", "musique", "bamboogle"])
def test_only_the_last_answer_of_the_model_itself_counts(name: str, from_data, score) -> None:
    task, loaded = from_data(name)
    sample = loaded.samples[0]
    gold = sample.target if isinstance(sample.target, str) else sample.target[0]
    assert score(task, sample, f"<think> hm </think> <answer> {gold} </answer>").value == 1.0
    assert score(task, sample, f"<answer> {gold} </answer> no: <answer> zxqv </answer>").value == 0.0
    # The prompt's example is no answer, and an answer outside the tags is none either.
    assert score(task, sample, "<think> hm </think> <answer> Beijing </answer>").value == 0.0
    assert score(task, sample, f"It is {gold}.").outcome == "no_answer"


def test_recorded_bamboogle_rollouts(data_dir: Path, from_data, score) -> None:
    task, loaded = from_data("bamboogle")
    by_question = {sample.problem.rstrip("? ").lower(): sample for sample in loaded.samples}
    lines = (data_dir / "bamboogle/recorded/bamboogle_qwen.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    scores = [score(task, by_question[row["question"].rstrip("? ").lower()], row["gen_text_store"]) for row in rows]
    assert len(scores) == 125
    assert sum(s.value for s in scores) == 56
    assert sum(s.parts.get("cover_em", 0.0) for s in scores) == 60


def test_the_prompt_asks_for_the_two_tags_and_for_no_search(from_data) -> None:
    _, loaded = from_data("bamboogle")
    rendered = CLOSED_BOOK.render(loaded.samples[0], SHOTS)
    text = rendered.messages[-1].text
    assert text == rendered.plain.rpartition("\n\n")[2]
    assert text.endswith(f"Question: {loaded.samples[0].problem}")
    assert "<think>" in text and "<answer> Beijing </answer>" in text and "search" not in text
    assert [m.role for m in rendered.messages] == ["user", "assistant", "user", "assistant", "user"]


def test_simpleqa_asks_the_judge_with_its_own_rubric(from_data) -> None:
    from evalsuite import Completion

    task, loaded = from_data("simpleqa")
    (request,) = task.verifier.ask(loaded.samples[1], Completion("I believe it is Paris."))
    shown = "\n".join(message.text for message in request.messages)
    assert "What is the capital of France?" in shown and "I believe it is Paris." in shown
    assert "NOT_ATTEMPTED" in shown
