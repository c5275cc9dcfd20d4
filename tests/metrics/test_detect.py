from __future__ import annotations

import math

import pytest
from statsmodels.stats.power import NormalIndPower

from evalsuite.metrics.detect import smallest_difference

# Published simulation, percentage points at 80 % power and two-sided 5 %, mean .6, mild interaction; K = 1, 4, 8, 16, 64.
TABLE = {
    30: (28.5, 14.4, 10.5, 7.6, 4.5),
    100: (15.9, 8.0, 5.7, 4.2, 2.5),
    191: (11.5, 5.8, 4.2, 3.0, 1.8),
    500: (7.1, 3.6, 2.6, 1.9, 1.1),
    1319: (4.4, 2.2, 1.6, 1.2, 0.7),
}


@pytest.mark.parametrize(("n", "k", "points"), [(n, k, p) for n, row in TABLE.items() for k, p in zip((1, 4, 8, 16, 64), row)])
def test_reproduces_the_table(n: int, k: int, points: float) -> None:
    assert 100 * smallest_difference(n, k) == pytest.approx(points, abs=0.5)


def test_formula_by_hand() -> None:
    # Var(d) = .1^2 + 2 * .2 / 4 = .11, n = 100: 2.8015852 * sqrt(.0011).
    assert smallest_difference(100, 4, within=0.2, interaction=0.1) == pytest.approx(2.8015852 * math.sqrt(0.0011), rel=1e-6)


def test_against_statsmodels_power() -> None:
    # A paired comparison is a one-sample z test of the differences.
    delta, sd = smallest_difference(200, 1, within=0.12, interaction=0.0), math.sqrt(0.24)
    assert NormalIndPower(ddof=0).power(delta / sd, 200, 0.05, ratio=0) == pytest.approx(0.8, abs=1e-6)


def test_more_of_either_detects_less_and_never_more_than_everything() -> None:
    assert smallest_difference(100, 8) < smallest_difference(100, 4) < smallest_difference(50, 4)
    assert smallest_difference(1, 1) == 1.0
    with pytest.raises(ValueError, match="at least 1"):
        smallest_difference(0, 4)
