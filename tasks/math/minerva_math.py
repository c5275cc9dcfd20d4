"""Minerva Math (OCWCourses): 272 undergraduate problems of MIT OpenCourseWare, from astronomy to economics.

Paper: Lewkowycz et al. 2022, arXiv 2206.14858. Data: math-ai/minervamath; MIT OCW texts, CC BY-NC-SA 4.0: for tests only,
never shipped. Protocol: zero-shot, as in the RL papers (temperature 0.6, top-p 0.95, mean over 4 samples); Qwen2.5-Math
scores one greedy sample. Gold is the last `\\boxed{}` of the solution. Pitfalls: units stand outside the box ("1.6" of
1.6 cm), many golds are rounded decimals or formulas in given symbols, and some are text. The questions of one problem set
are separate texts: no clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite import Sampling, Source, Task, task
from evalsuite.verifiers.math import MathVerifier
from evalsuite.verifiers.slots import boxes

from ._prompts import PROMPTS, QWEN


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """Adds `answer`, the content of the solution's last box, where the row does not have one already."""
    return {**row, "answer": row["answer"] if row.get("answer") else boxes(row["solution"])[-1].content}


SOURCE = Source(
    hub="math-ai/minervamath", local="minerva_math/test.jsonl", id=("idx", "id"), metadata=("type",), adapt=read, size=272
)


@task("minerva_math", tags=("math", "science"))
def minerva_math() -> Task:
    """Minerva Math: 272 university problems in the sciences with short exact answers."""
    return Task(
        samples=SOURCE,
        prompt=QWEN,
        prompts=PROMPTS,
        verifier=MathVerifier(),
        sampling=Sampling(repeats=4, temperature=0.6, top_p=0.95, max_tokens=32768),
        metrics=("avg", "pass@8", "maj@8"),
    )
