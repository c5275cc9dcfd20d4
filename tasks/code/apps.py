"""APPS: 10,000 Python problems from Codewars, AtCoder, Kattis and Codeforces, half of them for testing, in three difficulties.

Paper: Hendrycks et al. 2021, arXiv 2105.09938. Data: codeparrot/apps, whose loading script is not run: its files test.jsonl
and train.jsonl; MIT for the repository, problem texts belong to the sites. `apps@introductory`, `apps@interview` and
`apps@competition` are the 1,000, 3,000 and 1,000 test problems of a difficulty, `apps@all:train` the training half.

Protocol (hendrycks/apps, `eval/`): strict accuracy (all tests pass) is the average, test-case average is `part:passed`; 4 s per
test. The paper draws 5 programs by beam search; here 5 samples at temperature 0.6 and top-p 0.95. Output is compared by
tokens, with 1e-5 between decimals (see `evalsuite.sandbox.output`), where upstream tries a dozen comparisons in turn, the
loosest of which compare sets of rounded numbers. A result passes where it is the expected value or, as upstream has it, the
only element of it; a tuple may stand for a list.

Pitfalls: problems without tests are left out and counted; many tests are wrong or accept one of several right answers.
Written against the published schema and run on records made up for the tests, never on the real files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from evalsuite import Completion, Prompt, Sample, Sampling, Score, Source, Task, task
from evalsuite.errors import UsageError
from evalsuite.verifiers.code import CodeVerifier

SIZES = {
    ("all", "test"): 5000,
    ("introductory", "test"): 1000,
    ("interview", "test"): 3000,
    ("competition", "test"): 1000,
    ("all", "train"): 5000,
}
# Upstream imports these before a program.
PRELUDE = """\
import sys, time, itertools, collections, math, fractions, random, heapq
from itertools import accumulate, product, permutations, combinations
from collections import Counter, OrderedDict, deque, defaultdict, ChainMap
from functools import lru_cache
from math import sqrt, sin, cos, tan, ceil, fabs, floor, gcd, exp, log, log2
from typing import List, Tuple
from heapq import *
"""
HELPERS = """\
def listed(value):
    return [listed(item) for item in value] if type(value) in (list, tuple) else value

def accepts(got, expected):
    got = listed(got)
    return got == expected or (type(expected) is list and len(expected) == 1 and got == expected[0])
"""
# As upstream up to "Format"; the line before the answer is for models that chat.
_TEMPLATE = "\nQUESTION:\n{problem}"
QUESTION = Prompt(
    name="question",
    user=_TEMPLATE + "\nGive the whole program in one markdown code block that starts with ```python.\nANSWER:\n",
    plain=_TEMPLATE + "\nANSWER:\n",
    gap="",
    plain_stop=("\nQUESTION:",),
)


@dataclass(frozen=True)
class StrictVerifier(CodeVerifier):
    """`CodeVerifier` that runs every test, so that `part:passed` counts them all, and is worth 1 where all pass, else 0."""

    name: ClassVar[str] = "strict_code"
    partial: bool = True

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """The Score with its fraction made all or nothing."""
        score = super().verify(sample, completion)
        return dataclasses.replace(score, value=float(score.value == 1.0))


def read(difficulty: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Question with starter code and format, tests under the names of the sandbox, the first solution as reference."""
    found = _json(row["input_output"])
    if not found or not found["inputs"] or difficulty not in ("all", row["difficulty"]):
        return None
    name, starter = found.get("fn_name"), row["starter_code"]
    form = "Call-Based" if name else "Standard Input"
    return {
        "problem_id": row["problem_id"] if "problem_id" in row else row["id"],
        "problem": f"{row['question']}\n{starter}\nUse {form} format",
        "prelude": PRELUDE,
        "seconds_per_test": 4.0,
        "difficulty": row["difficulty"],
        "reference": next(iter(_json(row["solutions"]) or ()), None),
        **(_calls(name, "class Solution" in starter, found) if name else _texts(found)),
    }


def _calls(name: str, method: bool, found: Mapping[str, Any]) -> dict[str, Any]:
    function = f"Solution().{name}" if method else name
    pairs = zip(found["inputs"], found["outputs"], strict=True)
    code = [f"assert accepts({function}(*{given!r}), {wanted!r})" for given, wanted in pairs]
    return {"code": code, "helpers": HELPERS, "entry_point": f"Solution.{name}" if method else name}


def _texts(found: Mapping[str, Any]) -> dict[str, Any]:
    """A test's text may be a list of its lines."""
    sides = ([t if isinstance(t, str) else "\n".join(map(str, t)) for t in found[side]] for side in ("inputs", "outputs"))
    return {**dict(zip(("inputs", "outputs"), sides)), "compare": "tokens"}


def _json(value: Any) -> Any:
    """A column that is JSON, or empty, or already read."""
    return (json.loads(value) if value.strip() else None) if isinstance(value, str) else value


def source(difficulty: str, split: str) -> Source:
    """The problems of a difficulty. Raises UsageError for an unknown one."""
    if (difficulty, split) not in SIZES:
        known = ", ".join(f"{d}:{s}" for d, s in SIZES)
        raise UsageError(f"apps: no part {difficulty}:{split}; there are {known}")
    return Source(
        hub="codeparrot/apps",
        files=(f"{split}.jsonl",),
        split=split,
        local=f"apps/{split}.jsonl",
        id=("problem_id",),
        target=(),
        tests=("code", "helpers", "inputs", "outputs", "compare", "entry_point", "prelude", "seconds_per_test"),
        metadata=("difficulty",),
        privileged=("reference",),
        adapt=partial(read, difficulty),
        size=SIZES[difficulty, split],
    )


@task("apps", tags=("code",))
def apps(difficulty: str = "all", split: str = "test") -> Task:
    """APPS: 5,000 programming problems of three difficulties (`apps@introductory`), with strict and test-case accuracy."""
    return Task(
        samples=source(difficulty, split),
        prompt=QUESTION,
        verifier=StrictVerifier(timeout=120.0),
        exempt={"gold": "not every problem comes with a solution"},
        sampling=Sampling(repeats=5, temperature=0.6, top_p=0.95, max_tokens=4096),
        metrics=("pass@1", "part:passed"),
    )
