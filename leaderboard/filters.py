"""The widgets that say which samples are looked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from evalsuite.errors import UsageError

from . import ui
from .catalog import Run
from .data.browse import FIELDS, ORDERS, VERDICTS, Wanted
from .data.slices import slices

_HELP = (
    "right and wrong are values of 1 and 0, graded is between; no_answer, truncated and timeout are worth 0; "
    "error is a failure of the evaluation itself, which has no value"
)


def filters(runs: Sequence[Run], task: str, folded: bool) -> tuple[Wanted, str]:
    """The widgets of what is looked for. They are on the page also beside a sample, where they say what the next one is."""
    with st.expander("Filter", expanded=not folded, icon=":material/filter_list:"):
        left, right = st.columns([3, 1])
        sought = left.text_input(
            "Text", key="q", bind="query-params", type="search", placeholder="literally this, in upper or lower case"
        )
        order = right.selectbox("Order", ORDERS, key="order", bind="query-params")
        verdicts = st.pills("Outcome", VERDICTS, selection_mode="multi", key="verdict", bind="query-params", help=_HELP)
        fields = (
            st.pills("Look for the text in", FIELDS, selection_mode="multi", default=FIELDS, key="in", bind="query-params")
            if sought
            else FIELDS
        )
        options = {
            f"{name}={value}": (f"{name} = {value} ({n:,})", (name, value))
            for name, values in _slices(runs, task).items()
            for value, n in values.items()
        }
        chosen = (
            ui.pick_many("Slices", list(options), {o: label for o, (label, _) in options.items()}, [], name="slice")
            if options
            else []
        )
    return Wanted(
        tuple(verdicts), tuple(options[o][1] for o in chosen), sought or "", tuple(fields or FIELDS)
    ), order or ORDERS[0]


def _slices(runs: Sequence[Run], task: str) -> Mapping[str, Mapping[str, int]]:
    """Of the first run that kept its questions."""
    for run in runs:
        try:
            found = slices(run, task)
        except UsageError:  # the list says what is wrong with the run
            continue
        if found:
            return found
    return {}
