"""From a run to (questions, samples) options."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evalsuite
from evalsuite.errors import NotComparableError, UsageError
from evalsuite.metrics.paired import compare
from evalsuite.metrics.power import Noise, detectable_difference, required_questions
from evalsuite.power import SAMPLES, power_options
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import read_rollup


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunDir]:
    out = tmp_path_factory.mktemp("runs")

    def run(model: str, **more: Any) -> RunDir:
        return RunDir(Path(evalsuite.run(model, ["sort_letters", "arithmetic"], output=out, **more).path))

    return {
        "a": run("scripted:noisy:0.6", repeats=8, limit=60),
        "b": run("scripted:noisy:0.5", repeats=4, limit=50),
        "single": run("scripted:noisy:0.6", repeats=1, limit=60, seed=1),
        "greedy": run("scripted:noisy:0.6", repeats=1, limit=60, sampling={"temperature": 0.0}),
        "few": run("scripted:noisy:0.6", repeats=2, limit=4),
        "right": run("scripted:oracle", repeats=4, limit=20),
    }


def test_options_follow_from_the_runs_own_variances(runs: dict[str, RunDir]) -> None:
    found = power_options(runs["a"], 0.1)
    assert [t.task for t in found] == ["sort_letters", "arithmetic"] and [o.samples for o in found[0].options] == list(SAMPLES)
    rollup, task = read_rollup(runs["a"], "arithmetic"), found[1]
    within = float(((rollup.sum_sq - rollup.sum**2 / 8) / 7).mean())
    assert task.within_a == task.within_b == pytest.approx(within)
    assert (task.questions, task.full_size, task.baseline_samples, task.label) == (60, 200, 8.0, "arithmetic[60/200]")
    noise = Noise(within_a=within, within_b=within)
    for option in task.options:
        assert option.needed == required_questions(0.1, noise, 8, option.samples)
        assert option.detectable == pytest.approx(detectable_difference(60, noise, 8, option.samples))
        assert option.enough == (option.needed <= 60) == (option.detectable <= 0.1)
        assert option.total_samples == option.samples * (option.needed if option.enough else 60)
        assert option.completion_tokens == option.total_samples  # one word each
    cheapest = [o for o in task.options if o.cheapest]
    assert len(cheapest) == 1 and cheapest[0].total_samples == min(o.total_samples for o in task.options if o.enough)


def test_levels_and_both(runs: dict[str, RunDir]) -> None:
    (plain,) = power_options(runs["a"], 0.1, tasks=["arithmetic"])
    (both,) = power_options(runs["a"], 0.1, tasks=["arithmetic"], both=True)
    (one_sided,) = power_options(runs["a"], 0.1, tasks=["arithmetic"], one_sided=True)
    (surer,) = power_options(runs["a"], 0.1, tasks=["arithmetic"], target_power=0.95, alpha=0.01)
    for p, b, o, s in zip(plain.options, both.options, one_sided.options, surer.options):
        assert o.needed < p.needed < s.needed
        assert (b.needed - p.needed) * (8 - p.samples) >= 0
    assert both.options[3] == plain.options[3]


def test_a_candidate_brings_the_variance_of_the_pairs(runs: dict[str, RunDir]) -> None:
    (found,) = power_options(runs["a"], 0.1, tasks=["sort_letters"], candidate=runs["b"])
    a, b = read_rollup(runs["a"], "sort_letters"), read_rollup(runs["b"], "sort_letters")
    assert list(a.digests[:50]) == list(b.digests)
    se = compare((a.sum / a.n)[:50], b.sum / b.n).se
    variance = found.interaction**2 + found.within_a / 8 + found.within_b / 4
    assert found.questions == 50 and variance >= 50 * se**2 - 1e-12
    if found.interaction:
        assert variance == pytest.approx(50 * se**2)
    assert "10 of the baseline's 60 questions have no value in both runs" in found.notes


def test_what_the_baseline_does_not_show_is_noted(runs: dict[str, RunDir]) -> None:
    (single,) = power_options(runs["single"], 0.1, tasks=["arithmetic"])
    assert any(note.startswith("one sample per question: a variance of 0.1") for note in single.notes)
    (right,) = power_options(runs["right"], 0.1, tasks=["arithmetic"])
    assert right.within_a == 1 / 80 and any("never disagreed" in note for note in right.notes)
    (greedy,) = power_options(runs["greedy"], 0.1, tasks=["arithmetic"])
    assert [o.samples for o in greedy.options] == [1] and "temperature 0" in greedy.notes[0]
    (few,) = power_options(runs["few"], 0.5, tasks=["arithmetic"])
    assert {o.detectable for o in few.options} == {None} and not any(o.enough for o in few.options)
    (fine,) = power_options(runs["a"], 1e-6, tasks=["arithmetic"])
    assert {o.needed for o in fine.options} == {None}


def test_questions_that_share_a_cluster(runs: dict[str, RunDir], tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    copy = RunDir(Path(shutil.copytree(runs["a"].path, tmp_path / "run")))
    path = copy.path / "questions" / "arithmetic.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("cluster")
    pq.write_table(table.set_column(at, "cluster", pa.array([f"c{i // 6}" for i in range(60)])), path)
    (alone,), (shared,) = power_options(runs["a"], 0.1, tasks=["arithmetic"]), power_options(copy, 0.1, tasks=["arithmetic"])
    assert (alone.cluster_size, shared.cluster_size) == (1.0, 6.0) and shared.design_effect >= 1
    assert all(s.needed >= a.needed for s, a in zip(shared.options, alone.options))


def test_refusals(runs: dict[str, RunDir], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no task 'aritmetic' in run .*did you mean arithmetic\?"):
        power_options(runs["a"], 0.1, tasks=["aritmetic"])
    with pytest.raises(UsageError, match="it has sort_letters, arithmetic"):
        power_options(runs["a"], 0.1, tasks=["x"])
    with pytest.raises(NotComparableError, match="4 independent questions have a value in both"):
        power_options(runs["a"], 0.1, candidate=runs["few"])
    copy = RunDir(Path(shutil.copytree(runs["a"].path, tmp_path / "run")))
    copy.write_manifest(copy.manifest() | {"status": "interrupted"})
    with pytest.raises(UsageError, match=r"run run is not finished \(status: interrupted\)"):
        power_options(copy, 0.1)
    with pytest.raises(UsageError, match="is not finished"):
        power_options(runs["a"], 0.1, candidate=copy)


def test_a_run_without_a_single_value(tmp_path: Path, runs: dict[str, RunDir]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    copy = RunDir(Path(shutil.copytree(runs["few"].path, tmp_path / "run")))
    path = copy.path / "questions" / "arithmetic.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("n")
    pq.write_table(table.set_column(at, "n", pa.array([0] * 4, pa.int32())), path)
    with pytest.raises(UsageError, match="arithmetic in run run: no question has a value"):
        power_options(copy, 0.1, tasks=["arithmetic"])


def replayed(data_dir: Path, tmp_path: Path, source: str, flags: list[str], tasks: str, **more: Any) -> RunDir:
    from evalsuite.cli import main

    out = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
    assert main(["convert", str(data_dir / source), *flags, "-o", str(out)]) == 0
    run = evalsuite.run(f"replay:{out}", tasks, data_dir=data_dir, offline=True, output=tmp_path / "runs", **more)
    return RunDir(Path(run.path))


def test_recorded_gsm8k(data_dir: Path, tmp_path: Path) -> None:
    source = "gsm8k/example_model_solutions.jsonl"
    a, b = (
        replayed(data_dir, tmp_path, source, ["--completions", f"{name}.solution", "--scores", f"{name}.is_correct"], "gsm8k", repeats=1)
        for name in ("6b_finetuning", "6b_verification")
    )  # fmt: skip
    (alone,), (pairs,) = power_options(a, 0.03), power_options(a, 0.03, candidate=b)
    x, y = (r.sum / r.n for r in (read_rollup(a, "gsm8k"), read_rollup(b, "gsm8k")))
    assert pairs.interaction**2 + pairs.within_a + pairs.within_b == pytest.approx(float(np.var(y - x, ddof=1)))
    # One sample finds 3.7 points by assumption; the real pairs differ a little more.
    assert alone.questions == 1319 and alone.options[0].detectable == pytest.approx(0.0368, abs=2e-3)
    assert alone.options[0].detectable < pairs.options[0].detectable < 0.04
    assert not alone.options[0].enough and next(o.samples for o in alone.options if o.cheapest) == 4


def test_recorded_math_with_eight_samples(data_dir: Path, tmp_path: Path) -> None:
    questions = tmp_path / "math.jsonl"
    with open(data_dir / "math_cot_100/math_cot_100.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    questions.write_text(
        "".join(json.dumps({"id": str(r["idx"]), "problem": r["question"], "target": r["gt"]}) + "\n" for r in rows)
    )
    flags = ["--completions", "code", "--id", "idx", "--scores", "score"]
    run = replayed(data_dir, tmp_path, "math_cot_100/math_cot_100.jsonl", flags, f"{questions}:math", repeats=8)
    (found,) = power_options(run, 0.03)
    scores = np.array([r["score"] for r in rows], dtype=float)
    assert found.within_a == pytest.approx(scores.var(axis=1, ddof=1).mean(), abs=0.003)  # one record is wrong
    assert found.full_size is None and found.questions == 100 and found.baseline_samples == 8
    assert next(o.samples for o in found.options if o.cheapest) == 8
    assert json.loads(json.dumps(dataclasses.asdict(found)))["options"][3]["needed"] == found.options[3].needed < 100
