"""Real data: recorded verdicts of other graders, and every gold of the benchmark files at hand."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from evalsuite.verifiers.math import MathVerifier, equal, gold_text
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample, ask


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def golds(folder: Path, name: str) -> list[Sample]:
    """Samples of a benchmark file as its task would make them."""
    file = folder / "nemo_gym/math_with_judge/example.jsonl" if name == "math_with_judge" else folder / name / "test.jsonl"
    out = []
    for index, row in enumerate(rows(file)):
        problem, key = row.get("problem") or row["question"], str(index)
        if name == "olympiadbench":
            extra = {"multiple": row["is_multiple_answer"], "error": row["error"]}
            out.append(ask(problem, id=key, target=tuple(row["final_answer"]), metadata=extra))
        elif name == "minerva_math":
            out.append(ask(problem, id=key, target=gold_text(row["solution"])))
        else:
            out.append(ask(problem, id=key, target=str(row["expected_answer"] if name == "math_with_judge" else row["answer"])))
    return out


BENCHMARKS = ("aime24", "aime25", "amc23", "math500", "minerva_math", "olympiadbench", "math_with_judge")


def test_gsm8k_recorded_verdicts_agree_5276_of_5276(data_dir: Path) -> None:
    verifier = MathVerifier()
    targets = [row["answer"].split("####")[1].strip().replace(",", "") for row in rows(data_dir / "gsm8k/test.jsonl")]
    recorded = rows(data_dir / "gsm8k/example_model_solutions.jsonl")
    right: dict[str, int] = {}
    differ = []
    for target, row in zip(targets, recorded, strict=True):
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            value = verifier.verify(ask(row["question"], id="0", target=target), Completion(row[model]["solution"])).value
            right[model] = right.get(model, 0) + int(value or 0)
            if bool(value) != row[model]["is_correct"]:
                differ.append((target, row[model]["solution"][-80:]))
    assert not differ
    assert [right[m] for m in right] == [286, 515, 458, 742]  # .21683 .39045 .34723 .56254 of 1319


def test_math_cot_100_differs_only_where_the_record_is_wrong(data_dir: Path) -> None:
    verifier = MathVerifier()
    differ, right, solved = [], 0, 0
    for row in rows(data_dir / "math_cot_100/math_cot_100.jsonl"):
        sample = ask(row["question"], id=str(row["idx"]), target=row["gt"])
        values = [bool(verifier.verify(sample, Completion(text)).value) for text in row["code"]]
        right, solved = right + sum(values), solved + any(values)
        differ += [row["idx"] for value, score in zip(values, row["score"], strict=True) if value != score]
    assert differ == [72]  # gold 10{,}000, answer 10000, recorded wrong
    assert (right, solved) == (729, 97)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_gold_scores_one(data_dir: Path, name: str) -> None:
    verifier = MathVerifier(integer=name.startswith("aime"))
    failed = []
    for sample in golds(data_dir, name):
        text = verifier.gold(sample)
        if text is None or verifier.verify(sample, Completion(text)).value != 1.0:
            failed.append(sample.target)
    assert not failed


def test_other_golds_of_math500_score_zero(data_dir: Path) -> None:
    """Pairs of different golds; equal are only those that differ in a unit, a name, spaces or separators alone."""

    def bare(text: str) -> str:
        return re.sub(r"\\mbox\{[^{}]*\}(?:\^2)?|\^\\circ|\\\$|,\\!|,(?=\d{3})|^x=|[\s{}()]", "", text)

    targets = sorted({str(sample.target) for sample in golds(data_dir, "math500")})
    rng = random.Random(7)
    pairs = [(a, b) for a in targets for b in rng.sample(targets, 40) if a != b]
    assert [pair for pair in pairs if equal(*pair) and bare(pair[0]) != bare(pair[1])] == []


@pytest.mark.parametrize("name", ["aime24", "aime25", "amc23", "olympiadbench"])
def test_a_neighbour_of_the_gold_scores_zero(data_dir: Path, name: str) -> None:
    """Integer golds: one more, one less, ten times, and a tiny fraction off are all wrong."""
    for sample in golds(data_dir, name):
        target = str(sample.target[0] if isinstance(sample.target, tuple) else sample.target).strip("$")
        if not target.lstrip("-").isdigit() or sample.metadata.get("error"):
            continue
        n = int(target)
        for wrong in (n + 1, n - 1, f"{n}.0001", f"{n}.5", f"{n}0" if n else "1"):
            assert not equal(target, str(wrong)), (target, wrong)


@pytest.mark.parametrize("name", ["math500", "minerva_math", "olympiadbench"])
def test_one_changed_digit_is_never_accepted(data_dir: Path, name: str) -> None:
    """Every digit of every gold, one up: a near miss, wherever it stands. Indices of names on the left side are no values."""
    accepted = []
    for sample in golds(data_dir, name):
        target = str(sample.target[0] if isinstance(sample.target, tuple) else sample.target)
        if "angle" in target:
            continue
        for index, char in enumerate(target):
            changed = (
                target[:index] + str((int(char) + 1) % 10) + target[index + 1 :]
                if char.isascii() and char.isdigit()
                else target
            )
            if changed != target and equal(target, changed):
                accepted.append((target, changed))
    assert not accepted
