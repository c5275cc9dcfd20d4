"""One question in several runs, side by side: a part of the page Compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from evalsuite.errors import UsageError

from . import ui
from .catalog import Run, Stamp
from .data.samples import Question, question
from .transcript import pretty, show_question, show_sample, text

_COLUMNS = {"value": "score", "outcome": "outcome", "answer": "extracted answer", "completion_tokens": "tokens"}


@st.cache_data(max_entries=64, show_spinner=False)
def question_at(where: str, when: Stamp, key: str, task: str, id: str) -> Question | None:
    """`data.samples.question` of a folder in a state. Raises UsageError."""
    return question(ui.catalog_at(where, when).runs[key], task, id)


def side_by_side(sides: Mapping[str, tuple[Run, str | None]], task: str) -> None:
    """The question and its target, then a column per run with all samples in a table and one of them whole.

    `sides` maps a heading to the run and the question's id in it, None where the run lacks it. One sample is chosen for all.
    """
    found: dict[str, Question] = {}
    missing: dict[str, str] = {}
    for heading, (run, id) in sides.items():
        try:
            read = None if id is None else question_at(str(ui.root()), ui.now(), run.key, task, id)
        except UsageError as error:
            missing[heading] = str(error)
            continue
        if read is None:
            missing[heading] = "The run does not have this question."
        else:
            found[heading] = read
    if found:
        # They are paired by content, so any run that kept the text will do.
        heading = next((h for h, of in found.items() if of.prompt or of.problem), next(iter(found)))
        show_question(sides[heading][0], found[heading])
        st.caption("Target")
        text(pretty(found[heading].target), "target")
    most = max((len(of.samples) for of in found.values()), default=0)
    number = 0
    if most > 1:
        st.caption("Sample to read")
        number = st.pagination(most, key="sample", bind="query-params") - 1
    for position, (column, (heading, (run, id))) in enumerate(zip(st.columns(len(sides)), sides.items())):
        with column, st.container(border=True):
            st.text(heading)
            if heading in missing:
                st.text(missing[heading])
                continue
            _samples(run, heading, found[heading].samples, number, f"side-{position}")
            link = {"run": run.key, "task": task, "question": str(id)}
            st.page_link("pages/samples.py", label="Open in Samples", icon=":material/search:", query_params=link)


def _samples(run: Run, heading: str, samples: Sequence[Mapping[str, Any]], number: int, key: str) -> None:
    table = pd.DataFrame([{name: sample[column] for column, name in _COLUMNS.items()} for sample in samples])
    table.insert(0, "sample", range(1, len(table) + 1))
    st.dataframe(table, hide_index=True, height=min(38 + 35 * len(table), 213), alt=f"The samples of {heading}")
    if number < len(samples):
        st.text(f"Sample {number + 1} of {len(samples)}")
        show_sample(run, samples[number], key=key)
    else:
        st.text(f"No sample {number + 1}: this run has {len(samples)}.")
