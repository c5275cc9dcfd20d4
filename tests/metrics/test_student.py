from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import special, stats

from evalsuite.metrics.student import t_quantile, t_tail, t_tails, z_quantile

DFS = [0.7, 1, 1.5, 2, 3, 4, 5, 7.3, 10, 14, 29, 79.9, 80.1, 190, 499, 1318, 1e4, 1e6]


@pytest.mark.parametrize("df", DFS)
@pytest.mark.parametrize("p", [0.6, 0.8, 0.9, 0.95, 0.975, 0.99, 0.9995, 0.025, 0.1])
def test_t_quantile_against_scipy(p: float, df: float) -> None:
    assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-10)


@pytest.mark.parametrize("df", [0.7, 2, 3, 3.001, 4, 7.3, 29, 499, 9.99e4, 1.01e5, 1e9, 1e15])
@pytest.mark.parametrize("p", [0.51, 0.6, 0.95, 0.999999, 1 - 1e-9])
def test_t_quantile_far_out(p: float, df: float) -> None:
    assert t_quantile(p, df) == pytest.approx(stats.t.isf(1 - p, df), rel=1e-10)


def test_a_quantile_takes_a_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr("evalsuite.metrics.student.t_tail", lambda t, df: steps.append(t) or t_tail(t, df))
    for df in (5.5, 14.5, 29.5, 190.5, 1318.5):
        t_quantile(0.975, df)
    assert len(steps) <= 20


@pytest.mark.parametrize("df", DFS)
def test_tail_against_scipy(df: float) -> None:
    for t in (0.0, 1e-3, 0.5, 1.0, 2.0, 5.0, 40.0):
        assert t_tail(t, df) == pytest.approx(special.stdtr(df, -t), rel=1e-9)


def test_closed_forms() -> None:
    # One degree of freedom is Cauchy, two has t = (2p - 1) / sqrt(2 p (1 - p)), infinitely many is the normal.
    assert t_quantile(0.975, 1) == pytest.approx(math.tan(math.pi * 0.475), rel=1e-12)
    assert t_quantile(0.9, 2) == pytest.approx(0.8 / math.sqrt(0.18), rel=1e-12)
    assert t_quantile(0.975, math.inf) == z_quantile(0.975) == NormalDist().inv_cdf(0.975)
    assert t_quantile(0.5, 3) == 0.0
    assert t_quantile(0.025, 7) == -t_quantile(0.975, 7)


@pytest.mark.parametrize(("p", "df"), [(0.0, 3), (1.0, 3), (0.9, 0), (0.9, -1), (0.9, math.nan)])
def test_out_of_range(p: float, df: float) -> None:
    with pytest.raises(ValueError, match="must be in"):
        t_quantile(p, df)


def test_many_tails_at_once_are_the_single_ones() -> None:
    t = np.concatenate([np.zeros(2), np.logspace(-9, 3, 400), [1e150]])
    for df in (1.0, 2.5, 6.0, 126.0, 1e4, 3e6):  # an ulp of log x counts df / 2 times
        assert t_tails(t, df) == pytest.approx([t_tail(x, df) for x in t], rel=1e-12 + 1e-15 * df, abs=1e-300)
    assert t_tails(np.array([]), 5.0).shape == (0,)
