"""Runs of the catalog against each other: which can be compared, and what `evalsuite compare` finds."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.contrast import common_tasks, require_comparable
from evalsuite.comparison.many import Comparison, compare_runs
from evalsuite.comparison.methods import Method
from evalsuite.comparison.pairs import pair
from evalsuite.errors import NotComparableError, UsageError
from evalsuite.metrics.reduce import parse_metric
from evalsuite.runlog import RunDir

from ..catalog import Catalog, Run
from ..text import cleaned
from .results import fingerprint


@dataclass(frozen=True, eq=False)
class Versus:
    """Runs compared: `keys` in the order of the letters of `comparison`, which is None where fewer than two were left.

    `tasks` are those it was asked for, None for all common ones. `left_out` are names of what could not be compared, each with the
    reason; `unlike` says which runs do not measure the same thing.
    """

    keys: tuple[str, ...]
    tasks: tuple[str, ...] | None
    comparison: Comparison | None
    left_out: tuple[tuple[str, str], ...]
    unlike: tuple[str, ...]


def versus(
    catalog: Catalog, keys: Sequence[str], *, metric: str = "avg", tasks: Sequence[str] | None = None, allow: bool = False
) -> Versus:
    """Compare the runs `keys` as `evalsuite compare` does, every other one with the first that can be compared.

    A run that has not ended, or cannot be read, is left out, and so is a task whose numbers cannot be read; one that measures
    something else too, unless `allow` (`--allow all`). `tasks` are those that both have unless given. Raises UsageError where a
    run has no such metric.
    """
    left_out: list[tuple[str, str]] = []
    unlike: list[str] = []
    sides: dict[str, Recorded] = {}
    unread: set[str] = set()
    for key in keys:
        side, lost = _readable(catalog.runs[key], tasks)
        left_out += [(catalog.labels[key], reason) for reason in lost.values()]
        if side is not None:
            sides[key] = side
            unread |= lost.keys()
    if tasks is None and unread:
        tasks = [name for name in dict.fromkeys(t for side in sides.values() for t in side.tasks) if name not in unread]
        tasks = [name for name in tasks if all(name in side.tasks for side in sides.values())]
    allowed = ("all",) if allow else ()
    kept = dict(list(sides.items())[:1])
    for key, side in list(sides.items())[1:]:
        try:
            _require_alike(next(iter(kept.values())), side, tasks, allowed)
            kept[key] = side
        except NotComparableError as error:
            unlike.append(cleaned(str(error)))
        except UsageError as error:
            left_out.append((catalog.labels[key], str(error)))
    found = None
    if len(kept) > 1:
        methods = [Method(name="", runs=(side,)) for side in kept.values()]
        found = compare_runs(methods, metrics=(metric,), allow=allowed, tasks=tasks)
    return Versus(tuple(kept), None if tasks is None else tuple(tasks), found, tuple(left_out), tuple(unlike))


def command(runs: Sequence[Run], *, metric: str, tasks: Sequence[str] | None, allow: bool) -> str:
    """The command that prints the same."""
    words = ["evalsuite", "compare", *(str(run.path) for run in runs)]
    words += ["--tasks", ",".join(tasks)] if tasks is not None else []
    words += ["--metric", metric] if metric != "avg" else []
    return shlex.join([*words, *(["--allow", "all"] if allow else [])])


def tasks_of(runs: Sequence[Run]) -> list[str]:
    """Their tasks, those that most of them have first."""
    times = Counter(task for run in runs for task in run.tasks)
    return [task for task, _ in times.most_common()]


def metrics_of(runs: Sequence[Run], tasks: Sequence[str]) -> list[str]:
    """Metrics that all of the runs computed of all of the tasks, as run.json says; `avg`, which every run has, is the first."""
    asked = [list(map(str, run.tasks[task].get("metrics", ()))) for run in runs for task in tasks]
    common = [name for name in (asked[0] if asked else ()) if all(name in of for of in asked)]
    return ["avg", *(name for name in common if _paired(name))]


def first_pair(catalog: Catalog) -> list[str]:
    """The two newest runs that have ended and measure the same thing of some task, the older one first; [] where there are none.

    What training evaluated on its way is taken only where there is nothing else.
    """
    for during in (False, True):
        seen: dict[tuple[str, str], str] = {}
        for key, run in catalog.runs.items():
            if run.status != "done" or run.during is not during:
                continue
            for task in run.tasks:
                like = task, fingerprint(run.manifest, task)
                if like[1] and like in seen:
                    return [key, seen[like]]
                seen.setdefault(like, key)
    return []


def _readable(run: Run, tasks: Sequence[str] | None) -> tuple[Recorded | None, dict[str, str]]:
    """The run with the roll-ups of `tasks` (its own unless given), None where it has none, and why by task what cannot be read."""
    side = Recorded(RunDir(run.path))
    lost: dict[str, str] = {}
    try:
        if run.problem:
            raise UsageError(run.problem)
        side.require_ended()
    except UsageError as error:
        return None, {"": str(error)}
    wanted = list(run.tasks) if tasks is None else tasks
    for task in wanted:
        if task not in run.tasks:
            lost[task] = f"it has no task {task}; it has {', '.join(run.tasks) or 'none'}"
            continue
        try:
            side.rollup(task)
        except UsageError as error:
            lost[task] = str(error)
    return (side if len(lost) < len(wanted) else None), lost


def _require_alike(a: Recorded, b: Recorded, tasks: Sequence[str] | None, allow: Sequence[str]) -> None:
    """Raises NotComparableError or UsageError where `contrast` would."""
    names, _ = common_tasks(a, b, tasks)
    pairs = {name: pair(a.rollup(name), b.rollup(name)) for name in names}
    require_comparable(a, b, pairs, allow)
    if not any(len(of.a) for of in pairs.values()):
        raise NotComparableError(
            f"no question is in both: {a.run.path.name} and {b.run.path.name} share none of {', '.join(names)}"
        )


def _paired(label: str) -> bool:
    """Whether questions can be compared under a metric, by its label; avg is there already."""
    try:
        metric = parse_metric(label)
    except UsageError:
        return False
    return metric.kind != "avg" and not metric.weight
