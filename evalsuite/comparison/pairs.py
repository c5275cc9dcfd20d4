"""Questions of two runs paired by content, and their values under a metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalsuite.metrics.reduce import Metric, g_pass_at_k, mg_pass_at_k, pass_at_k, pass_hat_k
from evalsuite.runlog.rollup import Rollup

Array = Any  # numpy


@dataclass(frozen=True, slots=True)
class Pairs:
    """Positions in two roll-ups: `a[i]` and `b[i]` are the same question. `edited` are ids whose content differs."""

    a: Array
    b: Array
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]
    edited: tuple[str, ...]


def pair(a: Rollup, b: Rollup) -> Pairs:
    """Pair questions by digest, so that order and ids do not matter; equal ones among themselves by id, then by order."""
    if list(a.digests) == list(b.digests) and list(a.ids) == list(b.ids):
        everything = np.arange(len(a.ids))
        return Pairs(everything, everything, (), (), ())
    where: dict[tuple[str, int], int] = {key: j for j, key in _numbered(b)}
    left, right = [], []
    for i, key in _numbered(a):
        j = where.pop(key, None)
        if j is not None:
            left.append(i)
            right.append(j)
    order = np.argsort(left, kind="stable")
    only_a = tuple(sorted(set(range(len(a.ids))) - set(left)))
    only_b = tuple(sorted(where.values()))
    edited = {a.ids[i] for i in only_a} & {b.ids[j] for j in only_b}
    return Pairs(np.array(left, dtype=int)[order], np.array(right, dtype=int)[order], only_a, only_b, tuple(sorted(edited)))


def _numbered(rollup: Rollup) -> Iterable[tuple[int, tuple[str, int]]]:
    """Positions with (digest, how many of the same digest came before), sorted by id among equals."""
    seen: dict[str, int] = {}
    for i in sorted(range(len(rollup.ids)), key=lambda i: (rollup.digests[i], rollup.ids[i])):
        digest = rollup.digests[i]
        seen[digest] = seen.get(digest, -1) + 1
        yield i, (digest, seen[digest])


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


def clusters(rollup: Rollup, at: Array) -> Sequence[str] | None:
    """Cluster labels of the questions `at`, or None where each stands alone."""
    labels = [rollup.clusters[i] or rollup.ids[i] for i in at]
    return labels if len(set(labels)) < len(labels) else None


def bounds(a: Rollup, b: Rollup, pairs: Pairs, metric: Metric) -> tuple[float, float]:
    """The mean difference over all questions of either run if everything missing were as bad, and as good, as can be for b.

    For avg a missing sample is worth 0 or 1, for other metrics a missing value of a question is.
    """
    one, two = _limits(a, metric), _limits(b, metric)
    low = [two[0][pairs.b] - one[1][pairs.a], -one[1][list(pairs.only_a)], two[0][list(pairs.only_b)] - 1]
    high = [two[1][pairs.b] - one[0][pairs.a], 1 - one[0][list(pairs.only_a)], two[1][list(pairs.only_b)]]
    return float(np.concatenate(low).mean()), float(np.concatenate(high).mean())


def _limits(rollup: Rollup, metric: Metric) -> tuple[Array, Array]:
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
