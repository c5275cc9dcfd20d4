"""Single samples: found by outcome, slice and text, and read with everything that belongs to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from evalsuite import escape
from evalsuite.errors import UsageError
from evalsuite.leaderboard import rollouts, ui
from evalsuite.leaderboard.catalog import Catalog, Run, Stamp
from evalsuite.leaderboard.data import browse
from evalsuite.leaderboard.data.browse import SIZE, Page, Place, Wanted
from evalsuite.leaderboard.data.samples import Question, question, stamp
from evalsuite.leaderboard.filters import filters
from evalsuite.leaderboard.paging import as_linked, clicked, go_to_page, page_number, show_pages, whole
from evalsuite.leaderboard.pieces import pretty, text
from evalsuite.leaderboard.transcript import show_classes, show_question, show_sample, show_side_by_side

_VIEWS = ("one sample", "side by side", "same answers", "all fields")


@st.cache_data(max_entries=64, show_spinner="Looking through the samples")
def page_at(
    where: str, when: Stamp, keys: Sequence[str], states: Sequence[Stamp], task: str, wanted: Wanted, order: str, start: int
) -> Page:
    return browse.page(_runs(where, when, keys), task, wanted, order, start)


@st.cache_data(max_entries=64, show_spinner=False)
def around_at(
    where: str, when: Stamp, keys: Sequence[str], states: Sequence[Stamp], task: str, wanted: Wanted, order: str, place: Place
) -> tuple[int, tuple[Place | None, Place | None]] | None:
    return browse.around(_runs(where, when, keys), task, wanted, order, *place)


@st.cache_data(max_entries=64, show_spinner=False)
def question_at(where: str, when: Stamp, key: str, state: Stamp, task: str, id: str) -> Question | None:
    return question(ui.catalog_at(where, when).runs[key], task, id)


def main() -> None:
    st.title("Samples")
    catalog = ui.catalog()
    if not catalog.runs and not catalog.trainings:
        ui.nothing("There are no samples yet. Every evaluation and every training run keeps its own.", "evalsuite run --help")
    st.caption("What did the model say, and why was it scored so?")
    ui.hint("Choose a row to read it with its prompt, images and tool calls.")
    places = st.columns([2, 4, 2])
    with places[0]:
        of_training = rollouts.asked_for(catalog)
    (rollouts.training if of_training else evaluations)(catalog, *places[1:])


def evaluations(catalog: Catalog, left: DeltaGenerator, right: DeltaGenerator) -> None:
    asked = st.query_params.get("run")
    if asked in catalog.runs:
        as_linked("runs", "slice")
    default = [asked] if asked in catalog.runs else [_newest(catalog)]
    with left:
        keys = ui.pick_many("Runs", list(catalog.runs), catalog.labels, default, most=8)
    here = asked if asked in catalog.runs and "question" in st.query_params else None
    runs = [catalog.runs[key] for key in dict.fromkeys([*([here] if here else []), *keys])]
    tasks = list(dict.fromkeys(task for run in runs for task in run.tasks))
    if not tasks:
        problems = [f"{catalog.labels[run.key]}: {run.problem or 'run.json names no task'}" for run in runs]
        st.info("\n\n".join(map(escape.prose, problems)) or "Choose a run.")
        st.stop()
    with right:
        task = ui.pick_one("Task", tasks, name="task")
    wanted, order = filters(runs, task, folded=here is not None)
    asking = (str(ui.root()), ui.now(), [key for key in keys if task in catalog.runs[key].tasks])
    states = [stamp(catalog.runs[key], task) for key in asking[2]]
    if here is not None:
        place = Place(here, st.query_params["question"], whole(st.query_params.get("i")))
        found = ui.guarded(lambda: around_at(*asking, states, task, wanted, order, place)) if here in asking[2] else None
        detail(catalog, runs, task, place, found)
    else:
        listed(catalog, asking, states, task, wanted, order)


def listed(
    catalog: Catalog, asking: tuple[str, Stamp, list[str]], states: Sequence[Stamp], task: str, wanted: Wanted, order: str
) -> None:
    """A page of the samples that fit."""
    current = page_number((asking[2], task, wanted, order))
    found = ui.guarded(lambda: page_at(*asking, states, task, wanted, order, (current - 1) * SIZE))
    for key, problem in found.problems.items():
        st.warning(escape.prose(f"{catalog.labels[key]}: {problem}"))
    if not found.total:
        st.info("No sample fits." if wanted != Wanted() else "There are no samples of this task in these runs.")
        return
    first, last = found.start + 1, found.start + len(found.rows)
    st.caption(f"{found.total:,} samples fit; {first:,} to {last:,}")
    if len(found.rows) < found.total:
        ui.hint("The download has the samples of this page.")
    rows = found.rows.assign(run=found.rows["run"].map(catalog.labels))
    if len(asking[2]) == 1:
        rows = rows.drop(columns="run")
    chosen = ui.show_table(
        rows.rename(columns={"id": "question", "verdict": "outcome", "text": "start of the text"}),
        f"samples {first} to {last}",
        alt=f"{len(rows)} of {found.total} samples with their outcome, answer and target.",
        select="single-row",
        key=f"table-samples-{found.start}",
        height=38 + 35 * min(len(rows), 16),
        column_config={
            "value": st.column_config.NumberColumn(format="%.3g"),
            "start of the text": st.column_config.TextColumn(width="large"),
        },
    )
    show_pages(-(-found.total // SIZE), found.start // SIZE + 1)
    if clicked("samples", chosen):
        row = found.rows.iloc[chosen[0]]
        _go(Place(row["run"], row["id"], int(row["i"])))


def detail(
    catalog: Catalog, runs: Sequence[Run], task: str, place: Place, found: tuple[int, tuple[Place | None, Place | None]] | None
) -> None:
    """One sample, and the way back to the others."""
    st.session_state.pop("clicked-samples", None)
    before, after = found[1] if found else (None, None)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("List", icon=":material/arrow_back:", shortcut="Esc"):
            if found:
                go_to_page(found[0] // SIZE + 1)
            _go(None)
        if st.button("Previous", icon=":material/chevron_left:", shortcut="K", disabled=before is None):
            _go(before)
        if st.button("Next", icon=":material/chevron_right:", shortcut="J", disabled=after is None):
            _go(after)
        if found:
            st.text(f"number {found[0] + 1:,} in the list")
    run = catalog.runs[place.run]
    asked = ui.guarded(lambda: question_at(str(ui.root()), ui.now(), run.key, stamp(run, task), task, place.id))
    st.text(f"{catalog.labels[run.key]} · {task} · question {place.id}")
    if asked is None or not asked.samples:
        st.info("The run has no sample of this question.")
        st.stop()
    words = {s["i"]: f"{s['i']} · {browse.verdict(s['value'], s['outcome'])}" for s in asked.samples}
    number = place.i if place.i in words else asked.samples[0]["i"]
    if len(words) > 1:
        chosen = st.selectbox("Sample", list(words), list(words).index(number), words.__getitem__, key=f"sample-{number}")
        if chosen != number:
            _go(Place(run.key, asked.id, chosen))
    sample = next(s for s in asked.samples if s["i"] == number)
    st.header("Question", divider="grey")
    above = st.container()  # the crops on its images are those of the samples below
    view = st.segmented_control(
        "View", _VIEWS, default=_VIEWS[0], required=True, key="view", bind="query-params", label_visibility="collapsed"
    )
    samples = {"": sample}
    if view == "side by side":
        samples = _beside(catalog, runs, run, task, asked, sample)
    elif view == "same answers":
        show_classes(asked)
    elif view == "all fields":
        st.caption("Metadata of the question, and the sample's row")
        text(pretty(asked.metadata), "metadata")
        text(pretty({k: v for k, v in sample.items() if v is not None and k not in ("text", "reasoning", "trace")}), "row")
    else:
        show_sample(run, sample, asked.target, key="sample")
    with above:
        show_question(run, asked, samples)


def _beside(
    catalog: Catalog, runs: Sequence[Run], run: Run, task: str, asked: Question, sample: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """Samples of one question in columns, of all runs that are chosen: at first `sample` and one that fared differently.

    Returns them by their mark, `A·` for that of the first column.
    """
    where: dict[str, tuple[str, Run, Mapping[str, Any]]] = {}
    for other in runs:
        same = asked if other is run else None
        if other is not run and task in other.tasks:
            try:
                same = question_at(str(ui.root()), ui.now(), other.key, stamp(other, task), task, asked.id)
            except UsageError as error:
                st.warning(escape.prose(f"{catalog.labels[other.key]}: {error}"))
        for s in same.samples if same else ():
            name = f"{catalog.labels[other.key]} · {s['i']} · {browse.verdict(s['value'], s['outcome'])}"
            where[f"{other.key}@{s['i']}"] = (name, other, s)
    names = {key: name for key, (name, _, _) in where.items()}
    first = f"{run.key}@{sample['i']}"
    others = sorted((key for key in where if key != first), key=lambda key: where[key][2]["value"] == sample["value"])
    chosen = ui.pick_many("Samples, up to four", list(where), names, [first, *others[:1]], name="beside", most=4)
    columns = [(f"{letter}·", f"{letter} · {where[key][0]}", *where[key][1:]) for letter, key in zip("ABCD", chosen)]
    if columns:
        show_side_by_side(columns, asked.target)
    return {mark: shown for mark, _, _, shown in columns}


def _runs(where: str, when: Stamp, keys: Sequence[str]) -> list[Run]:
    return [ui.catalog_at(where, when).runs[key] for key in keys]


def _newest(catalog: Catalog) -> str:
    """The newest run that has ended and can be shown, else the newest."""
    return next((key for key, run in catalog.runs.items() if run.summary and not run.problem), next(iter(catalog.runs)))


def _go(place: Place | None) -> None:
    """To a sample, or to the list. A step in the browser's history is one message: what lies between two is a view as well."""
    if place is not None:
        st.query_params.update({"run": place.run, "question": place.id, "i": str(place.i)})
    else:
        for name in ("question", "i"):
            if name in st.query_params:
                del st.query_params[name]
    st.rerun()


main()
