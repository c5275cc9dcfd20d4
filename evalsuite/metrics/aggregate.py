"""Aggregates: from per-question values to a number with its interval.

The unit of evidence is the question, or the cluster of questions that share an image, passage or template; the samples of
one question are not independent evidence. Two targets, always named: `population` (new questions of this kind) and
`benchmark` (these very questions, drawn again). Miller 2024, arXiv 2411.00640, for the variances.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.student import t_quantile, z_quantile

Target = Literal["population", "benchmark"]

Floats = NDArray[np.float64]

_UPPER = 0.975  # intervals are two-sided 95 %
FEW, TOO_FEW = 10, 5  # independent units below which an interval is doubtful, and below which there is none
_UNKNOWN_WITHIN = "no interval: the benchmark target needs 2 samples of every question, and more than k for a metric @k"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A mean over questions with its 95 % interval [`low`, `high`] and standard error, in the units of the values.

    `n_questions` have a value and enter; `n_clusters` is the number of independent units among them (questions, where
    nothing is clustered). `method` names the construction: `wilson` (on the effective sample size), `t`, `mover` (macro
    averages) or `none`, where `low`, `high` and perhaps `se` are NaN and `notes` say why.
    """

    value: float
    low: float
    high: float
    se: float
    n_questions: int
    n_clusters: int
    target: str
    method: str
    notes: tuple[str, ...] = ()


