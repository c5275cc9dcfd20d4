from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from evalsuite.metrics import crossing_probability, information, pocock_constant

# Pocock 1977; Jennison and Turnbull 2000, table 2.1: two-sided .1 and .05 are one-sided .05 and .025.
PUBLISHED = [(0.05, 2, 1.875), (0.05, 3, 1.992), (0.05, 4, 2.067), (0.05, 5, 2.122)]
PUBLISHED += [(0.025, 2, 2.178), (0.025, 3, 2.289), (0.025, 4, 2.361), (0.025, 5, 2.413)]
# Looks at unequal steps: doubling samples, the same against a fixed baseline of 4, a late look, two that are close.
FRACTIONS = [
    (0.125, 0.25, 0.5, 1.0),
    tuple((1 / 16 + 1 / 4) / (1 / k + 1 / 4) for k in (2, 4, 8, 16)),
    (0.9, 1.0),
    (0.97, 1.0),
    (0.01, 1.0),
    (0.3, 0.35, 1.0),
]


def crossing(z: float, fractions: tuple[float, ...]) -> float:
    """1 - the multivariate normal distribution of W(t)/sqrt(t) at (z, ..., z): correlations sqrt(s/t)."""
    t = np.array(fractions)
    covariance = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    return 1 - float(
        stats.multivariate_normal(cov=covariance, abseps=1e-7, releps=1e-7, maxpts=200_000, seed=0).cdf(np.full(len(t), z))
    )


@pytest.mark.parametrize(("alpha", "looks", "published"), PUBLISHED)
def test_published_constants(alpha: float, looks: int, published: float) -> None:
    # The tables are two-sided: at these alphas both ends together are crossed twice as often up to less than the last digit.
    assert pocock_constant(alpha, [i / looks for i in range(1, looks + 1)]) == pytest.approx(published, abs=0.0016)


@pytest.mark.parametrize("fractions", FRACTIONS)
@pytest.mark.parametrize("z", [0.0, 1.5, 2.1, 3.0])
def test_crossing_against_the_multivariate_normal(z: float, fractions: tuple[float, ...]) -> None:
    assert crossing_probability(z, fractions) == pytest.approx(crossing(z, fractions), abs=1e-5)


@pytest.mark.parametrize("fractions", FRACTIONS[:3])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_constants_for_unequal_steps(alpha: float, fractions: tuple[float, ...]) -> None:
    assert crossing(pocock_constant(alpha, fractions), fractions) == pytest.approx(alpha, abs=1e-5)


def test_one_and_two_looks_in_closed_form() -> None:
    for z in (-1.0, 0.0, 1.645, 4.0):
        assert crossing_probability(z, [1.0]) == pytest.approx(stats.norm.sf(z), abs=1e-10)
    # P(both below 0) = 1/4 + asin(r) / (2 pi) (Sheppard 1899).
    for t in (0.1, 0.5, 0.8):
        assert crossing_probability(0.0, [t, 1.0]) == pytest.approx(3 / 4 - math.asin(math.sqrt(t)) / (2 * math.pi), abs=1e-9)
    assert pocock_constant(0.05, [1.0]) == pytest.approx(stats.norm.isf(0.05), rel=1e-12)


CLOSE = [
    (0.99, 1.0),
    (0.5, 0.51, 0.52, 1.0),
    (0.97, 0.98, 0.99, 1.0),
    (0.01, 0.02, 1.0),
    (0.999, 1.0),
    (0.001, 1.0),
    (0.01, 0.99, 1.0),
]
NODES = np.polynomial.legendre.leggauss(1400)


@pytest.mark.parametrize("fractions", CLOSE, ids=str)
@pytest.mark.parametrize("z", [0.0, 2.1])
def test_looks_close_to_each_other(z: float, fractions: tuple[float, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    found = crossing_probability(z, fractions)
    if len(fractions) == 2:
        # P(both below z) = Phi(z) - 2 T(z, sqrt((1 - r) / (1 + r))), T being Owen's.
        r = math.sqrt(fractions[0] / fractions[1])
        below = stats.norm.cdf(z) - 2 * special.owens_t(z, math.sqrt((1 - r) / (1 + r)))
        assert found == pytest.approx(1 - below, abs=1e-9)
    monkeypatch.setattr("evalsuite.metrics.sequential._rule", lambda width: NODES)
    assert found == pytest.approx(crossing_probability(z, fractions), abs=1e-9)


def test_only_ratios_of_information_matter_and_more_looks_cost() -> None:
    assert crossing_probability(2.0, (0.2, 0.6)) == pytest.approx(crossing_probability(2.0, (1 / 3, 1.0)), abs=1e-10)
    constants = [pocock_constant(0.05, tuple(2.0 ** (i - looks) for i in range(1, looks + 1))) for looks in range(1, 6)]
    assert constants == sorted(constants)
    assert constants[3] == pytest.approx(2.1215, abs=1e-4)
    for looks, z in zip(range(1, 6), constants):
        assert crossing_probability(z, [2.0 ** (i - looks) for i in range(1, looks + 1)]) == pytest.approx(0.05, abs=1e-8)
    assert crossing_probability(-20, [0.5, 1.0]) == 1.0
    assert crossing_probability(20, [0.5, 1.0]) == pytest.approx(0.0, abs=1e-12)


def test_information() -> None:
    assert information([2, 4, 8, 16]) == (0.125, 0.25, 0.5, 1.0)
    # Against 4 samples: 1/K + 1/4 is 3/4, 1/2, 3/8.
    assert information([2, 4, 8], fixed=4) == pytest.approx((0.5, 0.75, 1.0))
    assert information([3]) == (1.0,)
    for fixed in (0, -1, math.nan):
        with pytest.raises(ValueError, match=r"baseline has .* it must be above 0"):
            information([2, 4], fixed)


def test_wrong_arguments() -> None:
    for call in (information, lambda t: crossing_probability(2.0, t), lambda t: pocock_constant(0.05, t)):
        for looks in ([], [0.0, 1.0], [0.5, 0.5], [1.0, 0.5], [math.nan, 1.0], [0.5, math.inf]):
            with pytest.raises(ValueError, match="must rise from above 0"):
                call(looks)
    for alpha in (0.0, 0.5, -1.0, math.nan, 1e-300):
        with pytest.raises(ValueError, match="alpha"):
            pocock_constant(alpha, [1.0])


def test_no_drift_is_stopped_as_often_as_promised() -> None:
    fractions = information([2, 4, 8, 16], fixed=8)
    rng = np.random.default_rng(0)
    steps = np.sqrt(np.diff([0.0, *fractions])) * rng.standard_normal((400_000, 4))
    z = np.cumsum(steps, axis=1) / np.sqrt(fractions)
    assert (z.max(axis=1) >= pocock_constant(0.05, fractions)).mean() == pytest.approx(0.05, abs=0.0015)
