"""IFEval: 541 prompts with instructions that a program can verify ("use no commas", "at least 300 words").

Paper: Zhou et al. 2023, arXiv 2311.07911. Data: google/IFEval, Apache-2.0. Protocol: the bare prompt, greedy, 1,280 new tokens
(lm-eval). Four numbers: prompt-level strict (the value) and loose, instruction-level strict and loose. Pitfalls: the hub's
copy fills every argument of every instruction with None, which is dropped here; the instruction-level columns of the table
are means over prompts, the official ones are micro-averages over instructions (the parts carry the counts); a model that
thinks needs more than 1,280 tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite import Prompt, Sampling, Source, Task, task
from evalsuite.verifiers.instruction import InstructionVerifier


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """Adds `instructions`: `[{"id", "kwargs"}]`, without the arguments that are None."""
    pairs = zip(row["instruction_id_list"], row["kwargs"], strict=True)
    cleaned = [{"id": i, "kwargs": {k: v for k, v in kwargs.items() if v is not None}} for i, kwargs in pairs]
    return {**row, "instructions": cleaned}


SOURCE = Source(
    hub="google/IFEval",
    split="train",
    local="ifeval/input_data.jsonl",
    id=("key",),
    problem=("prompt",),
    target=(),
    tests=("instructions",),
    adapt=read,
    size=541,
)


@task("ifeval", tags=("instruction-following",))
def ifeval() -> Task:
    """IFEval: 541 prompts with verifiable instructions, prompt- and instruction-level, strict and loose."""
    return Task(
        samples=SOURCE,
        prompt=Prompt(name="bare"),
        verifier=InstructionVerifier(),
        sampling=Sampling(max_tokens=1280),
        metrics=("avg", "part:prompt_loose", "part:inst_strict/inst_count", "part:inst_loose/inst_count"),
        exempt={
            "gold": "no response can be written down from the instructions alone",
            "garbage": "a nonsense reply can follow an instruction such as 'use no commas'",
        },
    )
