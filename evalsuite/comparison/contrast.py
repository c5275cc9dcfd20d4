"""Two runs, all their tasks: whether they may be compared, and how they differ."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalsuite.comparison.compare import Recorded, Row, compare_task
from evalsuite.comparison.fingerprint import FIELDS, mentions, mismatches
from evalsuite.comparison.pairs import Pairs, pair
from evalsuite.comparison.wanted import parse_metrics, settled
from evalsuite.errors import NotComparableError, UsageError
from evalsuite.escape import code
from evalsuite.metrics.multiple import adjust
from evalsuite.metrics.student import t_quantile, t_tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """The mean over tasks of the differences under one metric, each task weighing the same. `low`, `high`, `p`, `error`, `df`
    as in `Difference`; `p_adjusted` is over everything of this kind compared at once, `family` tests in all (1: not
    corrected). `raw_error` is the error of the mean of differences that pseudo-questions have not drawn towards 0. `questions`
    are those behind it, `missing` those that could not be paired, `shares` says that all values lie in [0, 1]."""

    metric: str
    value: float
    low: float
    high: float
    p: float
    p_adjusted: float
    family: int
    error: float
    raw_error: float
    df: float
    mean_a: float
    mean_b: float
    tasks: int
    questions: int
    missing: int
    shares: bool

    @property
    def mde(self) -> float:
        """As in `Difference`."""
        return self.detectable(0.05)

    def detectable(self, alpha: float) -> float:
        """The smallest true mean difference that is found with 80 % power at two-sided `alpha`."""
        return (t_quantile(1 - alpha / 2, self.df) + t_quantile(0.8, self.df)) * self.raw_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Run `b` against run `a` (positions among the runs compared). `overall` is there for two tasks and more, one of each
    metric. `allowed` are mismatches that the caller let pass, by task and field. `same_as` is the position of an earlier run
    that is the same run as `b`: there is nothing to test then."""

    a: int
    b: int
    rows: tuple[Row, ...]
    overall: tuple[Overall, ...]
    allowed: Mapping[str, Mapping[str, str]]
    mentions: tuple[str, ...]
    notes: tuple[str, ...]
    same_as: int | None = None


def contrast(
    a: Recorded,
    b: Recorded,
    *,
    positions: tuple[int, int] = (0, 1),
    same_as: int | None = None,
    tasks: Sequence[str] | None = None,
    metrics: Sequence[str] = ("avg",),
    target: str = "population",
    allow: Collection[str] = (),
    moved: int = 10,
) -> Contrast:
    """Compare two runs. `tasks` are those of both runs unless given; `allow` names FIELDS that may differ, or is `all`.

    Raises NotComparableError where tasks differ in what they measure, naming all of it, or no question at all is in both, and
    UsageError where a run has not ended, no task is in both, or a metric cannot be had.
    """
    names, notes = common_tasks(a, b, tasks)
    for side in (a, b):
        side.require_ended()
    pairs = {name: pair(a.rollup(name), b.rollup(name)) for name in names}
    allowed = require_comparable(a, b, pairs, allow)
    if not any(len(of.a) for of in pairs.values()):
        raise NotComparableError(
            f"no question is in both runs: {a.run.path.name} and {b.run.path.name} share none of {', '.join(names)}"
        )
    wanted = settled(parse_metrics(metrics), (a, b), names)
    rows = [[compare_task(a, b, name, m, pairs[name], target, moved=moved) for name in names] for m in wanted]
    return Contrast(
        a=positions[0],
        b=positions[1],
        rows=tuple(row for of_task in zip(*rows) for row in of_task),
        overall=tuple(o for column in rows if (o := _overall(column)) is not None),
        allowed=allowed,
        mentions=mentions(a.manifest, b.manifest),
        notes=notes,
        same_as=same_as,
    )


def common_tasks(a: Recorded, b: Recorded, tasks: Sequence[str] | None) -> tuple[list[str], tuple[str, ...]]:
    """The tasks to compare, and notes (Markdown) on those that are in one run only. Raises UsageError."""
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
        f"{', '.join(map(code, rest))}: in {code(one.run.path.name)} and not in {code(two.run.path.name)}, so not compared."
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


def adjusted(contrasts: Sequence[Contrast], correction: str) -> tuple[Contrast, ...]:
    """The contrasts with p-values corrected over every row of all of them, and those over tasks among themselves.

    A run that came before counts once: its p-values are NaN here. Raises ValueError for a correction that there is not.
    """

    def family(of: Callable[[Contrast], Iterable[float]]) -> tuple[Iterator[float], int]:
        p = [math.nan if c.same_as is not None else x for c in contrasts for x in of(c)]
        tests = 1 if correction == "none" else max(sum(not math.isnan(x) for x in p), 1)
        return iter(adjust(p, correction).tolist()), tests

    p, rows = family(lambda c: (row.difference.p for row in c.rows))
    q, means = family(lambda c: (overall.p for overall in c.overall))
    return tuple(
        dataclasses.replace(
            c,
            rows=tuple(dataclasses.replace(row, p_adjusted=next(p), family=rows) for row in c.rows),
            overall=tuple(dataclasses.replace(o, p_adjusted=next(q), family=means) for o in c.overall),
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
    error, raw = (math.sqrt(sum(e**2 for e in of)) / t for of in zip(*((d.error, d.error / d.shrunk) for d in differences)))
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
        family=1,
        error=error,
        raw_error=raw,
        df=df,
        mean_a=sum(d.mean_a for d in differences) / t,
        mean_b=sum(d.mean_b for d in differences) / t,
        tasks=t,
        questions=sum(d.n_questions for d in differences),
        missing=sum(row.missing.questions for row in rows),
        shares=all(row.shares for row in rows),
    )
