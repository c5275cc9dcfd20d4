"""AIME 2024, 2025, 2026: 30 problems a year (both papers of 15), integer answers 0-999.

Data: HuggingFaceH4/aime_2024, math-ai/aime25, MathArena/aime_2026 (arXiv 2505.23281); problem texts are the MAA's, MathArena's
copies CC BY-NC-SA 4.0: never ship them. Protocol: MathArena's instruction; mean over 16 samples at temperature 0.6, top-p
0.95 and 32,768 tokens (MathArena takes 4 samples, NeMo Gym 32, lighteval 64). Pitfalls: the 2024 answers are strings with
leading zeros ("025"), so answers are compared as integers; with 30 problems the spread over problems, 9 points at p = 0.5,
dwarfs everything else; solutions of 2024 are in the data and stay privileged; the problems are on the web a day later.
"""

from __future__ import annotations

from typing import Any

from evalsuite import Sampling, Source, Task, task
from evalsuite.verifiers.math import MathVerifier

from ._prompts import BOXED_AIME, PROMPTS


def _aime(**source: Any) -> Task:
    columns = {"problem": ("problem", "question", "Problem"), "target": ("answer", "Answer"), "id": ("id", "ID", "problem_idx")}
    return Task(
        samples=Source(**columns, privileged=("solution", "Solution"), metadata=("url",), size=30, **source),
        prompt=BOXED_AIME,
        prompts=PROMPTS,
        verifier=MathVerifier(integer=True),
        sampling=Sampling(repeats=16, temperature=0.6, top_p=0.95, max_tokens=32768),
        metrics=("avg", "pass@8", "maj@8"),
    )


@task("aime24", tags=("math", "competition"))
def aime24() -> Task:
    """AIME 2024: 30 problems, integer answers 0-999. Scored as avg@k over sampled solutions."""
    return _aime(hub="HuggingFaceH4/aime_2024", split="train", local="aime24/test.jsonl")


@task("aime25", tags=("math", "competition"))
def aime25() -> Task:
    """AIME 2025: 30 problems, integer answers 0-999. Scored as avg@k over sampled solutions."""
    return _aime(hub="math-ai/aime25", local="aime25/test.jsonl")


@task("aime26", tags=("math", "competition"))
def aime26() -> Task:
    """AIME 2026: 30 problems, integer answers 0-999. Scored as avg@k over sampled solutions."""
    return _aime(hub="MathArena/aime_2026", split="train", local="aime26/test.jsonl")
