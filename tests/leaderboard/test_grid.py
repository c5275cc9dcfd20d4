"""Many runs: questions by runs, ranks, all pairs, and the page with three runs and more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evalsuite
from evalsuite.leaderboard.catalog import read_catalog
from evalsuite.leaderboard.data.grid import (
    Grid,
    columns_per_page,
    grid,
    of_question,
    question_frame,
    ranking_frame,
    readable,
    readable_ranks,
    run_order,
)
from evalsuite.leaderboard.data.versus import versus
from evalsuite.leaderboard.plots.grid import heat, matrix
from evalsuite.metrics import compare_many

from .small_runs import write_run

ONE = {"easy": [1, 1], "split": [1, 1], "hard": [0, 0], "half": [1, 0], "only": [0, 1]}
TWO = {"easy": [1, 1], "split": [0, 0], "hard": [0, 0], "half": [1, 0]}
THREE = {"half": [0, 1], "easy": [1, 1], "split": [0, 0], "hard": [0, 1]}


@pytest.fixture
def cells(tmp_path: Path) -> Grid:
    keys = [write_run(tmp_path, "one", ONE), write_run(tmp_path, "two", TWO, ids={"hard": "easy", "easy": "hard"})]
    keys.append(write_run(tmp_path, "three", THREE))
    found = versus(read_catalog(tmp_path), keys, tasks=["sums"], allow=True)
    assert found.comparison is not None and found.keys == tuple(keys)
    return grid(found.comparison.recorded, "sums")


def test_questions_are_paired_by_content(cells: Grid) -> None:
    assert cells.names == ["easy", "split", "hard", "half", "only"]
    assert cells.ids[1] == ("hard", "split", "easy", "half", None) and cells.ids[2][4] is None
    expected = [[1, 1, 0, 0.5, 0.5], [1, 0, 0, 0.5, np.nan], [1, 0, 0.5, 0.5, np.nan]]
    np.testing.assert_array_equal(cells.values, expected)
    assert cells.right[2].tolist()[:4] == [2, 0, 1, 1] and cells.n[0].tolist() == [2] * 5
    assert cells.problems[4] == "What is only?" and not cells.graded and cells.shares


def test_order_by_difficulty_and_by_disagreement(cells: Grid) -> None:
    frame = question_frame(cells, "difficulty")
    assert list(frame["id"]) == ["hard", "split", "half", "only", "easy"]  # means 1/6, 1/3, 1/2, 1/2, 1
    assert frame["mean"].tolist() == pytest.approx([1 / 6, 1 / 3, 0.5, 0.5, 1])
    frame = question_frame(cells, "disagreement")
    assert list(frame["id"]) == ["split", "hard", "easy", "half", "only"]  # variances 2/9, 1/18, 0, 0, 0
    assert frame["variance"].tolist() == pytest.approx([2 / 9, 1 / 18, 0, 0, 0]) and frame["runs"].tolist() == [3, 3, 3, 3, 1]
    assert run_order(cells) == [0, 2, 1]  # 0.6, 0.5, 0.375
    shown = readable(frame, True)
    assert shown["mean over runs"][0] == pytest.approx(100 / 3) and shown["deviation between runs"][0] == pytest.approx(
        47.14, abs=0.01
    )


def test_one_question_in_all_runs(cells: Grid) -> None:
    rows = of_question(cells, 4, ["one", "two", "three"])
    assert rows["run"].tolist() == ["one", "two", "three"] and rows["mean"].tolist() == ["50.00 %", "-", "-"]
    assert rows["right"][0] == 1 and rows["right"].isna().tolist() == [False, True, True]


def test_a_page_has_two_thousand_cells_at_most() -> None:
    assert [columns_per_page(n) for n in (2, 10, 11, 50, 3000)] == [200, 200, 181, 40, 1]
    assert all(columns_per_page(n) * n <= 2000 for n in range(1, 2001))


def test_heat_has_gaps_and_says_how_many_are_right(cells: Grid) -> None:
    fig = heat(cells, [4, 0], [2, 0], ["A · <i>one", "B · two", "C · three"])
    trace = fig.data[0]
    assert [list(row) for row in trace.z] == [[None, 1], [0.5, 1]]
    assert list(trace.y) == ["C · three", "A · &lt;i&gt;one"]
    assert "value: none" in trace.text[0][0] and "right: 1 of 2" in trace.text[1][0] and "question: only" in trace.text[1][0]
    assert (trace.zmin, trace.zmax) == (0, 1) and list(fig.layout.xaxis.ticktext) == ["only", "easy"]


def test_matrix_and_ranks_are_those_of_the_comparison(tree: Path) -> None:
    catalog = read_catalog(tree)
    keys = [k for k, r in catalog.runs.items() if r.path.name.startswith("scripted") and len(r.tasks) == 2]
    comparison = versus(catalog, keys, tasks=["sort_letters"]).comparison
    assert comparison is not None
    (ranking,) = comparison.rankings
    values = np.stack([side.rollup("sort_letters").sum / 4 for side in comparison.recorded])
    assert ranking.ranking.bands == compare_many(values, samples=4).bands
    letters, labels = [run.letter for run in comparison.runs], [catalog.labels[key] for key in keys]
    frame = ranking_frame(ranking, letters, labels)
    assert frame["mean"].tolist() == sorted(values.mean(axis=1), reverse=True) and frame["first"][0] == frame["last"][0] == 1
    assert readable_ranks(frame, True)["mean"][0] == "100.00 %" and readable_ranks(frame, True)["rank"][0] == "1"
    fig = matrix(ranking, letters, labels)
    best, worst = frame["mean"].iloc[0], frame["mean"].iloc[-1]
    assert fig.data[0].z[0][2] == pytest.approx(100 * (best - worst)) and fig.data[0].z[1][1] == 0
    assert fig.data[0].text[0][2].endswith("*") and fig.data[0].text[0][0] == ""
    assert list(fig.data[0].x) == frame["letter"].tolist()
    assert list(fig.data[0].y) == [f"{letter} · {name}"[:32] for letter, name in zip(frame["letter"], frame["run"])]
    assert fig.layout.title.text == f"{ranking.label} · avg@4"
    assert all(contrast(fig.data[0].textfont.color, colour) > 7 for _, colour in fig.data[0].colorscale)


def contrast(one: str, two: str) -> float:
    """Of two colours, 1 to 21: WCAG 2.2, relative luminance."""

    def luminance(colour: str) -> float:
        shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_page_of_many_runs(tree: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(tree)
    keys = [k for k, r in catalog.runs.items() if r.path.name.startswith("scripted") and len(r.tasks) == 2]
    app = page("compare", tree, runs=keys, task="arithmetic", order="disagreement")
    assert not app.exception and app.selectbox(key="task").value == "arithmetic"
    said = str(evalsuite.compare(*(catalog.runs[key].path for key in keys), tasks=["arithmetic"]))
    assert said in [str(code.value) for code in app.code]
    ranks = next(f.value for f in app.dataframe if "rank" in f.value)
    assert ranks["run"].tolist()[0].endswith("scripted:oracle") and len(ranks) == 3
    listed = next(f.value for f in app.dataframe if "problem" in f.value)
    assert (listed["deviation between runs"].diff().dropna() <= 1e-9).all() and len(listed) == 40
    app.session_state["table-questions-by-runs"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()
    assert not app.exception and app.query_params["question"] in (listed["id"][0], [listed["id"][0]])
    assert len([f for f in app.dataframe if "extracted answer" in f.value]) == 2  # the best and the worst of them
    rows = next(f.value for f in app.dataframe if "right" in f.value)
    assert rows["right"].max() == 4 and len(rows) == 3
    assert app.segmented_control(key="order").value == "disagreement"


def test_page_of_many_with_broken_and_unlike_ones(broken: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(broken)
    app = page("compare", broken, runs=list(catalog.runs), task="sort_letters", metric="avg")
    assert not app.exception
    reasons = next(f.value for f in app.dataframe if "reason" in f.value)
    assert {catalog.labels[f"runs/{name}"] for name in ("running", "no-json", "bad-parquet")} <= set(reasons["name"])
    assert any("do not measure the same thing" in str(w.value) for w in app.warning)
    app.toggle(key="allow").set_value(True).run()
    assert not app.exception


def test_page_with_a_task_that_one_run_lacks(tree: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(tree)
    keys = [k for k, r in catalog.runs.items() if r.path.name.startswith("scripted")]
    app = page("compare", tree, runs=keys, task="arithmetic")
    assert not app.exception
    reasons = next(f.value for f in app.dataframe if "reason" in f.value)
    assert len(reasons) == 1 and "it has no task arithmetic" in reasons["reason"][0]
