"""Three runs and more on one task: their ranks, all pairs, and the questions by runs. A part of the page Compare."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.comparison.ranks import TaskRanking
from evalsuite.comparison.sentences import Units

from . import ui
from .across import side_by_side
from .catalog import Catalog
from .comparing import MOST_ROWS, Asked, compared, comparison_of, pick_question, show_differences, show_words
from .data import grid
from .plots import grid as plots

MOST_READ = 4  # runs whose samples stand side by side


@st.cache_resource(max_entries=8, show_spinner="Reading the questions")
def cells_of(asked: Asked, task: str) -> grid.Grid:
    """`data.grid.grid` of the compared runs."""
    return grid.grid(comparison_of(asked).recorded, task)


@st.cache_resource(max_entries=8, show_spinner=False)
def questions_of(asked: Asked, task: str, order: str) -> pd.DataFrame:
    """`data.grid.question_frame` of the compared runs."""
    return grid.question_frame(cells_of(asked, task), order)


@st.cache_resource(max_entries=16, show_spinner=False)
def heat_of(asked: Asked, task: str, order: str, start: int, names: tuple[str, ...]) -> go.Figure:
    """The heat map of the questions from `start` on."""
    cells = cells_of(asked, task)
    shown = questions_of(asked, task, order)["at"].iloc[start : start + grid.columns_per_page(len(names))]
    return plots.heat(cells, shown.tolist(), grid.run_order(cells), names)


@st.cache_resource(max_entries=8, show_spinner=False)
def pairs_of(asked: Asked, labels: tuple[str, ...]) -> go.Figure:
    """The matrix of all pairs."""
    comparison = comparison_of(asked)
    return plots.matrix(comparison.rankings[0], [run.letter for run in comparison.runs], labels)


def many(asked: Asked, catalog: Catalog, names: Sequence[str], task: str) -> None:
    """The whole view. `names` are those of the compared runs, no two alike."""
    for ranking in comparison_of(asked).rankings:
        _ranks(asked, ranking, [catalog.labels[key] for key in compared(*asked).keys])
    with st.expander("Every other run against A"):
        show_differences(asked)
    show_words(asked, catalog)
    st.header("Questions by runs", divider="grey")
    cells = cells_of(asked, task)
    order = str(
        st.segmented_control(
            "Sort questions by",
            grid.ORDERS,
            default=grid.ORDERS[0],
            key="order",
            bind="query-params",
            required=True,
            help="difficulty: the lowest mean over runs first; disagreement: the greatest variance between runs first",
        )
    )
    questions = questions_of(asked, task, order)
    size = grid.columns_per_page(len(names))
    pages = -(-len(questions) // size)
    start = size * (st.pagination(pages, key="grid_page", bind="query-params") - 1 if pages > 1 else 0)
    shown = min(size, len(questions) - start)
    st.caption(
        f"Questions {start + 1:,} to {start + shown:,} of {len(questions):,} in order of {order}, runs by their mean. "
        f"Colour: {'mean score' if cells.graded else 'share of samples right'}; a gap has no value."
    )
    alt = f"{shown} questions by {len(names)} runs, coloured by how much is right; {questions['mean'].mean():.2f} on average"
    ui.show_figure(heat_of(asked, task, order, start, tuple(names)), "grid", alt=alt)
    first = questions.head(MOST_ROWS)
    chosen = pick_question(
        grid.readable(first, cells.shares),
        list(first["id"]),
        "questions-by-runs",
        (asked[2:], order),
        export=questions,
        alt=f"{len(first)} questions in order of {order}",
        column_config=dict.fromkeys(grid.SCALED, st.column_config.NumberColumn(format="%.1f" if cells.shares else "%.4g")),
    )
    if len(questions) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS:,} of {len(questions):,} questions; CSV and Parquet have all.")
    if chosen is None:
        ui.hint("Select a row to read the samples of a question across runs.")
    elif chosen not in cells.names:
        st.text(f"None of these runs has a question {chosen!r}.")
    else:
        _across(asked, catalog, names, cells.names.index(chosen), task)


def _across(asked: Asked, catalog: Catalog, names: Sequence[str], at: int, task: str) -> None:
    """The question at a position in all runs, and the samples of some: the best and the worst of them at first."""
    cells, keys = cells_of(asked, task), compared(*asked).keys
    of_runs = grid.of_question(cells, at, names)
    ui.show_table(of_runs, "question", alt="How every run did on the question, the best first")
    with_value = list(of_runs["run"][of_runs["mean"] != "-"])
    default = [keys[names.index(name)] for name in dict.fromkeys((*with_value[:1], *with_value[-1:]))]
    read = ui.pick_many(
        f"Runs to read, at most {MOST_READ}", keys, dict(zip(keys, names)), default, name="read", most=MOST_READ
    )
    sides = {names[i]: (catalog.runs[key], cells.ids[i][at]) for i, key in enumerate(keys) if key in read}
    if sides:
        side_by_side(sides, task)


def _ranks(asked: Asked, ranking: TaskRanking, labels: Sequence[str]) -> None:
    comparison = comparison_of(asked)
    ranked = grid.ranking_frame(ranking, [run.letter for run in comparison.runs], labels)
    left, right = st.columns([2, 3])
    with left:
        st.subheader("Ranks")
        st.caption(
            f"Those that cannot be ruled out, over the {ranking.questions:,} questions that all have (all pairs, "
            f"{comparison.correction}). Runs whose ranks overlap may be equally good."
        )
        best = ranked.iloc[0]
        alt = f"Ranks of {len(ranked)} runs; run {best['letter']} may hold {best['first']} to {best['last']}"
        ui.show_table(grid.readable_ranks(ranked, ranking.shares), "ranks", export=ranked, alt=alt)
    with right:
        st.subheader("All pairs")
        more = len(ranked) - plots.MOST_RUNS
        st.caption(
            "The run of the row minus that of the column. A star: told from noise (corrected p at most 0.05)."
            + (f" The {more} runs with the lowest means are left out." if more > 0 else "")
        )
        units = Units(ranking.shares)
        most = units.difference(float(ranked["mean"].max() - ranked["mean"].min()), False)
        alt = f"Differences of all pairs of {len(ranked)} runs; the largest is {most}{units.name}"
        ui.show_figure(pairs_of(asked, tuple(labels)), "pairs", alt=alt)
