"""The page of methods: recipes on tasks, over training seeds."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.leaderboard import ui
from evalsuite.leaderboard.catalog import Stamp
from evalsuite.leaderboard.data.board import FIRST
from evalsuite.leaderboard.data.efficiency import metric_kind
from evalsuite.leaderboard.data.methods import (
    START,
    MethodGroup,
    differences,
    last_values,
    matrix,
    method_groups,
    never_evaluated,
    run_values,
    start_values,
)
from evalsuite.leaderboard.plots.methods import MOST, methods_figure
from evalsuite.leaderboard.plots.style import interval, percent

HOW = "evalsuite train grpo --model MODEL --tasks TASK@split=train --eval-tasks TASK --seeds 3"


@dataclass(frozen=True)
class Found:
    """The methods among training runs, their last values, those of step 0, and the runs that have none, each with the reason."""

    groups: list[MethodGroup]
    values: pd.DataFrame
    start: pd.DataFrame
    missing: list[tuple[str, str]]


@dataclass(frozen=True)
class View:
    """What the page shows of some columns of `Found` against a baseline, called `title`."""

    title: str
    values: pd.DataFrame
    means: pd.DataFrame
    compared: pd.DataFrame
    fig: go.Figure


# Both are kept as they are (`cache_resource`), as to pickle them takes longer than to use them; nobody changes them.
@st.cache_resource(max_entries=8, show_spinner=False)
def found_of(where: str, when: Stamp, keys: tuple[str, ...], metric: str) -> Found:
    """The values of training runs."""
    catalog, results = ui.catalog_at(where, when), ui.frame_at(where, when)
    groups = method_groups([catalog.trainings[key] for key in keys])
    values = last_values(results, groups, metric)
    return Found(groups, values, start_values(results, groups, metric), never_evaluated(catalog, groups, values))


@st.cache_resource(max_entries=32, show_spinner=False)
def view(where: str, when: Stamp, keys: tuple[str, ...], metric: str, tasks: tuple[str, ...], baseline: str) -> View:
    """Their means and differences on `tasks`; `baseline` is START, a method's key or an evaluation's."""
    catalog, found = ui.catalog_at(where, when), found_of(where, when, keys, metric)
    values, start = found.values[found.values["column"].isin(tasks)], found.start[found.start["column"].isin(tasks)]
    means = matrix(values, found.groups)
    by_key = {group.key: group for group in found.groups}
    against: MethodGroup | pd.DataFrame | dict[str, float]
    if baseline in by_key:
        against, title = by_key[baseline], by_key[baseline].name
        line = {r.column: r.mean for r in means[means["method"] == baseline].itertuples()}
    elif baseline == START:
        against, title = start, START
        line = start.groupby("column")["value"].mean().to_dict()
    else:
        against, title = run_values(ui.frame_at(where, when), baseline, metric), catalog.labels[baseline]
        line = against
    compared = differences(values, found.groups, against)
    return View(title, values, means, compared, methods_figure(values, means, tasks, line, title))


st.title("Methods")
st.caption("Which training method is better on which task, over training seeds.")
catalog, results = ui.catalog(), ui.results()
broken = [(catalog.labels[key], t.problem) for key, t in catalog.trainings.items() if t.problem]
whole = [key for key, t in catalog.trainings.items() if not t.problem]
if not whole:
    ui.left_out(broken)
    ui.nothing("No training run yet.", HOW)
chosen = tuple(ui.pick_many("Training runs (none chosen: all)", whole, catalog.labels, [], name="trainings") or whole)
one, two, three = st.columns(3)
with one:
    of_trained = results[results["training"].isin(whole)]
    kinds = dict.fromkeys(of_trained["metric"].map(metric_kind))
    metric = ui.pick_one("Metric", [FIRST, *kinds], {FIRST: "first of each task"}, name="metric")
here = (str(ui.root()), ui.now(), chosen, metric)
found = found_of(*here)
missing = [*found.missing, *broken]
if found.values.empty:
    ui.left_out(missing)
    ui.nothing("None of these training runs has been evaluated after step 0.", HOW)
with two:
    columns = list(dict.fromkeys(found.values["column"]))
    tasks = ui.pick_many("Tasks", columns, {}, columns[:MOST], name="tasks", most=MOST)
if not tasks:
    st.info("Choose tasks.")
    st.stop()
with three:
    bases = [k for k, r in catalog.runs.items() if r.training is None and r.summary and not r.problem]
    names = {group.key: group.name for group in found.groups}
    baseline = ui.pick_one(
        "Baseline",
        [*([START] if len(found.start) else []), *names, *bases],
        {START: "step 0 of each run", **names, **{k: catalog.labels[k] for k in bases}},
        name="baseline",
    )
shown = view(*here, tuple(tasks), baseline)
means, values, compared = shown.means, shown.values, shown.compared

told = "; ".join(
    f"{r.name} on {r.column} {percent(r.mean)} % over {r.seeds} seed(s)" for r in means.head(12).itertuples(index=False)
)
ui.show_figure(shown.fig, "methods", alt=f"Means over seeds with seeds as dots: {told}")
st.caption(
    "Rings are training seeds, each by its last evaluation; diamonds their mean with a 95 % t interval over seeds. One seed is a claim "
    "about a checkpoint, not about a method.",
    help=(
        "The last evaluation counts, not the best: the best would be chosen by the very number that is shown. Evaluations during "
        "training and those of its checkpoints afterwards both count. Runs are one method where everything but the seed agrees: "
        "recipe, settings, model, training questions, steps. Tasks whose settings (sampling, prompt, data) differ stand in columns of "
        "their own, with the fingerprint."
    ),
)
wide = means.assign(cell=[f"{interval(r.mean, r.low, r.high)} ({r.seeds})" for r in means.itertuples()])
wide = wide.pivot(index="name", columns="column", values="cell").reindex(columns=tasks).fillna("").reset_index()
ui.show_table(
    wide.rename(columns={"name": "method"}), "methods", alt=f"Mean [95 % interval] (seeds), per cent: {told}", export=means
)
for r in means[means["uneven"]].itertuples(index=False):
    st.text(f"{r.name} on {r.column}: the last evaluations of its seeds are at different steps ({r.steps}).")
for r in values[values["coverage"] < 1].itertuples():
    st.text(f"{catalog.labels[r.run]} on {r.column}: {percent(1 - r.coverage)} % of its samples have no value.")
st.subheader("Differences")
n_tests = int(compared["p"].notna().sum())
if compared.empty:
    st.info("The baseline and the methods have no task in common.")
else:
    st.text(
        f"Against {shown.title}, in points. "
        + (
            f"95 % intervals over seeds, p by Holm over {n_tests} tests."
            if n_tests
            else "No test: they need two seeds that differ."
        )
    )
    lines = compared.assign(
        difference=[interval(r.difference, r.low, r.high) for r in compared.itertuples()],
        p_adjusted=["" if p != p else f"{p:.3g}" for p in compared["p_adjusted"]],
    )
    ui.show_table(
        lines[["name", "column", "seeds", "difference", "p_adjusted", "claim"]].rename(
            columns={"name": "method", "column": "task", "p_adjusted": "p (Holm)"}
        ),
        "method-differences",
        alt=f"Differences to {shown.title}: {(compared['claim'] == 'better').sum()} of {len(compared)} better",
        export=compared,
        column_config={"method": st.column_config.TextColumn(width="medium")},
    )
    if baseline != START and baseline not in names:
        st.caption("The baseline is one evaluation: its own noise is not in the intervals.")
with st.expander("All seeds"):
    every = values.assign(method=values["method"].map(names), training=[catalog.labels[t] for t in values["training"]]).drop(
        columns=["run", "task"]
    )
    ui.show_table(every, "method-seeds", alt=f"The last evaluation of each of {values['training'].nunique()} training runs")
ui.left_out(missing)
