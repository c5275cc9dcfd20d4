"""HumanEval, 164 hand-written functions to complete from signature and docstring, and HumanEval+ with 80 times the tests.

Papers: Chen et al. 2021, arXiv 2107.03374; Liu et al. 2023, arXiv 2305.01210. Data: openai/openai_humaneval, MIT;
evalplus/humanevalplus, Apache-2.0, locally its table or a release file of evalplus (HumanEvalPlus*.jsonl[.gz]), whose
expected outputs are those of the reference solution. Protocol: pass@1 and pass@10 from 20 samples at temperature 0.8 and
top-p 0.95, as lm-evaluation-harness; the paper draws 200, and takes 0.2 for pass@1, which is a few points higher there
(`-n 1 --gen_kwargs temperature=0` for greedy). HumanEval+: one greedy sample. A model without a chat template continues
the prompt. Limit 3 s in the paper; here 10 s, more where the reference needs it. Pitfalls: tests of 32, 38 and 50 call
helper functions of the prompt, which come from the task and not from the answer; a body may start with a nested function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite import Sampling, Source, Task, task
from evalsuite.verifiers.code import CodeVerifier

from ._evalplus import runnable, zero_check
from ._prompts import COMPLETE, NEMO, SIMPLE

PROMPTS = (COMPLETE, NEMO, SIMPLE)


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """Tests and helpers under the names of the sandbox; the reference is the prompt and its canonical completion."""
    reference = row["prompt"] + row["canonical_solution"]
    return {**row, "code": row["test"], "helpers": row["prompt"], "reference": reference}


def read_plus(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same for both forms of HumanEval+: test code, or the inputs of a release file."""
    if "base_input" not in row:
        return read({**row, "test": runnable(row["test"])})
    inputs, atol = [*row["base_input"], *row["plus_input"]], row["atol"]
    if row["entry_point"] == "find_zero":
        return read({**row, "test": zero_check(inputs, atol)})
    # evalplus compares floats with a tolerance of 1e-6 where the task has none of its own.
    found = {"inputs": inputs, "atol": atol or 1e-6, "reference": row["prompt"] + row["canonical_solution"]}
    return {"task_id": row["task_id"], "prompt": row["prompt"], "entry_point": row["entry_point"], **found}


def _humaneval(sampling: Sampling, metrics: tuple[str, ...], **source: Any) -> Task:
    return Task(
        samples=Source(
            id=("task_id",),
            problem=("prompt",),
            target=(),
            tests=("code", "helpers", "inputs", "atol", "entry_point"),
            privileged=("reference",),
            size=164,
            **source,
        ),
        prompt=COMPLETE,
        prompts=PROMPTS,
        verifier=CodeVerifier(prefix=True),
        sampling=sampling,
        metrics=metrics,
    )


@task("humaneval", tags=("code",))
def humaneval() -> Task:
    """HumanEval: 164 Python functions to complete, judged by their tests. pass@1 and pass@10."""
    return _humaneval(
        Sampling(repeats=20, temperature=0.8, top_p=0.95, max_tokens=4096),
        ("pass@1", "pass@10"),
        hub="openai/openai_humaneval",
        local="humaneval/HumanEval.jsonl.gz",
        adapt=read,
    )


@task("humaneval_plus", tags=("code",))
def humaneval_plus() -> Task:
    """HumanEval+: the functions of HumanEval with 80 times the tests, greedy."""
    return _humaneval(
        Sampling(max_tokens=4096), ("pass@1",), hub="evalplus/humanevalplus", local="humanevalplus", adapt=read_plus
    )
