"""Quantiles of the normal and of Student's t distribution, without scipy (which is a development dependency only)."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEAST_ALPHA = 1e-9  # of tests: beyond, 1 - alpha has too few digits left, and no data set says anything
_TINY = 1e-300


def z_quantile(p: float) -> float:
    """The standard normal quantile at probability `p` in (0, 1)."""
    return NormalDist().inv_cdf(p)


@lru_cache(maxsize=1024)
def t_quantile(p: float, df: float) -> float:
    """The quantile at probability `p` in (0, 1) of Student's t with `df` > 0 degrees of freedom, not necessarily whole.

    Newton's steps on the upper tail, kept inside a bracket, from the expansion of Cornish and Fisher (Abramowitz and Stegun
    26.7.5) where it is close; relative error below 1e-10. Raises ValueError outside the ranges.
    """
    if not 0 < p < 1 or not df > 0:
        raise ValueError(f"t quantile at p={p} with df={df}: p must be in (0, 1) and df above 0")
    if math.isinf(df):
        return z_quantile(p)
    if p < 0.5:
        return -t_quantile(1 - p, df)
    if p == 0.5:
        return 0.0
    tail = 1 - p
    low, high = 0.0, 1.0
    if df > 3:
        z, high = z_quantile(p), math.inf
        t = z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
        if df > 1e5:  # where what the expansion lacks, of the order of z^6 / (128 df^3), is nothing
            return t
    else:
        while t_tail(high, df) > tail:
            low, high = high, high * 2
        t = (low + high) / 2
    for _ in range(200):
        excess = t_tail(t, df) - tail
        low, high = (t, high) if excess > 0 else (low, t)
        step = t + excess / _density(t, df)
        # The next step would be about the square of this one; the tail's own rounding makes steps of 1e-14.
        if abs(step - t) <= 1e-11 * t + 1e-15:
            return step
        t = step if low < step < high else (low + high) / 2
    return t


def t_tail(t: float, df: float) -> float:
    """P(T > t) for t >= 0: half the regularised incomplete beta function at df / (df + t^2)."""
    return 0.5 * _incomplete_beta(df / 2, df / (df + t * t), t * t / (df + t * t))


def t_tails(t: NDArray[np.float64], df: float) -> NDArray[np.float64]:
    """`t_tail` of many t >= 0 at once, at one df."""
    a, y = df / 2, t * t / (df + t * t)
    x = df / (df + t * t)
    with np.errstate(divide="ignore"):  # of the branch not taken
        log_x = np.where(x < 0.5, np.log(x), np.log1p(-y))
    front = np.exp(_log_gamma_half_step(a) + a * log_x) * np.sqrt(y / math.pi)
    below = x < (a + 1) / (a + 2.5)
    out = np.empty_like(x)
    out[below] = front[below] * _fractions(a, 0.5, x[below]) / a
    out[~below] = 1 - 2 * front[~below] * _fractions(0.5, a, y[~below])
    return 0.5 * out


def _density(t: float, df: float) -> float:
    log = _log_gamma_half_step(df / 2) - 0.5 * math.log(df * math.pi)
    return math.exp(log - (df + 1) / 2 * math.log1p(t * t / df))


def _log_gamma_half_step(a: float) -> float:
    """log(Gamma(a + 1/2) / Gamma(a)); by its asymptotic series where the two logarithms would cancel."""
    if a < 40:
        return math.lgamma(a + 0.5) - math.lgamma(a)
    return 0.5 * math.log(a) - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5) + 17 / (14336 * a**7)


def _incomplete_beta(a: float, x: float, y: float) -> float:
    """I_x(a, 1/2) with y = 1 - x given apart, so that neither loses digits near its end."""
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    log_x = math.log(x) if x < 0.5 else math.log1p(-y)
    front = math.exp(_log_gamma_half_step(a) + a * log_x) * math.sqrt(y / math.pi)
    # The fraction converges fast below the mean of the distribution; above it, use the mirrored one.
    if x < (a + 1) / (a + 2.5):
        return front * _fraction(a, 0.5, x) / a
    return 1 - 2 * front * _fraction(0.5, a, y)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by Lentz's method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    h = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return h


def _fractions(a: float, b: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """`_fraction` for many x, until the slowest of them is there."""
    c, d = np.ones_like(x), 1 / (1 - (a + b) * x / (a + 1))
    h = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + term * d), 1 + term / c
            h = h * d * c
        if not len(x) or float(np.abs(d * c - 1).max()) < 1e-15:
            break
    return h


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
