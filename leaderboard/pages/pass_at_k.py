"""The page of pass@k: what more samples are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.errors import EvalsuiteError
from evalsuite.leaderboard import ui
from evalsuite.leaderboard.catalog import Catalog, Run
from evalsuite.leaderboard.data.passk import KINDS, MAJORITY, Curve, crossings, differences, points, read_curve
from evalsuite.leaderboard.plots.passk import passk_figure
from evalsuite.leaderboard.plots.style import interval, percent
from evalsuite.runlog import slug

State = tuple[tuple[str, int, int], ...]

MOST = 8  # runs in one figure
WIDTH = 450  # pixels of a figure: two beside each other at 1400, one at 800
NAMED = 5  # questions named in a remark


# Curves and figures are kept as they are (`cache_resource`), as to pickle one takes longer than to send it; nobody changes them.
@st.cache_resource(max_entries=400, show_spinner="Reading samples")
def curve_of(_run: Run, task: str, kind: str, tau: float, when: State) -> tuple[Curve, pd.DataFrame]:
    """A run's curve and its points, in the state `when` of its files."""
    curve = read_curve(_run, task, kind, tau)
    return curve, points(curve)


@st.cache_resource(max_entries=32, show_spinner=False)
def figure_of(
    name: str, labels: Sequence[str], states: Sequence[State], task: str, _frames: dict[str, pd.DataFrame]
) -> go.Figure:
    """The figure of runs whose files are in these states."""
    return passk_figure(_frames, name)


@st.cache_resource(max_entries=32, show_spinner=False)
def differences_of(
    name: str, keys: Sequence[str], states: Sequence[State], task: str, _curves: dict[str, Curve], _runs: Mapping[str, Run]
) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """Paired differences of all pairs of runs whose files are in these states."""
    return differences(_curves, _runs, task)


def state(run: Run, task: str) -> State:
    """Path, time and size of the files that a curve comes from."""
    found = []
    for name in ("run.json", f"questions/{slug(task)}.parquet", f"samples/{slug(task)}.parquet"):
        path = run.path / name
        try:
            stat = path.stat()
        except OSError:
            found.append((str(path), 0, 0))
        else:
            found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def numbers(frames: dict[str, dict[str, pd.DataFrame]]) -> pd.DataFrame:
    """A row per curve and run, a column per k."""
    rows = [
        {"curve": name, "run": label, **{f"k = {r.k}": interval(r.value, r.low, r.high) for r in frame.itertuples()}}
        for name, of_runs in frames.items()
        for label, frame in of_runs.items()
    ]
    wide = pd.DataFrame(rows)
    return wide[["curve", "run", *sorted(wide.columns[2:], key=lambda c: int(c[4:]))]].fillna("")


def told(frames: dict[str, pd.DataFrame], name: str) -> str:
    """What a figure shows, in a sentence."""
    ends = [f"{label} {percent(f['value'].iloc[-1])} % at k = {f['k'].iloc[-1]}" for label, f in frames.items()]
    return f"{name} over k with 95 % bands: {'; '.join(ends)}"


def remarks(catalog: Catalog, curves: dict[str, Curve]) -> None:
    """Questions that leave the mean at some k, and how many."""
    for key, curve in curves.items():
        if short := curve.short(int(curve.n.max(initial=0))):
            rest = f" and {len(short) - NAMED} more" if len(short) > NAMED else ""
            st.text(
                f"{catalog.labels[key]}: {len(short)} of {len(curve.ids)} questions have fewer than {curve.n.max()} samples with "
                f"a value, and leave the mean where k is above their number: {', '.join(short[:NAMED])}{rest}."
            )


def compared(catalog: Catalog, curves: dict[str, dict[str, Curve]], task: str) -> None:
    """Which run wins where, as far as paired differences are significant."""
    found, apart = {}, {}
    for name, of_runs in curves.items():
        keys = tuple(of_runs)
        if len(keys) > 1:
            states = tuple(state(catalog.runs[key], task) for key in keys)
            found[name], different = differences_of(name, keys, states, task, of_runs, catalog.runs)
            apart |= {(a, b): why for a, b, why in different}
            for line in crossings(found[name], catalog.labels):
                st.text(f"{name}: {line}")
    for (a, b), why in apart.items():
        st.text(f"{catalog.labels[a]} and {catalog.labels[b]} are not compared: {why}")
    rows = [frame.assign(curve=name) for name, frame in found.items() if len(frame)]
    if not rows:
        return
    table = pd.concat(rows).assign(A=lambda f: f["a"].map(catalog.labels), B=lambda f: f["b"].map(catalog.labels))
    sure = int((table["p_adjusted"] <= 0.05).sum())
    with st.expander(f"Differences between runs: {sure} of {len(table)} significant"):
        st.caption("B - A in points, paired by question, with 95 % intervals; p by Holm over all pairs and k of a curve.")
        ui.show_table(
            table.assign(difference=[interval(r.difference, r.low, r.high) for r in table.itertuples()])[
                ["curve", "A", "B", "k", "difference", "p_adjusted"]
            ],
            "pass-at-k-differences",
            alt=f"Paired differences between runs at every k: {sure} of {len(table)} significant",
            export=table.drop(columns=["a", "b"]),
            column_config={"p_adjusted": st.column_config.NumberColumn("p (Holm)", format="%.3g")},
        )


