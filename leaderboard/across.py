"""One question in several runs, side by side: a part of the page Compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from evalsuite.errors import UsageError

from . import ui
from .catalog import Run, Stamp
from .data.browse import verdict
from .data.samples import Question, question
from .pieces import pretty, text
from .transcript import show_question, show_sample


@st.cache_data(max_entries=64, show_spinner=False)
def question_at(where: str, when: Stamp, key: str, task: str, id: str) -> Question | None:
    """`data.samples.question` of a folder in a state. Raises UsageError."""
    return question(ui.catalog_at(where, when).runs[key], task, id)


def side_by_side(sides: Mapping[str, tuple[Run, str | None]], task: str) -> None:
    """The question and its target, then a column per run with all samples in a table and one of them whole.

    `sides` maps a heading, which begins with the letter of the run, to the run and the question's id in it, None where the run
    lacks it. One sample is chosen for all.
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
    above = st.container()  # of the question, whose images show the crops of the sample that is chosen
    numbers = sorted({sample["i"] for of in found.values() for sample in of.samples})
    number = numbers[0] if numbers else 0
    if len(numbers) > 1:
        number = int(ui.pick_one("Sample to read", [str(i) for i in numbers], name="i"))
    chosen = {h: sample for h, of in found.items() for sample in of.samples if sample["i"] == number}
    marks = {h: f"{h.partition(' ')[0]}·" for h in found}
    if found:
        # They are paired by content, so any run that kept the text will do.
        heading = next((h for h, of in found.items() if of.prompt or of.problem), next(iter(found)))
        with above:
            show_question(sides[heading][0], found[heading], {marks[h]: sample for h, sample in chosen.items()})
            st.caption("Target")
            text(pretty(found[heading].target), "target")
    for position, (column, (heading, (run, id))) in enumerate(zip(st.columns(len(sides)), sides.items())):
        with column, st.container(border=True):
            st.text(heading)
            if heading in missing:
                st.text(missing[heading])
                continue
            _table(heading, found[heading].samples)
            st.text(f"Sample {number}" if heading in chosen else f"This run has no sample {number}.")
            if heading in chosen:
                show_sample(run, chosen[heading], key=f"side-{position}", mark=marks[heading])
            link = {"run": run.key, "task": task, "question": str(id)}
            st.page_link("pages/samples.py", label="Open in Samples", icon=":material/search:", query_params=link)


def _table(heading: str, samples: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        {
            "sample": sample["i"],
            "score": sample["value"],
            "outcome": verdict(sample["value"], sample["outcome"]),
            "extracted answer": sample["answer"],
            "tokens": sample["completion_tokens"],
        }
        for sample in samples
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=min(38 + 35 * len(rows), 213), alt=f"The samples of {heading}")
