"""The leaderboard: which model or checkpoint is better, and can the data tell?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import streamlit as st

from evalsuite.escape import prose
from evalsuite.leaderboard import running, ui
from evalsuite.leaderboard.catalog import Stamp
from evalsuite.leaderboard.data import board, live
from evalsuite.leaderboard.data.families import families, with_words
from evalsuite.leaderboard.data.ranking import Ranks, ranks, usual
from evalsuite.leaderboard.data.settings import differing
from evalsuite.leaderboard.data.table import basis, board_frame, export_frame, points, summary, title
from evalsuite.leaderboard.plots.forest import HEAD, LINE, MOST, forest

FOREST = 400  # pixels
BESIDE = 2  # columns of tasks up to which the forest stands beside the table
LINKS = 4  # selected rows that get a link of their own
HELP = {
    "rank": "First and last rank that a row may hold: every pair is tested question by question, Holm-corrected at 5 %; for the "
    "macro mean by the mean of its differences over the tasks. Rows whose ranks overlap cannot be told apart.",
    "settings": "Same letter: same data, prompt, sampling, verifier and judge, so the numbers can be compared. A is what most rows have.",
    "k": "Samples per question.",
    "tokens": "Mean completion tokens per sample.",
    "coverage %": "Samples that have a value, of those wanted.",
    "no answer %": "Samples in which no answer was found.",
    "truncated %": "Samples cut off at the token limit.",
}


@st.cache_resource(max_entries=16, show_spinner=False)
def rows_at(where: str, when: Stamp, metric: str, during: bool) -> list[board.Row]:
    """All rows; shared between sessions, so nobody changes them."""
    return board.rows(ui.catalog_at(where, when), ui.frame_at(where, when), metric=metric, during=during)


@st.cache_data(max_entries=64, show_spinner=False)
def ranks_at(_rows: Sequence[board.Row], by: str, over: Sequence[str], cells: str) -> Ranks:
    """The ranks of a column. `cells` says which runs and metrics are behind it, and when they ended."""
    return ranks(_rows, by, over)


def main() -> None:
    st.title("Leaderboard")
    st.caption(
        "Which model or checkpoint is better, and can the data tell? Values are in per cent, with 95 % intervals over questions."
    )
    when = ui.now()
    catalog = ui.catalog()
    if not catalog.runs:
        ui.nothing("There is no evaluation here yet.", "evalsuite run --model MODEL --tasks TASK")
    if any(live.running(catalog)):
        running.panel(when)
    rows, shown, by = filters(when)
    if not rows:
        named = st.session_state["find"]
        st.info("No row is called so." if named else "All evaluations here were made during training: switch them on above.")
        return
    columns = [column for column in board.columns_of(rows) if column in shown]
    over = board.common(rows, columns)
    rows = board.ordered(rows, by, over)
    ranked = rank(rows, by, over)
    above = st.container()
    # Beside each other where there is room, else below each other: a table of many columns needs all of it.
    beside = len(columns) <= BESIDE
    with st.container(horizontal=beside):
        with st.container(key="board"):
            selected = show_board(rows, columns, by, over, ranked)
        with st.container(width=FOREST if beside else "stretch"):
            show_forest(rows, by, over, ranked)
    with above:
        links(selected, by)
    show_differences(rows, columns)


def filters(when: Stamp) -> tuple[list[board.Row], list[str], str]:
    """What to show: the rows, the columns, and the one that they are ranked by."""
    kept: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}
    first, second, third = st.columns(3)
    fourth, fifth, sixth = st.columns(3, vertical_alignment="bottom")
    during = sixth.toggle("Made during training", help="Show what training evaluated on its way.", key="during", **kept)
    known = board.columns_of(rows_at(str(ui.root()), when, board.FIRST, during))
    words = families(known)
    tags = sorted({word for of_task in words.values() for word in of_task})
    chosen = third.multiselect("Tasks", known, key="columns", placeholder="all", **kept)
    picked = fifth.multiselect("Families and tags", tags, key="families", placeholder="all", **kept)
    shown = with_words([column for column in known if not chosen or column in chosen], words, picked)
    find = fourth.text_input("Name contains", key="find", **kept)
    # Names of their own: the tasks and metrics of other pages are not columns of this one.
    with second:
        names = [board.FIRST, *board.metric_names(ui.results())]
        metric = ui.pick_one("Metric", names, {board.FIRST: "first of each task"}, name="show")
    rows = [r for r in rows_at(str(ui.root()), when, metric, during) if find.casefold() in r.name.casefold()]
    with first:
        options = [*shown, board.MACRO] if len(shown) > 1 else shown or [board.MACRO]
        default = follow_default(usual(rows, shown))
        by = ui.pick_one("Ranked by", options, {board.MACRO: "macro mean of the tasks that all rows have"}, default, name="by")
    return rows, shown, by


def follow_default(now: str) -> str:
    """`now`, what is usual; a choice that was only the usual one before, of other rows, is given up for it."""
    before = st.session_state.get("usual-by", now)
    if before != now and st.session_state.get("kept-by") == [before] and not st.query_params.get_all("by"):
        for name in ("by", "kept-by"):
            st.session_state.pop(name, None)
    st.session_state["usual-by"] = now
    return now


def rank(rows: Sequence[board.Row], by: str, over: Sequence[str]) -> Ranks:
    """The ranks, computed anew only where a result behind them changed."""
    cells = [row.cells[c] for row in rows for c in (over if by == board.MACRO else [by]) if c in row.cells]
    states = [(c.run.key, c.task, c.metric, c.fingerprint, c.run.status, c.run.manifest.get("finished")) for c in cells]
    return ranks_at(rows, by, over, hashlib.sha256(repr(states).encode(errors="surrogatepass")).hexdigest())


def show_board(
    rows: Sequence[board.Row], columns: Sequence[str], by: str, over: Sequence[str], ranked: Ranks
) -> list[board.Row]:
    """The table and what its ranks rest on; returns the rows that are selected, which the URL carries."""
    frame = board_frame(rows, columns, by, over, ranked)
    values = list(frame.columns[2 : list(frame.columns).index("questions")])
    keys = [row.key(by) for row in rows]
    asked = st.query_params.get_all("runs") or [k for k in st.session_state.get("kept-runs", ()) if k in keys]
    if st.query_params.get_all("runs") != st.session_state.get(
        "board-url", []
    ):  # by hand, by the back button, from another page
        st.session_state["board-turn"] = st.session_state.get("board-turn", 0) + 1
    # Positions mean other rows once the order changes: then it is another table, with the same runs selected.
    order = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:8]
    picked = ui.show_table(
        frame,
        "leaderboard",
        alt=summary(rows, by, over, ranked),
        export=export_frame(rows, columns, by, over, ranked),
        select="multi-row",
        key=f"board-{order}-{st.session_state.get('board-turn', 0)}",
        selection_default={"selection": {"rows": [i for i, row in enumerate(rows) if {r.key for r in row.runs} & set(asked)]}},
        height=HEAD + LINE * min(len(frame), MOST) + 10,
        placeholder="",
        column_config={
            "rank": st.column_config.TextColumn("rank", help=HELP["rank"], pinned=True, width=60),
            "model": st.column_config.TextColumn("model", pinned=True, width=180),
            **{c: st.column_config.TextColumn(c, width=min(18 + 7 * max(map(len, frame[c])), 220)) for c in values},
            "settings": st.column_config.TextColumn("settings", help=HELP["settings"], width="small"),
            **{c: st.column_config.NumberColumn(c, help=HELP.get(c), width=80) for c in ("questions", "k")},
            "tokens": st.column_config.NumberColumn("tokens", help=HELP["tokens"], format="%.0f", width=80),
            **{
                c: st.column_config.NumberColumn(c, help=HELP[c], format="%.1f", width=100)
                for c in ("coverage %", "no answer %", "truncated %")
            },
        },
    )
    selected = [keys[i] for i in picked if i < len(keys)]
    if selected != st.query_params.get_all("runs"):
        if selected:
            st.query_params["runs"] = selected
        elif "runs" in st.query_params:
            del st.query_params["runs"]
    if selected or st.session_state.get("board-url"):
        st.session_state["kept-runs"] = selected
    st.session_state["board-url"] = selected
    st.caption(basis(rows, by, over, ranked))
    return [rows[i] for i in picked if i < len(rows)]


def links(rows: Sequence[board.Row], by: str) -> None:
    """Where to go with the selected rows."""
    if not rows:
        ui.hint("Select rows at their left edge, or with Shift+Space, to compare them or to read their samples.")
        return
    keys = [row.key(by) for row in rows]
    task = {"task": rows[0].cells[by].task} if by in rows[0].cells else {}
    query = [*(("runs", key) for key in keys), *task.items()]
    with st.container(horizontal=True):
        if len(rows) > 1:
            st.page_link(
                "pages/compare.py", label=f"Compare these {len(rows)}", icon=":material/compare_arrows:", query_params=query
            )
        st.page_link("pages/pass_at_k.py", label="pass@k", icon=":material/stacked_line_chart:", query_params=query)
        for row, key in zip(rows[:LINKS], keys):
            task = {"task": row.cells[by].task} if by in row.cells else {}
            st.page_link(
                "pages/samples.py",
                label=f"Samples of {prose(row.name, 60)}",
                icon=":material/search:",
                query_params={"run": key, **task},
            )


def show_forest(rows: Sequence[board.Row], by: str, over: Sequence[str], ranked: Ranks) -> None:
    """The column that the table is ranked by, in the table's order."""
    drawn, chance = points(rows, by, over, ranked)
    if not drawn:
        st.caption("There is no number to draw yet.")
        return
    share = by == board.MACRO or board.are_shares(rows, by)
    name = title(rows, by)
    fig = forest(drawn, x=f"{name}, %" if share else name, chance=chance, per_cent=share)
    ui.show_figure(fig, "forest", alt=summary(rows, by, over, ranked))
    cut = f" The first {MOST} of {len(drawn)} rows are drawn." if len(drawn) > MOST else ""
    st.caption(f"Dots are values, bars 95 % intervals.{cut}")


def show_differences(rows: Sequence[board.Row], columns: Sequence[str]) -> None:
    """What the letters of the settings stand for, where there are several."""
    told = differing(rows, columns)
    if len(told):
        with st.expander("Settings that differ from those of most rows (≠ in the table)"):
            ui.show_table(told, "settings", alt=f"{len(told)} settings that differ from A")


main()
