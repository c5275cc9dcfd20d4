"""Multiple choice in the sciences, and instruction following."""

from __future__ import annotations

from collections import Counter

import pytest

from evalsuite import Source
from evalsuite.registry import load_task
from evalsuite.sources.records import to_sample
from evalsuite.tasks.instruction import ifeval
from evalsuite.tasks.science import gpqa, sciknoweval


def _gpqa(record: str) -> dict[str, str]:
    wrong = {f"Incorrect Answer {i}": f"wrong {i}" for i in (1, 2, 3)}
    return {"Record ID": record, "Question": "Which one?", "Correct Answer": "right\n", **wrong, "Explanation": "because of it"}


def test_gpqa_options_are_permuted_by_the_record_and_the_permutation_is_kept(score) -> None:
    task = load_task("gpqa_diamond")
    assert isinstance(task.samples, Source) and not task.samples.local, "no plain-text copy: the authors ask for it"
    sample = to_sample(task.samples, gpqa.read(_gpqa("recX")), "here")
    assert sample.choices[ord(sample.target) - 65] == "right"
    assert sorted(sample.choices) == ["right", "wrong 1", "wrong 2", "wrong 3"]
    order = sample.metadata["permutation"]
    assert sorted(order) == [0, 1, 2, 3] and order[ord(sample.target) - 65] == 0
    assert gpqa.read(_gpqa("recX")) == gpqa.read(_gpqa("recX"))
    assert sample.privileged == {"Explanation": "because of it"}
    text = task.prompt.render(sample).messages[-1].text
    assert text.endswith("Which one?\n\n" + "\n".join(f"{'ABCD'[i]}) {c}" for i, c in enumerate(sample.choices)))
    assert score(task, sample, f"I think so.\nAnswer: {sample.target}").value == 1.0
    assert score(task, sample, f"Answer: {'ABCD'[(ord(sample.target) - 64) % 4]}").value == 0.0


def test_gpqa_answers_are_spread_over_the_letters() -> None:
    letters = Counter(gpqa.read(_gpqa(f"rec{i}"))["answer"] for i in range(2000))
    # 500 expected of each, standard deviation 19.4.
    assert all(420 < letters[letter] < 580 for letter in "ABCD"), letters


def test_gpqa_permutation_is_the_same_on_every_machine() -> None:
    assert [gpqa.read(_gpqa(f"rec{i}"))["permutation"] for i in range(3)] == PERMUTATIONS


PERMUTATIONS = [[2, 3, 0, 1], [2, 0, 3, 1], [2, 3, 0, 1]]


@pytest.mark.parametrize(("name", "first", "target"), [
    ("biology", "What is the folding stability score of the protein", "B"),
    ("chemistry", "Which of the following molecules is the only correct reactant", "A"),
    ("material", "Given the following crystal structure parameters for the material RbLa9", "B"),
    ("physics", "A charged particle produces an electric field", "B"),
])  # fmt: skip
def test_sciknoweval_asks_with_the_records_own_turns(name: str, first: str, target: str, from_data, score) -> None:
    task, loaded = from_data(f"sciknoweval_{name}")
    sample = loaded.samples[0]
    assert sample.problem.startswith(first) and sample.target == target
    assert [m.role for m in task.prompt.render(sample).messages] == ["system", "user"]
    assert "<reasoning>" in task.prompt.render(sample).messages[0].text
    assert task.prompt.render(sample).messages[1].text == sample.problem
    assert score(task, sample, f"<reasoning>\nA or B?\n</reasoning>\n<answer>\n{target}\n</answer>").value == 1.0
    other = "A" if target == "B" else "B"
    assert score(task, sample, f"<reasoning>\n{target}\n</reasoning>\n<answer>\n{other}\n</answer>").value == 0.0


def test_sciknoweval_options_are_read_from_the_prompt(from_data) -> None:
    sample = from_data("sciknoweval_biology")[1].samples[0]
    assert sample.choices == ("-0.01", "1.69", "2.49", "0.45")
    spaced = from_data("sciknoweval_material")[1].samples[0]
    assert spaced.choices == ("1025.67 Å³", "1094.31 Å³", "1200.45 Å³", "1150.78 Å³")
    assert sciknoweval.read({"system": "s", "prompt": "Q?\n\nA: 1\nB: two\nlines\nPlease reason step by step."})["choices"] == [
        "1",
        "two\nlines",
    ]


@pytest.mark.parametrize("name", ["biology", "chemistry", "material", "physics"])
def test_sciknoweval_chance_is_the_mean_of_one_over_the_options(name: str, from_data) -> None:
    task, loaded = from_data(f"sciknoweval_{name}")
    assert all(len(sample.choices) in (2, 4) for sample in loaded.samples)
    assert task.chance == pytest.approx(sum(1 / len(sample.choices) for sample in loaded.samples) / len(loaded.samples))


def test_ifeval_drops_the_arguments_that_the_hub_fills_with_none(from_data) -> None:
    row = {
        "key": 1,
        "prompt": "p",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{"num_words": None, "relation": None}, {"num_words": 300, "relation": "at least", "section_spliter": None}],
    }
    sample = to_sample(ifeval.SOURCE, ifeval.read(row), "here")
    assert sample.tests == {
        "instructions": [
            {"id": "punctuation:no_comma", "kwargs": {}},
            {"id": "length_constraints:number_words", "kwargs": {"num_words": 300, "relation": "at least"}},
        ]
    }
    assert (sample.id, sample.target) == ("1", None)
    assert (
        to_sample(ifeval.SOURCE, ifeval.read({**row, "kwargs": [{}, {"num_words": 300, "relation": "at least"}]}), "here")
        == sample
    )


def test_ifeval_first_prompt_by_hand(from_data, score) -> None:
    task, loaded = from_data("ifeval")
    sample = loaded.samples[0]  # no commas, at least 3 highlighted sections, at least 300 words
    good = "*one* *two* *three* " + "word " * 297
    assert (sample.id, score(task, sample, good).value) == ("1000", 1.0)
    comma = score(task, sample, good + ",")
    assert comma.value == 0.0 and comma.parts["inst_strict"] == pytest.approx(2 / 3)
    assert sum(len(s.tests["instructions"]) for s in loaded.samples) == 834  # the benchmark's number of instructions
