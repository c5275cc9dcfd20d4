"""GSM8K: grade-school word problems with integer answers, 1,319 for testing.

Paper: Cobbe et al. 2021, arXiv 2110.14168. Data: openai/gsm8k (config main), the file of openai/grade-school-math; MIT.
Protocol: greedy, one sample, no worked examples for instruction-tuned models; `--num_fewshot 5` or 8 with base models,
taken from the training set. That is `gsm8k@split=train`, for trainers, which has no worked examples. Gold is what follows
`####`, without thousands commas. Pitfalls: the worked solutions carry calculator annotations `<<16-3-4=9>>`, which are
removed here; some answers read as amounts ("$18.00"), which the integer comparison accepts.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from evalsuite import Sampling, Source, Task, task
from evalsuite.errors import UsageError
from evalsuite.verifiers.math import MathVerifier

from ._prompts import PROMPTS, QWEN


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """`answer` becomes the number after `####`; the solution, ending in a box, is privileged."""
    reasoning, _, number = row["answer"].rpartition("####")
    number = number.strip().replace(",", "")
    solution = re.sub(r"<<[^<>]*>>", "", reasoning).strip()
    return {**row, "answer": number, "solution": f"{solution}\nThe final answer is \\boxed{{{number}}}."}


SOURCE = Source(hub="openai/gsm8k", config="main", local="gsm8k/test.jsonl", adapt=read, size=1319)
TRAIN = dataclasses.replace(SOURCE, split="train", local="gsm8k/train.jsonl", size=7473)


@task("gsm8k", tags=("math", "word-problems"))
def gsm8k(split: str = "test") -> Task:
    """GSM8K: 1,319 grade-school word problems with integer answers, greedy."""
    if split not in ("test", "train"):
        raise UsageError(f"gsm8k: there is no split {split!r}; the splits are test, train")
    return Task(
        samples=TRAIN if split == "train" else SOURCE,
        prompt=QWEN,
        prompts=PROMPTS,
        verifier=MathVerifier(integer=True),
        sampling=Sampling(max_tokens=4096),
        metrics=("avg", "pass@8", "maj@8"),
        fewshot=() if split == "train" else TRAIN,
    )
