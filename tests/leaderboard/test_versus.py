"""Two runs: what the page says is what `evalsuite compare` says, and the questions that changed."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalsuite.comparison.remarks import remarks
from evalsuite.leaderboard.catalog import read_catalog
from evalsuite.leaderboard.data.differences import differences, flip_table, right_means, texts, two_by_two, verdicts
from evalsuite.leaderboard.data.flips import distinct, only, questions, readable
from evalsuite.leaderboard.data.versus import Versus, command, first_pair, metrics_of, tasks_of, versus
from evalsuite.leaderboard.plots.versus import distribution, forest

from .small_runs import keys_of, write_run

A = {"q1": [1, 1], "q2": [1, 0], "q3": [0, 0], "q4": [0, 0], "q5": [1, 0], "gone": [1, 1]}
B = {"q1": [1, 0], "q2": [0, 0], "q3": [1, 1], "q4": [0, 0], "q5": [0, 1], "new": [0, 1]}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_run(tmp_path, "a", A, started="2026-01-01T00:00:00Z")
    write_run(tmp_path, "b", B, ids={"q5": "renamed", "new": "gone"}, started="2026-01-02T00:00:00Z")
    return tmp_path


def compared(folder: Path, *keys: str, **options: Any) -> Versus:
    return versus(read_catalog(folder), keys, **options)


def test_flips_of_questions_worked_out_by_hand(small: Path) -> None:
    found = compared(small, "runs/a", "runs/b")
    assert found.comparison is None and "2 only" not in str(found.left_out)  # data differ: not comparable until allowed
    found = compared(small, "runs/a", "runs/b", allow=True)
    assert found.comparison is not None
    row = differences(found.comparison).iloc[0]
    # q1 both; q2 only A; q3 only B; q4 neither; q5 both (paired by content, though renamed)
    assert [row[c] for c in ("both", "only_a", "only_b", "neither")] == [2, 1, 1, 1]
    assert [row[c] for c in ("better", "equal", "worse")] == [1, 2, 2]
    assert row["missing"] == 2 and row["questions"] == 5
    assert row["difference"] == pytest.approx((-0.5 - 0.5 + 1 + 0 + 0) / 5)
    table = flip_table(differences(found.comparison)).iloc[0]
    assert list(table) == ["sums", 1, 2, 2, 2, 1, 1, 1]
    assert two_by_two(row).to_numpy().tolist() == [[2, 1], [1, 1]]
    assert "at least one" in right_means(row)


def test_questions_largest_change_first_and_unpaired_last(small: Path) -> None:
    a, b = compared(small, "runs/a", "runs/b", allow=True).comparison.recorded  # type: ignore[union-attr]
    frame = questions(a, b, "sums", "avg")
    assert list(frame["id"]) == ["q3", "q1", "q2", "q4", "q5", "gone", "gone (2)"]
    assert list(frame["difference"][:5]) == [1, -0.5, -0.5, 0, 0] and frame["difference"][5:].isna().all()
    assert frame.loc[4, ["id_a", "id_b"]].tolist() == ["q5", "renamed"]
    assert frame.loc[5, ["id_a", "id_b"]].tolist() == ["gone", None] and math.isnan(frame.loc[5, "b"])
    assert frame.loc[6, ["id_a", "id_b"]].tolist() == [None, "gone"] and frame.loc[6, "problem"] == "What is new?"
    assert list(only(frame, "improved")["id"]) == ["q3"] and list(only(frame, "regressed")["id"]) == ["q1", "q2"]
    assert only(frame, "all") is frame
    shown = readable(frame, True)
    assert shown.loc[0, ["A", "B", "difference"]].tolist() == [0, 100, 100] and shown.loc[0, "problem"] == "What is q3?"


def test_distinct_numbers_what_came_before() -> None:
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]


def test_runs_that_measure_something_else_are_told_and_allowed(tmp_path: Path) -> None:
    hot = {name: [1.0, 0.0] for name in "abcdef"}
    write_run(tmp_path, "one", hot)
    write_run(tmp_path, "two", hot, temperature=0.5)
    found = compared(tmp_path, "runs/one", "runs/two")
    assert found.comparison is None and "sampling: temperature 1.0 -> 0.5" in found.unlike[0]
    found = compared(tmp_path, "runs/one", "runs/two", allow=True)
    assert found.comparison is not None and found.unlike == ()
    assert any("temperature 1.0 -> 0.5" in line for line in remarks(found.comparison))


def test_first_pair_is_the_newest_two_that_can_be_compared(tmp_path: Path) -> None:
    of = {name: [1.0] for name in "abc"}
    assert first_pair(read_catalog(tmp_path)) == []
    write_run(tmp_path, "old", of, started="2026-01-01")
    write_run(tmp_path, "other", of, started="2026-01-02", temperature=0.1)
    assert first_pair(read_catalog(tmp_path)) == []
    write_run(tmp_path, "new", of, started="2026-01-03")
    assert first_pair(read_catalog(tmp_path)) == ["runs/old", "runs/new"]


def test_tasks_and_metrics_in_common(tree: Path) -> None:
    catalog = read_catalog(tree)
    runs = list(catalog.runs.values())
    assert tasks_of(runs)[0] == "sort_letters"
    two = [catalog.runs[key] for key in keys_of(catalog, "scripted-noisy-0.8", "scripted-noisy-0.6")]
    assert metrics_of(two, ["sort_letters", "arithmetic"]) == ["avg", "pass@2", "pass@4", "maj@4"]
    assert metrics_of([], []) == ["avg"]


def test_the_frames_say_what_the_command_says(tree: Path) -> None:
    catalog = read_catalog(tree)
    keys = keys_of(catalog, "scripted-noisy-0.8", "scripted-noisy-0.6")
    runs = [catalog.runs[key] for key in keys]
    line = command(runs, metric="pass@2", tasks=None, allow=False)
    said = subprocess.run(
        [sys.executable, "-m", "evalsuite.cli", *shlex.split(line)[1:]], capture_output=True, text=True, check=True
    ).stdout
    found = versus(catalog, keys, metric="pass@2").comparison
    assert found is not None and found.table() == said.rstrip("\n")
    frame = differences(found)
    for sentence in verdicts(frame):
        assert f"- {sentence}\n" in said
    for remark in remarks(found):
        assert f"- {remark}" in said
    shown = texts(frame, found.correction)
    for row in shown.to_dict("records"):
        cells = [row[c] for c in ("metric", "A", "B", "difference", "95 % CI", "p", "p (holm)", "MDE")]
        line = next(x for x in said.splitlines() if x.startswith("|") and row["task"] in x and row["difference"] in x)
        assert all(str(cell) in line for cell in cells), (cells, line)
    assert len(shown) == 3 and list(frame["task"]) == ["sort_letters", "arithmetic", ""]


def test_what_is_broken_is_named_and_the_rest_compared(broken: Path) -> None:
    catalog = read_catalog(broken)
    good = keys_of(catalog, "scripted-noisy-0.8", "scripted-noisy-0.6")
    bad = [f"runs/{name}" for name in ("no-json", "no-parquet", "bad-parquet", "running", "stranger", "bare")]
    found = versus(catalog, [*bad, *good], tasks=["sort_letters"])
    assert found.keys == tuple(good) and found.comparison is not None
    assert [name for name, _ in found.left_out] == [catalog.labels[key] for key in bad]
    reasons = dict(zip(bad, (reason for _, reason in found.left_out)))
    assert "cannot be read" in reasons["runs/no-json"] and "cannot be read" in reasons["runs/bad-parquet"]
    assert "no per-question numbers" in reasons["runs/no-parquet"] and "is running" in reasons["runs/running"]
    assert "is dreaming" in reasons["runs/stranger"]


def test_one_unreadable_task_does_not_take_the_others(copy: Path) -> None:
    catalog = read_catalog(copy)
    keys = keys_of(catalog, "scripted-noisy-0.8", "scripted-noisy-0.6")
    (catalog.runs[keys[1]].path / "questions" / "arithmetic.parquet").write_bytes(b"PAR1")
    found = versus(catalog, keys)
    assert found.tasks == ("sort_letters",) and found.comparison is not None
    assert [row.task for row in found.comparison.contrasts[0].rows] == ["sort_letters"]
    assert len(found.left_out) == 1 and "arithmetic.parquet" in found.left_out[0][1]


def _frame(**columns: Any) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    plain = {"run": ["B"] * rows, "a": [0.5] * rows, "b": [0.6] * rows, "shares": [True] * rows}
    return pd.DataFrame({**plain, **columns})


def test_forest_draws_intervals_and_says_what_is_sure() -> None:
    frame = _frame(
        label=["x<b>", "y", "z"],
        difference=[0.1, -0.2, 0.01],
        low=[0.05, -0.3, -0.1],
        high=[0.15, -0.1, 0.12],
        p_adjusted=[0.01, 0.001, 0.9],
    )
    fig = forest(frame)
    by_name = {trace.name: trace for trace in fig.data}
    assert set(by_name) == {"better", "worse", "not told from noise"}
    assert list(by_name["better"].x) == [10] and by_name["better"].y[0] == "x&lt;b&gt;"
    assert by_name["worse"].error_x.array[0] == pytest.approx(10) and by_name["worse"].error_x.arrayminus[0] == pytest.approx(
        10
    )
    assert len({trace.marker.symbol for trace in fig.data}) == 3
    assert fig.layout.shapes[0].x0 == 0  # the line at no difference
    assert "<b>" not in by_name["better"].text[0]


def test_forest_without_intervals_and_without_shares() -> None:
    nan = [math.nan]
    fig = forest(_frame(label=["x"], difference=[0.5], low=nan, high=nan, p_adjusted=nan, shares=[False]))
    assert list(fig.data[0].x) == [0.5] and list(fig.data[0].error_x.array) == [0]
    assert fig.data[0].name == "not told from noise"


def test_distribution_has_a_bar_for_every_value_and_bins_beyond() -> None:
    fig = distribution(pd.Series([0.5, 0.5, 0, -0.25, math.nan]))
    assert {t.name: (list(t.x), list(t.y)) for t in fig.data} == {
        "worse": ([-25], [1]),
        "equal": ([0], [1]),
        "better": ([50], [2]),
    }
    many = pd.Series(np.linspace(-1, 1, 1001))
    fig = distribution(many)
    assert sum(len(t.x) for t in fig.data) == 41 and sum(sum(t.y) for t in fig.data) == 1001
    assert len(distribution(pd.Series([], dtype=float)).data) == 0
