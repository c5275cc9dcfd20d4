"""One task of two runs, question by question: a difference with its interval, and what a reader must know before believing it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from evalsuite.comparison.pairs import Pairs, are_shares, bounds, clusters, values
from evalsuite.errors import UsageError
from evalsuite.metrics.paired import Difference, mcnemar_mid_p, sign_flip_p
from evalsuite.metrics.paired import compare as paired
from evalsuite.metrics.reduce import Metric
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import Rollup, read_rollup

_MOVED = 10  # questions kept of those that moved most, unless said otherwise
_SMALL = 50  # below this many questions a permutation test stands beside the interval


class Recorded:
    """A run with its roll-ups, each read once."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._rollups: dict[str, Rollup] = {}
        self._values: dict[tuple[str, Metric], tuple[Any, Any]] = {}

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """run.json."""
        return self.run.manifest()

    @property
    def run_id(self) -> str:
        """Its id, which its baseline and its copies keep; the folder's name where there is none."""
        return str(self.manifest.get("run_id", self.run.path.name))

    @property
    def name(self) -> str:
        """The model's name, as given to the run."""
        return str(self.manifest.get("model", {}).get("name", self.run.path.name))

    @property
    def tasks(self) -> Mapping[str, Any]:
        """Its tasks by name, as run.json has them."""
        tasks: Mapping[str, Any] = self.manifest.get("tasks", {})
        return tasks

    @property
    def status(self) -> str:
        """running, done, failed or interrupted."""
        return str(self.manifest.get("status", "unknown"))

    def require_ended(self) -> None:
        """Raises UsageError where the roll-ups are missing, or of an earlier and smaller run of the same command."""
        if self.status == "done" or (self.status == "failed" and "stopped" in self.manifest):
            return
        still = " (or it was killed)" if self.status == "running" else ""
        raise UsageError(
            f"run {self.run.path.name} is {self.status}{still}: only one that has ended can be compared. "
            "Wait for it, or run its command again to finish it"
        )

    def rollup(self, task: str) -> Rollup:
        """The roll-up of one task. Raises UsageError where there is none, or it cannot be read."""
        if task not in self._rollups:
            self._rollups[task] = read_rollup(self.run, task)
        return self._rollups[task]

    def values(self, task: str, metric: Metric) -> tuple[Any, Any]:
        """(Q,) values of a task under a metric, and their sampling variances.

        Raises UsageError where the run has too few samples for it, or did not store it.
        """
        if (task, metric) not in self._values:
            self._values[task, metric] = self._read(task, metric)
        return self._values[task, metric]

    def _read(self, task: str, metric: Metric) -> tuple[Any, Any]:
        rollup, label = self.rollup(task), metric.label(0)
        if metric.weight:
            raise UsageError(f"{label}: questions are compared with equal weights; say part:{metric.part}")
        samples = int((rollup.n + rollup.errors).max(initial=0))
        if metric.kind != "part" and metric.needs_n > max(samples, 1):
            name = f"avg@{metric.k}" if metric.kind == "avg" else label
            raise UsageError(
                f"run {self.run.path.name} has {samples} samples per question of {task}, and {name} needs {metric.k}"
            )
        try:
            return values(rollup, metric)
        except KeyError:
            raise UsageError(
                f"run {self.run.path.name} has no {label} of {task}; it has {', '.join(rollup.metrics) or 'none'}. "
                f"Run its command again with --metrics {label}"
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What else a run did on the paired questions: mean completion tokens (NaN: not counted), and shares of the samples."""

    tokens: float
    truncated: float
    no_answer: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Questions that could not be paired. `low` and `high` bound the difference whatever the missing values were;
    NaN where values are no shares, and so have no bounds themselves.

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

    @property
    def questions(self) -> int:
        """How many in all."""
        return self.only_a + self.only_b + self.no_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A question whose value changed: `a` to `b`."""

    id: str
    a: float
    b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task and metric of two runs. `difference` is b - a under the target asked for, `other` under the other one, if it
    can be had. `p_adjusted` is over everything compared at once, `family` tests in all (1: not corrected). `shares` says that
    all values lie in [0, 1]. `samples_*` are mean samples per question; `mcnemar_p` is for one sample per question and right or
    wrong, `sign_flip_p` for fewer than 50 questions, else None."""

    task: str
    label: str
    metric: str
    difference: Difference
    other: Difference | None
    p_adjusted: float
    family: int
    shares: bool
    samples_a: float
    samples_b: float
    rates_a: Rates
    rates_b: Rates
    missing: Missing
    moved: tuple[Moved, ...]
    mcnemar_p: float | None
    sign_flip_p: float | None


def compare_task(a: Recorded, b: Recorded, task: str, metric: Metric, pairs: Pairs, target: str, *, moved: int = _MOVED) -> Row:
    """One task under one metric, with the `moved` questions that moved most.

    Raises UsageError where a run has too few samples for the metric or the target, or did not store the metric.
    """
    one, two = a.rollup(task), b.rollup(task)
    at_a, at_b = pairs.a, pairs.b
    (va, wa), (vb, wb) = a.values(task, metric), b.values(task, metric)
    va, wa, vb, wb = va[at_a], wa[at_a], vb[at_b], wb[at_b]
    there = ~(np.isnan(va) | np.isnan(vb))
    unknown = int(np.isnan(wa + wb)[there].sum())
    labels = clusters(one, at_a)
    if target == "benchmark" and unknown:
        raise UsageError(_no_benchmark(task, metric, unknown, int(there.sum())))

    def of(which: str) -> Difference:
        # A value of a metric @k takes k samples: pass@8 of 8 is a single right or wrong.
        na, nb = one.n[at_a] / metric.draws, two.n[at_b] / metric.draws
        return paired(va, vb, clusters=labels, target=which, samples_a=na, samples_b=nb, within_a=wa, within_b=wb)

    main = of(target)
    rest = "population" if target == "benchmark" else "benchmark"
    low, high = bounds(one, two, pairs, metric)
    alone, no_value = len(pairs.only_a) + len(pairs.only_b), int((~there).sum())
    examples = [
        *(one.ids[i] for i in pairs.only_a[:3]),
        *(two.ids[j] for j in pairs.only_b[:3]),
        *(one.ids[i] for i in at_a[~there][:3]),
    ]
    binary = metric.kind == "avg" and all(r.n.max(initial=0) == 1 and (r.sum == r.c).all() for r in (one, two))
    return Row(
        task=task,
        label=str(a.tasks[task].get("label", task)),
        metric=metric.label(_samples(one, two)),
        difference=main,
        other=of(rest) if rest == "population" or not unknown else None,
        p_adjusted=main.p,
        family=1,
        shares=are_shares(one, metric) and are_shares(two, metric),
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
        moved=_moved(one, at_a, va, vb, moved),
        mcnemar_p=mcnemar_mid_p(main.won, main.lost) if binary and labels is None else None,
        sign_flip_p=sign_flip_p(va, vb, labels) if 5 <= main.n_clusters < _SMALL else None,
    )


def _no_benchmark(task: str, metric: Metric, unknown: int, known: int) -> str:
    """Why the benchmark target cannot be had."""
    if metric.kind in ("maj@", "part"):
        why = f"the sampling variance of {metric.label(0)} is not recorded"
    else:
        least = "2" if metric.kind == "avg" else f"{metric.k + 1}"
        why = f"it needs {least} samples of every question in both runs, and {unknown} of {known} have fewer; add samples (-n)"
    return f"{task}: no benchmark target: {why}. Or use --target population"


def _rates(rollup: Rollup, at: Any) -> Rates:
    wanted = float((rollup.n[at] + rollup.errors[at]).sum()) or math.nan
    tokens = rollup.completion_tokens[at]
    return Rates(
        tokens=float(np.nanmean(tokens)) if (~np.isnan(tokens)).any() else math.nan,
        truncated=float(rollup.truncated[at].sum()) / wanted,
        no_answer=float(rollup.no_answer[at].sum()) / wanted,
        coverage=float(rollup.n[at].sum()) / wanted,
    )


def _moved(rollup: Rollup, at: Any, a: Any, b: Any, most: int) -> tuple[Moved, ...]:
    """The largest changes first, equal ones by id."""
    size = np.nan_to_num(np.abs(b - a))
    changed = np.flatnonzero(size > 1e-12)
    if len(changed) > most > 0:
        changed = changed[size[changed] >= np.partition(size[changed], -most)[-most]]
    order = sorted(changed, key=lambda i: (-size[i], rollup.ids[at[i]]))[:most]
    return tuple(Moved(id=rollup.ids[at[i]], a=float(a[i]), b=float(b[i])) for i in order)


def _samples(one: Rollup, two: Rollup) -> int:
    """Samples per question where both runs have the same number of them, else 1: `avg@8` or `avg`."""
    n = {int(r.n.max(initial=0)) for r in (one, two)}
    return n.pop() if len(n) == 1 else 1


def _mean(n: Any) -> float:
    return float(n.mean()) if len(n) else 0.0