def aggregate(
    values: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    target: str = "population",
    samples_per_question: int | ArrayLike = 1,
    within: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Aggregate:
    """The mean of `values` (Q,), one per question, with its interval. NaN (no value) leaves the mean and lowers `n_questions`.

    `clusters` (Q,) labels questions that are not independent. `samples_per_question` is K, one number or (Q,): how many
    independent draws of the metric a question has, so n for a mean of n samples and **n / k for a metric @k**, which takes k
    samples at a time. `within` (Q,) is the sampling variance of each question's value (`Metric.within_variance`), needed for the
    `benchmark` target and so for K >= 2 only. `weights` (Q,) > 0 make it the weighted mean, a micro-average where they are counts; NaN weighs as
    the mean of the others. Values inside [0, 1] get the Wilson interval on the effective sample size, others Student's t.

    population: SE^2 = G/(G-1) N^-2 sum_g (sum_{i in g} w_i (v_i - mean))^2 over G clusters, df = G-1, w of mean 1.
    benchmark: SE^2 = N^-2 sum_q w_q^2 within_q, df by Satterthwaite; if no sample ever disagreed with the others of its
    question, as if one had.
    Wilson: n* = p(1-p)/SE^2, n = n* (z/t_df)^2 (Korn and Graubard's correction), then Wilson's interval for p and n. The
    variance of means of values in [0, 1] bounds it: n* is at most sum K (population), n at least the number of questions
    (benchmark; of n_eff = N^2 / sum w^2, if weighted). At p of 0 or 1, n* is the number of independent units
    (population). Fewer than 10 of these are noted, fewer than 5 give no interval.

    Raises ValueError for vectors of unequal length, values that are infinite or not a vector, samples or weights that are not
    above 0, an unknown target, or `benchmark` without `within`.
    """
    if target not in get_args(Target):
        raise ValueError(f"target {target!r} is not one of {', '.join(get_args(Target))}")
    if target == "benchmark" and within is None:
        raise ValueError("target 'benchmark' needs `within`, the sampling variance of each question's value")
    everything = np.asarray(values, dtype=float)
    if everything.ndim != 1:
        raise ValueError(f"values of shape {everything.shape}: (Q,), one per question; summarize takes (Q, K) samples")
    _check_finite(everything)
    there = ~np.isnan(everything)
    v = everything[there]
    samples = _samples(samples_per_question, everything)[there]
    labels = cluster_numbers(clusters, everything)[there]
    w = _weights(_vector(1.0 if weights is None else weights, everything)[there])
    groups = len(np.unique(labels))
    p = math.nan if not len(v) else float(v[0]) if (v == v[0]).all() else float((w * v).mean())

    def result(se: float, low: float, high: float, method: str, *notes: str) -> Aggregate:
        return Aggregate(
            value=p, low=low, high=high, se=se, n_questions=len(v), n_clusters=groups, target=target, method=method, notes=notes
        )

    if not len(v):
        return result(math.nan, math.nan, math.nan, "none", "no question has a value")
    if target == "population":
        se, df = clustered_error(w * (v - p), labels, groups)
        units, unit = groups, "questions" if clusters is None else "clusters of questions"
    else:
        se, df = _benchmark_error(w**2 * _vector(within, everything)[there], samples)
        units, unit = len(v), "questions"
    if math.isnan(se) or units < TOO_FEW:
        why = f"only {units} {unit}: no interval below {TOO_FEW}" if units < TOO_FEW else _UNKNOWN_WITHIN
        return result(se, math.nan, math.nan, "none", why)
    notes = (f"only {units} {unit}: the interval is rough below {FEW}",) if units < FEW else ()
    t = t_quantile(_UPPER, df)
    if v.min() < 0 or v.max() > 1:
        return result(se, p - t * se, p + t * se, "t", *notes)
    shrink = (z_quantile(_UPPER) / t) ** 2
    effective = p * (1 - p) / se**2 if se else math.inf
    if target == "benchmark":
        n = max(effective * shrink, len(v) ** 2 / float((w**2).sum()))
    else:
        n = (units if p in (0.0, 1.0) else min(effective, float(samples.sum()))) * shrink
    return result(se, *wilson(p, n), "wilson", *notes)


def summarize(scores: ArrayLike, *, clusters: Sequence[Hashable] | None = None, target: str = "population") -> Aggregate:
    """The mean over questions of `scores`, with its interval: `aggregate` of single samples.

    `scores` (Q, K) are samples, NaN where one is missing, which leave their question's mean; or (Q,), one per question. A
    question without any leaves. `clusters` (Q,) and `target` as in `aggregate`, where the formulas are. Raises ValueError as there.
    """
    values, samples, within = per_question(scores)
    return aggregate(values, clusters=clusters, target=target, samples_per_question=samples, within=within)


def macro(aggregates: Sequence[Aggregate]) -> Aggregate:
    """The plain mean of several tasks' values, each task weighing the same.

    SE^2 = sum se_t^2 / T^2. The interval combines the tasks' own (MOVER, Zou and Donner 2008): value - sqrt(sum (value_t -
    low_t)^2)/T and the mirror image, so that it keeps their skew and has a width where a task is all right or all wrong.
    Tasks are taken as independent. One without an interval leaves the macro average without. Raises ValueError for no
    tasks or different targets.
    """
    targets = {a.target for a in aggregates}
    if len(targets) != 1:
        raise ValueError(f"a macro average needs tasks of one target, not {sorted(targets) or 'none'}")
    value, low, high, se = (np.array([getattr(a, name) for a in aggregates]) for name in ("value", "low", "high", "se"))
    mean, t = float(value.mean()), len(aggregates)
    bare = int(np.isnan(high - low).sum())
    return Aggregate(
        value=mean,
        low=mean - float(np.sqrt(((value - low) ** 2).sum())) / t,
        high=mean + float(np.sqrt(((high - value) ** 2).sum())) / t,
        se=float(np.sqrt((se**2).sum())) / t,
        n_questions=sum(a.n_questions for a in aggregates),
        n_clusters=sum(a.n_clusters for a in aggregates),
        target=targets.pop(),
        method="none" if bare else "mover",
        notes=(f"no interval: {bare} of {t} tasks have none",) if bare else (),
    )


def per_question(
    scores: ArrayLike, samples: int | ArrayLike | None = None, within: ArrayLike | None = None
) -> tuple[Floats, Floats, Floats]:
    """(Q,) values, (Q,) samples behind each, (Q,) sampling variance of each (NaN where it is not known).

    `scores` are (Q, K) single samples, NaN where one is missing: values are means and the variance is s^2/n. Or (Q,) values,
    with `samples` (1 unless given) and `within` (unknown unless given). Raises ValueError for other shapes, infinite scores, or
    a value of no sample.
    """
    matrix = np.asarray(scores, dtype=float)
    _check_finite(matrix)
    if matrix.ndim == 1:
        return (
            matrix,
            _samples(1.0 if samples is None else samples, matrix),
            _vector(math.nan if within is None else within, matrix),
        )
    if matrix.ndim != 2 or samples is not None or within is not None:
        raise ValueError(f"scores of shape {matrix.shape}: (Q, K) samples, or (Q,) values with `samples` and `within`")
    there = ~np.isnan(matrix)
    n = there.sum(axis=1).astype(float)
    filled = np.where(there, matrix, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=1) / n
        variance = (np.where(there, matrix - mean[:, None], 0.0) ** 2).sum(axis=1) / (n - 1) / n
    return mean, n, np.where(n > 1, variance, math.nan)


def wilson(p: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share `p` in [0, 1] seen in `n` > 0 trials, not necessarily whole (Wilson 1927).

    `confidence` is in (0, 1). Raises ValueError outside these ranges.
    """
    if not 0 <= p <= 1 or not n > 0:
        raise ValueError(f"a share of {p} in {n} trials: it must be in [0, 1], of more than 0")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} must be in (0, 1)")
    z2 = z_quantile((1 - confidence) / 2) ** 2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return (0.0 if p == 0 else max(centre - half, 0.0)), (1.0 if p == 1 else min(centre + half, 1.0))


def clustered_error(residuals: Floats, labels: NDArray[np.int64], groups: int) -> tuple[float, float]:
    """Cluster-robust standard error of a mean from its residuals (N,), and its df; NaN for a single cluster.

    `labels` (N,) are cluster numbers from 0, of which there are `groups`.
    """
    if groups < 2:
        return math.nan, math.nan
    sums = np.bincount(labels, residuals)
    return float(np.sqrt(groups / (groups - 1) * (sums**2).sum())) / len(residuals), float(groups - 1)


def _benchmark_error(within: Floats, samples: Floats) -> tuple[float, float]:
    """SE of the mean over fixed questions and its df; NaN where a question's sampling variance is not known."""
    if np.isnan(within).any():
        return math.nan, math.nan
    df = np.maximum(samples - 1, 1)
    total = float(within.sum())
    if total == 0:
        return 1 / float(samples.sum()), float(df.min())
    return math.sqrt(total) / len(within), total**2 / float((within**2 / df).sum())


def cluster_numbers(clusters: Sequence[Hashable] | None, values: Floats) -> NDArray[np.int64]:
    """(Q,) cluster numbers; None or NaN as a label, and no clusters at all, mean that a question stands alone."""
    if clusters is None:
        return np.arange(len(values))
    if len(clusters) != len(values):
        raise ValueError(f"{len(clusters)} cluster labels for {len(values)} values")
    seen: dict[Hashable, int] = {}
    own = ((i,) if c is None or c != c else c for i, c in enumerate(clusters))
    return np.array([seen.setdefault(label, len(seen)) for label in own], dtype=np.int64)


def _weights(weights: Floats) -> Floats:
    """Weights of mean 1. Raises ValueError where one is not positive."""
    known = weights[~np.isnan(weights)]
    if not ((known > 0) & (known < math.inf)).all():
        raise ValueError("weights must be positive and finite")
    filled = np.where(np.isnan(weights), known.mean() if len(known) else 1.0, weights)
    return filled / filled.mean() if len(filled) else filled


def _check_finite(scores: Floats) -> None:
    if np.isinf(scores).any():
        raise ValueError("scores must be finite, or NaN where there is none; one is infinite")


def _samples(numbers: ArrayLike, values: Floats) -> Floats:
    """Samples per question. Raises ValueError where a value has none."""
    samples = _vector(numbers, values)
    if not (samples[~np.isnan(values)] > 0).all():
        raise ValueError("samples per question must be above 0 where a question has a value")
    return samples


def _vector(numbers: ArrayLike | None, values: Floats) -> Floats:
    """One number per question. Raises ValueError where there are others."""
    array = np.asarray(numbers, dtype=float)
    if array.ndim and array.shape != values.shape:
        raise ValueError(f"{array.shape} numbers for {values.shape} values")
    return np.broadcast_to(array, values.shape)
