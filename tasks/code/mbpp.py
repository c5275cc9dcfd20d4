"""MBPP, 974 short Python tasks by crowd workers; the 427 that its authors verified by hand; MBPP+, 378 with 35 times the tests.

Papers: Austin et al. 2021, arXiv 2108.07732; Liu et al. 2023, arXiv 2305.01210. Data: google-research-datasets/mbpp (configs
full and sanitized), CC BY 4.0; evalplus/mbppplus, Apache-2.0. Protocol: the paper's prompt with three asserts, and its worked
examples (tasks 2, 3 and 4) for `mbpp`, the 500 test tasks 11-510 (`mbpp@full` has all 974, `train`, `validation` and `prompt`
are the other splits), as lm-evaluation-harness, which takes one greedy sample; here pass@1 and pass@10 from 20 samples at
temperature 0.8 and top-p 0.95 (`-n 1 --gen_kwargs temperature=0` for greedy), and greedy for MBPP+. The sanitized set and
MBPP+ contain the worked examples and have none. Pitfalls: the setup of 367 and 927 uses a class that the program defines, so
it runs after the program; task 126 defines `sum`; the asserts are shown, so that a program may hold nothing but their answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from evalsuite import Prompt, Sampling, Source, Task, task
from evalsuite.errors import UsageError
from evalsuite.verifiers.code import CodeVerifier

from ._evalplus import runnable
from ._prompts import AUSTIN, BLOCK, called_function, mbpp_problem

SPLITS = {"test": (11, 510), "validation": (511, 600), "train": (601, 974), "prompt": (1, 10), "full": (1, 974)}
SHOTS = (2, 3, 4)
SAMPLED = Sampling(repeats=20, temperature=0.8, top_p=0.95, max_tokens=4096)


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """Problem with its asserts, tests under the names of the sandbox, `code` as reference; all three sets have these."""
    code, asserts = row["code"].replace("\r\n", "\n"), list(row["test_list"])
    setup = row["test_setup_code"] if "test_setup_code" in row else "\n".join(row["test_imports"])
    return {
        "task_id": int(row["task_id"]),
        "problem": mbpp_problem(row["text"] if "text" in row else row["prompt"], asserts),
        "code": runnable(row["test"]) if row.get("test") else asserts,
        "setup": setup.replace("\r\n", "\n"),
        "entry_point": called_function(code, asserts),
        "reference": code,
    }


def within(first: int, last: int, row: Mapping[str, Any]) -> bool:
    """Whether a task is of a split: the local file has all."""
    return first <= int(row["task_id"]) <= last


def example(row: Mapping[str, Any]) -> dict[str, Any]:
    """A worked example of the paper, ending in its mark."""
    found = read(row)
    return {**found, "solution": found["reference"] + "\n[DONE]"}


def _mbpp(prompt: Prompt, sampling: Sampling, metrics: tuple[str, ...], source: Source, **examples: Any) -> Task:
    return Task(
        samples=source,
        prompt=prompt,
        prompts=(AUSTIN, BLOCK),
        verifier=CodeVerifier(),
        sampling=sampling,
        metrics=metrics,
        **examples,
    )


SOURCE = Source(
    hub="google-research-datasets/mbpp",
    config="full",
    local="mbpp/mbpp.jsonl",
    id=("task_id",),
    target=(),
    tests=("code", "setup", "entry_point"),
    privileged=("reference",),
    adapt=read,
    size=974,
)
EXAMPLES = replace(
    SOURCE,
    split="prompt",
    privileged=("solution",),
    select=partial(within, SHOTS[0], SHOTS[-1]),
    adapt=example,
    size=len(SHOTS),
)
ALL = "+".join(name for name in SPLITS if name != "full")  # the same, as the hub spells it


@task("mbpp", tags=("code",))
def mbpp(split: str = "test") -> Task:
    """MBPP: 500 short Python tasks, judged by three asserts each, all of them shown. pass@1 and pass@10."""
    if split not in SPLITS:
        raise UsageError(f"mbpp: there is no split {split!r}; the splits are {', '.join(SPLITS)}")
    first, last = SPLITS[split]
    source = replace(
        SOURCE, split=ALL if split == "full" else split, select=partial(within, first, last), size=last - first + 1
    )
    if split in ("prompt", "full"):  # the worked examples are among them
        return _mbpp(AUSTIN, SAMPLED, ("pass@1", "pass@10"), source)
    return _mbpp(AUSTIN, SAMPLED, ("pass@1", "pass@10"), source, fewshot=EXAMPLES, num_fewshot=len(SHOTS))


@task("mbpp_sanitized", tags=("code",))
def mbpp_sanitized() -> Task:
    """MBPP sanitized: the 427 tasks that its authors verified by hand, without worked examples. pass@1 and pass@10."""
    source = replace(SOURCE, config="sanitized", split=ALL, local="mbpp/sanitized-mbpp.json", size=427)
    return _mbpp(BLOCK, SAMPLED, ("pass@1", "pass@10"), source)


@task("mbpp_plus", tags=("code",))
def mbpp_plus() -> Task:
    """MBPP+: 378 tasks of MBPP with 35 times the tests, greedy."""
    source = replace(SOURCE, hub="evalplus/mbppplus", config=None, local="mbppplus", size=378)
    return _mbpp(BLOCK, Sampling(max_tokens=4096), ("pass@1",), source)
