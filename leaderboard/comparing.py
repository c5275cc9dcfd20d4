"""What views of compared runs share: the comparison itself, computed once per state of the files, and its parts of a page."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from evalsuite.comparison.many import Comparison
from evalsuite.comparison.remarks import remarks

from . import ui
from .catalog import Catalog, Stamp
from .data import differences, versus
from .plots import versus as plots
from .text import spans

MOST_ROWS = 2_000  # of a table of which rows can be selected: such a one cannot be sent in pieces
WHOLE = 20  # rows up to which a table does not scroll

Asked = tuple[str, Stamp, tuple[str, ...], str, tuple[str, ...] | None, bool]  # the arguments of `compared`


@st.cache_resource(max_entries=16, show_spinner="Comparing")
def compared(
    where: str, when: Stamp, keys: tuple[str, ...], metric: str, tasks: tuple[str, ...] | None, allow: bool
) -> versus.Versus:
    """`data.versus.versus` of a folder in a state."""
    return versus.versus(ui.catalog_at(where, when), keys, metric=metric, tasks=tasks, allow=allow)


def comparison_of(asked: Asked) -> Comparison:
    """The comparison, where there is one."""
    found = compared(*asked).comparison
    assert found is not None, "asked for only where two runs are left"
    return found


@st.cache_resource(max_entries=16, show_spinner=False)
def difference_frames(asked: Asked) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, go.Figure]:
    """Numbers, texts, flips and figure of the differences."""
    comparison = comparison_of(asked)
    frame = differences.differences(comparison)
    return frame, differences.texts(frame, comparison.correction), differences.flip_table(frame), plots.forest(frame)


@st.cache_resource(max_entries=16, show_spinner=False)
def printed(asked: Asked) -> tuple[str, str]:
    """Remarks (Markdown without HTML) and everything as `evalsuite compare` prints it."""
    comparison = comparison_of(asked)
    return "\n".join(f"- {spans(remark)}" for remark in remarks(comparison)), comparison.table()


def show_differences(asked: Asked) -> pd.DataFrame:
    """Figure and tables of all differences; returns their numbers."""
    frame, texts, flips, figure = difference_frames(asked)
    alt = f"Differences from A with 95 % intervals, {len(frame)} rows; the first: {frame['verdict'].iloc[0]}"
    ui.show_figure(figure, "differences", alt=alt)
    height = "content" if len(frame) <= WHOLE else "auto"
    ui.show_table(texts, "differences", export=frame, alt=alt, height=height)
    ui.show_table(flips, "flips", height=height, alt="Questions that are right in one run and not in the other, by task")
    st.caption(
        "MDE: the smallest difference that would have been found with 80 % power. Better, equal and worse go by the mean of a "
        f"question. Right: {differences.right_means(frame)}."
    )
    return frame


def show_words(asked: Asked, catalog: Catalog) -> None:
    """What a reader must know before quoting, and everything that the command prints."""
    said, table = printed(asked)
    found = compared(*asked)
    with st.expander("What to know before quoting this", expanded=len(found.keys) == 2):
        st.markdown(said)
    with st.expander("As `evalsuite compare` prints it"):
        runs = [catalog.runs[key] for key in found.keys]
        st.code(versus.command(runs, metric=asked[3], tasks=found.tasks, allow=asked[5]), language="sh", wrap_lines=True)
        st.code(table, language=None)


def pick_question(shown: pd.DataFrame, ids: Sequence[str], name: str, context: Hashable, **arguments: Any) -> str | None:
    """A table of questions: the id of the selected row, which is `?question=` as well.

    `ids` are those of the rows; a question that is asked for and not among them stays chosen. `context` is what the rows depend
    on: where it changes, the row of the question is selected anew.
    """
    asked, key = st.query_params.get("question"), f"table-{name}"
    if key not in st.session_state or st.session_state.get("question-seen") != (context, asked):
        rows = [ids.index(asked)] if asked in ids else []
        st.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    picked = [i for i in ui.show_table(shown, name, select="single-row", height=320, **arguments) if i < len(ids)]
    chosen = ids[picked[0]] if picked else None if asked in ids else asked
    if chosen is None:
        st.query_params.pop("question", None)
    elif chosen != asked:
        st.query_params["question"] = chosen
    st.session_state["question-seen"] = context, chosen
    return chosen
