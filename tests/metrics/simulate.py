"""Simulated benchmarks, and the library's intervals for thousands of them at once.

Questions have a difficulty theta ~ Beta(mean s, (1 - mean) s), samples are right with chance theta. `Differences`, `compare` and
`intervals` repeat `evalsuite.metrics` over rows of experiments, with scipy's quantiles; the tests hold them to it one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

Z = float(stats.norm.ppf(0.975))


def questions(rng: np.random.Generator, shape: tuple[int, int], mean: float, concentration: float = 2.0) -> Floats:
    """Chances of a right answer, (experiments, questions)."""
    return rng.beta(mean * concentration, (1 - mean) * concentration, shape)


def harder(rng: np.random.Generator, theta: Floats, mean: float, difference: float, interaction: float = 0.0) -> Floats:
    """The same questions for another model: log-odds moved by a constant, and by `interaction` times a normal of their own.

    The constant is such that the population's mean of `mean` changes by `difference`.
    """
    if difference == interaction == 0:
        return theta
    odds = _logit(theta) + _shift(mean, difference, interaction)
    return special.expit(odds + interaction * rng.standard_normal(theta.shape) if interaction else odds)


def _logit(theta: Floats) -> Floats:
    return special.logit(np.clip(theta, 1e-12, 1 - 1e-12))


@lru_cache
def _shift(mean: float, difference: float, interaction: float) -> float:
    grid = stats.beta.ppf((np.arange(2000) + 0.5) / 2000, 2 * mean, 2 * (1 - mean))
    x, w = np.polynomial.hermite_e.hermegauss(21)
    odds = _logit(grid)[:, None] + interaction * x
    low, high = -10.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        above = float((special.expit(odds + middle) @ w).mean() / w.sum() - grid.mean()) > difference
        low, high = (low, middle) if above else (middle, high)
    return low


@dataclass(frozen=True)
class Differences:
    """`metrics.paired.Difference` of many experiments: vectors."""

    centre: Floats
    error: Floats
    df: Floats

    def bounds(self, z: float) -> tuple[Floats, Floats]:
        half = stats.t.isf(stats.norm.sf(z), self.df) * self.error
        return self.centre - half, self.centre + half

    def z(self) -> Floats:
        t = self.centre / self.error
        return np.copysign(stats.norm.isf(stats.t.sf(np.abs(t), self.df)), t)

    def covers(self, truth: float | Floats) -> float:
        """The share of 95 % intervals that hold the truth."""
        low, high = self.bounds(Z)
        return float(np.mean((low <= truth) & (truth <= high)))


def compare(a: Counts, b: Counts, k_a: int, k_b: int, target: str = "population", cluster_size: int = 1) -> Differences:
    """`metrics.paired.compare` of counts of right answers (experiments, questions), clusters being neighbours."""
    va, vb = a / k_a, b / k_b
    d, n, step = vb - va, a.shape[1] + 2, 1 / min(k_a, k_b)
    centre = d.sum(axis=1) / n
    if target == "benchmark":
        wa, wb = va * (1 - va) / (k_a - 1), vb * (1 - vb) / (k_b - 1)
        total = (wa + wb).sum(axis=1) + 2 * step**2
        below = (wa**2).sum(axis=1) / (k_a - 1) + (wb**2).sum(axis=1) / (k_b - 1) + 2 * step**4
        return Differences(d.mean(axis=1), np.sqrt(total) / a.shape[1], total**2 / below)
    sums = d.reshape(len(d), -1, cluster_size).sum(axis=2) - cluster_size * centre[:, None]
    groups = sums.shape[1] + 2
    total = (sums**2).sum(axis=1) + (step - centre) ** 2 + (step + centre) ** 2
    return Differences(centre, np.sqrt(groups / (groups - 1) * total) / n, np.full(len(d), groups - 1.0))


def plain_t(a: Counts, b: Counts, k_a: int, k_b: int) -> Differences:
    """The paired t interval without pseudo-questions."""
    d = b / k_b - a / k_a
    q = d.shape[1]
    return Differences(d.mean(axis=1), d.std(axis=1, ddof=1) / np.sqrt(q), np.full(len(d), q - 1.0))


def intervals(counts: Counts, k: int) -> tuple[Floats, Floats]:
    """Ends of `metrics.aggregate.aggregate`'s intervals for the population's mean."""
    v, q = counts / k, counts.shape[1]
    p, variance = v.mean(axis=1), v.var(axis=1, ddof=1) / q
    edge = (counts == counts[:, :1]).all(axis=1) & ((counts[:, 0] == 0) | (counts[:, 0] == k))
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(edge, q, np.minimum(p * (1 - p) / variance, q * k)) * (Z / stats.t.ppf(0.975, q - 1)) ** 2
    centre, half = p + Z**2 / (2 * n), Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return (centre - half) / (1 + Z**2 / n), (centre + half) / (1 + Z**2 / n)
