"""Three and more runs of one task: the ranks that each may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.pairs import align, are_shares, clusters
from evalsuite.metrics.multiple import Ranking, compare_many
from evalsuite.metrics.reduce import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRanking:
    """All pairs of the runs that have a task (`runs` are their positions), over the `questions` that all of them have.

    `shares` says that all values lie in [0, 1].
    """

    task: str
    label: str
    metric: str
    questions: int
    shares: bool
    runs: tuple[int, ...]
    ranking: Ranking


def rank(recorded: Sequence[Recorded], first: Sequence[int], task: str, metric: Metric, correction: str) -> TaskRanking | None:
    """All pairs of the runs that have the task; None for fewer than three. `first` says which are the same, as `first_of`."""
    runs = [i for i, run in enumerate(recorded) if task in run.tasks and first[i] == i]
    if len(runs) < 3:
        return None
    rollups = [recorded[i].rollup(task) for i in runs]
    _, positions = align(rollups)
    at = positions[:, (positions >= 0).all(axis=0)]
    values = np.stack([recorded[i].values(task, metric)[0][row] for i, row in zip(runs, at)])
    there = ~np.isnan(values).any(axis=0)
    values, at = values[:, there], at[:, there]
    samples = [float(rollup.n[row].mean()) / metric.draws if len(row) else 1.0 for rollup, row in zip(rollups, at)]
    ranking = compare_many(values, samples=samples, clusters=clusters(rollups[0], at[0]), correction=correction)
    counts = {int(rollup.n.max(initial=0)) for rollup in rollups}
    return TaskRanking(
        task=task,
        label=str(recorded[runs[0]].tasks[task].get("label", task)),
        metric=metric.label(counts.pop() if len(counts) == 1 else 1),
        questions=values.shape[1],
        shares=all(are_shares(rollup, metric) for rollup in rollups),
        runs=tuple(runs),
        ranking=ranking,
    )


def ranking_dict(r: TaskRanking, letters: Sequence[str]) -> dict[str, Any]:
    """A ranking for JSON, with the letters of its runs."""
    return {
        "task": r.task,
        "label": r.label,
        "metric": r.metric,
        "questions": r.questions,
        "runs": [letters[i] for i in r.runs],
        "means": r.ranking.means,
        "bands": r.ranking.bands,
        "p": r.ranking.p,
        "adjusted": r.ranking.adjusted,
    }
