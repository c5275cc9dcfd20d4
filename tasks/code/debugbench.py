"""DebugBench, Python: LeetCode solutions with bugs that GPT-4 put in, to be repaired.

Paper: Tian et al. 2024, arXiv 2401.04621. Data: Rtian/DebugBench, or the files python3_*.json of thunlp/DebugBench in the
folder `debugbench/benchmark` (these alone: records there name no language, and 80 of the Java ones hold Python); Apache-2.0,
problem texts are LeetCode's. 1,414 of its 4,253 records are Python; on the hub the others are left out.
Protocol: problem and buggy code in, the whole fixed code out, as the paper's prompt with the intention, whose <code> is a
fenced block here; greedy, one sample.

The verdict is not the official one. That is LeetCode's online judge, with hidden tests and an account; here the examples of the
problem statement are run. Of 1,414 records 34 have no example that the right solution reproduces, and in 40 the buggy code
passes its examples: both are left out and counted (`debugbench[1340/1414]`). So the average is the correction accuracy: the
share of programs repaired among those that really fail, and nothing is gained by handing in the bug.

Pitfalls: 2 or 3 examples let wrong repairs pass. Of gpt-4's 1,431 recorded repairs with LeetCode's verdict (thunlp/DebugBench)
all 960 right ones pass here, and so do 74 of the 471 wrong ones. Where a problem accepts several answers, only the one of the
examples passes, in any order if the statement says so. `UNUSABLE` and `PASSING` were found by running all 1,414 solutions and
bugs in the sandbox.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from evalsuite import Prompt, Sampling, Source, Task, task
from evalsuite.verifiers.code import CodeVerifier

from ._leetcode import example_tests

# Examples (by place) that right solutions do not reproduce: several right answers, chance, `Node` classes, cycles, helpers.
UNUSABLE: dict[str, tuple[int, ...]] = {
    "construct-quad-tree": (0, 1, 2),
    "convert-integer-to-the-sum-of-two-no-zero-integers": (1,),
    "convert-sorted-list-to-binary-search-tree": (0,),
    "find-positive-integer-solution-for-a-given-equation": (0, 1, 2),
    "generate-random-point-in-a-circle": (0,),
    "linked-list-cycle": (0, 1, 2),
    "maximum-depth-of-n-ary-tree": (0, 1),
    "neither-minimum-nor-maximum": (0,),
    "valid-arrangement-of-pairs": (1,),
}
# Records whose buggy code passes its examples, as `digest` has them.
PASSING = frozenset(
    (
        "0b4293e4 0c1808c1 0cc83fc0 10061be9 17fe6e0b 1a2db2be 22cfece7 27c5d561 2cf7a681 3230a0b1 3d5f6157 3e303e3f "
        "3e4a37c0 473b4ffc 4b45c50e 5f47f990 61703c7e 622ca126 62c6b807 66a7acb0 6d5f66ad 716c1358 72662fb8 72a817e1 "
        "7475cbb4 8de53faa 8fdbfa0b 9ab8f57b 9c063912 a88d1ada b0fbe7b0 b531a716 c2996ad8 d23ad38e e71e3e80 eab099db "
        "ec75b2a0 f2ff4ecb f76d0f82 f845f20a "
    ).split()
)
_TEMPLATE = "\nIntention\n{problem}"
INTENTION = Prompt(
    name="intention",
    system="Observe the function intention and its corresponding python3 implementation which is complete with no extra "
    "context. The implementation is faulty. Your task is to fix up the code and explain on the modification in less than 20 "
    "words.\n"
    "You have to write the fixed code again. You should put ```python and ``` on the boundary of the code and <exp></exp> on "
    "the boundary of the explanation. Do not write anything else in your response. Your reply should be like this:\n"
    "```python\nfixed code\n```\n<exp>\nshort explanation about the bug\n</exp>",
    user=_TEMPLATE,
    plain=_TEMPLATE + "\nFixed implementation\n```python\n",
    gap="",
    plain_stop=("\n```",),
)


def read(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Problem and bug in the paper's form, examples as tests, the right solution as reference; None for what cannot be used."""
    if row.get("language", "python3") != "python3":
        return None
    text, right = (
        row[old] if old in row else row[new] for old, new in (("description", "question"), ("oracle_code", "solution"))
    )
    examples = [e for place, e in enumerate(row["examples"]) if place not in UNUSABLE.get(row["slug"], ())]
    tests = example_tests(examples, right, text)
    if tests is None or digest(row) in PASSING:
        return None
    content = json.dumps(row, sort_keys=True, default=str)
    return {
        "id": f"{row['slug']}-{hashlib.sha256(content.encode()).hexdigest()[:8]}",
        "slug": row["slug"],
        "problem": f"{text}\nImplementation\n{row['buggy_code']}",
        "reference": right,
        **{name: row.get(name) for name in ("level", "category", "subtype")},
        **tests,
    }


def digest(row: Mapping[str, Any]) -> str:
    """A record's name in `PASSING`: 8 hex digits of a sha256 over slug and bug."""
    return hashlib.sha256(f"{row['slug']}\n{row['buggy_code'].strip()}".encode()).hexdigest()[:8]


SOURCE = Source(
    hub="Rtian/DebugBench",
    local="debugbench/benchmark",
    target=(),
    tests=("inputs", "outputs", "atol", "json_values", "entry_point", "prelude"),
    metadata=("slug", "level", "category", "subtype"),
    cluster=("slug",),
    privileged=("reference",),
    adapt=read,
    size=1414,
)


@task("debugbench", tags=("code", "repair"))
def debugbench() -> Task:
    """DebugBench, Python: repair a buggy LeetCode solution; correction accuracy on example tests, not the official ones."""
    return Task(
        samples=SOURCE,
        prompt=INTENTION,
        verifier=CodeVerifier(),
        sampling=Sampling(max_tokens=4096),
        metrics=("avg", "part:passed"),
        exempt={"privileged": "where the bug is indentation alone, or something more, the right code stands in the question"},
    )
