"""One training run in detail, as the training page shows it: does the reward still mean something, and do its groups teach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from . import ui
from .catalog import Catalog, Training
from .data import groups, hacking, training, trainings
from .data.series import Groups, Scalars
from .plots import groups as group_plots
from .plots import training as plots

SAMPLES = Path(__file__).resolve().parent / "pages" / "samples.py"


@st.cache_resource(max_entries=64, show_spinner=False)
def scalars_at(path: str, demonstrated: bool) -> Scalars:
    """The growing train.jsonl of a run; shared between sessions. Without what it says of completions, where no model made them."""
    return Scalars(Path(path) / "train.jsonl", training.of_samples) if demonstrated else Scalars(Path(path) / "train.jsonl")


def scalars_of(run: Training) -> Scalars:
    """`scalars_at` of a run."""
    return scalars_at(str(run.path), trainings.demonstrated(run))


def state(scalars: Scalars) -> tuple[str, int]:
    """What tells a cached function whether there is something new in a file: its hash function."""
    return str(scalars.path), scalars.version


@st.cache_resource(max_entries=16, show_spinner=False)
def groups_of(path: str) -> Groups:
    """The growing samples.jsonl of a run; shared between sessions."""
    return Groups(Path(path) / "samples.jsonl")


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Scalars: state})
def watched(scalars: Scalars, held: str, axis: str, weight: float) -> tuple[hacking.Watch, go.Figure | None]:
    """What the rule finds in a run, and the figure to it; None where its reward has no place on the axis."""
    reward, length = (hacking.found(scalars, name) for name in (hacking.REWARD, hacking.LENGTH))
    titles = {reward: "train reward", held: f"held-out {held}", length: "mean length (tokens)"}
    found = {name: training.curves({"": [scalars]}, training.Panel(name, name), axis, weight) for name in titles}
    charts = [(training.Panel(title, name), found[name][0]) for name, title in titles.items() if found[name]]
    fig = plots.stacked(charts, training.AXES[axis]) if found[reward] else None
    return hacking.of_run(scalars, held), fig


@st.cache_resource(max_entries=16, show_spinner=False)
def group_figures(path: str, version: int) -> tuple[np.ndarray, list[tuple[str, go.Figure, str]]]:
    """The steps of a run's batches; and the figures of its groups: name, figure, alternative text."""
    table = groups_of(path).table()
    starts, values, share = groups.histogram(table)
    outcome = groups.shares(table)
    found = []
    if len(starts):
        alt = f"Mean reward of {len(table['step'])} groups over steps"
        found.append(("group-reward", group_plots.heat(starts, values, share), alt))
    if len(outcome):
        last = outcome.iloc[-1]
        alt = f"At step {last['step']:.0f}, {last['right']:.0%} of the groups were all right and {last['wrong']:.0%} all wrong"
        found.append(("group-outcomes", group_plots.outcomes(outcome), alt))
    return np.unique(table["step"]), found


def detail(catalog: Catalog, chosen: list[str], scalars: dict[str, Scalars], axis: str, weight: float) -> None:
    """One of the runs in detail."""
    st.subheader("One run in detail")
    key = ui.pick_one("Run", chosen, catalog.labels, name="training")
    run = catalog.trainings[key]
    hacked(scalars[key], axis, weight)
    read = groups_of(str(run.path))
    version = read.refresh()
    if read.problem:
        ui.left_out([(f"samples of {catalog.labels[key]}", read.problem)])
    steps, found = group_figures(str(run.path), version)
    if trainings.demonstrated(run):
        st.info("This run learns from demonstrations, so its rewards, lengths and groups would say nothing of the model.")
        found = []
    if found:
        st.caption(
            "A group is the samples of one question in one batch. First, how many groups have which mean reward; then, how many are all "
            "right or all wrong, and so teach nothing where a reward is compared with its group."
        )
    for name, fig, alt in found:
        ui.show_figure(fig, name, alt=alt)
    if not len(steps):
        st.info("This run has no samples on record, so there is nothing to say about its groups.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, last = float(steps[0]), float(steps[-1])  # infinity in a URL breaks a widget of whole numbers
        asked = st.number_input("Step", first, last, last, 1.0, format="%.0f", key="at_step", bind="query-params", width=160)
        step = int(steps[max(int(np.searchsorted(steps, asked, side="right")) - 1, 0)])
        st.page_link(
            str(SAMPLES), label=f"Samples of step {step}", icon=":material/search:",
            query_params={"run": key, "step": str(step)},
        )  # fmt: skip


def hacked(scalars: Scalars, axis: str, weight: float) -> None:
    """Train reward, held-out value and length, with the alarm; nothing where there is no reward."""
    if hacking.found(scalars, hacking.REWARD) not in scalars.names:
        return
    held = [n for n in scalars.names if training.section_of(n) == training.EVAL and f"{n}/low" in scalars.names]
    name = ui.pick_one("Held-out value", held, name="held_out") if held else ""
    seen, fig = watched(scalars, name, axis, weight)
    if fig is None:
        return
    for sentence in seen.alarms:
        st.warning(sentence, icon=":material/warning:")
    if not seen.alarms:
        st.info("No alarm by the rule below" + (", as far as it can be judged." if seen.unknown else "."))
    for why in seen.unknown:
        st.caption(f"Not judged: {why}.")
    ui.show_figure(
        fig, "reward-held-out-length", alt=" ".join(seen.alarms) or "Train reward, held-out value and mean length: no alarm"
    )
    with st.expander("The rule"):
        st.markdown(hacking.RULE)
