"""Many comparisons at once: which p-values survive, and which ranks can be told apart."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.aggregate import cluster_numbers
from evalsuite.metrics.student import t_tails

Floats = NDArray[np.float64]
Correction = Literal["holm", "bh", "none"]


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjusted p-values (Holm 1979): reject where they are <= alpha; the chance of any false rejection is <= alpha.

    NaN (no test) stays NaN and does not count. Raises ValueError for a p-value outside [0, 1].
    """
    return _adjusted(p, lambda sorted_p: np.maximum.accumulate(sorted_p * np.arange(len(sorted_p), 0, -1)))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini-Hochberg adjusted p-values (1995): reject where they are <= q; the expected share of false ones is <= q.

    NaN (no test) stays NaN and does not count. Raises ValueError for a p-value outside [0, 1].
    """

    def up(sorted_p: Floats) -> Floats:
        scaled = sorted_p * len(sorted_p) / np.arange(1, len(sorted_p) + 1)
        return np.minimum.accumulate(scaled[::-1])[::-1]

    return _adjusted(p, up)


def adjust(p: ArrayLike, correction: str) -> Floats:
    """`p` under a correction by name: holm, bh or none. Raises ValueError for another, and for a p-value outside [0, 1]."""
    if correction not in get_args(Correction):
        raise ValueError(f"correction {correction!r} is not one of {', '.join(get_args(Correction))}")
    return {"holm": holm, "bh": benjamini_hochberg, "none": _p_values}[correction](p)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Runs of one task against each other.

    `p` and `adjusted` are (R, R) two-sided p-values of every pair, NaN on the diagonal; `bands` gives every run the first and
    the last rank it may hold: 1 + runs significantly above it, R - runs significantly below it.
    """

    means: Floats
    p: Floats
    adjusted: Floats
    bands: tuple[tuple[int, int], ...]


def compare_many(
    values: ArrayLike,
    *,
    samples: int | ArrayLike = 1,
    clusters: Sequence[Hashable] | None = None,
    correction: str = "holm",
    alpha: float = 0.05,
) -> Ranking:
    """All pairs of `values` (R, Q): R runs over the same Q questions, as `compare` with target `population` does each pair.

    `samples` is the mean number of samples per question (for a metric @k: that over k), one number or (R,). Questions that any run lacks (NaN) leave.
    Correction is over all R(R-1)/2 pairs. Raises ValueError for another shape, infinite values, samples not above 0, or an
    unknown correction.
    """
    v = np.asarray(values, dtype=float)
    if v.ndim != 2 or not len(v):
        raise ValueError(f"values of shape {v.shape}: (runs, questions)")
    if np.isinf(v).any() or not (np.asarray(samples) > 0).all():
        raise ValueError("values must be finite, or NaN where there is none, and samples above 0")
    labels = cluster_numbers(clusters, v[0])
    there = ~np.isnan(v).any(axis=0)
    v, labels = v[:, there], labels[there]
    runs, n = v.shape
    k = np.broadcast_to(np.asarray(samples, dtype=float), (runs,))
    _, labels = np.unique(labels, return_inverse=True)
    groups = int(labels.max()) + 1 if n else 0
    p = np.full((runs, runs), math.nan)
    upper = np.triu_indices(runs, 1)
    means = v.mean(axis=1) if n else np.full(runs, math.nan)
    if groups >= 5:
        sizes = np.bincount(labels).astype(float)
        sums = np.stack([np.bincount(labels, row) for row in v])  # (R, G)
        gram, totals, cross = sums @ sums.T, sums.sum(axis=1), sums @ sizes
        step = 1 / np.minimum(k[:, None], k[None, :])
        squares = np.diag(gram)[:, None] + np.diag(gram)[None, :] - 2 * gram  # sum_g (sum of differences)^2
        centre = (totals[:, None] - totals[None, :]) / (n + 2)
        # sum_g (D_g - size_g centre)^2, and the two pseudo-questions (+-step - centre)^2
        spread = (
            squares - 2 * centre * (cross[:, None] - cross[None, :]) + centre**2 * (sizes**2).sum() + 2 * (step**2 + centre**2)
        )
        error = np.sqrt((groups + 2) / (groups + 1) * np.maximum(spread, 0)) / (n + 2)
        p[upper] = np.minimum(2 * t_tails(np.abs(centre[upper]) / error[upper], groups + 1), 1.0)
        p.T[upper] = p[upper]
    adjusted = np.full_like(p, math.nan)
    adjusted[upper] = adjust(p[upper], correction)
    adjusted = np.fmax(adjusted, adjusted.T)
    sure = np.nan_to_num(adjusted, nan=1.0) <= alpha
    above = sure & (means[None, :] > means[:, None])
    below = sure & (means[None, :] < means[:, None])
    bands = tuple((1 + int(a.sum()), runs - int(b.sum())) for a, b in zip(above, below))
    return Ranking(means=means, p=p, adjusted=adjusted, bands=bands)


def _p_values(p: ArrayLike) -> Floats:
    given = np.asarray(p, dtype=float)
    if not (np.isnan(given) | ((given >= 0) & (given <= 1))).all():
        raise ValueError(f"p-values must be in [0, 1], or NaN where there was no test: {given}"[:200])
    return given


def _adjusted(p: ArrayLike, rule) -> Floats:  # type: ignore[no-untyped-def]
    given = _p_values(p)
    flat, out = given.ravel(), np.full(given.size, math.nan)
    known = np.flatnonzero(~np.isnan(flat))
    order = known[np.argsort(flat[known], kind="stable")]
    out[order] = np.minimum(rule(flat[order]), 1.0) if len(order) else []
    return out.reshape(given.shape)
