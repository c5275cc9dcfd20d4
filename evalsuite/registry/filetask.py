"""A data file of the user's own as a task: `problems.jsonl:math`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.formats import SUFFIXES, is_data_file, read_records
from evalsuite.sources import Source
from evalsuite.words.prompt import Prompt
from evalsuite.words.task import Task

# What a model must know about the form of its answer, by verifier; other verifiers get the bare problem.
_PROMPTS = {
    "math": Prompt(
        name="boxed",
        user="{problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}.",
        plain="Problem: {problem}\nSolution:",
        plain_stop=("\nProblem:",),
    ),
    "choice": Prompt(
        name="letter",
        user="{problem}\n\n{choices}\n\nAnswer with the option's letter, in the form: Answer: X",
        plain="{problem}\n{choices}\nAnswer:",
        plain_stop=("\n\n",),
    ),
}
# Verifiers that read their gold from `Sample.tests` instead of a target, and the columns it comes from.
_CODE = "code setup helpers prelude inputs outputs entry_point atol json_values seconds_per_test compare".split()
_TESTS = {"instruction": ("instructions",), "order": ("steps", "before"), "code": tuple(_CODE)}
_BARE = Prompt(name="bare", plain="{problem}\n", plain_stop=("\n\n",))


def is_file_spec(spec: str) -> bool:
    """Whether a task spec names a data file, with its verifier or (by mistake) without."""
    return is_data_file(spec) or is_data_file(spec.rpartition(":")[0])


def check_file_spec(spec: str) -> tuple[Path, str]:
    """Absolute path and verifier name of a file spec. Raises UsageError for a missing part, an unknown verifier or an absent file."""
    from evalsuite.verifiers import VERIFIERS

    if is_data_file(spec):
        raise UsageError(f"{spec}: name its verifier too, as in {spec}:math; verifiers: {', '.join(VERIFIERS)}")
    name, _, verifier = spec.rpartition(":")
    if verifier not in VERIFIERS:
        raise UsageError(f"{spec}: no verifier {verifier!r}; verifiers: {', '.join(VERIFIERS)}")
    path = Path(os.path.abspath(os.path.expanduser(name)))
    if not path.is_file():
        raise UsageError(f"{spec}: the file {path} is not there (formats: {', '.join(SUFFIXES)})")
    return path, verifier


def task_name(spec: str) -> str:
    """The name of a task by its spec: the spec itself, without the folder where it is a data file."""
    return os.path.basename(spec) if is_file_spec(spec) else spec


def _with_tests(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record of a code task with what its `tests` holds beside the other columns."""
    tests = row.get("tests")
    return row if tests is None else {**row, **(tests if isinstance(tests, Mapping) else {"code": tests})}


def file_task(spec: str) -> Task:
    """The Task of a file spec. Its name is `FILE.jsonl:VERIFIER` without the folder, however the path is spelled.

    Records have `id` (or `idx`; else a content hash), `problem` (or `question`, `prompt`, or `messages`) and `target` (or
    `gold`, `gt`, `answer`); for `instruction` its `instructions`, for `order` its `steps` and `before`, for `code` its `tests`
    (as `evalsuite.sandbox.run` takes them) in place of a target.
    They may have `choices` (or `options`), `metadata`, and `solution`, which no prompt shows; and all or none a `cluster`.
    """
    from evalsuite.verifiers import make

    path, verifier = check_file_spec(spec)
    prompt = _PROMPTS.get(verifier, _BARE)
    clustered = "cluster" in next(read_records(path), {})
    return Task(
        samples=Source(
            local=str(path),
            id=("id", "idx"),
            problem=("problem", "question", "prompt", "messages"),
            target=() if verifier in _TESTS else ("target", "gold", "gt", "answer"),
            choices=("choices", "options"),
            cluster=("cluster",) if clustered else (),
            metadata=("metadata",),
            tests=_TESTS.get(verifier, ()),
            privileged=("solution", "reference"),
            adapt=_with_tests if verifier == "code" else None,
        ),
        prompt=prompt,
        prompts=(_BARE,) if prompt is not _BARE else (),
        verifier=make(verifier),
        name=f"{path.name}:{verifier}",
    )
