from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct, norm
from scipy.stats import t as student
from statsmodels.stats.power import NormalIndPower

from evalsuite.metrics.paired import compare
from evalsuite.metrics.power import Noise, detectable_difference, power, required_questions, smallest_difference, usual_within

# Published simulation, percentage points at 80 % power and two-sided 5 %, mean .6, mild interaction; K = 1, 4, 8, 16, 64.
TABLE = {
    30: (28.5, 14.4, 10.5, 7.6, 4.5),
    100: (15.9, 8.0, 5.7, 4.2, 2.5),
    191: (11.5, 5.8, 4.2, 3.0, 1.8),
    500: (7.1, 3.6, 2.6, 1.9, 1.1),
    1319: (4.4, 2.2, 1.6, 1.2, 0.7),
}
CELLS = [(n, k, p) for n, row in TABLE.items() for k, p in zip((1, 4, 8, 16, 64), row)]
USUAL = Noise(within_a=usual_within(0.6), within_b=usual_within(0.6))


@pytest.mark.parametrize(("n", "k", "points"), CELLS)
def test_reproduces_the_table(n: int, k: int, points: float) -> None:
    # Its rows were measured one by one: no single pair (sigma, omega) gives all of them nearer than .19.
    assert 100 * smallest_difference(n, k) == pytest.approx(points, abs=0.25)


@pytest.mark.parametrize(("n", "k", "points"), [cell for cell in CELLS if cell[0] * cell[1] >= 400])
def test_the_test_that_is_made_reproduces_it_where_the_pseudo_questions_count_for_little(n: int, k: int, points: float) -> None:
    assert 100 * detectable_difference(n, USUAL, k, k) == pytest.approx(points, abs=0.5 if n == 30 else 0.2)


def test_formula_by_hand() -> None:
    # Var(d) = .1^2 + 2 * .2 / 4 = .11, n = 100: 2.8015852 * sqrt(.0011).
    assert smallest_difference(100, 4, within=0.2, interaction=0.1) == pytest.approx(2.8015852 * math.sqrt(0.0011), rel=1e-6)


def test_variance_by_hand() -> None:
    # .1^2 * 1.5 + .2/4 + .24/2; five questions to a cluster with ICC .125 of the true differences have design effect 1.5.
    noise = Noise(within_a=0.2, within_b=0.24, interaction=0.1, design_effect=1 + 4 * 0.125, cluster_size=5)
    assert noise.variance(4, 2) == pytest.approx(0.015 + 0.05 + 0.12)
    assert usual_within(0.5) == pytest.approx(0.1625)


def test_against_statsmodels_power() -> None:
    # A paired comparison is a one-sample z test of the differences.
    delta, sd = smallest_difference(200, 1, within=0.12, interaction=0.0), math.sqrt(0.24)
    assert NormalIndPower(ddof=0).power(delta / sd, 200, 0.05, ratio=0) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("n", [10, 40, 300])
@pytest.mark.parametrize("one_sided", [False, True])
def test_the_integral_against_the_noncentral_t(n: int, one_sided: bool) -> None:
    # With tiny pseudo-questions compare rejects where the ordinary t = dbar / (s / sqrt n) passes c: (n dbar)^2 >
    # t0^2 (n+2)/(n+1) (S + 2n/(n+2) dbar^2) is t^2 > c^2 for the c below, S = (n-1) s^2.
    noise, delta = Noise(within_a=0.15, within_b=0.15), 0.6 * math.sqrt(0.0336 / n) * 4
    v, many = noise.variance(1, 1), 1e6
    same = Noise(within_a=0.15 * many, within_b=0.15 * many)  # the same variance from a million samples each
    t0 = student.isf(0.05 / (1 if one_sided else 2), n + 1) ** 2 * (n + 2) / (n + 1)
    c = math.sqrt(t0 * n * (n - 1) / (n**2 - t0 * 2 * n / (n + 2)))
    centre = delta / math.sqrt(v / n)
    expected = nct.sf(c, n - 1, centre) + (0 if one_sided else nct.cdf(-c, n - 1, centre))
    assert power(n, delta, same, many, many, one_sided=one_sided) == pytest.approx(expected, abs=1e-8)


def test_many_questions_meet_the_closed_form() -> None:
    assert detectable_difference(20_000, USUAL, 4, 4) == pytest.approx(smallest_difference(20_000, 4), rel=2e-3)
    closed = (1.959964 + 1.281552) ** 2 * USUAL.variance(8, 2) / 0.005**2
    assert required_questions(0.005, USUAL, 8, 2, target_power=0.9) == pytest.approx(closed, rel=2e-3)
    one_sided = (1.644854 + 0.841621) ** 2 * USUAL.variance(1, 1) / 0.01**2
    assert required_questions(0.01, USUAL, 1, 1, one_sided=True) == pytest.approx(one_sided, rel=2e-3)


