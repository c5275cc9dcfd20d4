"""What runs asked: columns of their question files, and means over parts of the questions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.pairs import clusters
from evalsuite.errors import UsageError
from evalsuite.metrics import Aggregate, aggregate, macro, parse_metric
from evalsuite.runlog import RunDir, slug

from ..catalog import Catalog, Run

AVG = parse_metric("avg")


@dataclass(frozen=True)
class Asked:
    """A task over the very same questions: `runs` are keys of the evaluations that asked them."""

    task: str
    data: str
    runs: tuple[str, ...]


def asked(catalog: Catalog) -> list[Asked]:
    """Every set of questions that some run asked, once; a run that does not say what its questions were stands alone."""
    found: dict[tuple[str, str], list[str]] = {}
    for key, run in catalog.runs.items():
        for task in (run.summary or {}).get("tasks", {}):
            found.setdefault((task, data_of(run, task) or key), []).append(key)
    return [Asked(task, data, tuple(keys)) for (task, data), keys in found.items()]


def data_of(run: Run, task: str) -> str:
    """The hash of a task's questions as run.json has it; '' where it does not say."""
    return str((run.tasks.get(task, {}).get("identity") or {}).get("data") or "")


def columns(run: Run, task: str, names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of `questions/<task>.parquet`. Raises UsageError where there is no such file, or it cannot be read."""
    path = run.path / "questions" / f"{slug(task)}.parquet"
    try:
        return pq.read_table(path, columns=list(names)).to_pydict()
    except FileNotFoundError:
        raise UsageError(f"run {run.path.name} has no questions of {task!r} on record (status: {run.status})") from None
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path.name} of run {run.path.name} cannot be read: {error}") from None


def of_set(catalog: Catalog, questions: Asked, names: Sequence[str]) -> dict[str, list[Any]]:
    """`columns` from the first of its runs that can be read. Raises UsageError, in the last one's words, where none can."""
    for key in questions.runs[:-1]:
        try:
            return columns(catalog.runs[key], questions.task, names)
        except UsageError:
            continue
    return columns(catalog.runs[questions.runs[-1]], questions.task, names)


def mean(recorded: Recorded, task: str, at: Any) -> Aggregate:
    """The mean value of the questions `at` (positions or a mask), with its interval for new questions of their kind."""
    rollup = recorded.rollup(task)
    where = np.arange(len(rollup.ids))[at]
    known, _ = recorded.values(task, AVG)
    return aggregate(known[where], clusters=clusters(rollup, where), samples_per_question=np.maximum(rollup.n[where], 1))


def recorded(run: Run) -> Recorded:
    """A run for `mean`. Raises UsageError where it has not ended."""
    found = Recorded(RunDir(run.path))
    found.require_ended()
    return found


def unpaired(a: Aggregate, b: Aggregate) -> Aggregate:
    """b - a for two independent sets of questions: MOVER (Zou and Donner 2008), as `macro` has it, of b and the mirror image of a."""
    half = macro([b, dataclasses.replace(a, value=-a.value, low=-a.high, high=-a.low)])
    return dataclasses.replace(half, value=2 * half.value, low=2 * half.low, high=2 * half.high, se=2 * half.se)


def apart(difference: Aggregate, one: str, other: str) -> str:
    """What an interval of `one` minus `other` says, in points."""
    if math.isnan(difference.low):
        return "too few questions on a side for an interval"
    if difference.low <= 0 <= difference.high:
        return f"no difference of {one} from {other} can be told from noise"
    word = "higher" if difference.low > 0 else "lower"
    least, most = sorted((abs(difference.low), abs(difference.high)))
    return f"{one} is {word} than {other} by {100 * least:.1f} to {100 * most:.1f} points"
