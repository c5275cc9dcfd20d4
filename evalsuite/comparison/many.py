"""Two or more runs: every one against the first, ranks that can be told apart, and training seeds where runs come in groups."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.contrast import Contrast, adjusted, contrast, parse_metrics
from evalsuite.comparison.methods import Method, SeedRow, compare_methods
from evalsuite.comparison.pairs import align, clusters
from evalsuite.errors import UsageError
from evalsuite.metrics.aggregate import Target
from evalsuite.metrics.multiple import Correction, Ranking, compare_many
from evalsuite.metrics.reduce import Metric

_CHECKPOINTS = (
    "Checkpoint claim only: one training run per side. A claim about training methods needs several seeds of each: "
    "NAME=RUN,RUN,... NAME=RUN,RUN,..."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One run of a comparison. `letter` names it in tables: A, B, ..., or A1, A2, ... for the seeds of method A."""

    letter: str
    name: str
    run_id: str
    path: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRanking:
    """All pairs of the runs that have a task (`runs` are their positions), over the `questions` that all of them have."""

    task: str
    label: str
    metric: str
    questions: int
    runs: tuple[int, ...]
    ranking: Ranking


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs compared. `contrasts` are of every other run against the first, `rankings` are there for three runs and more.

    With `methods` (groups of training seeds, name by letter) there are `seeds` instead, of every other method against the
    first. P-values are corrected by `correction` (holm, bh or none) over all rows.
    """

    runs: tuple[Compared, ...]
    methods: Mapping[str, str]
    target: str
    correction: str
    contrasts: tuple[Contrast, ...]
    rankings: tuple[TaskRanking, ...]
    seeds: tuple[SeedRow, ...]
    notes: tuple[str, ...]
    recorded: tuple[Recorded, ...] = field(repr=False, compare=False)
    metrics: tuple[Metric, ...] = field(repr=False, compare=False)

    def table(self) -> str:
        """The Markdown that `evalsuite compare` prints."""
        from evalsuite.comparison.text import render

        return render(self)

    _repr_markdown_ = table
    __str__ = table

    def to_dict(self) -> dict[str, Any]:
        """JSON form: what `--json` prints. Numbers that are not known are None; runs go by their letters."""
        from evalsuite.comparison.sentences import contrast_dict, seed_dict

        return _plain(
            {
                "schema": 1,
                "runs": self.runs,
                "methods": self.methods,
                "target": self.target,
                "correction": self.correction,
                "contrasts": [contrast_dict(self, c) for c in self.contrasts],
                "rankings": [_ranking_dict(r, self.runs) for r in self.rankings],
                "seeds": [seed_dict(self, row) for row in self.seeds],
                "notes": self.notes,
            }
        )

    def csv(self) -> str:
        """One line per question and metric, the runs side by side: what `--csv FILE` writes."""
        from evalsuite.comparison.questions import question_csv

        return question_csv(self)


def compare_runs(
    methods: Sequence[Method],
    *,
    metrics: Sequence[str] = ("avg",),
    target: str = "population",
    allow: Collection[str] = (),
    correction: str = "holm",
    tasks: Sequence[str] | None = None,
    moved: int = 5,
) -> Comparison:
    """Compare runs, each a Method of one run without a name, or methods, where at least one has a name.

    Raises as `contrast` does.
    """
    for given, known in ((target, get_args(Target)), (correction, get_args(Correction))):
        if given not in known:
            raise UsageError(f"{given!r} is not one of {', '.join(known)}")
    if len(methods) < 2:
        raise UsageError("two runs are needed: evalsuite compare A B")
    if target != "population" and any(method.name for method in methods):
        raise UsageError("--target does not go with methods: their intervals are over training seeds, on these questions")
    if moved < 0:
        raise UsageError(f"--moved {moved}: not below zero")
    recorded = [run for method in methods for run in method.runs]
    for run in recorded:
        run.require_ended()
    wanted = parse_metrics(metrics)
    letters = [_letter(i) for i in range(len(methods))]
    in_groups = any(method.name for method in methods)
    contrasts: tuple[Contrast, ...] = ()
    rankings: tuple[TaskRanking, ...] = ()
    rows: tuple[SeedRow, ...] = ()
    if in_groups:
        rows, notes = compare_methods(methods, letters, wanted, tasks=tasks, allow=allow, correction=correction)
        names = [f"{letter}{i}" for letter, method in zip(letters, methods) for i in range(1, len(method.runs) + 1)]
    else:
        names, first = letters, recorded[0]
        found = [
            contrast(first, run, positions=(0, i), tasks=tasks, metrics=metrics, target=target, allow=allow, moved=moved)
            for i, run in enumerate(recorded[1:], 1)
        ]
        contrasts = adjusted(found, correction)
        if len(recorded) > 2:
            labels = dict.fromkeys(row.task for c in contrasts for row in c.rows)
            rankings = tuple(r for task in labels for m in wanted if (r := _rank(recorded, task, m, correction)) is not None)
        notes = [*_twice(recorded, names), _CHECKPOINTS]
    notes += [
        f"{letter} ({run.run.path.name}) is failed: samples are missing from it, and count as missing here."
        for letter, run in zip(names, recorded)
        if run.status == "failed"
    ]
    return Comparison(
        runs=tuple(
            Compared(
                letter=letter,
                name=run.name,
                run_id=str(run.manifest.get("run_id", run.run.path.name)),
                path=str(run.run.path),
                status=run.status,
            )
            for letter, run in zip(names, recorded)
        ),
        methods={x: m.name or m.runs[0].name for x, m in zip(letters, methods)} if in_groups else {},
        target=target,
        correction=correction,
        contrasts=contrasts,
        rankings=rankings,
        seeds=rows,
        notes=tuple(notes),
        recorded=tuple(recorded),
        metrics=tuple(wanted),
    )


def _rank(recorded: Sequence[Recorded], task: str, metric: Metric, correction: str) -> TaskRanking | None:
    """All pairs of the runs that have the task; None for fewer than three."""
    runs = [i for i, run in enumerate(recorded) if task in run.tasks]
    if len(runs) < 3:
        return None
    rollups = [recorded[i].rollup(task) for i in runs]
    _, positions = align(rollups)
    at = positions[:, (positions >= 0).all(axis=0)]
    values = np.stack([recorded[i].values(task, metric)[0][row] for i, row in zip(runs, at)])
    there = ~np.isnan(values).any(axis=0)
    values, at = values[:, there], at[:, there]
    samples = [float(rollup.n[row].mean()) if len(row) else 1.0 for rollup, row in zip(rollups, at)]
    ranking = compare_many(values, samples=samples, clusters=clusters(rollups[0], at[0]), correction=correction)
    counts = {int(rollup.n.max(initial=0)) for rollup in rollups}
    return TaskRanking(
        task=task,
        label=str(recorded[runs[0]].tasks[task].get("label", task)),
        metric=metric.label(counts.pop() if len(counts) == 1 else 1),
        questions=values.shape[1],
        runs=tuple(runs),
        ranking=ranking,
    )


def _ranking_dict(r: TaskRanking, runs: Sequence[Compared]) -> dict[str, Any]:
    return {
        "task": r.task,
        "label": r.label,
        "metric": r.metric,
        "questions": r.questions,
        "runs": [runs[i].letter for i in r.runs],
        "means": r.ranking.means,
        "bands": r.ranking.bands,
        "p": r.ranking.p,
        "adjusted": r.ranking.adjusted,
    }


def _twice(recorded: Sequence[Recorded], letters: Sequence[str]) -> list[str]:
    """A note for each run that is named more than once."""
    seen: dict[str, list[str]] = {}
    for run, letter in zip(recorded, letters):
        seen.setdefault(str(run.run.path.resolve()), []).append(letter)
    return [f"{' and '.join(same)} are the same run: nothing can differ." for same in seen.values() if len(same) > 1]


def _letter(i: int) -> str:
    """A to Z, then AA, AB, ..."""
    return chr(65 + i) if i < 26 else _letter(i // 26 - 1) + chr(65 + i % 26)


def _plain(value: Any) -> Any:
    """Dataclasses and arrays as JSON has them, NaN as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
