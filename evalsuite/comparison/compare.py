"""Two or more runs, question by question: differences with intervals, and what a reader must know before believing them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from evalsuite.comparison.fingerprint import FIELDS, mentions, mismatches
from evalsuite.comparison.pairs import Pairs, bounds, clusters, pair, values
from evalsuite.errors import NotComparableError, UsageError
from evalsuite.metrics.multiple import adjust
from evalsuite.metrics.paired import Difference, mcnemar_mid_p, sign_flip_p
from evalsuite.metrics.paired import compare as paired
from evalsuite.metrics.reduce import Metric, parse_metric
from evalsuite.metrics.student import t_quantile, t_tail
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import Rollup, read_rollup

_MOVED = 10  # questions kept of those that moved most
_SMALL = 50  # below this many questions a permutation test stands beside the interval


class Recorded:
    """A run with its roll-ups, each read once."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._rollups: dict[str, Rollup] = {}

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """run.json."""
        return self.run.manifest()

    @property
    def name(self) -> str:
        """The model's name, as given to the run."""
        return str(self.manifest.get("model", {}).get("name", self.run.path.name))

    def rollup(self, task: str) -> Rollup:
        """The roll-up of one task. Raises UsageError where the run has not ended."""
        if task not in self._rollups:
            self._rollups[task] = read_rollup(self.run, task)
        return self._rollups[task]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What else a run did on the paired questions: mean completion tokens (NaN: not counted), and shares of the samples."""

    tokens: float
    truncated: float
    no_answer: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Questions that could not be paired. `low` and `high` bound the difference whatever the missing values were.

    `only_a`, `only_b` are in one run only, `edited` of them under the same id with other content; `no_value` are in both, but
    in one without a value. `share` is of all questions of either run.
    """

    only_a: int
    only_b: int
    edited: int
    no_value: int
    share: float
    low: float
    high: float
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A question whose value changed: `a` to `b`."""

    id: str
    a: float
    b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task and metric of two runs. `difference` is b - a under the target asked for, `other` under the other one, if it
    can be had. `p_adjusted` is over everything compared at once. `samples_*` are mean samples per question; `mcnemar_p` is
    for one sample per question and right or wrong, `sign_flip_p` for fewer than 50 questions, else None."""

    task: str
    label: str
    metric: str
    difference: Difference
    other: Difference | None
    p_adjusted: float
    samples_a: float
    samples_b: float
    rates_a: Rates
    rates_b: Rates
    missing: Missing
    moved: tuple[Moved, ...]
    mcnemar_p: float | None
    sign_flip_p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """The mean over tasks of the differences, each task weighing the same, with its 95 % interval."""

    value: float
    low: float
    high: float
    p: float
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Run `b` against run `a` (positions among the runs compared). `allowed` are mismatches that the caller let pass."""

    a: int
    b: int
    rows: tuple[Row, ...]
    overall: Overall | None
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
) -> Contrast:
    """Compare two runs. `tasks` are those of both runs unless given; `allow` names FIELDS that may differ.

    Raises NotComparableError where tasks differ in what they measure, naming all of it, and UsageError where a run has not
    ended, no task is in both, or a metric cannot be had.
    """
    if unknown := set(allow) - {*FIELDS, "all"}:
        raise UsageError(
            f"nothing called {', '.join(sorted(unknown))} can be allowed to differ; there are {', '.join(FIELDS)}, all"
        )
    names, notes = common_tasks(a, b, tasks)
    pairs = {name: pair(a.rollup(name), b.rollup(name)) for name in names}
    found = {name: _explained(mismatches(a.manifest, b.manifest, name), a, b, name, pairs[name]) for name in names}
    found = {name: differing for name, differing in found.items() if differing}
    refused = {
        name: {f: text for f, text in differing.items() if f not in allow and "all" not in allow}
        for name, differing in found.items()
    }
    if any(refused.values()):
        lines = [f"  {name}: {field}: {text}" for name, fields in refused.items() for field, text in fields.items()]
        flags = ",".join(dict.fromkeys(field for fields in refused.values() for field in fields))
        raise NotComparableError(
            f"{a.run.path.name} and {b.run.path.name} do not measure the same thing:\n"
            + "\n".join(lines)
            + f"\nMake them alike, or say that this is what you want to compare: --allow {flags}"
        )
    wanted = [parse_metric(name) for name in metrics]
    rows = tuple(compare_task(a, b, name, metric, pairs[name], target) for name in names for metric in wanted)
    return Contrast(
        a=positions[0],
        b=positions[1],
        rows=rows,
        overall=_overall([r.difference for r in rows]) if len(wanted) == 1 else None,
        allowed=found,
        mentions=mentions(a.manifest, b.manifest),
        notes=notes,
    )


def common_tasks(a: Recorded, b: Recorded, tasks: Sequence[str] | None) -> tuple[list[str], tuple[str, ...]]:
    """The tasks to compare, and notes on those that are in one run only. Raises UsageError."""
    has_a, has_b = list(a.manifest.get("tasks", {})), list(b.manifest.get("tasks", {}))
    if tasks is not None:
        for name in tasks:
            for side, has in ((a, has_a), (b, has_b)):
                if name not in has:
                    raise UsageError(f"run {side.run.path.name} has no task {name!r}; it has {', '.join(has) or 'none'}")
        return list(dict.fromkeys(tasks)), ()
    both = [name for name in has_a if name in has_b]
    if not both:
        raise UsageError(
            f"no task is in both runs: {a.run.path.name} has {', '.join(has_a) or 'none'}; "
            f"{b.run.path.name} has {', '.join(has_b) or 'none'}"
        )
    notes = [
        f"only in {side.run.path.name}, and so not compared: {', '.join(rest)}."
        for side, rest in ((a, [t for t in has_a if t not in both]), (b, [t for t in has_b if t not in both]))
        if rest
    ]
    return both, tuple(notes)


def compare_task(a: Recorded, b: Recorded, task: str, metric: Metric, pairs: Pairs, target: str) -> Row:
    """One task under one metric. Raises UsageError where a run has too few samples for it, or did not store it."""
    one, two = a.rollup(task), b.rollup(task)
    (va, wa), (vb, wb) = _values(a, task, metric), _values(b, task, metric)
    at_a, at_b = pairs.a, pairs.b
    fixed = (
        bool(len(at_a))
        and not np.isnan(np.where(np.isnan(va[at_a]), 0, wa[at_a]) + np.where(np.isnan(vb[at_b]), 0, wb[at_b])).any()
    )
    labels = clusters(one, at_a)

    def of(which: str) -> Difference:
        return paired(
            va[at_a],
            vb[at_b],
            clusters=labels,
            target=which,
            samples_a=one.n[at_a],
            samples_b=two.n[at_b],
            within_a=wa[at_a],
            within_b=wb[at_b],
        )

    if target == "benchmark" and not fixed:
        raise UsageError(
            f"{task}: the benchmark target needs 2 samples per question in both runs (more than k for a metric @k); "
            "add samples (-n), or use --target population"
        )
    main = of(target)
    rest = "population" if target == "benchmark" else "benchmark"
    low, high = bounds(one, two, pairs, metric)
    no_value = int((np.isnan(va[at_a]) | np.isnan(vb[at_b])).sum())
    alone = len(pairs.only_a) + len(pairs.only_b)
    examples = [one.ids[i] for i in pairs.only_a[:3]] + [two.ids[j] for j in pairs.only_b[:3]]
    binary = metric.kind == "avg" and all(r.n.max(initial=0) == 1 and (r.sum == r.c).all() for r in (one, two))
    return Row(
        task=task,
        label=str(a.manifest["tasks"][task].get("label", task)),
        metric=metric.label(_samples(one, two)),
        difference=main,
        other=of(rest) if rest == "population" or fixed else None,
        p_adjusted=main.p,
        samples_a=_mean(one.n[at_a]),
        samples_b=_mean(two.n[at_b]),
        rates_a=_rates(one, at_a),
        rates_b=_rates(two, at_b),
        missing=Missing(
            only_a=len(pairs.only_a),
            only_b=len(pairs.only_b),
            edited=len(pairs.edited),
            no_value=no_value,
            share=(alone + no_value) / max(alone + len(at_a), 1),
            low=low,
            high=high,
            examples=tuple(examples[:3]),
        ),
        moved=_moved(one, at_a, va[at_a], vb[at_b]),
        mcnemar_p=mcnemar_mid_p(main.won, main.lost) if binary else None,
        sign_flip_p=sign_flip_p(va[at_a], vb[at_b], labels) if 5 <= main.n_clusters < _SMALL else None,
    )


def adjusted(contrasts: Sequence[Contrast], correction: str) -> tuple[Contrast, ...]:
    """The contrasts with p-values corrected over every row of all of them."""
    p = iter(adjust([row.difference.p for c in contrasts for row in c.rows], correction).tolist())
    return tuple(
        dataclasses.replace(c, rows=tuple(dataclasses.replace(row, p_adjusted=next(p)) for row in c.rows)) for c in contrasts
    )


def _explained(differing: dict[str, str], a: Recorded, b: Recorded, task: str, pairs: Pairs) -> dict[str, str]:
    """A changed data hash in words. Questions in another order, or under other ids, are the same questions."""
    alone = len(pairs.only_a) + len(pairs.only_b)
    if alone:
        both = f"{len(pairs.a)} questions are in both"
        edited = f", {len(pairs.edited)} of them with the same id and other content" if pairs.edited else ""
        return {
            **differing,
            "data": f"{both}, {len(pairs.only_a)} only in the first and {len(pairs.only_b)} only in the second{edited}",
        }
    differing.pop("data", None)
    return differing


def _values(side: Recorded, task: str, metric: Metric) -> tuple[Any, Any]:
    rollup = side.rollup(task)
    try:
        found = values(rollup, metric)
    except KeyError:
        raise UsageError(
            f"run {side.run.path.name} has no {metric.label(0)} of {task}; it has {', '.join(rollup.metrics)}. "
            f"Run its command again with --metrics {metric.label(0)}"
        ) from None
    if metric.needs_n > rollup.n.max(initial=0) and metric.kind not in ("avg", "part"):
        raise UsageError(
            f"run {side.run.path.name} has {rollup.n.max(initial=0)} samples per question of {task}; "
            f"{metric.label(0)} needs {metric.needs_n}"
        )
    return found


def _rates(rollup: Rollup, at: Any) -> Rates:
    wanted = float((rollup.n[at] + rollup.errors[at]).sum()) or math.nan
    tokens = rollup.completion_tokens[at]
    return Rates(
        tokens=float(np.nanmean(tokens)) if (~np.isnan(tokens)).any() else math.nan,
        truncated=float(rollup.truncated[at].sum()) / wanted,
        no_answer=float(rollup.no_answer[at].sum()) / wanted,
        coverage=float(rollup.n[at].sum()) / wanted,
    )


def _moved(rollup: Rollup, at: Any, a: Any, b: Any) -> tuple[Moved, ...]:
    d = np.nan_to_num(b - a)
    order = np.argsort(-np.abs(d), kind="stable")[:_MOVED]
    return tuple(
        Moved(id=rollup.ids[at[i]], a=float(a[i]), b=float(b[i])) for i in order if not math.isclose(d[i], 0.0, abs_tol=1e-12)
    )


def _overall(differences: Sequence[Difference]) -> Overall | None:
    """Independent tasks: errors add in squares, degrees of freedom by Welch and Satterthwaite."""
    t = len(differences)
    if t < 2 or any(math.isnan(d.error) for d in differences):
        return None
    error = math.sqrt(sum(d.error**2 for d in differences)) / t
    df = (error * t) ** 4 / sum(d.error**4 / d.df for d in differences)
    centre, half = sum(d.centre for d in differences) / t, t_quantile(0.975, df) * error
    return Overall(
        value=sum(d.value for d in differences) / t,
        low=centre - half,
        high=centre + half,
        p=min(2 * t_tail(abs(centre) / error, df), 1.0),
        tasks=t,
    )


def _samples(one: Rollup, two: Rollup) -> int:
    """Samples per question where both runs have the same number of them, else 1: `avg@8` or `avg`."""
    n = {int(r.n.max(initial=0)) for r in (one, two)}
    return n.pop() if len(n) == 1 else 1


def _mean(n: Any) -> float:
    return float(n.mean()) if len(n) else 0.0
