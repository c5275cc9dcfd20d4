"""Looking more than once: one critical value for all looks, so that looking often costs no false alarms (Pocock 1977).

Test statistics of nested samples have the joint distribution of Brownian motion observed at their information fractions, so
the chance that any of them passes a constant is an integral over the looks (Armitage, McPherson and Rowe 1969).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.student import LEAST_ALPHA, z_quantile

_FAR = 8.5
_FEWEST, _MOST = 64, 1024  # nodes of a look's integral


def information(samples: Sequence[float], fixed: float = math.inf) -> tuple[float, ...]:
    """Information fractions of looks at which the candidate has `samples` (rising) per question and the baseline `fixed`.

    The sampling variance at a look is proportional to 1/K + 1/K_baseline; information is its inverse, as a share of the last
    look's. With both growing alike, or a baseline without noise (inf), it is K / K_last. Raises ValueError for samples that do
    not rise from above 0, and for a baseline of none.
    """
    _check(samples)
    if not fixed > 0:
        raise ValueError(f"the baseline has {fixed} samples per question: it must be above 0")
    variance = [1 / k + 1 / fixed for k in samples]
    return tuple(variance[-1] / v for v in variance)


def crossing_probability(z: float, fractions: Sequence[float]) -> float:
    """The chance that at any look at `fractions` (rising, in (0, 1]) a standard normal statistic without drift is >= `z`.

    To 1e-9 where fractions are at least .001 of the last one apart. Raises ValueError where they do not rise from above 0.
    """
    _check(fractions)
    stay, at, before = None, None, 0.0
    for i, t in enumerate(fractions):
        sd, low, high = math.sqrt(t - before), -_FAR * math.sqrt(t), min(z, _FAR) * math.sqrt(t)
        if high <= low:
            return 1.0
        following = math.sqrt(fractions[i + 1] - t) if i + 1 < len(fractions) else sd
        x, w = _rule((high - low) / min(sd, following))
        nodes, weights = (high - low) / 2 * x + (high + low) / 2, (high - low) / 2 * w
        if stay is None or at is None:
            density = np.exp(-0.5 * (nodes / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
        else:
            density = np.exp(-0.5 * ((nodes[:, None] - at[None, :]) / sd) ** 2) @ stay / (sd * math.sqrt(2 * math.pi))
        at, stay, before = nodes, density * weights, t
    assert stay is not None
    return min(max(1 - float(stay.sum()), 0.0), 1.0)


def pocock_constant(alpha: float, fractions: Sequence[float]) -> float:
    """The critical value that a statistic without drift passes at any of the looks with chance `alpha` (one-sided).

    `fractions` are the looks' information fractions, as in `crossing_probability`. For one look it is the normal quantile; for
    four looks at K = 2, 4, 8, 16 and alpha = .05 it is about 2.12. Raises ValueError for an alpha outside [1e-9, 0.5).
    """
    return _constant(float(alpha), tuple(float(t) for t in fractions))


@lru_cache(maxsize=256)
def _constant(alpha: float, fractions: tuple[float, ...]) -> float:
    if not LEAST_ALPHA <= alpha < 0.5:
        raise ValueError(f"alpha {alpha} is outside [{LEAST_ALPHA:g}, 0.5)")
    _check(fractions)
    if len(fractions) == 1:
        return z_quantile(1 - alpha)
    # Secants of the logarithm, which is close to straight, between the ends of one look and of Bonferroni.
    before, z = z_quantile(1 - alpha), z_quantile(1 - alpha / len(fractions))
    excess_before, excess = (_log_chance(end, fractions) - math.log(alpha) for end in (before, z))
    for _ in range(20):
        if abs(excess) < 1e-11 or excess == excess_before:
            break
        before, z = z, z - excess * (z - before) / (excess - excess_before)
        excess_before, excess = excess, _log_chance(z, fractions) - math.log(alpha)
    return z


def _log_chance(z: float, fractions: Sequence[float]) -> float:
    return math.log(max(crossing_probability(z, fractions), 1e-300))


def _rule(width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre nodes and weights for a range `width` standard deviations of its narrowest normal factor wide."""
    # Nodes are pi/2 / n of the range apart in its middle; .83 standard deviations leave an error of exp(-2 pi^2 / .83^2).
    wanted = math.pi / 2 * width / 0.83
    return _legendre(min(_FEWEST * 2 ** max(math.ceil(math.log2(wanted / _FEWEST)), 0), _MOST))


@lru_cache(maxsize=5)
def _legendre(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return nodes, weights


def _check(rising: Sequence[float]) -> None:
    if not len(rising) or any(not before < after < math.inf for before, after in zip((0.0, *rising), rising)):
        raise ValueError(f"looks must rise from above 0: {tuple(rising)}")
