"""The part of the Samples page that shows what a training run drew, step by step."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from . import ui
from .catalog import Catalog, Stamp
from .data import rollouts as data
from .data.browse import SIZE, VERDICTS
from .data.rollouts import ORDERS, Part
from .paging import as_linked, clicked, page_number, show_pages
from .transcript import show_sample, show_side_by_side

_SOURCES = ("evaluations", "training")
_PLACE = {"question": "id", "group": "group", "i": "i"}  # of a sample within a step: name in the URL -> column
_HELP = "Methods may leave out groups whose samples all got the same reward: their advantages are 0, and they teach nothing."


@st.cache_data(max_entries=8, show_spinner="Reading the samples")
def parts_at(where: str, when: Stamp, key: str, state: tuple[int, int]) -> list[Part]:
    return data.parts(ui.catalog_at(where, when).trainings[key])


@st.cache_data(max_entries=16, show_spinner=False)
def rollouts_at(where: str, when: Stamp, key: str, part: Part) -> list[dict[str, Any]]:
    return data.rollouts(ui.catalog_at(where, when).trainings[key], part)


def asked_for(catalog: Catalog) -> bool:
    """Whether samples of training are to be shown: a choice where there are both kinds."""
    if not catalog.runs or not catalog.trainings:
        return not catalog.runs
    linked = _SOURCES[st.query_params.get("run") in catalog.trainings]
    if linked != st.session_state.get("samples-linked") and "of" not in st.query_params:  # a link led here, or the back button
        as_linked("of")
        st.session_state.pop("of", None)
    st.session_state["samples-linked"] = linked
    return ui.pick_one("Samples of", _SOURCES, default=linked, name="of") == "training"


def training(catalog: Catalog, left: DeltaGenerator, right: DeltaGenerator) -> None:
    """A step of a training run: its samples as a table, one of them in full, its group beside it."""
    linked = st.query_params.get("run")
    if linked in catalog.trainings:
        as_linked("training", "step")
    with left:
        key = ui.pick_one("Training run", list(catalog.trainings), catalog.labels, linked, name="training")
    at = (str(ui.root()), ui.now(), key)
    file = catalog.trainings[key].path / data.SAMPLES
    state = (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else (0, 0)
    parts = {str(part.step): part for part in ui.guarded(lambda: parts_at(*at, state))}
    if not parts:
        st.info("This run has no samples: its samples.jsonl is missing or empty. A run writes it with its first step.")
        st.stop()
    with right:
        step = ui.pick_one("Step", list(parts), default=list(parts)[-1], name="step")
    rows = ui.guarded(lambda: rollouts_at(*at, parts[step]))
    with st.expander("Filter", expanded=True, icon=":material/filter_list:"):
        left, right = st.columns([3, 1])
        sought = left.text_input("Text in question, answer or response", key="q", bind="query-params", type="search") or ""
        order = right.selectbox("Order", ORDERS, key="by", bind="query-params") or ORDERS[0]
        verdicts = st.pills("Outcome", VERDICTS, selection_mode="multi", key="verdict", bind="query-params")
        kept = st.segmented_control(
            "In the step",
            ("all", "kept", "left out"),
            required=True,
            default="all",
            key="kept",
            bind="query-params",
            help=_HELP,
        )
    found = data.table(rows, text=sought, kept=kept or "all", verdicts=verdicts, order=order)
    st.caption(f"{len(found):,} of the {len(rows):,} samples of step {step}")
    if found.empty:
        return
    pages = -(-len(found) // SIZE)
    current = min(page_number((key, step, sought, order, verdicts, kept)), pages)
    shown = found.iloc[(current - 1) * SIZE : current * SIZE]
    chosen = ui.show_table(
        shown.rename(columns={"id": "question", "verdict": "outcome", "text": "start of the text"}),
        f"rollouts-{step}",
        alt=f"{len(shown)} of {len(found)} samples of step {step} with score, reward and advantage.",
        export=found,
        select="single-row",
        key=f"table-rollouts-{step}-{current}",
        height=38 + 35 * min(len(shown), 12),
        column_config={c: st.column_config.NumberColumn(format="%.3g") for c in ("score", "reward", "advantage")},
    )
    show_pages(pages, current)
    if clicked("rollouts", chosen):
        row = rows[shown.index[chosen[0]]]
        for name, column in _PLACE.items():
            st.query_params[name] = str(row[column])
    row = next((r for r in rows if all(st.query_params.get(name) == str(r[column]) for name, column in _PLACE.items())), None)
    if row is None:
        ui.hint("Choose a row to read the sample.")
        return
    _detail(rows, row)


def _detail(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    st.header("Sample", divider="grey")
    st.text(f"question {row['id']} · group {row['group']} · sample {row['i']} · step {row['step']}")
    show_sample(None, row, key="rollout", target=None)
    group = {str(r["i"]): r for r in rows if (r["id"], r["group"]) == (row["id"], row["group"])}
    if len(group) < 2:
        return
    st.header("Its group", divider="grey")
    names = {i: f"sample {i}" for i in group}
    others = [i for i in group if i != str(row["i"])]
    chosen = ui.pick_many("Samples, up to four", list(group), names, [str(row["i"]), *others][:2], name="beside", most=4)
    if chosen:
        show_side_by_side([("", names[i], None, group[i]) for i in chosen])
