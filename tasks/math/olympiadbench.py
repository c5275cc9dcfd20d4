"""OlympiadBench, the text-only English mathematics competition part with final answers (OE_TO_maths_en_COMP), 674 problems.

Paper: He et al. 2024, arXiv 2402.14008. Data: Hothan/OlympiadBench, MIT; the local copy has 675 records. Protocol: zero-shot,
as in the RL papers (temperature 0.6, top-p 0.95, mean over 4 samples); Qwen2.5-Math scores one greedy sample. Gold is
`final_answer`, a list; 94 problems have several answers, written as one comma list in any order (`multiple` in the
metadata), and one has a tolerance (`error`, absolute). Pitfalls: golds are wrapped in `$...$`; units belong outside the
box; a few golds are ill-formed in the source ("t(0,4]").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite import Sampling, Source, Task, task
from evalsuite.verifiers.math import MathVerifier

from ._prompts import PROMPTS, QWEN


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """Context and question as one problem, the one string of `final_answer` as target, solutions as one text."""
    problem = "\n".join(part for part in (row.get("context"), row["question"]) if part)
    solution = "\n\n".join(row["solution"]) if isinstance(row.get("solution"), list) else row.get("solution")
    answer, multiple = ", ".join(row["final_answer"]), bool(row["is_multiple_answer"])
    return {**row, "problem": problem, "answer": answer, "multiple": multiple, "solution": solution}


SOURCE = Source(
    hub="Hothan/OlympiadBench",
    config="OE_TO_maths_en_COMP",
    split="train",
    local="olympiadbench/test.jsonl",
    problem=("problem",),
    metadata=("multiple", "unit", "error", "answer_type", "subfield"),
    adapt=read,
    size=674,
)


@task("olympiadbench", tags=("math", "competition", "olympiad"))
def olympiadbench() -> Task:
    """OlympiadBench: 674 olympiad mathematics problems, text-only and English, with exact answers."""
    return Task(
        samples=SOURCE,
        prompt=QWEN,
        prompts=PROMPTS,
        verifier=MathVerifier(),
        sampling=Sampling(repeats=4, temperature=0.6, top_p=0.95, max_tokens=32768),
        metrics=("avg", "pass@8", "maj@8"),
    )
