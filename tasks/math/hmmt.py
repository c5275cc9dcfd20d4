"""HMMT February 2025, November 2025 and February 2026: final-answer problems of the Harvard-MIT tournament.

Data: MathArena/hmmt_feb_2025 (30), hmmt_nov_2025 (30), hmmt_feb_2026 (33), CC BY-NC-SA 4.0; MathArena: arXiv 2505.23281.
Protocol: MathArena's instruction and 4 samples, here at temperature 0.6 and top-p 0.95. Pitfalls: answers are LaTeX, with
radicals (`\\sqrt{\\frac{95}{24}}`), factorials and comma lists of several values, which need equivalence and not string
equality.
"""

from __future__ import annotations

from evalsuite import Sampling, Source, Task, task
from evalsuite.verifiers.math import MathVerifier

from ._prompts import BOXED, PROMPTS


def _hmmt(edition: str, size: int) -> Task:
    return Task(
        samples=Source(
            hub=f"MathArena/hmmt_{edition}",
            split="train",
            local=f"hmmt_{edition}/test.jsonl",
            id=("problem_idx", "id"),
            size=size,
        ),
        prompt=BOXED,
        prompts=PROMPTS,
        verifier=MathVerifier(),
        sampling=Sampling(repeats=4, temperature=0.6, top_p=0.95, max_tokens=32768),
        metrics=("avg", "pass@8", "maj@8"),
    )


@task("hmmt_feb25", tags=("math", "competition"))
def hmmt_feb25() -> Task:
    """HMMT February 2025: 30 problems with exact answers."""
    return _hmmt("feb_2025", 30)


@task("hmmt_nov25", tags=("math", "competition"))
def hmmt_nov25() -> Task:
    """HMMT November 2025: 30 problems with exact answers."""
    return _hmmt("nov_2025", 30)


@task("hmmt_feb26", tags=("math", "competition"))
def hmmt_feb26() -> Task:
    """HMMT February 2026: 33 problems with exact answers."""
    return _hmmt("feb_2026", 33)
