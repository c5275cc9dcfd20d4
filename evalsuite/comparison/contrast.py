"""Two runs, all their tasks: whether they may be compared, and how they differ."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from evalsuite.comparison.compare import Recorded, Row, compare_task
from evalsuite.comparison.fingerprint import FIELDS, mentions, mismatches
from evalsuite.comparison.pairs import Pairs, pair
from evalsuite.errors import NotComparableError, UsageError
from evalsuite.metrics.multiple import adjust
from evalsuite.metrics.reduce import Metric, parse_metric
from evalsuite.metrics.student import t_quantile, t_tail, z_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """The mean over tasks of the differences under one metric, each task weighing the same. `low`, `high`, `p`, `mde` as in
    `Difference`; `p_adjusted` is over everything of this kind compared at once."""

    metric: str
    value: float
    low: float
    high: float
    p: float
    p_adjusted: float
    mde: float
    mean_a: float
    mean_b: float
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Run `b` against run `a` (positions among the runs compared). `overall` is there for two tasks and more, one of each
    metric. `allowed` are mismatches that the caller let pass, by task and field."""

    a: int
    b: int
    rows: tuple[Row, ...]
    overall: tuple[Overall, ...]
    allowed: Mapping[str, Mapping[str, str]]
    mentions: tuple[str, ...]
    notes: tuple[str, ...]


def contrast(
    a: Recorded,
    b: Recorded,
    *,
    positions: tuple[int, int] = (0, 1),
    tasks: Sequence[str] | None = None,
    metrics: Sequence[str] = ("avg",),
    target: str = "population",
    allow: Collection[str] = (),
    moved: int = 10,
) -> Contrast:
    """Compare two runs. `tasks` are those of both runs unless given; `allow` names FIELDS that may differ, or is `all`.

    Raises NotComparableError where tasks differ in what they measure, naming all of it, and UsageError where a run has not
    ended, no task is in both, or a metric cannot be had.
    """
    names, notes = common_tasks(a, b, tasks)
    for side in (a, b):
        side.require_ended()
    pairs = {name: pair(a.rollup(name), b.rollup(name)) for name in names}
    allowed = require_comparable(a, b, pairs, allow)
    wanted = parse_metrics(metrics)
    rows = [[compare_task(a, b, name, m, pairs[name], target, moved=moved) for name in names] for m in wanted]
    return Contrast(
        a=positions[0],
        b=positions[1],
        rows=tuple(row for of_task in zip(*rows) for row in of_task),
        overall=tuple(o for column in rows if (o := _overall(column)) is not None),
        allowed=allowed,
        mentions=mentions(a.manifest, b.manifest),
        notes=notes,
    )


def common_tasks(a: Recorded, b: Recorded, tasks: Sequence[str] | None) -> tuple[list[str], tuple[str, ...]]:
    """The tasks to compare, and notes on those that are in one run only. Raises UsageError."""
    if tasks is not None:
        for name in tasks:
            for side in (a, b):
                if name not in side.tasks:
                    raise UsageError(f"run {side.run.path.name} has no task {name!r}; it has {', '.join(side.tasks) or 'none'}")
        if not tasks:
            raise UsageError("no task was asked for: --tasks NAME[,NAME...]")
        return list(dict.fromkeys(tasks)), ()
    both = [name for name in a.tasks if name in b.tasks]
    if not both:
        raise UsageError(
            f"no task is in both runs: {a.run.path.name} has {', '.join(a.tasks) or 'none'}; "
            f"{b.run.path.name} has {', '.join(b.tasks) or 'none'}"
        )
    notes = [
        f"{', '.join(rest)}: in {one.run.path.name} and not in {two.run.path.name}, so not compared."
        for one, two in ((a, b), (b, a))
        if (rest := [name for name in one.tasks if name not in both])
    ]
    return both, tuple(notes)


