"""Two runs question by question, or many of them at once: whether a difference is real, and which questions make it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.leaderboard import ui
from evalsuite.leaderboard.across import side_by_side
from evalsuite.leaderboard.catalog import Catalog
from evalsuite.leaderboard.comparing import (
    MOST_ROWS,
    Asked,
    compared,
    comparison_of,
    pick_question,
    show_differences,
    show_words,
)
from evalsuite.leaderboard.data import differences, flips, versus
from evalsuite.leaderboard.many_runs import many
from evalsuite.leaderboard.plots import versus as plots


@st.cache_resource(max_entries=8, show_spinner=False)
def changes(asked: Asked, task: str, shares: bool) -> tuple[pd.DataFrame, go.Figure]:
    a, b = comparison_of(asked).recorded
    questions = flips.questions(a, b, task, asked[3])
    return questions, plots.distribution(questions["difference"], shares)


def main() -> None:
    st.title("Compare")
    catalog = ui.catalog()
    if not catalog.runs:
        ui.nothing("There is no evaluation yet. Two of the same task can be compared.", "evalsuite run --help")
    st.caption("Is the difference between runs real, and which questions make it? Questions are paired by their content.")
    keys = ui.pick_many("Runs; the first is A", list(catalog.runs), catalog.labels, versus.first_pair(catalog))
    if len(keys) < 2:
        st.info("Choose two runs; with three and more there are ranks and a heat map of questions.")
        st.stop()
    task = _task(catalog, keys) if len(keys) > 2 else None
    asked = _asked(catalog, keys, task)
    found = ui.guarded(lambda: compared(*asked))
    ui.left_out(found.left_out)
    if found.unlike:
        st.warning("Not comparable: these runs do not measure the same thing.")
        st.code("\n".join(found.unlike), language=None, wrap_lines=True)  # text: it holds names from files
        if st.toggle("Compare them all the same", key="allow", bind="query-params"):
            asked = (*asked[:5], True)
            found = ui.guarded(lambda: compared(*asked))
    if found.comparison is None:
        st.info("Fewer than two of these runs can be compared.")
        st.stop()
    names = [f"{run.letter} · {catalog.labels[key]}" for run, key in zip(found.comparison.runs, found.keys)]
    if len(names) == 2:
        two(asked, catalog, names, task)
    else:
        many(asked, catalog, names, str(task))


def two(asked: Asked, catalog: Catalog, names: Sequence[str], task: str | None) -> None:
    """Two runs: all of their tasks, then the questions of one."""
    st.text("\n".join(names))
    verdicts = st.container()
    frame = show_differences(asked)
    verdicts.markdown("\n".join(f"- {line}" for line in differences.verdicts(frame)))
    show_words(asked, catalog)
    st.header("Questions", divider="grey")
    labels = {name: label for name, label in zip(frame["task"], frame["label"]) if name}
    task = task or ui.pick_one("Task", list(labels), labels, name="task")
    row = frame[frame["task"] == task].iloc[0]
    questions, figure = changes(asked, task, bool(row["shares"]))
    left, right = st.columns([2, 3])
    with left:
        st.dataframe(differences.two_by_two(row), alt="Questions right and wrong in A and in B")
        st.caption(f"Right: {differences.right_means(row)}.")
    with right:
        alt = f"Questions by difference: {row['better']} better in B, {row['equal']} equal, {row['worse']} worse"
        ui.show_figure(figure, "changes", alt=alt)
    change = st.segmented_control("Show", flips.CHANGES, default="all", key="change", bind="query-params", required=True)
    listed = flips.only(questions, str(change))
    forms = (
        {"A": "%.1f", "B": "%.1f", "difference": "%+.1f"} if row["shares"] else dict.fromkeys(("A", "B", "difference"), "%.4g")
    )
    chosen = pick_question(
        flips.readable(listed.head(MOST_ROWS), bool(row["shares"])),
        list(listed["id"].head(MOST_ROWS)),
        "questions",
        (asked[2:], task, change),
        export=listed,
        alt=f"{len(listed)} questions of the task, the largest change first",
        column_config={name: st.column_config.NumberColumn(format=form) for name, form in forms.items()},
    )
    if len(listed) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS:,} of {len(listed):,} questions; CSV and Parquet have all.")
    if chosen is None:
        ui.hint("Select a row to read the samples of a question in both runs, side by side.")
        return
    at = questions[questions["id"] == chosen]
    if at.empty:
        st.text(f"Neither run has a question {chosen!r}.")
        return
    runs = [catalog.runs[key] for key in compared(*asked).keys]
    side_by_side({names[0]: (runs[0], at["id_a"].iloc[0]), names[1]: (runs[1], at["id_b"].iloc[0])}, task)


def _task(catalog: Catalog, keys: Sequence[str]) -> str:
    """Of three runs and more one task is compared: those that most of them have come first."""
    tasks = versus.tasks_of([catalog.runs[key] for key in keys])
    if not tasks:
        st.info("None of these runs has a task.")
        st.stop()
    return ui.pick_one("Task", tasks, name="task")


def _asked(catalog: Catalog, keys: Sequence[str], task: str | None) -> Asked:
    """The arguments of `compared`; asks for the metric."""
    runs = [run for key in keys if (run := catalog.runs[key]).tasks and (task is None or task in run.tasks)]
    tasks = [task] if task else [name for name in (runs[0].tasks if runs else ()) if all(name in run.tasks for run in runs)]
    metric = ui.pick_one("Metric", versus.metrics_of(runs, tasks), name="metric")
    return str(ui.root()), ui.now(), tuple(keys), metric, (task,) if task else None, False


main()
