"""Questions of two runs paired by content, and their values under a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from evalsuite.metrics.counts import g_pass_at_k, mg_pass_at_k, pass_at_k, pass_hat_k
from evalsuite.metrics.reduce import Metric
from evalsuite.runlog.rollup import Rollup

Array = Any  # numpy
_ROUNDING = 1e-9


class Keyed(Protocol):
    """Questions in some order, each with an id that is unique among them and a digest of its content."""

    @property
    def ids(self) -> Sequence[str]:
        """Length Q."""

    @property
    def digests(self) -> Sequence[str]:
        """Length Q."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Just that."""

    ids: Sequence[str]
    digests: Sequence[str]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Positions in two roll-ups: `a[i]` and `b[i]` are the same question. `edited` are ids whose content differs."""

    a: Array
    b: Array
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]
    edited: tuple[str, ...]


def pair(a: Keyed, b: Keyed) -> Pairs:
    """Pair questions by digest, so that order and ids do not matter; equal ones among themselves by id, else in order of ids.

    Pairs are in the order of `a`.
    """
    if list(a.digests) == list(b.digests) and list(a.ids) == list(b.ids):
        everything = np.arange(len(a.ids))
        return Pairs(everything, everything, (), (), ())
    where = {key: j for j, key in enumerate(zip(b.digests, b.ids))}
    found = {i: where.pop(key) for i, key in enumerate(zip(a.digests, a.ids)) if key in where}
    taken = set(found.values())
    renamed: dict[str, list[int]] = {}
    for j in sorted(set(range(len(b.ids))) - taken, key=lambda j: b.ids[j], reverse=True):
        renamed.setdefault(b.digests[j], []).append(j)
    for i in sorted(set(range(len(a.ids))) - set(found), key=lambda i: a.ids[i]):
        if left := renamed.get(a.digests[i]):
            found[i] = left.pop()
    order = sorted(found)
    only_a = tuple(sorted(set(range(len(a.ids))) - set(found)))
    only_b = tuple(sorted(j for left in renamed.values() for j in left))
    edited = {a.ids[i] for i in only_a} & {b.ids[j] for j in only_b}
    return Pairs(
        np.array(order, dtype=int), np.array([found[i] for i in order], dtype=int), only_a, only_b, tuple(sorted(edited))
    )


def align(sides: Sequence[Keyed]) -> tuple[Keys, Array]:
    """All questions of several roll-ups, and (R, Q) the position of each in each of them, -1 where it is not there.

    The first one's order, then what others have besides.
    """
    ids: list[str] = []
    digests: list[str] = []
    rows: list[Array] = []
    for side in sides:
        pairs = pair(Keys(ids, digests), side)
        row = np.full(len(ids) + len(pairs.only_b), -1)
        row[pairs.a] = pairs.b
        row[len(ids) :] = pairs.only_b
        rows.append(row)
        ids += [side.ids[j] for j in pairs.only_b]
        digests += [side.digests[j] for j in pairs.only_b]
    return Keys(ids, digests), np.stack([np.pad(row, (0, len(ids) - len(row)), constant_values=-1) for row in rows])


def values(rollup: Rollup, metric: Metric) -> tuple[Array, Array]:
    """(Q,) values of a metric and the sampling variance of each; NaN where there are too few samples, or it is not known.

    avg and the metrics that follow from (n, c) are computed here, the others (maj@k, parts) are the columns that the run
    stored, without a sampling variance. Raises KeyError where a run has no such column.
    """
    n, nothing = rollup.n, np.full(len(rollup.ids), np.nan)
    if metric.kind == "avg":
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = rollup.sum / n
            spread = np.maximum(rollup.sum_sq - rollup.sum * mean, 0.0) / (n - 1) / n
        return np.where(n > 0, mean, np.nan), np.where(n > 1, spread, np.nan)
    if metric.kind in ("maj@", "part"):
        return rollup.metrics[metric.label(0)], nothing
    there, more = n >= metric.k, n > metric.k
    out, within = nothing.copy(), nothing.copy()
    out[there] = _of_counts(metric, n[there], rollup.c[there])
    m, c = n[more], rollup.c[more]
    less_right = _of_counts(metric, m - 1, np.maximum(c - 1, 0))
    less_wrong = _of_counts(metric, m - 1, np.minimum(c, m - 1))
    mean = (c * less_right + (m - c) * less_wrong) / m
    within[more] = (m - 1) / m * (c * (less_right - mean) ** 2 + (m - c) * (less_wrong - mean) ** 2)
    return out, within


def clusters(rollup: Rollup, at: Array) -> Sequence[str | None] | None:
    """Cluster labels of the questions `at`, None for one that stands alone, or None where all do."""
    labels = [rollup.clusters[i] for i in at]
    known = [label for label in labels if label is not None]
    return labels if len(set(known)) < len(known) else None


def bounds(a: Rollup, b: Rollup, pairs: Pairs, metric: Metric) -> tuple[float, float]:
    """The mean difference over all questions of either run if everything missing were as bad, and as good, as can be for b.

    For avg a missing sample is worth 0 or 1, for other metrics a missing value of a question is. NaN where values are no shares.
    """
    if not (are_shares(a, metric) and are_shares(b, metric)):
        return math.nan, math.nan
    one, two = limits(a, metric), limits(b, metric)
    low = [two[0][pairs.b] - one[1][pairs.a], -one[1][list(pairs.only_a)], two[0][list(pairs.only_b)] - 1]
    high = [two[1][pairs.b] - one[0][pairs.a], 1 - one[0][list(pairs.only_a)], two[1][list(pairs.only_b)]]
    return float(np.concatenate(low).mean()), float(np.concatenate(high).mean())


def are_shares(rollup: Rollup, metric: Metric) -> bool:
    """Whether all values that are there lie in [0, 1]: parts may be counts."""
    known, _ = values(rollup, metric)
    known = known[~np.isnan(known)]
    single = metric.kind != "avg" or bool((rollup.sum_sq <= rollup.sum + _ROUNDING).all())
    return single and bool(((known >= -_ROUNDING) & (known <= 1 + _ROUNDING)).all())


def limits(rollup: Rollup, metric: Metric) -> tuple[Array, Array]:
    """(Q,) least and greatest value of each question whatever its missing samples were worth, in [0, 1] each (`are_shares`)."""
    if metric.kind == "avg":
        total = np.maximum(rollup.n + rollup.errors, 1)
        missing = np.where(rollup.n + rollup.errors == 0, 1, rollup.errors)
        return rollup.sum / total, (rollup.sum + missing) / total
    known, _ = values(rollup, metric)
    return np.where(np.isnan(known), 0.0, known), np.where(np.isnan(known), 1.0, known)


def _of_counts(metric: Metric, n: Array, c: Array) -> Array:
    if metric.kind == "pass@":
        return np.asarray(pass_at_k(n, c, metric.k))
    if metric.kind == "pass^":
        return np.asarray(pass_hat_k(n, c, metric.k))
    if metric.kind == "g_pass@":
        return np.asarray(g_pass_at_k(n, c, metric.k, metric.tau))
    return np.asarray(mg_pass_at_k(n, c, metric.k))
