"""What training is doing: curves of many runs, evaluations on the way, groups, and signs of a reward that is gamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.leaderboard import ui
from evalsuite.leaderboard.catalog import Catalog
from evalsuite.leaderboard.data import evals, training, trainings
from evalsuite.leaderboard.data.series import Scalars
from evalsuite.leaderboard.one_training import detail, scalars_of, state
from evalsuite.leaderboard.plots import training as plots
from evalsuite.leaderboard.text import span

MOST, FIRST = 10, 6  # runs shown, and runs shown at first
LIVE = "5s"
CHOSEN = "Chosen"


# Figures are kept as they are (`cache_resource`), as to pickle one takes longer than to send it; nobody changes them.
@st.cache_resource(max_entries=32, show_spinner=False, hash_funcs={Scalars: state})
def figures(
    lines: dict[str, list[Scalars]],
    panels: tuple[tuple[str, tuple[training.Panel, ...]], ...],
    axis: str,
    weight: float,
) -> list[tuple[str, list[tuple[str, ...]], list[go.Figure]]]:
    """Per section the titles of each figure's charts, and the figures, of lines by label."""
    drawn = []
    for section, of_section in panels:
        charts = [(p, found) for p in of_section if (found := training.curves(lines, p, axis, weight))]
        drawn.append((section, charts))
    points = plots.per_trace([chart for _, charts in drawn for chart in charts])
    found = []
    for section, charts in drawn:
        parts = plots.split(charts)
        found.append(
            (
                section,
                [tuple(p.title for p, _ in part) for part in parts],
                [plots.panels(part, training.AXES[axis], points) for part in parts],
            )
        )
    return found


@st.cache_resource(max_entries=64, show_spinner=False)
def differences(
    keys: tuple[str, ...], task: str, metric: str, when: tuple[Any, ...]
) -> tuple[pd.DataFrame, go.Figure, list[Any]]:
    """`evals.since_start` of training runs whose evaluations are in a state: rows of all, their figure, and what is left out."""
    catalog = ui.catalog()
    found = {key: evals.since_start(catalog, key, task, metric) for key in keys}
    rows = [frame for frame, _ in found.values() if len(frame)]
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(evals.COLUMNS))
    lost = [(catalog.labels[key], problem) for key, (_, problems) in found.items() for problem in problems]
    return frame, plots.since_start(frame, {key: i for i, key in enumerate(keys)}), lost


def main() -> None:
    st.title("Training")
    st.caption("What training is doing: its curves, its evaluations on the way, and whether the reward still means something.")
    catalog = ui.catalog()
    if not catalog.trainings:
        ui.nothing(
            "No training run under this results folder.",
            "evalsuite train grpo --model MODEL --tasks NAME@split=train --eval-tasks NAME --eval-every 50",
        )
    keys = list(catalog.trainings)
    chosen = ui.pick_many("Training runs", keys, catalog.labels, keys[:FIRST], name="trainings", most=MOST)
    if not chosen:
        st.info("Choose a training run.")
        st.stop()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        axis = st.segmented_control("Along", list(training.AXES), default="step", required=True, key="x", bind="query-params")
        axis = axis or "step"  # `?x=` in the URL chooses none
        weight = st.slider(
            "Smoothing", 0.0, 0.99, 0.6, 0.01, key="smooth", bind="query-params", width=240,
            help="TensorBoard's debiased moving average, before points are left out. The raw line stays, faint. Evaluations are never smoothed.",
        )  # fmt: skip
        together = st.toggle(
            "Seeds together", key="seeds", bind="query-params",
            help="Runs that differ in nothing but their seed become one line: their mean, with a band from the lowest to the highest.",
        )  # fmt: skip
    running = any(catalog.trainings[key].status == "running" for key in chosen)
    st.fragment(lambda: show(chosen, axis, weight, together, running), run_every=LIVE if running else None)()


def show(chosen: list[str], axis: str, weight: float, together: bool, live: bool) -> None:
    """Everything below the choices: read again while a run is running."""
    catalog = ui.catalog()
    chosen = [key for key in chosen if key in catalog.trainings]
    if live and not any(catalog.trainings[key].status == "running" for key in chosen):
        st.rerun()
    scalars = {key: scalars_of(catalog.trainings[key]) for key in chosen}
    for read in scalars.values():
        read.refresh()
    about(catalog, chosen, scalars)
    lines = training.recipes(catalog, chosen, together)
    curves(catalog, lines, scalars, axis, weight)
    evaluated(catalog, chosen)
    detail(catalog, chosen, scalars, axis, weight)