def test_no_difference_is_found_at_most_as_often_as_alpha() -> None:
    for n, k in ((10, 1), (30, 4), (1000, 1)):
        assert power(n, 0.0, USUAL, k, k) <= 0.05 + 1e-9
        assert power(n, 0.0, USUAL, k, k, one_sided=True) <= 0.05 + 1e-9
    assert power(20_000, 0.0, USUAL, 16, 16) == pytest.approx(0.05, abs=1e-3)


@given(
    st.integers(10, 3000),
    st.sampled_from([1, 2, 8, 64]),
    st.sampled_from([1, 4, 16]),
    st.floats(0.005, 0.25),
    st.floats(0, 0.2),
    st.sampled_from([1.0, 2.0, 7.5]),
    st.booleans(),
)
def test_the_three_are_inverses(n: int, k_a: int, k_b: int, within: float, omega: float, size: float, one_sided: bool) -> None:
    noise = Noise(within_a=within, within_b=within, interaction=omega, cluster_size=size)
    delta = detectable_difference(n, noise, k_a, k_b, one_sided=one_sided)
    if math.isnan(delta):
        assert power(n, 1.0, noise, k_a, k_b, one_sided=one_sided) < 0.8
        return
    assert power(n, delta, noise, k_a, k_b, one_sided=one_sided) == pytest.approx(0.8, abs=1e-3)
    assert required_questions(delta, noise, k_a, k_b, one_sided=one_sided) in (n - 1, n)
    assert power(n, delta, noise, k_a, 2 * k_b, one_sided=one_sided) >= 0.8 - 1e-9
    assert power(n, -delta, noise, k_a, k_b, one_sided=one_sided) == power(n, delta, noise, k_a, k_b, one_sided=one_sided)


def test_clusters_cost_power() -> None:
    alone = Noise(within_a=0.15, within_b=0.15, interaction=0.1)
    few = Noise(within_a=0.15, within_b=0.15, interaction=0.1, cluster_size=10)
    alike = Noise(within_a=0.15, within_b=0.15, interaction=0.1, cluster_size=10, design_effect=4.0)
    chances = [power(100, 0.05, noise, 16, 16) for noise in (alone, few, alike)]
    assert chances[0] > chances[1] > chances[2]
    assert required_questions(0.05, alike, 16, 16) > required_questions(0.05, few, 16, 16)


def test_too_few_questions_for_any_test() -> None:
    assert power(4, 1.0, USUAL, 64, 64) == 0.0
    assert math.isnan(detectable_difference(4, USUAL, 64, 64))
    assert math.isnan(detectable_difference(5, USUAL, 1, 1))
    assert required_questions(0.9, USUAL, 64, 64) == 5
    assert required_questions(0.9, Noise(within_a=0.1, within_b=0.1, cluster_size=4), 64, 64) == 20


def test_differences_without_any_noise() -> None:
    still = Noise(within_a=0.0, within_b=0.0, interaction=0.0)
    # N = 100, G' = 102: |dbar| > t sqrt(102/101 * 2 / (100^2 - t^2 * 102/101 * 200/102)), t = 1.98373 at df 101.
    assert power(100, 0.029, still, 1, 1) == 1.0 and power(100, 0.028, still, 1, 1) == 0.0


def test_more_of_either_detects_less_and_never_more_than_everything() -> None:
    assert smallest_difference(100, 8) < smallest_difference(100, 4) < smallest_difference(50, 4)
    assert smallest_difference(1, 1) == 1.0


