"""The panel of evaluations that are running."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from . import ui
from .catalog import Stamp
from .data import live
from .plots.style import interval

REFRESH = "2s"


@st.cache_resource(show_spinner=False)
def watch(where: str) -> live.Watch:
    """The logs of a results folder that are being written, read once for all sessions."""
    return live.Watch()


def panel(when: Stamp) -> None:
    """The runs that are being written; it refreshes itself only while one of them is alive."""
    lines = watch(str(ui.root())).frame(ui.catalog(), time.time())
    if lines.empty:
        return
    st.subheader("Running" if lines["alive"].any() else "Stopped before the end")
    if lines["alive"].any():
        refreshed(when)
    else:
        live_table(lines)


@st.fragment(run_every=REFRESH)
def refreshed(before: Stamp) -> None:
    """The live table; when a run begins or ends, the whole page is made anew."""
    if ui.now() != before:
        st.rerun()
    lines = watch(str(ui.root())).frame(ui.catalog(), time.time())
    live_table(lines)
    if not lines["alive"].any():
        st.rerun()


def live_table(lines: pd.DataFrame) -> None:
    """What `Watch.frame` found, as it is shown; `details` where there is more to say of a run than that it is alive."""
    details = ["" if state.startswith("alive") else state for state in lines["state"]]
    values = [interval(*v) for v in lines[["value", "low", "high"]].itertuples(index=False, name=None)]
    st.dataframe(
        pd.DataFrame(
            {
                "run": lines["name"],
                "task": lines["task"],
                "state": ["alive" if alive else "stopped" for alive in lines["alive"]],
                "progress": lines["progress"].astype(float),
                "avg so far": values,
                "time left": [live.duration(s) if s == s and s is not None else "" for s in lines["left"]],
                "samples": lines["samples"],
                "errors": lines["errors"],
                "tokens": lines["tokens"],
                "samples/s": lines["rate"].astype(float),
                "tokens/s": lines["token_rate"].astype(float),
                **({"details": details} if any(details) else {}),
            }
        ),
        hide_index=True,
        placeholder="",
        key="live",
        alt=f"{lines['run'].nunique()} running evaluations",
        column_config={
            "progress": st.column_config.ProgressColumn("progress", format="percent", min_value=0, max_value=1, width=120),
            "samples/s": st.column_config.NumberColumn(format="%.1f"),
            "tokens/s": st.column_config.NumberColumn(format="%.0f"),
            "avg so far": st.column_config.TextColumn(
                width=150,
                help="Preliminary: questions that are quick to answer come first, so it may still move beyond its interval.",
            ),
        },
    )
    st.caption(
        "Preliminary numbers: questions that are quick to answer come first. Rates are of the whole run over the last minute."
    )