def about(catalog: Catalog, chosen: list[str], scalars: dict[str, Scalars]) -> None:
    """The chosen runs, and what cannot be read of them."""
    frame = trainings.table(catalog, chosen, scalars)
    ui.show_table(
        frame,
        "training-runs",
        alt=f"{len(frame)} training runs: what they are, and the settings in which they differ",
        placeholder="",
    )
    ui.left_out([(catalog.labels[key], catalog.trainings[key].problem or scalars[key].problem) for key in chosen
                 if catalog.trainings[key].problem or scalars[key].problem])  # fmt: skip


def curves(catalog: Catalog, lines: dict[str, tuple[str, ...]], scalars: dict[str, Scalars], axis: str, weight: float) -> None:
    """Panels by section, and any other scalar."""
    names = list(dict.fromkeys(name for read in scalars.values() for name in read.names))
    by_section = training.sections(names)
    if not names:
        st.info("No scalars yet.")
        return
    default = [s for s in training.DEFAULT if s in by_section] or list(by_section)[:2]
    wanted = ui.pick_many("Panels", list(by_section), {}, default, name="panels")
    more = ui.pick_many("Other scalars", sorted(names), {}, [], name="scalars")
    panels = [(section, tuple(_shown(section, by_section[section]))) for section in by_section if section in wanted]
    if more:
        panels.append((CHOSEN, tuple(training.Panel(name, name) for name in more)))
    for label, members in lines.items():
        if all(training.place(scalars[key], np.zeros(1), axis) is None for key in members):
            st.caption(f"Without {training.AXES[axis]} on record, so not drawn along it: {span(label)}")
    shown = [label for label, members in lines.items() if trainings.demonstrated(catalog.trainings[members[0]])]
    if shown:
        st.caption(f"Trained on demonstrations, so without rewards and samples of their own: {', '.join(map(span, shown))}")
    drawn = figures({label: [scalars[key] for key in members] for label, members in lines.items()}, tuple(panels), axis, weight)
    st.caption(
        "Bands of one run are the quantiles or extremes that its title names; of seeds together, the lowest and highest seed. "
        "Whiskers are 95 % intervals over questions."
    )
    for place, (section, titles, found) in enumerate(drawn):
        ours = section == CHOSEN or section in training.OURS
        if found:
            st.subheader(section if ours else span(section))
        for number, (charts, fig) in enumerate(zip(titles, found)):
            alt = f"{section}: {', '.join(charts)}; {len(lines)} lines along {training.AXES[axis]}"
            # The name is shown as Markdown, so nobody else's words are in it.
            ui.show_figure(fig, f"training-{section if ours else f'other-{place}'}-{number}", alt=alt)


def _shown(section: str, panels: Sequence[training.Panel]) -> list[training.Panel]:
    """Of evaluations the values; their truncated share and coverage can be chosen one by one."""
    return [p for p in panels if section != training.EVAL or not p.name.endswith(("/truncated", "/coverage"))]


def evaluated(catalog: Catalog, chosen: list[str]) -> None:
    """What changed since step 0."""
    measured = evals.measured(catalog, chosen)
    if not measured:
        return
    st.subheader("Difference to step 0")
    with st.container(horizontal=True):
        task = ui.pick_one("Task", list(measured), name="task")
        metric = ui.pick_one("Metric", measured[task], name="metric")
    when = tuple(
        (k, catalog.runs[k].status, catalog.runs[k].manifest.get("finished"))
        for key in chosen
        for k in catalog.trainings[key].evals
    )
    frame, fig, lost = differences(tuple(chosen), task, metric, when)
    if len(frame):
        last = frame.iloc[-1]
        st.caption(
            "The same questions at both steps, paired by content; 95 % intervals for new questions of this kind. Filled marks: Holm's "
            "p over all steps of the run is at most 0.05."
        )
        alt = (
            f"Paired differences to step 0 of {frame['key'].nunique()} runs; {last['run']} at step {last['step']}: "
            f"{100 * last['difference']:+.1f} points"
        )
        ui.show_figure(fig, "since-start", alt=alt)
        ui.show_table(_points(frame), "since-start", alt="Paired differences to step 0 with verdicts", export=frame)
    ui.left_out(lost)


def _points(frame: pd.DataFrame) -> pd.DataFrame:
    """For reading: points and intervals as texts."""
    low, high = 100 * frame["low"], 100 * frame["high"]
    return pd.DataFrame(
        {
            "run": frame["run"],
            "step": frame["step"],
            "value": (100 * frame["value"]).map("{:.1f}".format),
            "at step 0": (100 * frame["at_0"]).map("{:.1f}".format),
            "difference [95 %]": [
                f"{100 * d:+.1f}" + (f" [{a:+.1f}, {b:+.1f}]" if a == a else "")
                for d, a, b in zip(frame["difference"], low, high)
            ],
            "p (Holm)": frame["p_holm"].map(lambda p: "" if p != p else f"{p:.2g}"),
            "questions": frame["questions"],
            "verdict": frame["verdict"],
        }
    )


main()
