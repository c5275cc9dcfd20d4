"""AMC 2023: the 40 problems of the AMC 12A and 12B whose answers are integers.

Data: math-ai/amc23; problem texts are the MAA's: never ship them. Protocol: as AIME (mean over 16 samples; papers report
avg@8 to avg@32), without the range of answers. Pitfalls: answers are stored as floats (27.0) and one is negative, so they
are compared as integers; the multiple-choice options of the contest are gone, which makes it harder than the contest.
"""

from __future__ import annotations

from evalsuite import Sampling, Source, Task, task
from evalsuite.verifiers.math import MathVerifier

from ._prompts import BOXED, PROMPTS


@task("amc23", tags=("math", "competition"))
def amc23() -> Task:
    """AMC 2023: 40 problems with integer answers. Scored as avg@k over sampled solutions."""
    return Task(
        samples=Source(hub="math-ai/amc23", local="amc23/test.jsonl", metadata=("url",), size=40),
        prompt=BOXED,
        prompts=PROMPTS,
        verifier=MathVerifier(integer=True),
        sampling=Sampling(repeats=16, temperature=0.6, top_p=0.95, max_tokens=32768),
        metrics=("avg", "pass@8", "maj@8"),
    )
