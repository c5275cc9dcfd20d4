"""The page of pass@k: what more samples are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.errors import EvalsuiteError
from evalsuite.leaderboard import ui
from evalsuite.leaderboard.catalog import Catalog, Run
from evalsuite.leaderboard.data.passk import KINDS, MAJORITY, Curve, crossings, differences, distinct, points, read_curve
from evalsuite.leaderboard.plots.passk import passk_figure
from evalsuite.leaderboard.plots.style import interval, percent
from evalsuite.runlog import slug

State = tuple[tuple[str, int, int], ...]

MOST = 8  # runs in one figure
WIDTH = 430  # pixels of a figure: three beside each other at 1400, one at 800
NAMED = 5  # questions named in a remark


@dataclass(frozen=True)
class View:
    """All that the page shows of a choice: figures and what they show by name, tables, remarks, and what is left out and why."""

    figures: dict[str, go.Figure]
    told: dict[str, str]
    numbers: pd.DataFrame
    points: pd.DataFrame
    remarks: list[str]
    tests: pd.DataFrame
    without: list[tuple[str, str]]


# Curves and views are kept as they are (`cache_resource`), as to pickle one takes longer than to send it; nobody changes them.
@st.cache_resource(max_entries=400, show_spinner="Reading samples")
def curve_of(_run: Run, task: str, kind: str, tau: float, when: State) -> tuple[Curve, pd.DataFrame]:
    """A run's curve and its points, in the state `when` of its files."""
    curve = read_curve(_run, task, kind, tau)
    return curve, points(curve)


@st.cache_resource(max_entries=32, show_spinner=False)
def view(
    _catalog: Catalog,
    keys: Sequence[str],
    labels: Sequence[str],
    states: Sequence[State],
    task: str,
    kinds: Sequence[str],
    tau: float,
) -> View:
    """The curves of runs, called `labels`, whose files are in these states."""
    label_of = dict(zip(keys, labels))
    without: list[tuple[str, str]] = []
    curves: dict[str, dict[str, Curve]] = {}
    frames: dict[str, dict[str, pd.DataFrame]] = {}
    for kind in kinds:
        name = f"G-Pass@k (τ = {tau:g})" if kind == "G-Pass@k" else kind
        for key, when in zip(keys, states):
            try:
                curve, frame = curve_of(_catalog.runs[key], task, kind, tau, when)
            except EvalsuiteError as error:
                without.append((f"{label_of[key]}: {name}", str(error)))
                continue
            if frame.empty:
                without.append((f"{label_of[key]}: {name}", f"too few samples per question: {curve.n.max(initial=0)}"))
                continue
            curves.setdefault(name, {})[key] = curve
            frames.setdefault(name, {})[label_of[key]] = frame
    found, apart = differences(curves, _catalog.runs, task)
    return View(
        figures={name: passk_figure(of_runs, name, task) for name, of_runs in frames.items()},
        told={name: told(of_runs, name, task) for name, of_runs in frames.items()},
        numbers=numbers(frames),
        points=pd.concat(
            [f.assign(run=run, curve=name) for name, of in frames.items() for run, f in of.items()] or [pd.DataFrame()]
        ),
        remarks=[
            *short({label_of[key]: curve for of_runs in curves.values() for key, curve in of_runs.items()}),
            *(f"{name}: {line}" for name in curves for line in crossings(found[found["curve"] == name], label_of)),
            *(f"{label_of[a]} and {label_of[b]} are not compared: {why}" for a, b, why in apart),
        ],
        tests=distinct(found, label_of),
        without=without,
    )


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
    wide = pd.DataFrame(rows, columns=None if rows else ["curve", "run"])
    return wide[["curve", "run", *sorted(wide.columns[2:], key=lambda c: int(c[4:]))]].fillna("")


def told(frames: dict[str, pd.DataFrame], name: str, task: str) -> str:
    """What a figure shows, in a sentence."""
    ends = [f"{label} {percent(f['value'].iloc[-1])} % at k = {f['k'].iloc[-1]}" for label, f in frames.items()]
    return f"{task}: {name} over k with 95 % bands: {'; '.join(ends)}"


def short(curves: dict[str, Curve]) -> list[str]:
    """Questions that leave the mean at some k, and how many."""
    out = []
    for label, curve in curves.items():
        if few := curve.short(int(curve.n.max(initial=0))):
            rest = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
            out.append(
                f"{label}: {len(few)} of {len(curve.ids)} questions have fewer than {curve.n.max()} samples with "
                f"a value, and leave the mean where k is above their number: {', '.join(few[:NAMED])}{rest}."
            )
    return out


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
before = [key for key in st.query_params.get_all("runs") or st.session_state.get("kept-runs", ()) if key in ended]
chosen = ui.pick_many(
    f"Runs (at most {MOST})", ended, catalog.labels, [key for key in several if first in tasks_of[key]][:5], most=MOST
)
if len(before) > MOST:
    st.caption(f"{len(before)} runs were chosen, and the first {MOST} are drawn: a figure has no more.")
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
if not kinds:
    st.info("Choose curves.")
    st.stop()
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
keys = tuple(key for key in chosen if task in tasks_of[key])
states = tuple(state(catalog.runs[key], task) for key in keys)
found = view(catalog, keys, tuple(catalog.labels[key] for key in keys), states, task, tuple(kinds), tau)
with st.container(horizontal=True):
    for name, fig in found.figures.items():
        with st.container(width=WIDTH):
            ui.show_figure(fig, name, alt=found.told[name])
if found.figures:
    ui.show_table(found.numbers, "pass-at-k", alt="; ".join(found.told.values()), export=found.points)
else:
    st.info("None of these runs has such a curve; the reasons are below.")
for line in found.remarks:
    st.text(line)
if len(found.tests):
    sure = int((found.tests["p_adjusted"] <= 0.05).sum())
    with st.expander(f"Differences between runs: {sure} of {len(found.tests)} significant"):
        st.caption(
            f"B - A in points, paired by question, with 95 % intervals; p by Holm over {len(found.tests)} tests. Metrics that are the same "
            "question by question, such as pass@1 and pass^1, are one test."
        )
        shown = found.tests.assign(difference=[interval(r.difference, r.low, r.high) for r in found.tests.itertuples()])
        ui.show_table(
            shown[["metric", "A", "B", "difference", "p_adjusted"]],
            "pass-at-k-differences",
            alt=f"Paired differences between runs: {sure} of {len(found.tests)} significant",
            export=found.tests,
            column_config={"p_adjusted": st.column_config.NumberColumn("p (Holm)", format="%.3g")},
        )
absent = [(catalog.labels[key], f"has no task {task}") for key in chosen if key not in keys]
ui.left_out([*absent, *found.without, *ui.unread(catalog)])
