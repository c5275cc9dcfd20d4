"""SciKnowEval, the multiple-choice test sets of SDPO: biology 50, chemistry 210, material 94, physics 80.

Papers: Feng et al. 2024, arXiv 2406.09098 (SciKnowEval); SDPO, arXiv 2601.20802 (this selection and its prompts). Data:
`datasets/sciknoweval/<domain>/test.json` of lasgroup/SDPO (Apache-2.0), drawn from hicai-zju/SciKnowEval (MIT), which does not
mark the split: put the files into the data folder as `sciknoweval/<domain>_test.json`. Protocol: system turn and prompt of
each record as they are; reasoning in <reasoning>, the letter in <answer>; one sample at temperature 0.6, top-p 0.95. Pitfalls:
the options stand inside the prompt; 19 biology questions have two options, although the system turn speaks of four.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evalsuite import Prompt, Sampling, Source, Task, task
from evalsuite.verifiers.choice import ChoiceVerifier

RECORD = Prompt(name="record", plain="{problem}\n")
_OPTION = re.compile(r"^([A-H]): (.*?)(?=^[A-H]: |^Please reason step by step\.\Z)", re.MULTILINE | re.DOTALL)


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """A conversation of the record's system turn and prompt, and the options that the prompt lists."""
    turns = [{"role": "system", "content": row["system"]}, {"role": "user", "content": row["prompt"]}]
    return {**row, "turns": turns, "choices": [text.strip() for _, text in _OPTION.findall(row["prompt"])]}


def _domain(name: str, size: int, chance: float) -> Task:
    return Task(
        samples=Source(
            local=f"sciknoweval/{name}_test.json", id=("idx",), problem=("turns",), choices=("choices",), adapt=read, size=size
        ),
        prompt=RECORD,
        verifier=ChoiceVerifier(),
        sampling=Sampling(temperature=0.6, top_p=0.95, max_tokens=8192),
        metrics=("avg", "pass@8", "maj@8"),
        chance=chance,
    )


@task("sciknoweval_biology", tags=("science", "multiple-choice"))
def biology() -> Task:
    """SciKnowEval biology (SDPO test set): 50 multiple-choice questions, 31 of 4 options and 19 of 2."""
    return _domain("biology", 50, (31 / 4 + 19 / 2) / 50)


@task("sciknoweval_chemistry", tags=("science", "multiple-choice"))
def chemistry() -> Task:
    """SciKnowEval chemistry (SDPO test set): 210 multiple-choice questions of 4 options."""
    return _domain("chemistry", 210, 1 / 4)


@task("sciknoweval_material", tags=("science", "multiple-choice"))
def material() -> Task:
    """SciKnowEval material science (SDPO test set): 94 multiple-choice questions of 4 options."""
    return _domain("material", 94, 1 / 4)


@task("sciknoweval_physics", tags=("science", "multiple-choice"))
def physics() -> Task:
    """SciKnowEval physics (SDPO test set): 80 multiple-choice questions of 4 options."""
    return _domain("physics", 80, 1 / 4)
