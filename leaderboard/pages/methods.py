"""The page of methods: recipes on tasks, over training seeds."""

from __future__ import annotations

import streamlit as st

from evalsuite.leaderboard import ui
from evalsuite.leaderboard.data.board import FIRST
from evalsuite.leaderboard.data.efficiency import metric_kind
from evalsuite.leaderboard.data.methods import (
    START,
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

st.title("Methods")
st.caption("Which training method is better on which task, over training seeds.")
catalog, results = ui.catalog(), ui.results()
broken = [(catalog.labels[key], t.problem) for key, t in catalog.trainings.items() if t.problem]
whole = [key for key, t in catalog.trainings.items() if not t.problem]
if not whole:
    ui.left_out(broken)
    ui.nothing("No training run yet.", HOW)
chosen = ui.pick_many("Training runs (none chosen: all)", whole, catalog.labels, [], name="trainings")
groups = method_groups([catalog.trainings[key] for key in chosen or whole])
one, two, three = st.columns(3)
with one:
    of_trained = results[results["training"].isin(whole)]
    kinds = dict.fromkeys(of_trained["metric"].map(metric_kind))
    metric = ui.pick_one("Metric", [FIRST, *kinds], {FIRST: "first of each task"}, name="metric")
values, start = last_values(results, groups, metric), start_values(results, groups, metric)
missing = [*never_evaluated(catalog, groups, values), *broken]
if values.empty:
    ui.left_out(missing)
    ui.nothing("None of these training runs has been evaluated after step 0.", HOW)
with two:
    columns = list(dict.fromkeys(values["column"]))
    tasks = ui.pick_many("Tasks", columns, {}, columns[:MOST], name="tasks", most=MOST)
if not tasks:
    st.info("Choose tasks.")
    st.stop()
with three:
    bases = [k for k, r in catalog.runs.items() if r.training is None and r.summary and not r.problem]
    by_key = {group.key: group for group in groups}
    baseline = ui.pick_one(
        "Baseline",
        [*([START] if len(start) else []), *by_key, *bases],
        {START: "step 0 of each run", **{k: g.name for k, g in by_key.items()}, **{k: catalog.labels[k] for k in bases}},
        name="baseline",
    )
values, start = values[values["column"].isin(tasks)], start[start["column"].isin(tasks)]
means = matrix(values, groups)
against = by_key[baseline] if baseline in by_key else start if baseline == START else run_values(results, baseline, metric)
compared = differences(values, groups, against)
if baseline in by_key:
    line = {r.column: r.mean for r in means[means["method"] == baseline].itertuples()}
elif baseline == START:
    line = start.groupby("column")["value"].mean().to_dict()
else:
    line = against
title = "step 0" if baseline == START else by_key[baseline].name if baseline in by_key else catalog.labels[baseline]

told = "; ".join(
    f"{r.name} on {r.column} {percent(r.mean)} % over {r.seeds} seed(s)" for r in means.head(12).itertuples(index=False)
)
ui.show_figure(methods_figure(values, means, tasks, line, title), "methods", alt=f"Means over seeds with seeds as dots: {told}")
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
st.text(f"Against {title}. In points, 95 % intervals over seeds, p by Holm over {compared['p'].notna().sum()} tests.")
if compared.empty:
    st.info("The baseline and the methods have no task in common.")
else:
    shown = compared.assign(difference=[interval(r.difference, r.low, r.high) for r in compared.itertuples()])
    ui.show_table(
        shown[["name", "column", "seeds", "difference", "p_adjusted", "claim"]].rename(
            columns={"name": "method", "column": "task"}
        ),
        "method-differences",
        alt=f"Differences to {title}: {(compared['claim'] == 'better').sum()} of {len(compared)} better",
        export=compared,
        column_config={
            "method": st.column_config.TextColumn(width="small"),
            "p_adjusted": st.column_config.NumberColumn("p (Holm)", format="%.3g"),
        },
    )
    if baseline != START and baseline not in by_key:
        st.caption("The baseline is one evaluation: its own noise is not in the intervals.")
with st.expander("All seeds"):
    every = values.assign(
        method=[by_key[m].name for m in values["method"]], training=[catalog.labels[t] for t in values["training"]]
    ).drop(columns=["run", "task"])
    ui.show_table(every, "method-seeds", alt=f"The last evaluation of each of {values['training'].nunique()} training runs")
ui.left_out(missing)
