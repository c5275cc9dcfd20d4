"""The page of efficiency: accuracy against tokens, money and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.errors import EvalsuiteError
from evalsuite.leaderboard import ui
from evalsuite.leaderboard.catalog import Catalog, Run, Stamp
from evalsuite.leaderboard.data.board import MACRO
from evalsuite.leaderboard.data.efficiency import SPENT, common_tasks, efficiency, mean_latency, metric_kind
from evalsuite.leaderboard.plots.pareto import pareto_figure
from evalsuite.leaderboard.plots.style import interval, percent
from evalsuite.runlog import slug

HOW = "evalsuite run --model MODEL --tasks TASK"
PER_1K = "points per 1k completion tokens"


# Figures are kept as they are (`cache_resource`), as to pickle one takes longer than to send it; nobody changes them.
@st.cache_resource(max_entries=32, show_spinner=False)
def shown(
    where: str, when: Stamp, keys: tuple[str, ...], task: str, metric: str, spent: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[str, str]], go.Figure, int]:
    """Points, their table, what is left out of them and why, their figure, and how many of them have no label in it."""
    catalog, results = ui.catalog_at(where, when), ui.frame_at(where, when)
    tasks = common_tasks(results, keys) if task == MACRO else [task]
    times, unread = latencies(catalog, keys, tasks) if spent == "latency" else ({}, {})
    points, missing = efficiency(results, catalog, keys, task, metric, spent, times)
    missing = [(label, unread.get(label, why)) for label, why in missing]
    fig, unlabelled = pareto_figure(points, spent=SPENT[spent], value=f"{task} · {metric}")
    return points, table_of(points, spent), missing, fig, unlabelled


def table_of(points: pd.DataFrame, spent: str) -> pd.DataFrame:
    """The points as they are read, cheapest first."""
    columns = {
        "run": points["run"],
        "value": [interval(r.value, r.low, r.high) for r in points.itertuples()],
        "metric": points["metric"],
        SPENT[spent]: points["spent"],
        PER_1K: points["per_1k_tokens"],
        "Pareto front": [
            "on the front" if r.front else f"dominated by {r.dominated_by}" if r.comparable else "not comparable"
            for r in points.itertuples()
        ],
        "settings": points["fingerprint"],
    }
    return pd.DataFrame(columns).sort_values(SPENT[spent])


@st.cache_data(max_entries=5000, show_spinner=False)
def latency_of(path: str, when: Any, _run: Run, task: str) -> float:
    """A task's mean latency, in the state `when` of the file at `path`."""
    return mean_latency(_run, task)


def latencies(
    catalog: Catalog, keys: Sequence[str], tasks: Sequence[str]
) -> tuple[dict[tuple[str, str], float], dict[str, str]]:
    """Mean latencies by run and task, and by label why a run's cannot be read."""
    found, unread = {}, {}
    for key in keys:
        for task in tasks:
            path = catalog.runs[key].path / "samples" / f"{slug(task)}.parquet"
            try:
                stat = path.stat()
                found[key, task] = latency_of(str(path), (stat.st_mtime_ns, stat.st_size), catalog.runs[key], task)
            except FileNotFoundError:
                pass  # no single samples: named as a run without a latency
            except EvalsuiteError as error:
                unread[catalog.labels[key]] = str(error)
    return found, unread


st.title("Efficiency")
st.caption("What accuracy costs, and which runs no other beats at their price.")
catalog, results = ui.catalog(), ui.results()
if results.empty:
    ui.left_out(ui.unread(catalog))
    ui.nothing("No evaluation has ended yet.", HOW)
ended = list(dict.fromkeys(results["key"]))
during = {key for key in ended if catalog.runs[key].during}
chosen = ui.pick_many("Runs (none chosen: all)", ended, catalog.labels, [], name="runs")
along = st.toggle("Also evaluations made during training", key="during", bind="query-params", persist_state="session")
keys = list(dict.fromkeys([*(chosen or [k for k in ended if k not in during]), *(k for k in ended if along and k in during)]))
keys = keys or ended  # there may be none but those
of_keys = results[results["key"].isin(keys)]
tasks = of_keys.groupby("task")["key"].nunique().sort_values(ascending=False, kind="stable").index.tolist()
one, two, three = st.columns(3)
with one:
    several = len(common_tasks(results, keys)) > 1
    task = ui.pick_one("Task", [*tasks, *([MACRO] if several else [])], name="task")
with two:
    kinds = of_keys[of_keys["task"] == task].sort_values("first", ascending=False, kind="stable")["metric"].map(metric_kind)
    metric = ui.pick_one("Metric", list(dict.fromkeys(kinds)), name="metric") if task != MACRO else "first metrics"
with three:
    spent = ui.pick_one("Against", list(SPENT), name="against")
points, table, without, fig, unlabelled = shown(str(ui.root()), ui.now(), tuple(keys), task, metric, spent)
if points.empty:
    st.info("None of these runs has what this choice needs; the reasons are below.")
    ui.left_out([*without, *ui.unread(catalog)])
    st.stop()
front = points[points["front"]].sort_values("spent")
best = points.loc[points["value"].idxmax()]
alt = (
    f"{task}: {metric} against {SPENT[spent]} of {len(points)} runs. {len(front)} on the Pareto front: "
    f"{', '.join(front['run'])}. Highest: {best['run']}, {percent(best['value'])} %"
)
ui.show_figure(fig, "efficiency", alt=alt)
if unlabelled:
    st.caption(f"{unlabelled} of {len(points)} labels left out for want of room: point at a mark, or read the table.")
st.caption(
    "Filled: on the Pareto front, no other run is as good for as little. Hollow: dominated. Crosses: other settings (sampling, prompt, data), on no "
    "front. Bars are 95 % intervals; arrows follow one training run.",
    help=(
        "The front is that of the point values: where intervals overlap, another draw may change it. Latency is what the engine took "
        "under its load at the time; cost is that of the model's completions, without the judge's. The macro mean weighs each task "
        "the same: tokens and seconds are means over tasks, costs are sums."
    ),
)
ui.show_table(
    table,
    "efficiency",
    alt=alt,
    export=points.drop(columns="key").sort_values("spent"),
    column_config={
        SPENT[spent]: st.column_config.NumberColumn(format="%.4g"),
        PER_1K: st.column_config.NumberColumn(format="%.3g"),
    },
)
ui.left_out([*without, *ui.unread(catalog)])