st.title("pass@k")
st.caption("How far more samples take a model: whether some, most or all of k samples are right.")
catalog = ui.catalog()
if not catalog.runs:
    ui.nothing("No evaluation yet.", "evalsuite run --model MODEL --tasks TASK -n 16 --metrics avg,pass@8,maj@8")
ended = [key for key, run in catalog.runs.items() if run.summary and not run.problem]
if not ended:
    ui.left_out(ui.unread(catalog))
    ui.nothing("No evaluation has ended yet.", "evalsuite run --model MODEL --tasks TASK -n 16 --metrics avg,pass@8,maj@8")
tasks_of = {key: list(catalog.runs[key].summary["tasks"]) for key in ended}
several = [key for key in ended if not catalog.runs[key].during] or ended
first = next(iter(tasks_of[several[0]]), "")
chosen = ui.pick_many("Runs", ended, catalog.labels, [key for key in several if first in tasks_of[key]][:5], most=MOST)
tasks = sorted({task for key in chosen for task in tasks_of[key]}, key=lambda t: (-sum(t in tasks_of[k] for k in chosen), t))
if not tasks:
    st.info("Choose runs.")
    st.stop()
left, middle, right = st.columns([3, 4, 2], vertical_alignment="bottom")
with left:
    task = ui.pick_one("Task", tasks, name="task")
with middle:
    kinds = ui.pick_many("Curves", list(KINDS), {}, ["pass@k", "pass^k", "maj@k"], name="curves")
with right:
    tau = (
        float(ui.pick_one("τ of G-Pass@k", ["0.25", "0.5", "0.75", "1"], default="0.5", name="tau"))
        if "G-Pass@k" in kinds
        else 0.5
    )
st.caption(
    "Bands are 95 % intervals over questions of this kind (target: population). Every value is unbiased over the n samples of a "
    "question. Dashed: k above n/2, still unbiased, at its noisiest.",
    help=(
        "pass@k: at least one of k samples is right. pass^k: all are. G-Pass@k: at least a share τ of them is. mG-Pass@k: its mean "
        "over τ from 1/2 to 1, as published 0 at k = 1. In these a sample is right where its value is exactly 1.0; partial credit is "
        "none. maj@k: the most frequent answer among k, ties split evenly, expected over all subsets; it is worth what its samples "
        f"are, and is shown as far as k n ≤ {MAJORITY}."
    ),
)
without = [(catalog.labels[key], f"has no task {task}") for key in chosen if task not in tasks_of[key]]
curves: dict[str, dict[str, Curve]] = {}
frames: dict[str, dict[str, pd.DataFrame]] = {}
for kind in kinds:
    name = f"G-Pass@k (τ = {tau:g})" if kind == "G-Pass@k" else kind
    for key in chosen:
        if task not in tasks_of[key]:
            continue
        try:
            curve, frame = curve_of(catalog.runs[key], task, kind, tau, state(catalog.runs[key], task))
        except EvalsuiteError as error:
            without.append((f"{catalog.labels[key]}: {name}", str(error)))
            continue
        if frame.empty:
            without.append((f"{catalog.labels[key]}: {name}", f"too few samples per question: {curve.n.max(initial=0)}"))
            continue
        curves.setdefault(name, {})[key] = curve
        frames.setdefault(name, {})[catalog.labels[key]] = frame
with st.container(horizontal=True):
    for name, of_runs in frames.items():
        with st.container(width=WIDTH):
            states = [state(catalog.runs[key], task) for key in curves[name]]
            fig = figure_of(name, tuple(of_runs), tuple(states), task, of_runs)
            ui.show_figure(fig, name, alt=told(of_runs, name))
if frames:
    ui.show_table(
        numbers(frames),
        "pass-at-k",
        alt="; ".join(told(of_runs, name) for name, of_runs in frames.items()),
        export=pd.concat([f.assign(run=label, curve=name) for name, of in frames.items() for label, f in of.items()]),
    )
    remarks(catalog, {key: curve for of_runs in curves.values() for key, curve in of_runs.items()})
    compared(catalog, curves, task)
ui.left_out([*without, *ui.unread(catalog)])
