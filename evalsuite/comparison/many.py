"""Two or more runs: every one against the first, ranks that can be told apart, and training seeds where runs come in groups."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.contrast import Contrast, adjusted, contrast
from evalsuite.comparison.methods import Method, SeedRow, compare_methods
from evalsuite.comparison.ranks import TaskRanking, rank, ranking_dict
from evalsuite.comparison.same import first_of
from evalsuite.comparison.wanted import parse_metrics, unique
from evalsuite.errors import UsageError
from evalsuite.escape import code
from evalsuite.metrics.aggregate import Target
from evalsuite.metrics.multiple import Correction
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


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs compared. `contrasts` are of every other run against the first, `rankings` are there for three runs and more.

    With `methods` (groups of training seeds, name by letter) there are `seeds` instead, of every other method against the
    first. P-values are corrected by `correction` (holm, bh or none) over all rows of tasks, and means over tasks among
    themselves. `notes` are lines of Markdown.
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
                "rankings": [ranking_dict(r, [run.letter for run in self.runs]) for r in self.rankings],
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
        names, first = letters, first_of(recorded, tasks)
        options: dict[str, Any] = {"tasks": tasks, "metrics": metrics, "target": target, "allow": allow, "moved": moved}
        found = [
            contrast(recorded[0], run, positions=(0, i), same_as=first[i] if first[i] < i else None, **options)
            for i, run in enumerate(recorded[1:], 1)
        ]
        contrasts = adjusted(found, correction)
        if len(recorded) > 2:
            labels = dict.fromkeys(row.task for c in contrasts for row in c.rows)
            ranks = (rank(recorded, first, task, m, correction) for task in labels for m in unique(wanted))
            rankings = tuple(r for r in ranks if r is not None)
        notes = [*_twice(recorded, names, first), _CHECKPOINTS]
    notes += [
        f"{letter} ({code(run.run.path.name)}) is failed: samples are missing from it, and count as missing here."
        for letter, run in zip(names, recorded)
        if run.status == "failed"
    ]
    return Comparison(
        runs=tuple(
            Compared(
                letter=letter,
                name=run.name,
                run_id=run.run_id,
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
        metrics=tuple(unique(wanted)),
    )


def _twice(recorded: Sequence[Recorded], letters: Sequence[str], first: Sequence[int]) -> list[str]:
    """A note for each run that is named more than once, and for results that go by one run id."""
    same, akin = defaultdict(list), defaultdict(list)
    for i, (run, letter) in enumerate(zip(recorded, letters)):
        same[first[i]].append(letter)
        if first[i] == i:
            akin[run.run_id].append(letter)
    return [
        *(f"{' and '.join(of)} are the same run: nothing can differ." for of in same.values() if len(of) > 1),
        *(
            f"{' and '.join(of)} come from one and the same command: where one went on from the other, they share samples."
            for of in akin.values()
            if len(of) > 1
        ),
    ]


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