def require_comparable(
    a: Recorded, b: Recorded, pairs: Mapping[str, Pairs], allow: Collection[str]
) -> dict[str, dict[str, str]]:
    """What differs and was allowed to, by task and field. `pairs` are those of the tasks that are compared.

    Raises NotComparableError naming everything that was not, and UsageError for a field that there is not.
    """
    if unknown := set(allow) - {*FIELDS, "all"}:
        raise UsageError(
            f"nothing called {', '.join(sorted(unknown))} can be allowed to differ; there are {', '.join(FIELDS)}, all"
        )
    found = {name: _explained(mismatches(a.manifest, b.manifest, name), pairs[name]) for name in pairs}
    refused = [
        (name, field, text)
        for name, differing in found.items()
        for field, text in differing.items()
        if field not in allow and "all" not in allow
    ]
    if refused:
        raise NotComparableError(
            f"{a.run.path.name} and {b.run.path.name} do not measure the same thing:\n"
            + "\n".join(f"  {name}: {field}: {text}" for name, field, text in refused)
            + "\nMake them alike, or say that this is what you want to compare: "
            + f"--allow {','.join(dict.fromkeys([*allow, *(field for _, field, _ in refused)]))}"
        )
    return {name: differing for name, differing in found.items() if differing}


def parse_metrics(names: Sequence[str]) -> list[Metric]:
    """The metrics of these names, each once. Raises UsageError."""
    if not names:
        raise UsageError("no metric was asked for: --metric avg,pass@8")
    return list(dict.fromkeys(parse_metric(name) for name in names))


def adjusted(contrasts: Sequence[Contrast], correction: str) -> tuple[Contrast, ...]:
    """The contrasts with p-values corrected over every row of all of them, and those over tasks among themselves.

    Raises ValueError for a correction that there is not.
    """
    p = iter(adjust([row.difference.p for c in contrasts for row in c.rows], correction).tolist())
    q = iter(adjust([overall.p for c in contrasts for overall in c.overall], correction).tolist())
    return tuple(
        dataclasses.replace(
            c,
            rows=tuple(dataclasses.replace(row, p_adjusted=next(p)) for row in c.rows),
            overall=tuple(dataclasses.replace(overall, p_adjusted=next(q)) for overall in c.overall),
        )
        for c in contrasts
    )


def _explained(differing: dict[str, str], pairs: Pairs) -> dict[str, str]:
    """A changed data hash in words. Questions in another order, or under other ids, are the same questions."""
    if pairs.only_a or pairs.only_b:
        edited = f", {len(pairs.edited)} of them with the same id and other content" if pairs.edited else ""
        alone = f"{len(pairs.only_a)} only in the first and {len(pairs.only_b)} only in the second{edited}"
        return {**differing, "data": f"{len(pairs.a)} questions are in both, {alone}"}
    differing.pop("data", None)
    return differing


def _overall(rows: Sequence[Row]) -> Overall | None:
    """Independent tasks: errors add in squares, degrees of freedom by Welch and Satterthwaite."""
    t, differences = len(rows), [row.difference for row in rows]
    if t < 2 or any(math.isnan(d.error) for d in differences):
        return None
    error = math.sqrt(sum(d.error**2 for d in differences)) / t
    df = (error * t) ** 4 / sum(d.error**4 / d.df for d in differences)
    centre, half = sum(d.centre for d in differences) / t, t_quantile(0.975, df) * error
    labels = {row.metric for row in rows}
    p = min(2 * t_tail(abs(centre) / error, df), 1.0)
    return Overall(
        metric=labels.pop() if len(labels) == 1 else rows[0].metric.partition("@")[0],
        value=sum(d.value for d in differences) / t,
        low=centre - half,
        high=centre + half,
        p=p,
        p_adjusted=p,
        mde=(z_quantile(0.975) + z_quantile(0.8)) * error,
        mean_a=sum(d.mean_a for d in differences) / t,
        mean_b=sum(d.mean_b for d in differences) / t,
        tasks=t,
    )
