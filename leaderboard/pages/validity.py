"""What stands between the numbers and a claim: dates, duplicates, overlap with training, and runs that are not whole."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.leaderboard import ui
from evalsuite.leaderboard.catalog import Catalog, Stamp
from evalsuite.leaderboard.data import dates, duplicates, overlap, validity
from evalsuite.leaderboard.plots import validity as plots
from evalsuite.leaderboard.plots.style import interval, percent

MOST = 30  # runs in a figure

Sides = tuple[pd.DataFrame, go.Figure | None, list[tuple[str, str]]]  # rows, their figure, and what could not be read


@st.cache_resource(max_entries=4, show_spinner="Comparing questions with training prompts")
def looked_at(where: str, when: Stamp) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, frozenset[str]], list[tuple[str, str]]]:
    """All concerns, all overlaps, the prompts of each training run, and what could not be read."""
    catalog = ui.catalog_at(where, when)
    trained_on, lost = overlap.all_prompts(catalog)
    overlapping, unread = overlap.overlaps(catalog, trained_on)
    found = validity.concerns(catalog, ui.frame_at(where, when), validity.flags(catalog), overlapping)
    return found, overlapping, trained_on, lost + unread


@st.cache_resource(max_entries=4, show_spinner=False)
def dated_at(where: str, when: Stamp) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """`dates.dated` of a folder in a state."""
    return dates.dated(ui.catalog_at(where, when))


# Figures are kept as they are (`cache_resource`), as to pickle one takes longer than to send it; nobody changes them.
@st.cache_resource(max_entries=32, show_spinner=False)
def windows_at(where: str, when: Stamp, task: str, cutoff: str, keys: tuple[str, ...]) -> Sides:
    """`dates.windows` of a folder in a state."""
    frame, lost = dates.windows(ui.catalog_at(where, when), task, cutoff, keys)
    return frame, plots.sides(frame, "before", "after") if len(frame) else None, lost


@st.cache_resource(max_entries=32, show_spinner=False)
def sides_at(where: str, when: Stamp, training: str, task: str, keys: tuple[str, ...]) -> Sides:
    """`overlap.sides` of a folder in a state."""
    frame, lost = overlap.sides(ui.catalog_at(where, when), keys, task, looked_at(where, when)[2][training])
    return frame, plots.sides(frame, "seen", "unseen") if len(frame) else None, lost


@st.cache_data(max_entries=32, show_spinner="Looking for duplicates")
def duplicates_at(where: str, when: Stamp, key: str, near: bool) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """`duplicates.duplicates` of a run of a folder in a state."""
    return duplicates.duplicates(ui.catalog_at(where, when).runs[key], near)


def main() -> None:
    st.title("Validity")
    st.caption(
        "What to know before believing a number: was the model trained on the questions, are they whole, are they counted twice?"
    )
    catalog = ui.catalog()
    if not catalog.runs:
        ui.nothing("No evaluation under this results folder.", "evalsuite run --model MODEL --tasks NAME")
    during = st.toggle(
        "Evaluations during training too",
        key="during",
        bind="query-params",
        help="Each is a run of its own, so there are many.",
    )
    state = str(ui.root()), ui.now()
    keys = {key for key, run in catalog.runs.items() if during or not run.during}
    found, overlapping, _, lost = looked_at(*state)
    concerned(found[found["key"].isin(keys)], len(keys))
    overlapped(catalog, overlapping, keys, state)
    windows(catalog, keys, state)
    duplicated(catalog, keys, state)
    ui.left_out(lost)


def concerned(found: pd.DataFrame, runs: int) -> None:
    """All runs x concerns."""
    st.subheader("Concerns")
    if not len(found):
        st.info(f"None in {runs} runs, of those that this page looks for.")
        return
    kinds = list(dict.fromkeys(found["concern"]))
    wanted = ui.pick_many("Kinds", kinds, {}, kinds, name="concerns")
    shown = found[found["concern"].isin(wanted)].drop(columns="key")
    alt = f"{len(found)} concerns about {found['key'].nunique()} of {runs} runs: {', '.join(kinds)}"
    ui.show_table(
        shown, "concerns", alt=alt,
        column_config={"seen": st.column_config.TextColumn(width="large"), "do": st.column_config.TextColumn("what to do", width="large")},
    )  # fmt: skip


def overlapped(catalog: Catalog, overlapping: pd.DataFrame, keys: set[str], state: tuple[str, Stamp]) -> None:
    """Training prompts among the evaluation questions."""
    st.subheader("Trained on what it is asked")
    st.caption(
        "Training prompts and evaluation questions are compared by content digest: the very same question, under any id. Their texts are "
        "not kept by training runs, so reworded copies are not found. A model whose making is not known may come from any of them: possible."
    )
    shown = overlapping.assign(
        known=overlapping["known"].map(lambda of: [key for key in of if key in keys]),
        possible=overlapping["possible"].map(lambda of: [key for key in of if key in keys]),
    )
    shown = shown[(shown["known"].map(len) + shown["possible"].map(len)) > 0]
    if not len(shown):
        st.info("No evaluated question is among the prompts of a training run on record here.")
        return
    names = [", ".join(catalog.labels[key] for key in of) for of in shown["known"]]
    table = pd.DataFrame(
        {
            "training run": shown["training_run"],
            "task": shown["task"],
            "shared": shown["shared"],
            "of": shown["questions"],
            "share (%)": shown["share"].map(percent),
            "models made by it": names,
            "of unknown making: possible": [", ".join(catalog.labels[key] for key in of) for of in shown["possible"]],
        }
    )
    ui.show_table(table, "overlap", alt=f"{len(table)} pairs of a training run and a task that share questions")
    pairs = {f"{of.training}|{of.task}|{of.data[-6:]}": of for of in shown.itertuples()}
    labels = {name: f"{of.training_run} on {of.task}: {of.shared} of {of.questions} seen" for name, of in pairs.items()}
    first = next((name for name, of in pairs.items() if of.known and of.share < 1), next(iter(pairs)))
    of = pairs[ui.pick_one("Seen and unseen questions of", list(pairs), labels, first, name="overlap")]
    frame, fig, lost = sides_at(*state, of.training, of.task, tuple([*of.known, *of.possible][:MOST]))
    two_sides(frame, fig, "seen", "unseen", "seen-unseen")
    ui.left_out(lost)


def windows(catalog: Catalog, keys: set[str], state: tuple[str, Stamp]) -> None:
    """Before and after a cutoff."""
    st.subheader("Before and after a cutoff")
    months, lost = dated_at(*state)
    if not months:
        st.info("No task here has questions with a date in their metadata (contest_date, date, release_date, ...).")
        ui.left_out(lost)
        return
    task = ui.pick_one("Dated task", list(months), name="dated")
    if len(months[task]) < 2:
        st.info("All questions are of one month.")
        return
    options = months[task][1:]
    cutoff = st.select_slider(
        "Cutoff", options, options[len(options) // 2 - (len(options) > 1)], key="cutoff", bind="query-params",
        help="The first month that counts as after: the end of what the models were trained on, as their makers say. No run records it.",
    )  # fmt: skip
    of = [key for key in catalog.runs if key in keys and task in catalog.runs[key].tasks]
    frame, fig, unread = windows_at(*state, task, cutoff, tuple(of[:MOST]))
    st.caption(
        "Two sets of different questions, so the difference is unpaired, and later questions may simply be harder or easier."
    )
    two_sides(frame, fig, "before", "after", "windows")
    ui.left_out(lost + unread)


def two_sides(frame: pd.DataFrame, fig: go.Figure | None, one: str, other: str, name: str) -> None:
    """A figure and a table of both sides of a task."""
    if fig is None:
        return
    alt = f"{len(frame)} runs on {one} and {other} questions; {frame.iloc[0]['run']}: {frame.iloc[0]['reading']}"
    ui.show_figure(fig, name, alt=alt)
    difference = "after - before" if one == "before" else f"{one} - {other}"
    table: dict[str, Any] = {"run": frame["run"]}
    for column, title in ((one, one), (other, other), ("difference", difference)):
        table[f"{title} [95 %]"] = [
            interval(*row) for row in frame[[column, f"{column}_low", f"{column}_high"]].itertuples(index=False)
        ]
        if column != "difference":
            table[f"n {column}"] = frame[f"n_{column}"]
    ui.show_table(
        pd.DataFrame(table).assign(reading=frame["reading"]), name, alt=alt, export=frame,
        column_config={"reading": st.column_config.TextColumn(width="large")},
    )  # fmt: skip


def duplicated(catalog: Catalog, keys: set[str], state: tuple[str, Stamp]) -> None:
    """The same question twice."""
    st.subheader("Duplicate questions")
    whole = [key for key in catalog.runs if key in keys and catalog.runs[key].summary]
    if not whole:
        st.info("No run has ended yet.")
        return
    key = ui.pick_one("Run", whole, catalog.labels, name="run")
    near = st.toggle(
        "Near ones too", key="near", bind="query-params",
        help="Pairs of which the shorter question has at least half of its runs of 13 words in the other.",
    )  # fmt: skip
    frame, lost = duplicates_at(*state, key, near)
    ui.left_out(lost)
    if len(frame):
        kinds = ", ".join(f"{n} x {kind}" for kind, n in frame["kind"].value_counts().items())
        st.caption(
            f"{kinds}. Same content: equal digests. Same text: the problem reads the same, and an image, the choices or the answer differ. "
            "Copies count twice and are not independent: give them a common `cluster`, or drop them."
        )
        ui.show_table(frame, "duplicates", alt=f"Duplicate questions: {kinds}")
    elif not lost:
        st.info("No question of this run is there twice, within its tasks or across them.")


main()
