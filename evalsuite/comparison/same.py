"""Which of several runs are one and the same: under another path, or in a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.pairs import pair


def first_of(recorded: Sequence[Recorded], tasks: Collection[str] | None = None) -> list[int]:
    """Of each run, the position of the first one that is the same, its own where there is none before it.

    `tasks` are those looked at, all unless given. Raises UsageError where a roll-up cannot be read.
    """
    return [next(j for j in range(i + 1) if j == i or _same(recorded[j], run, tasks)) for i, run in enumerate(recorded)]


def named_twice(recorded: Sequence[Recorded]) -> list[str]:
    """Run ids that stand there more than once. A baseline and a copy keep the id of their run."""
    return [name for name, times in Counter(run.run_id for run in recorded).items() if times > 1]


def _same(a: Recorded, b: Recorded, tasks: Collection[str] | None) -> bool:
    """One run id, and one result: what went on from a run, or began afresh in another folder, has its id as well."""
    if a.run_id != b.run_id:
        return False
    both = [name for name in a.tasks if name in b.tasks and (tasks is None or name in tasks)]
    return bool(both) and all(_alike(a, b, name) for name in both)


def _alike(a: Recorded, b: Recorded, task: str) -> bool:
    one, two = a.rollup(task), b.rollup(task)
    pairs = pair(one, two)
    if pairs.only_a or pairs.only_b:
        return False
    columns = ("n", "c", "sum", "sum_sq", "errors")
    return all((getattr(one, name)[pairs.a] == getattr(two, name)[pairs.b]).all() for name in columns)
