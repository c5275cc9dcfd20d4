"""GPQA diamond: 198 graduate-level multiple-choice questions in biology, physics and chemistry.

Paper: Rein et al. 2023, arXiv 2311.12022. Data: Idavidrein/gpqa, config gpqa_diamond; CC BY 4.0, gated: accept the terms on the
hub and log in. The authors ask that the questions are not published in plain text and mark them with a canary string, so
that there is no local copy and never should be one. Protocol: the prompt of openai/simple-evals with an `Answer: $LETTER`
line, options permuted per question; mean over 8 samples at temperature 0.6 (simple-evals repeats 4 times, NeMo Gym 8).
Pitfall: the source lists the right answer first, so the permutation decides the score of a model that prefers a letter; it
is drawn from a hash of the record's id, the same on every machine, and recorded in the metadata. Chance is 0.25.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from evalsuite import Prompt, Sampling, Source, Task, task
from evalsuite.verifiers.choice import ChoiceVerifier

PROMPT = Prompt(
    name="simple_evals",
    user="Answer the following multiple choice question. The last line of your response should be of the following format: "
    "'Answer: $LETTER' (without quotes) where LETTER is one of ABCD. Think step by step before answering.\n\n"
    "{problem}\n\n{choices}",
    plain="Question: {problem}\n{choices}\nAnswer:",
    plain_stop=("\nQuestion:",),
    choice="{letter}) {text}",
)


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """Options in a fixed random order per record, the letter of the right one, and the order (0 is the right answer)."""
    options = [row["Correct Answer"], *(row[f"Incorrect Answer {i}"] for i in (1, 2, 3))]
    order = list(range(4))
    random.Random(f"gpqa/{row['Record ID']}").shuffle(order)
    choices = [str(options[i]).strip() for i in order]
    return {**row, "choices": choices, "answer": "ABCD"[order.index(0)], "permutation": order}


SOURCE = Source(
    hub="Idavidrein/gpqa",
    config="gpqa_diamond",
    split="train",
    id=("Record ID",),
    problem=("Question",),
    choices=("choices",),
    metadata=("permutation", "High-level domain", "Subdomain"),
    privileged=("Explanation",),
    adapt=read,
    size=198,
)


@task("gpqa_diamond", tags=("science", "multiple-choice"))
def gpqa_diamond() -> Task:
    """GPQA diamond: 198 graduate-level multiple-choice questions. From the hub only, gated."""
    return Task(
        samples=SOURCE,
        prompt=PROMPT,
        verifier=ChoiceVerifier(),
        sampling=Sampling(repeats=8, temperature=0.6, top_p=0.95, max_tokens=32768),
        metrics=("avg", "pass@8", "maj@8"),
        chance=0.25,
    )
