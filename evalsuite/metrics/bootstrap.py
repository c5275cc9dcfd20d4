"""The bootstrap, for statistics that have no formula for their error (ratios, medians, maj@k of all samples, Pareto fronts)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.aggregate import FEW, TOO_FEW, cluster_numbers

Level = Literal["cluster", "question", "sample"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """A statistic with its percentile interval [`low`, `high`] and its standard deviation `se` over `draws` resampled data sets.

    NaN where there is too little to resample; `notes` say why.
    """

    value: float
    low: float
    high: float
    se: float
    draws: int
    notes: tuple[str, ...] = ()


def bootstrap(
    statistic: Callable[[Floats], float],
    scores: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    levels: Iterable[Level] = ("cluster", "question", "sample"),
    draws: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Bootstrap:
    """The percentile interval of `statistic` over `draws` resampled copies of `scores` (Efron and Tibshirani 1993, ch. 13).

    `scores` is (Q, K) single samples or (Q, K, ...) with several numbers of each (value and tokens, value and class of the
    answer, runs a and b), NaN where one is missing; or (Q,). `statistic` maps an array like it, of perhaps another Q, to a number.
    Each copy is drawn from the top down, with replacement, at the `levels` named: clusters (`clusters` (Q,), else every question
    is one), questions within their cluster, samples within their question, missing ones aside. A level that is not named stays
    as it is: ("cluster",) alone asks about new questions, ("sample",) alone about these very questions drawn again.

    Limits. All levels together count the noise of the lower ones twice, as the upper ones already carry it: an interval up to
    sqrt(2) too wide, which ("cluster",) alone is not. Percentile intervals are too short near the ends of the scale, and a statistic
    at its end has no width: where there is a formula (`summarize`, `compare`) it is better. What depends on the number of distinct
    samples, such as a maximum, is biased in every copy. Below 10 units at the top level drawn the interval is noted, below 5
    there is none; copies whose statistic is NaN leave and are noted.

    Deterministic for a `seed`. Raises ValueError for an unknown level or none, fewer than 2 draws, a confidence outside (0, 1), or
    lengths that do not fit.
    """
    data, wanted = np.asarray(scores, dtype=float), set(levels)
    if not wanted or not wanted <= set(get_args(Level)):
        raise ValueError(f"levels {sorted(wanted)}: one or more of {', '.join(get_args(Level))}")
    if data.ndim < 1 or draws < 2 or not 0 < confidence < 1:
        raise ValueError(f"scores of shape {data.shape}, {draws} draws, confidence {confidence}: (Q, K), at least 2, in (0, 1)")
    labels = cluster_numbers(clusters, data)
    groups = len(np.unique(labels))
    value = float(statistic(data)) if len(data) else math.nan
    clustered = "cluster" in wanted and groups < len(data)
    units, unit = (groups, "clusters of questions") if clustered else (len(data), "questions")
    if units < TOO_FEW:
        why = f"only {units} {unit}: no interval below {TOO_FEW}"
        return Bootstrap(value=value, low=math.nan, high=math.nan, se=math.nan, draws=0, notes=(why,))
    if wanted == {"sample"} and (data.ndim == 1 or data.shape[1] < 2):
        why = "no interval: drawing samples again needs 2 of a question"
        return Bootstrap(value=value, low=math.nan, high=math.nan, se=math.nan, draws=0, notes=(why,))
    copy = _copier(data, labels, wanted, np.random.default_rng(seed))
    copies = np.array([float(statistic(copy())) for _ in range(draws)])
    known = copies[~np.isnan(copies)]
    notes = [f"only {units} {unit}: the interval is rough below {FEW}"] if units < FEW else []
    if len(known) < draws:
        notes.append(f"{draws - len(known)} of {draws} copies gave no value")
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2]) if len(known) > 1 else (math.nan, math.nan)
    se = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return Bootstrap(value=value, low=float(low), high=float(high), se=se, draws=len(known), notes=tuple(notes))


def _copier(data: Floats, labels: NDArray[np.int64], levels: set[Level], rng: np.random.Generator) -> Callable[[], Floats]:
    """What makes a resampled data set. `labels` (Q,) are cluster numbers from 0."""
    sizes = np.bincount(labels)
    clusters, questions = "cluster" in levels, "question" in levels
    if len(sizes) == len(data):  # every question stands alone: one level, drawn from all
        sizes, labels, clusters, questions = np.array([len(data)]), np.zeros_like(labels), False, clusters or questions
    order, starts = np.argsort(labels, kind="stable"), np.cumsum(sizes) - sizes
    if samples := "sample" in levels and data.ndim > 1:
        missing = np.isnan(data.reshape(*data.shape[:2], -1)).any(axis=2)
        present_first, n = np.argsort(missing, axis=1, kind="stable"), (~missing).sum(axis=1)

    def copy() -> Floats:
        chosen = rng.integers(len(sizes), size=len(sizes)) if clusters else np.arange(len(sizes))
        size = sizes[chosen]
        start, size_of = np.repeat(starts[chosen], size), np.repeat(size, size)
        within = rng.integers(size_of) if questions else np.arange(len(start)) - np.repeat(np.cumsum(size) - size, size)
        rows = order[start + within]
        if not samples:
            return data[rows]
        pick = rng.integers(np.broadcast_to(np.maximum(n[rows], 1)[:, None], (len(rows), data.shape[1])))
        out = data[rows[:, None], np.take_along_axis(present_first[rows], pick, axis=1)]
        out[np.arange(data.shape[1]) >= n[rows][:, None]] = math.nan
        return out

    return copy
