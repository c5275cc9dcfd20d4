"""CodeContests: competitive programming problems with public, private and generated tests; 165 for testing, 117 to validate.

Paper: Li et al. 2022 (AlphaCode), Science 378, arXiv 2203.07814. Data: deepmind/code_contests, CC BY 4.0, parquet; the
`valid` and `train` splits as `code_contests@valid`. Protocol: a program is right if it passes all public, private and
generated tests; output is compared as AlphaCode's judge does (tokens, case and layout ignored, 1e-5 between decimals); samples
at temperature 0.25. The paper's n@k (best of n submissions out of k samples, chosen by the public tests and by clustering) is
not computed: pass@k is its case n = k. 20 samples here, for pass@1 and pass@10. The reference is the first right Python 3
solution.

Pitfalls: a problem's time limit is meant for C++, and Python gets at least 10 s per test (AlphaCode's default for execution);
problems that read or write named files are left out and counted. Written against the published schema and run on records
made up for the tests, never on the real files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite import Prompt, Sampling, Source, Task, task
from evalsuite.errors import UsageError
from evalsuite.verifiers.code import CodeVerifier

SIZES = {"test": 165, "valid": 117, "train": 13328}
PYTHON3 = 3  # of `solutions.language`
PARTS = ("public_tests", "private_tests", "generated_tests")
_TEMPLATE = (
    "{problem}\n\nWrite a Python program that reads the input from stdin and writes the answer to stdout. Give the whole "
    "program in one markdown code block that starts with ```python.\n"
)
STATEMENT = Prompt(name="statement", user=_TEMPLATE, plain=_TEMPLATE)


def read(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """All tests in order, public ones first, the limit per test, and the first Python 3 solution as reference."""
    if row.get("input_file") or row.get("output_file"):
        return None
    inputs, outputs = ([text for part in PARTS for text in _columns(row.get(part))[side]] for side in ("input", "output"))
    limit = row.get("time_limit") or {}
    solutions = _columns(row.get("solutions"))
    python = (text for text, language in zip(solutions["solution"], solutions["language"]) if language == PYTHON3)
    return (
        {
            "id": f"{row.get('source')}:{row['name']}",  # names agree between sources
            "description": row["description"],
            "inputs": inputs,
            "outputs": outputs,
            "compare": "tokens",
            "seconds_per_test": max(10.0, (limit.get("seconds") or 0) + (limit.get("nanos") or 0) / 1e9),
            "reference": next(python, None),
            **{name: row.get(name) for name in ("source", "difficulty", "cf_rating")},
        }
        if inputs
        else None
    )


def _columns(value: Any) -> dict[str, list[Any]]:
    """A sequence of records as columns: `{"input": [...], "output": [...]}` as published, or a list of records."""
    names = ("input", "output", "solution", "language")
    if isinstance(value, Mapping):
        return {name: list(value.get(name) or ()) for name in names}
    return {name: [record.get(name) for record in value or ()] for name in names}


def source(split: str) -> Source:
    """The problems of a split. Raises UsageError for an unknown one."""
    if split not in SIZES:
        raise UsageError(f"code_contests: no split {split!r}; there are {', '.join(SIZES)}")
    return Source(
        hub="deepmind/code_contests",
        split=split,
        local=(f"code_contests/{split}.parquet", f"code_contests/{split}.jsonl", "code_contests"),
        problem=("description",),
        target=(),
        tests=("inputs", "outputs", "compare", "seconds_per_test"),
        metadata=("source", "difficulty", "cf_rating"),
        privileged=("reference",),
        adapt=read,
        size=SIZES[split],
    )


@task("code_contests", tags=("code",))
def code_contests(split: str = "test") -> Task:
    """CodeContests: 165 competitive programming problems with hidden and generated tests. pass@1 and pass@10."""
    return Task(
        samples=source(split),
        prompt=STATEMENT,
        verifier=CodeVerifier(timeout=300.0),
        sampling=Sampling(repeats=20, temperature=0.25, max_tokens=4096),
        metrics=("pass@1", "pass@10"),
    )
