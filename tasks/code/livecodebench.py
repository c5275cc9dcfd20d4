"""LiveCodeBench, code generation (lite): contest problems of AtCoder, LeetCode and Codeforces, by release and by date.

Paper: Jain et al. 2024, arXiv 2403.07974. Data: livecodebench/code_generation_lite, whose loading script is not run: release
v1 to v6 is the first 1 to 6 of the files test.jsonl, test2.jsonl ... test6.jsonl (400, 511, 612, 713, 880, 1055 problems), on
the hub or in the local folder `livecodebench`; `evalsuite tasks pin` fixes the revision. Code MIT; the problem texts belong to
the contest sites: never ship them. `livecodebench@v6:2024-08..2025-05` has the contests from August 2024 to May 2025: both
ends count, a month whole, a day (`2024-08-01..2025-02-01`) to its end; upstream's end date is its midnight.

Protocol (LiveCodeBench/LiveCodeBench, `lcb_runner`): generic prompt, last fenced block, 10 samples at temperature 0.2 and
top-p 0.95, 2,000 tokens (models that think need more), pass@1 and pass@5; 6 s per test. Programs run after the imports that
upstream puts before them; printed output is compared by lines, results as JSON values, where tuples may stand for lists.
Upstream looks for `Solution` or a bare function, here the starter code's class is asked for; a program is started anew for
every input, as `__main__`, and where upstream adds 6 s of patience per test, all tests together have 10 minutes here.

Pitfalls: hidden tests are pickles, which are read without a pickle machine and only where they are run (a release unpacks to
gigabytes); 17 problems accept several answers, are interactive or have faulty tests (upstream's ERRATA.md): `errata` in the
metadata, and they stay in, as upstream. Run on records made up for the tests; no real file of the hub was at hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from evalsuite import Prompt, Sampling, Source, Task, task
from evalsuite.errors import UsageError
from evalsuite.sandbox.packed import read_tests
from evalsuite.verifiers.code import CodeVerifier

from ._leetcode import IMPORTS

SIZES = {"v1": 400, "v2": 511, "v3": 612, "v4": 713, "v5": 880, "v6": 1055}
ERRATA = {  # by question id, or by the title as a slug
    "several answers": "abc311_c abc326_d abc327_b abc333_e abc343_e abc362_c find-words-containing-character find-the-peaks "
    "generate-binary-strings-without-adjacent-zeros arc185_c abc343_a",
    "interactive": "abc337_e abc355_e",
    "faulty tests": "abc350_c apply-operations-to-make-string-empty most-frequent-ids arc189_a",
}
_FLAGS = {name: flag for flag, names in ERRATA.items() for name in names.split()}
_WITH_STARTER = (
    "You will use the following starter code to write the solution to the problem and enclose your code within delimiters."
)
_WITHOUT = (
    "Read the inputs from stdin solve the problem and write the answer to stdout (do not directly test on the sample inputs). "
    "Enclose your code within delimiters as follows. Ensure that when the python program runs, it reads the inputs, runs the "
    "algorithm and writes output to STDOUT."
)
_TEMPLATE = "### Question:\n{problem}\n\n### Answer: (use the provided format with backticks)\n\n"
GENERIC = Prompt(
    name="generic",
    system="You are an expert Python programmer. You will be given a question (problem specification) and will generate a "
    "correct Python program that matches the specification and passes all tests.",
    user=_TEMPLATE,
    plain=_TEMPLATE,
    plain_stop=("\n###",),
)


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """The question with its format, public tests as data, hidden ones packed, and the flag of the errata."""
    starter = row["starter_code"]
    form = f"{_WITH_STARTER}\n```python\n{starter}\n```" if starter else f"{_WITHOUT}\n```python\n# YOUR CODE HERE\n```"
    function = json.loads(row["metadata"]).get("func_name")
    inputs, outputs = read_tests(row["public_test_cases"], functional=bool(function))
    slug = re.sub(r"[^a-z0-9]+", "-", row["question_title"].lower()).strip("-")
    return {
        "question_id": row["question_id"],
        "problem": f"{row['question_content']}\n\n### Format: {form}",
        "inputs": inputs,
        "outputs": outputs,
        "packed": row["private_test_cases"],
        "entry_point": f"Solution.{function}" if function else None,
        "prelude": IMPORTS,
        "json_values": True,
        "seconds_per_test": 6.0,
        "errata": _FLAGS.get(row["question_id"]) or _FLAGS.get(slug),
        **{name: row[name] for name in ("platform", "contest_date", "difficulty")},
    }


def within(first: str, last: str, row: Mapping[str, Any]) -> bool:
    """Whether a contest was from `first` to `last`, months or days in ISO form, both included."""
    date: str = row["contest_date"]
    return first <= date and date[: len(last)] <= last


def source(release: str, window: str) -> Source:
    """The files of a release, and of them the contests in a window. Raises UsageError for other forms of either."""
    if release not in SIZES:
        raise UsageError(f"livecodebench: no release {release!r}; there are {', '.join(SIZES)}")
    day = r"\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?"
    ends = re.fullmatch(rf"({day})\.\.({day})", window)
    if window and (ends is None or ends[1] > ends[2]):
        raise UsageError(f"livecodebench: the window {window!r} is not like 2024-08..2025-05 or 2024-08-01..2025-02-01")
    return Source(
        hub="livecodebench/code_generation_lite",
        files=("test.jsonl", *(f"test{number}.jsonl" for number in range(2, int(release[1]) + 1))),
        local="livecodebench",
        id=("question_id",),
        target=(),
        tests=("inputs", "outputs", "packed", "entry_point", "prelude", "json_values", "seconds_per_test"),
        metadata=("platform", "contest_date", "difficulty", "errata"),
        privileged=(),
        select=partial(within, ends[1], ends[2]) if ends else None,
        adapt=read,
        size=None if window else SIZES[release],
    )


@task("livecodebench", tags=("code",))
def livecodebench(release: str = "v6", window: str = "") -> Task:
    """LiveCodeBench: contest problems up to a release, `livecodebench@v6`, and in a window of dates, `@v6:2024-08..2025-05`."""
    return Task(
        samples=source(release, window),
        prompt=GENERIC,
        verifier=CodeVerifier(timeout=600.0),
        exempt={"gold": "the benchmark comes without solutions"},
        sampling=Sampling(repeats=10, temperature=0.2, top_p=0.95, max_tokens=2000),
        metrics=("pass@1", "pass@5"),
    )
