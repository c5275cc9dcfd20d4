"""Training methods, each a group of runs that differ in the training seed: the unit is the seed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.contrast import common_tasks, require_comparable
from evalsuite.comparison.pairs import align, are_shares, limits, pair
from evalsuite.comparison.same import named_twice
from evalsuite.comparison.wanted import settled
from evalsuite.errors import NotComparableError, UsageError
from evalsuite.escape import code
from evalsuite.metrics.multiple import adjust
from evalsuite.metrics.reduce import Metric
from evalsuite.metrics.seeds import SeedDifference, seeds


@dataclass(frozen=True, kw_only=True)
class Method:
    """Runs of one method, one per training seed. Without a name it is a single run, there for itself."""

    name: str
    runs: tuple[Recorded, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRow:
    """Method `b` against method `a` (positions) on a task; or over all of them, where `task` is empty.

    `values_*` are the seeds' means over the `questions` that every run has. `missing` questions were left out because some
    run lacks them or has no value; whatever they were worth, the difference lies between `low` and `high` (NaN where values
    are no shares). `family` tests are behind `p_adjusted` (1: not corrected).
    """

    a: int
    b: int
    task: str
    label: str
    metric: str
    questions: int
    missing: int
    low: float
    high: float
    difference: SeedDifference
    p_adjusted: float
    family: int
    shares: bool
    values_a: tuple[float, ...]
    values_b: tuple[float, ...]


def compare_methods(
    methods: Sequence[Method],
    letters: Sequence[str],
    metrics: Sequence[Metric],
    *,
    tasks: Sequence[str] | None,
    allow: Collection[str],
    correction: str,
) -> tuple[tuple[SeedRow, ...], list[str]]:
    """Rows of every other method against the first, and notes (Markdown). Raises UsageError and NotComparableError as `contrast`.

    P-values are corrected over the rows of tasks, and those over tasks among themselves. Where runs of a method are of one
    model, nothing is said of the method: that model was sampled again, not trained again.
    """
    recorded = [run for method in methods for run in method.runs]
    if twice := named_twice(recorded):
        raise UsageError(
            f"run {twice[0]} is named twice (a baseline and a copy are the same run): every training seed counts once"
        )
    named = [method.name for method in methods if method.name]
    if twice := [name for i, name in enumerate(named) if name in named[:i]]:
        raise UsageError(f"two methods are called {twice[0]!r}: give them different names, or name its runs once")
    names, notes = _tasks_of_all(recorded, tasks)
    for run in recorded[1:]:
        found = require_comparable(
            recorded[0], run, {name: pair(recorded[0].rollup(name), run.rollup(name)) for name in names}, allow
        )
        notes += [
            f"{code(name)}: allowed to differ in {code(run.run.path.name)}: {f}: {code(text, 1000)}."
            for name, of in found.items()
            for f, text in of.items()
        ]
    repeated = {i: letter for i, (letter, method) in enumerate(zip(letters, methods)) if _one_model(method)}
    notes += [f"{x}: runs of one and the same model, sampled again, are not two training seeds." for x in repeated.values()]
    metrics = settled(metrics, recorded, names)
    of_tasks: list[SeedRow] = []
    overall: list[SeedRow] = []
    for metric in metrics:
        rows = [row for name in names for row in _compare_task(methods, name, metric)]
        of_tasks += rows
        some = {row.task for row in rows}
        notes += [
            f"{code(name)}, {metric.label(0)}: no question has a value in all runs." for name in names if name not in some
        ]
        for b in range(1, len(methods)):
            same = [row for row in rows if row.b == b]
            if len(same) > 1:
                overall.append(_over_tasks(same))
    if not of_tasks:
        raise NotComparableError(f"no question of {', '.join(names)} has a value in all runs")
    families = [[_checkpoints(row, repeated) for row in rows] for rows in (of_tasks, overall)]
    return tuple(row for rows in families for row in _adjust(rows, correction)), list(dict.fromkeys(notes))


def _one_model(method: Method) -> bool:
    """Whether two of its runs are of the same model."""
    models = [m for run in method.runs if (m := run.manifest.get("identity", {}).get("model")) is not None]
    return any(model in models[:i] for i, model in enumerate(models))


def _checkpoints(row: SeedRow, repeated: Mapping[int, str]) -> SeedRow:
    """The row without an interval, where a side is one of the `repeated` (letters by position)."""
    sides = [repeated[i] for i in (row.a, row.b) if i in repeated]
    if not sides:
        return row
    note = (
        f"checkpoint claim only: runs of {' and of '.join(sides)} are of one model sampled again, which are not training seeds"
    )
    nothing: dict[str, Any] = dict.fromkeys(("low", "high", "p", "se", "df"), math.nan)
    difference = dataclasses.replace(row.difference, note=note, **nothing)
    return dataclasses.replace(row, difference=difference, p_adjusted=math.nan)


def _tasks_of_all(recorded: Sequence[Recorded], tasks: Sequence[str] | None) -> tuple[list[str], list[str]]:
    names, notes = common_tasks(recorded[0], recorded[1], tasks)
    said = list(notes)
    for run in recorded[2:]:
        both, more = common_tasks(recorded[0], run, tasks)
        names = [name for name in names if name in both]
        said += more
    if not names:
        raise UsageError(
            "no task is in all runs: " + "; ".join(f"{r.run.path.name} has {', '.join(r.tasks)}" for r in recorded)
        )
    return names, list(dict.fromkeys(said))


def _compare_task(methods: Sequence[Method], task: str, metric: Metric) -> list[SeedRow]:
    """One row per method but the first; none where no question has a value in all runs."""
    recorded = [run for method in methods for run in method.runs]
    rollups = [run.rollup(task) for run in recorded]
    keys, positions = align(rollups)
    total = len(keys.ids)

    def laid(column: np.ndarray, at: np.ndarray, absent: float) -> np.ndarray:
        return np.where(at >= 0, column[at], absent) if len(column) else np.full(total, absent)

    values = np.stack([laid(run.values(task, metric)[0], at, math.nan) for run, at in zip(recorded, positions)])
    there = ~np.isnan(values).any(axis=0)
    if not there.any():
        return []
    means = values[:, there].mean(axis=1)
    shares = all(are_shares(rollup, metric) for rollup in rollups)
    bounds = [limits(rollup, metric) for rollup in rollups]
    lows, highs = (
        np.array([laid(of[side], at, float(side)).mean() if shares else math.nan for of, at in zip(bounds, positions)])
        for side in (0, 1)
    )
    counts = {int(rollup.n.max(initial=0)) for rollup in rollups}
    shown = metric.label(counts.pop() if len(counts) == 1 else 1)
    ends = np.cumsum([0, *(len(method.runs) for method in methods)])
    parts = [slice(start, end) for start, end in pairwise(ends)]
    first = parts[0]
    return [
        SeedRow(
            a=0,
            b=b,
            task=task,
            label=str(recorded[0].tasks[task].get("label", task)),
            metric=shown,
            questions=int(there.sum()),
            missing=total - int(there.sum()),
            low=float(lows[part].mean() - highs[first].mean()),
            high=float(highs[part].mean() - lows[first].mean()),
            difference=(found := seeds(means[first], means[part])),
            p_adjusted=found.p,
            family=1,
            shares=shares,
            values_a=tuple(means[first].tolist()),
            values_b=tuple(means[part].tolist()),
        )
        for b, part in enumerate(parts[1:], 1)
    ]


def _over_tasks(rows: Sequence[SeedRow]) -> SeedRow:
    """The seeds' means over tasks, each task weighing the same."""
    a, b = (np.mean([getattr(row, name) for row in rows], axis=0) for name in ("values_a", "values_b"))
    found = seeds(a, b)
    labels = {row.metric for row in rows}
    return SeedRow(
        a=0,
        b=rows[0].b,
        task="",
        label=f"mean of {len(rows)} tasks",
        metric=labels.pop() if len(labels) == 1 else rows[0].metric.partition("@")[0],
        questions=sum(row.questions for row in rows),
        missing=sum(row.missing for row in rows),
        low=float(np.mean([row.low for row in rows])),
        high=float(np.mean([row.high for row in rows])),
        difference=found,
        p_adjusted=found.p,
        family=1,
        shares=all(row.shares for row in rows),
        values_a=tuple(a.tolist()),
        values_b=tuple(b.tolist()),
    )


def _adjust(rows: Sequence[SeedRow], correction: str) -> list[SeedRow]:
    p = [row.difference.p for row in rows]
    tests = 1 if correction == "none" else max(sum(not math.isnan(x) for x in p), 1)
    return [dataclasses.replace(row, p_adjusted=q, family=tests) for row, q in zip(rows, adjust(p, correction).tolist())]
