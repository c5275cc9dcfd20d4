"""What the pages have in common: the results folder, choices that live in the URL, tables and figures with their downloads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from evalsuite.errors import EvalsuiteError, UnavailableError
from evalsuite.escape import prose

from .catalog import Catalog, Stamp, read_catalog, stamp
from .data.results import results_frame
from .export import FIGURES, READ, TABLES, figure_bytes, file_name, table_bytes
from .serve import RESULTS, STATIC

NONE = [""]  # in the URL: nothing chosen, where something is chosen by default
LAZY = 5_000  # rows above which a table is sent in pieces


def root() -> Path:
    """The results folder."""
    return Path(os.environ.get(RESULTS, "results"))


def now() -> Stamp:
    """The state of the results folder: the argument that every cached function of it takes."""
    return stamp(root())


@st.cache_resource(max_entries=4, show_spinner="Reading the results")
def catalog_at(where: str, when: Stamp) -> Catalog:
    """The catalog of a folder in a state; shared between sessions, so nobody changes it."""
    return read_catalog(Path(where))


def catalog() -> Catalog:
    """The catalog as it is now."""
    return catalog_at(str(root()), now())


@st.cache_data(max_entries=4, show_spinner=False)
def frame_at(where: str, when: Stamp) -> pd.DataFrame:
    """`results_frame` of a folder in a state."""
    return results_frame(catalog_at(where, when))


def results() -> pd.DataFrame:
    """`results_frame` as it is now."""
    return frame_at(str(root()), now())


@st.fragment(run_every="5s")
def follow(before: Stamp) -> None:
    """Make the page anew when a run begins, ends or goes away."""
    if now() != before:
        st.rerun()


def begin() -> None:
    """Before a page runs: it has not chosen anything yet."""
    st.session_state["picked"] = {}


def link() -> None:
    """A button that writes every choice of the page into its address, so that the link shows the same when other runs have come."""
    told = "Write every choice into the address, defaults too: the link then shows the same runs when newer ones have come."
    if st.session_state["picked"] and st.button("Link to this view", icon=":material/link:", type="tertiary", help=told):
        for name, chosen in st.session_state["picked"].items():
            st.query_params[name] = st.session_state[f"url-{name}"] = chosen or NONE


def nothing(what: str, how: str) -> None:
    """An empty page: what is missing, and the command that makes some; then the script ends."""
    st.info(what)
    st.code(how, language="sh")
    st.stop()


def pick_many(
    label: str,
    options: Sequence[str],
    labels: Mapping[str, str],
    default: Sequence[str],
    *,
    name: str = "runs",
    most: int | None = None,
) -> list[str]:
    """Several of `options`, which are keys; `?name=key&name=key` in the URL, and kept from page to page."""
    asked = [v for v in _asked(name) if v in options]
    wanted = [] if _asked(name) == NONE else asked or [v for v in _kept(name) if v in options] or list(default)
    _from_url(name, wanted[:most], options)
    chosen = st.multiselect(
        label, options, format_func=lambda key: labels.get(key, key), key=name, max_selections=most, placeholder="none chosen"
    )
    _to_url(name, chosen, list(default))
    return chosen


def pick_one(
    label: str, options: Sequence[str], labels: Mapping[str, str] | None = None, default: str | None = None, *, name: str
) -> str:
    """One of `options`, of which there is at least one; `?name=key` in the URL, and kept from page to page."""
    first = default if default in options else options[0]
    asked = [v for v in (*_asked(name)[:1], *_kept(name)[:1]) if v in options]
    _from_url(name, asked[0] if asked else first, options)
    chosen = st.selectbox(label, options, format_func=lambda key: (labels or {}).get(key, key), key=name)
    _to_url(name, [chosen], [first])
    return chosen


def hint(text: str) -> None:
    """A caption that says what can be done here; a copy that does not change leaves it out."""
    if not os.environ.get(STATIC):
        st.caption(text)


def show_table(
    frame: pd.DataFrame, name: str, *, alt: str, export: pd.DataFrame | None = None, select: str | None = None, **arguments: Any
) -> list[int]:
    """A table and its downloads; returns the positions of the selected rows.

    `select` is `single-row` or `multi-row`, None for a table of which nothing can be selected. `export` is what is downloaded to be
    computed with (CSV, Parquet), where that differs from what is shown. Further arguments go to `st.dataframe`. Rows can be selected only in a table that is sent
    whole, so such a one is to be cut to a few thousand rows; others are sent in pieces. Texts are shown as texts: a data frame has no HTML.
    """
    more = {
        "hide_index": True,
        "alt": alt,
        "key": f"table-{name}",
        "lazy": True if len(frame) > LAZY and select is None else None,
        **arguments,
    }
    if select is not None:
        more |= {"on_select": "rerun", "selection_mode": select}
    state = st.dataframe(frame, **more)
    _downloads(
        name,
        {
            form: (ending, lambda e=ending: table_bytes(frame if export is None or e in READ else export, e))
            for form, ending in TABLES.items()
        },
    )
    return list(state["selection"]["rows"]) if select is not None else []


def show_figure(fig: go.Figure, name: str, *, alt: str, select: bool = False, **arguments: Any) -> Any:
    """A figure and its downloads; returns Streamlit's selection, where `select`. A zoom outlives the data's next state."""
    fig.update_layout(uirevision=name)
    more: dict[str, Any] = {
        "key": f"figure-{name}",
        "alt": alt,
        "config": {"displaylogo": False, "scrollZoom": False},
        **arguments,
    }
    if select:
        more |= {"on_select": "rerun", "selection_mode": "points"}
    state = st.plotly_chart(fig, **more)
    _downloads(name, {form: (ending, lambda e=ending: figure_bytes(fig, e)) for form, ending in FIGURES.items()})
    return state


def left_out(rows: Sequence[tuple[str, str]]) -> None:
    """What a page cannot show: names, each with the reason. Nothing where there are none."""
    if rows:
        with st.expander(f"Left out: {len(rows)}", icon=":material/block:"):
            st.dataframe(pd.DataFrame(rows, columns=["name", "reason"]), hide_index=True, alt="What is left out, and why")


def unread(of: Catalog) -> list[tuple[str, str]]:
    """Evaluations that have no results to show, for `left_out`."""
    return [
        (of.labels[key], run.problem or f"{run.status}: no results yet")
        for key, run in of.runs.items()
        if run.problem or run.summary is None
    ]


def guarded(work: Callable[[], Any]) -> Any:
    """`work()`; what it cannot do is shown in its own words, and the script ends."""
    try:
        return work()
    except EvalsuiteError as error:
        st.warning(prose(error))
        st.stop()


def _downloads(name: str, forms: Mapping[str, tuple[str, Callable[[], bytes]]]) -> None:
    """A popover with a button per form; nothing is computed before it is asked for."""
    with st.popover("Download", icon=":material/download:", type="tertiary", help=f"Download {name}"):
        for form, (ending, make) in forms.items():
            st.download_button(
                form, _told(make), file_name(name, ending), key=f"download-{name}-{ending}", on_click="ignore", width="stretch"
            )


def _told(make: Callable[[], bytes]) -> Callable[[], bytes]:
    """A download that cannot be made says why in the file instead of breaking the page."""

    def made() -> bytes:
        try:
            return make()
        except UnavailableError as error:
            return str(error).encode()

    return made


def _asked(name: str) -> list[str]:
    return st.query_params.get_all(name)


def _kept(name: str) -> list[str]:
    """What was chosen on another page; nothing once this page has chosen: going back to no choice is going back to the default."""
    return list(st.session_state.get(f"kept-{name}", ())) if _moved(name) else []


def _moved(name: str) -> bool:
    """Whether this page has not shown this choice since the last page that did."""
    return _page() != st.session_state.get(f"page-{name}")


def _page() -> str:
    context = get_script_run_ctx()
    return context.page_script_hash if context else ""


def _from_url(name: str, value: Any, options: Sequence[str]) -> None:
    """Set a widget before it is made: at first on a page, when the URL was changed by hand or by the back button, or when an option
    is gone."""
    # The widget of another page with this key is another widget: its value is still there, but this one does not take it up.
    before = st.session_state.get(name)
    gone = before is not None and any(v not in options for v in (before if isinstance(before, list) else [before]))
    if before is None or gone or _moved(name) or _asked(name) != st.session_state.get(f"url-{name}"):
        st.session_state[name] = value
    st.session_state[f"page-{name}"] = _page()


def _to_url(name: str, chosen: list[str], default: list[str]) -> None:
    """Write a choice to the URL and keep it for other pages. A default that nobody asked for stays out, and what was asked for is
    never taken away: a page that changes its own address on arrival would catch the back button."""
    wanted = [] if chosen == default and not _asked(name) else chosen or NONE
    if wanted != _asked(name):
        st.query_params[name] = wanted
    st.session_state[f"url-{name}"], st.session_state[f"kept-{name}"] = wanted, chosen
    st.session_state.setdefault("picked", {})[name] = chosen
