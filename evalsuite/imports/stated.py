"""Numbers as the source states them, and whether they agree with what its questions say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from evalsuite.imports.record import ImportedTask, Stated
from evalsuite.metrics.aggregate import Aggregate
from evalsuite.metrics.reduce import parse_metric
from evalsuite.results import TaskResult

_AGREE = 1e-6  # a source's mean and ours
_Z = 1.959964  # of the 95 % interval around a number that comes with nothing but a standard error


def differences(task: ImportedTask, result: TaskResult) -> Iterator[str]:
    """Where the source's mean is another than that of its questions."""
    ours = {parse_metric(label).label(1): a.value for label, a in result.metrics.items()}
    for label, stated in task.stated.items():
        value = ours.get(label, math.nan)
        if stated.mean and abs(value - stated.value) > _AGREE:
            yield f"{task.name}: {stated.name} is {stated.value:.6f} in the source, and {value:.6f} as the mean of its questions"


def no_mean(stated: Stated, values: Iterable[float | None]) -> bool:
    """Whether the source's number can be no mean of the questions' values, weighted or not: it lies outside their range.

    So does a perplexity, where the questions have log-likelihoods.
    """
    there = [value for value in values if value is not None]
    return bool(there) and not min(there) - _AGREE <= stated.value <= max(there) + _AGREE


def stated_only(task: ImportedTask) -> TaskResult:
    """The source's own numbers, with the interval that a standard error gives."""
    n = max((s.questions or 0 for s in task.stated.values()), default=0)
    return TaskResult(
        task=task.name,
        label=task.name,
        n_questions=n,
        repeats=task.repeats,
        metrics={label: of_stderr(stated) for label, stated in task.stated.items()},
        coverage=1.0,
        no_answer=0.0,
        truncated=0.0,
        timeouts=0.0,
        errors=0,
        bounds=(math.nan, math.nan),
        mean_tokens=None,
    )


def of_stderr(stated: Stated) -> Aggregate:
    se = math.nan if stated.stderr is None else stated.stderr
    low, high = stated.value - _Z * se, stated.value + _Z * se
    if 0 <= stated.value <= 1 and se == se:
        low, high = max(low, 0.0), min(high, 1.0)
    n = stated.questions or 0
    why = "as the source states it, without samples: value ± 1.96 standard errors" if se == se else "as the source states it"
    return Aggregate(
        value=stated.value,
        low=low,
        high=high,
        se=se,
        n_questions=n,
        n_clusters=n,
        target="population",
        method="none" if math.isnan(se) else "stderr",
        notes=(why,),
    )
