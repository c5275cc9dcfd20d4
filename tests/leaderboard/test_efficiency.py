"""Accuracy against its price: fronts by hand, prices of real runs, and the page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import UsageError
from evalsuite.leaderboard.catalog import Run, read_catalog
from evalsuite.leaderboard.data.board import MACRO
from evalsuite.leaderboard.data.efficiency import SPENT, common_tasks, efficiency, mean_latency, metric_kind, pareto
from evalsuite.leaderboard.data.results import results_frame
from evalsuite.leaderboard.plots.pareto import _ticks, pareto_figure

TASK = "sort_letters"


def test_the_front_by_hand() -> None:
    # a cheap and low, b dear and high, c beaten by both d and e (d is higher), d and e on the front, f equal to e
    spent, value = [1, 10, 5, 4, 3, 3], [0.1, 0.9, 0.4, 0.6, 0.5, 0.5]
    assert pareto(spent, value).tolist() == [-1, -1, 3, -1, -1, -1]
    assert pareto([1, 1], [0.5, 0.4]).tolist() == [-1, 0]
    assert pareto([], []).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    beaten = pareto([x for x, _ in points], [y for _, y in points])
    for i, (x, y) in enumerate(points):
        better = [(a, b) for a, b in points if a <= x and b >= y and (a, b) != (x, y)]
        assert (beaten[i] == -1) == (not better)
        if better:
            assert points[beaten[i]] in better


def test_metric_kind() -> None:
    assert [metric_kind(m) for m in ("avg@8", "avg", "pass@8", "part:x")] == ["avg", "avg", "pass@8", "part:x"]


def test_points_of_real_runs(tree: Path) -> None:
    catalog = read_catalog(tree)
    frame = results_frame(catalog)
    keys = [k for k, r in catalog.runs.items() if r.training is None and "scripted" in r.path.name]
    points, missing = efficiency(frame, catalog, keys, TASK, "avg", "completion tokens")
    assert not missing and len(points) == 4
    for row in points.itertuples():
        told = catalog.runs[row.key].summary["tasks"][TASK]
        assert row.spent == told["mean_tokens"] == told["completion_tokens"] / (told["n_questions"] * told["repeats"])
        assert row.per_1k_tokens == pytest.approx(100 * told["metrics"]["avg@4"]["value"] / told["mean_tokens"] * 1000)
    # noisy .6 at another temperature is on no front
    other = points[~points["comparable"]]
    assert len(other) == 1 and not other["front"].any() and "noisy:0.6" in other["run"].iloc[0]
    same = points[points["comparable"]]
    assert same.loc[same["value"].idxmax(), "front"]


def test_all_tokens_and_costs(tree: Path) -> None:
    catalog = read_catalog(tree)
    frame = results_frame(catalog)
    key = next(k for k, r in catalog.runs.items() if "noisy:0.8" in r.model)
    at = (frame["key"] == key) & (frame["task"] == TASK)
    frame.loc[at, ["mean_tokens", "prompt_tokens", "cost", "coverage"]] = [12.0, 1600, 0.25, 1.0]  # 40 questions x 4 samples
    assert efficiency(frame, catalog, [key], TASK, "avg", "all tokens")[0]["spent"].tolist() == [22.0]
    assert efficiency(frame, catalog, [key], TASK, "avg", "cost")[0]["spent"].tolist() == [0.25]
    frame.loc[at, ["mean_tokens", "prompt_tokens", "cost"]] = [math.nan, 0, 0.0]
    for spent, why in (
        ("completion tokens", "no completion tokens"),
        ("all tokens", "not counted"),
        ("cost", "no cost"),
        ("latency", "no latency"),
    ):
        points, missing = efficiency(frame, catalog, [key], TASK, "avg", spent)
        assert points.empty and missing[0][0] == catalog.labels[key] and why in missing[0][1]
    assert "no nothing of" in efficiency(frame, catalog, [key], TASK, "nothing", "cost")[1][0][1]


def test_the_macro_mean(tree: Path) -> None:
    catalog = read_catalog(tree)
    frame = results_frame(catalog)
    keys = [k for k, r in catalog.runs.items() if len(r.tasks) == 2]
    assert common_tasks(frame, keys) == ["arithmetic", TASK]
    points, _ = efficiency(frame, catalog, keys, MACRO, "", "completion tokens")
    for row in points.itertuples():
        told = catalog.runs[row.key].summary["tasks"]
        assert row.value == pytest.approx(np.mean([t["metrics"]["avg@4"]["value"] for t in told.values()]))
        assert row.spent == pytest.approx(np.mean([t["mean_tokens"] for t in told.values()]))
        assert row.low < row.value < row.high or row.value == 1
    assert points["comparable"].all()


def test_latency_is_the_mean_of_what_was_timed(tmp_path: Path) -> None:
    run = Run("runs/x", tmp_path, {}, None)
    with pytest.raises(UsageError, match="no single samples"):
        mean_latency(run, "t")
    (tmp_path / "samples").mkdir()
    pq.write_table(pa.table({"latency": [1.0, None, 3.0]}), tmp_path / "samples" / "t.parquet")
    assert mean_latency(run, "t") == 2.0
    pq.write_table(pa.table({"latency": pa.nulls(2, pa.float64())}), tmp_path / "samples" / "t.parquet")
    assert math.isnan(mean_latency(run, "t"))
    (tmp_path / "samples" / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="cannot be read"):
        mean_latency(run, "t")


def some_points(**columns: Any) -> pd.DataFrame:
    size = len(columns["spent"])
    base = {
        "run": [f"run {i}" for i in range(size)], "training": None, "step": None, "low": 0.1, "high": 0.9, "metric": "avg",
        "fingerprint": "aa", "comparable": True, "dominated_by": "",
    }  # fmt: skip
    return pd.DataFrame(base | columns)


def test_the_figure() -> None:
    points = some_points(
        spent=[100, 300, 200, 5000, 400],
        value=[0.2, 0.5, 0.3, 0.8, 0.4],
        training=["t", "t", "t", None, None],
        step=[0, 20, 10, None, None],
        front=[True, True, True, True, False],
        comparable=[True, True, True, True, False],
    )
    fig, unlabelled = pareto_figure(points, spent="tokens", value="avg")
    assert unlabelled == 0
    arrows, front, filled, crosses = fig.data
    assert list(arrows.x) == [100, 200, 300] and arrows.marker.symbol == "arrow"  # in order of the steps
    assert list(front.x) == [100, 200, 300, 5000] and front.line.shape == "hv"
    assert filled.marker.symbol == "circle" and crosses.marker.symbol == "x-thin-open" and list(crosses.x) == [400]
    assert list(filled.error_y.array) == pytest.approx([70, 40, 60, 10])
    assert fig.layout.xaxis.type == "log" and fig.layout.xaxis.title.text == "tokens (log scale)"
    assert list(fig.layout.xaxis.ticktext) == ["100", "200", "500", "1,000", "2,000", "5,000"]
    assert "@0" in filled.text and "run 1" in filled.text and "@20" not in filled.text
    near, _ = pareto_figure(points.head(3), spent="tokens", value="avg")
    assert near.layout.xaxis.type is None and near.layout.xaxis.title.text == "tokens"


def test_labels_are_left_out_where_there_is_no_room() -> None:
    crowd = some_points(spent=[100.0] * 400, value=np.linspace(0.1, 0.9, 400), front=[False] * 400)
    apart = some_points(spent=np.linspace(100, 900, 5), value=np.linspace(0.1, 0.9, 5), front=[True] * 5)
    fig, unlabelled = pareto_figure(crowd, spent="x", value="y")
    assert 200 < unlabelled == sum(not text for text in fig.data[0].text)
    fig, unlabelled = pareto_figure(apart, spent="x", value="y")
    assert unlabelled == 0 and all(fig.data[1].text)
    # bars of 10 to 90 % go through whatever stands above or below a point
    assert all("middle" in place or "left" in place or "right" in place for place in fig.data[1].textposition)


def test_ticks_of_a_log_axis() -> None:
    assert _ticks(math.log10(0.04), math.log10(0.6)) == pytest.approx([0.05, 0.1, 0.2, 0.5])
    assert _ticks(0, 6) == pytest.approx([10.0**p for p in range(7)])


def figure(app: Any) -> dict[str, Any]:
    [chart] = app.get("plotly_chart")
    return json.loads(chart.proto.spec)


def test_the_page_follows_its_url(tree: Path, page: Callable[..., Any]) -> None:
    app = page("efficiency", tree, task=TASK, against="latency", during="true")
    assert not app.exception
    assert app.toggle(key="during").value is True
    fig = figure(app)
    assert fig["layout"]["xaxis"]["title"]["text"] == SPENT["latency"]
    assert sum(trace.get("marker", {}).get("symbol") == "arrow" for trace in fig["data"]) == 2  # two training runs
    app.toggle(key="during").set_value(False).run()
    assert not any(trace.get("marker", {}).get("symbol") == "arrow" for trace in figure(app)["data"])
    app.selectbox(key="against").set_value("cost").run()
    assert "cost" in app.query_params["against"]
    assert "no cost was recorded" in set(app.dataframe[-1].value["reason"])


def test_the_page_of_one_run(tree: Path, page: Callable[..., Any]) -> None:
    key = next(k for k, r in read_catalog(tree).runs.items() if "oracle" in r.model)
    app = page("efficiency", tree, runs=[key], task=MACRO)
    assert not app.exception
    assert app.selectbox(key="task").value == MACRO
    assert app.dataframe[0].value["Pareto front"].tolist() == ["on the front"]


def test_the_page_names_what_is_broken(broken: Path, page: Callable[..., Any]) -> None:
    app = page("efficiency", broken, task=TASK, against="latency")
    assert not app.exception
    reasons = " ".join(" ".join(map(str, frame.value.get("reason", []))) for frame in app.dataframe)
    for words in ("no latency was recorded", "cannot be read", "run.json cannot be read", "no results yet"):
        assert words in reasons


def test_the_page_of_nothing(empty: Path, page: Callable[..., Any]) -> None:
    app = page("efficiency", empty)
    assert not app.exception
    assert app.info[0].value == "No evaluation has ended yet."


def test_a_result_that_does_not_say_how_many_samples_has_no_total(copy: Path) -> None:
    """All tokens need the number of samples; the macro mean does not."""
    key = next(k for k, r in read_catalog(copy).runs.items() if r.path.name.startswith("scripted-oracle"))
    file = copy / key / "results.json"
    content = json.loads(file.read_text())
    for told in content["evalsuite"]["tasks"].values():
        told["repeats"] = None
        for metric in told["metrics"].values():
            del metric["se"], metric["method"], metric["target"]
    file.write_text(json.dumps(content))
    catalog = read_catalog(copy)
    frame = results_frame(catalog)
    assert efficiency(frame, catalog, [key], TASK, "avg", "all tokens")[0].empty
    assert efficiency(frame, catalog, [key], MACRO, "", "completion tokens")[0]["value"].tolist() == [1.0]
