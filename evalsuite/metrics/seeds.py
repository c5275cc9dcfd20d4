"""Two training methods: the unit is the training seed, not the sample and not the question.

A method is a recipe that is run again with another seed; one checkpoint of each says which checkpoint is better and nothing
about the methods. Differences between seeds of one method reach several points on small benchmarks (Hochlehnert et al. 2025,
arXiv 2504.07086).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.student import t_quantile, t_tail


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedDifference:
    """The mean of b's seeds less that of a's, in the units of the values, with its two-sided 95 % interval and p-value.

    `se` is its standard error and `df` the degrees of freedom of Student's t. All four are NaN where nothing can be said
    about the methods, and `note` says why.
    """

    value: float
    low: float
    high: float
    p: float
    se: float
    df: float
    mean_a: float
    mean_b: float
    seeds_a: int
    seeds_b: int
    paired: bool
    note: str = ""


def seeds(a: ArrayLike, b: ArrayLike, *, paired: bool = False) -> SeedDifference:
    """Compare two training methods from `a` (S_a,) and `b` (S_b,): one number per training seed, over the same questions.

    Such a number is the mean score of that seed's run. Welch's t (1947): value = mean(b) - mean(a), se^2 = s_a^2/S_a +
    s_b^2/S_b, df = se^4 / ((s_a^2/S_a)^2/(S_a-1) + (s_b^2/S_b)^2/(S_b-1)). `paired`: seed i of both sides is the same, and
    t is over the S differences, df = S-1; it gains only where seeds share luck, such as the order of the data.

    With a single seed on a side there is no interval: a claim about checkpoints, not methods. Nor where all seeds of both
    sides (or all paired differences) are alike to the last digit: that is one run counted several times. Raises ValueError for
    values that are missing (NaN) or not one per seed, no seed at all, or `paired` with unequal numbers.
    """
    va, vb = _vector(a, "a"), _vector(b, "b")
    if paired and len(va) != len(vb):
        raise ValueError(f"paired seeds are the same on both sides: {len(va)} in a, {len(vb)} in b")
    fewest = min(len(va), len(vb))
    value = float(vb.mean() - va.mean())
    low = high = p = se = df = math.nan
    note = ""
    if fewest < 2:
        which = "each side" if len(va) == len(vb) else "a" if len(va) == 1 else "b"
        note = f"checkpoint claim only: 1 training seed of {which}, and a claim about methods needs at least 2 of each"
    else:
        error, degrees = _paired(vb - va) if paired else _welch(va, vb)
        # What is left of equal numbers after rounding is not a variance.
        if error <= 1e-12 * max(1.0, float(np.abs(va).max()), float(np.abs(vb).max())):
            note = "checkpoint claim only: the seeds do not differ at all; are they the same run?"
        else:
            se, df = error, degrees
            half = t_quantile(0.975, df) * se
            low, high, p = value - half, value + half, min(2 * t_tail(abs(value) / se, df), 1.0)
    return SeedDifference(
        value=value,
        low=low,
        high=high,
        p=p,
        se=se,
        df=df,
        mean_a=float(va.mean()),
        mean_b=float(vb.mean()),
        seeds_a=len(va),
        seeds_b=len(vb),
        paired=paired,
        note=note,
    )


def _welch(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom; of two exact constants, 0 and infinity."""
    va, vb = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    spread = va**2 / (len(a) - 1) + vb**2 / (len(b) - 1)
    return math.sqrt(va + vb), (va + vb) ** 2 / spread if spread else math.inf


def _paired(d: NDArray[np.float64]) -> tuple[float, float]:
    return float(d.std(ddof=1)) / math.sqrt(len(d)), float(len(d) - 1)


def _vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise ValueError(f"{name}: one finite number per training seed, at least one seed; got {values!r}")
    return array