def test_refusals() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        smallest_difference(0, 4)
    with pytest.raises(ValueError, match="at least 1 of all"):
        power(0, 0.1, USUAL, 1, 1)
    with pytest.raises(ValueError, match=r"alpha 0.6 is outside"):
        power(10, 0.1, USUAL, 1, 1, alpha=0.6)
    with pytest.raises(ValueError, match=r"power 0.01 is outside"):
        detectable_difference(10, USUAL, 1, 1, target_power=0.01)
    with pytest.raises(ValueError, match="must be above 0"):
        required_questions(0.0, USUAL, 1, 1)
    with pytest.raises(ValueError, match="more than 1,000,000,000 questions"):
        required_questions(1e-6, USUAL, 1, 1)
    for field in ("within_a", "within_b", "interaction", "design_effect", "cluster_size"):
        for wrong in (-0.1, math.nan, math.inf):
            with pytest.raises(ValueError, match="variances are not negative"):
                Noise(**{"within_a": 0.1, "within_b": 0.1, field: wrong})
    for wrong in (math.nan, math.inf):
        with pytest.raises(ValueError, match="is not finite"):
            power(10, wrong, USUAL, 1, 1)
        for call in (lambda n: power(n, 0.1, USUAL, 1, 1), lambda n: smallest_difference(n, 4)):
            with pytest.raises(ValueError, match="at least 1"):
                call(wrong)
    for k_a, k_b in ((math.nan, 1), (1, math.nan), (0, 1)):
        with pytest.raises(ValueError, match="at least 1 of all"):
            power(10, 0.1, USUAL, k_a, k_b)
    for alpha in (1e-300, 1e-10, 0.0, math.nan):
        with pytest.raises(ValueError, match=r"is outside \[1e-09, 0.5\)"):
            power(10, 0.1, USUAL, 1, 1, alpha=alpha)
    with pytest.raises(ValueError, match="outside"):
        usual_within(math.nan)


def test_alphas_far_out() -> None:
    noise, n, k = Noise(within_a=0.1, within_b=0.1), 2000, 16
    delta = 0.02
    reached = (delta * n / (n + 2)) / math.sqrt(noise.variance(k, k) / n) - norm.isf(0.5e-9)
    assert power(n, delta, noise, k, k, alpha=1e-9) == pytest.approx(norm.cdf(reached), abs=0.02)


def _significant(d: np.ndarray, step: float) -> np.ndarray:
    """(R,) does `compare` find a difference at two-sided 5 %? `d` is (R, G, size) with G clusters of equal size."""
    groups, n = d.shape[1], d.shape[1] * d.shape[2]
    centre = d.sum(axis=(1, 2)) / (n + 2)
    squares = ((d - centre[:, None, None]).sum(axis=2) ** 2).sum(axis=1) + (step - centre) ** 2 + (step + centre) ** 2
    error = np.sqrt((groups + 2) / (groups + 1) * squares) / (n + 2)
    return np.abs(centre) / error > student.isf(0.025, groups + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "size", "k_a", "k_b", "delta", "mean"),
    [
        (30, 1, 4, 4, 0.15, 0.6),
        (30, 1, 16, 16, 0.08, 0.6),
        (30, 1, 64, 64, 0.05, 0.8),
        (100, 1, 1, 1, 0.15, 0.6),
        (100, 1, 8, 8, 0.06, 0.8),
        (191, 1, 1, 1, 0.10, 0.8),
        (191, 1, 8, 8, 0.04, 0.6),
        (191, 1, 4, 16, 0.045, 0.6),
        (500, 1, 4, 4, 0.03, 0.6),
        (1319, 1, 1, 1, 0.04, 0.8),
        (200, 5, 8, 8, 0.05, 0.6),
        (120, 10, 16, 16, 0.07, 0.6),
    ],
)  # fmt: skip
def test_simulated_power_is_within_two_points(n: int, size: int, k_a: int, k_b: int, delta: float, mean: float) -> None:
    rng, omega, repetitions = np.random.default_rng(n + k_a), 0.06, 10_000

    def truths(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        theta = rng.beta(1.8 * mean, 1.8 * (1 - mean), shape)
        # A cluster's questions share the sign of their interaction with chance 1/2: ICC .5 of the true differences.
        sign, shared = rng.choice([-1.0, 1.0], shape), rng.choice([-1.0, 1.0], (*shape[:2], 1))
        moved = delta + omega * np.where(rng.random((*shape[:2], 1)) < 0.5, shared, sign)
        theta = np.clip(theta, omega + delta, 1 - omega - delta)
        return theta, theta + moved

    a, b = truths((400_000 // size, 1, size))
    noise = Noise(
        within_a=float((a * (1 - a)).mean()),
        within_b=float((b * (1 - b)).mean()),
        interaction=omega,
        design_effect=1 + (size - 1) * 0.5,
        cluster_size=size,
    )
    a, b = truths((repetitions, n // size, size))
    a, b = rng.binomial(k_a, a) / k_a, rng.binomial(k_b, b) / k_b
    found = _significant(b - a, 1 / min(k_a, k_b))
    labels = np.repeat(np.arange(n // size), size)
    for i in range(20):
        one = compare(a[i].ravel(), b[i].ravel(), samples_a=k_a, samples_b=k_b, clusters=labels.tolist())
        assert (one.p < 0.05) == found[i]
    assert found.mean() == pytest.approx(power(n, delta, noise, k_a, k_b), abs=0.02)
