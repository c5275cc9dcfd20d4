from __future__ import annotations

import math
from fractions import Fraction
from math import nan

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalsuite.metrics import aggregate, clustered_stderr, standard_error, variance_components


def inspect_clustered(values: np.ndarray, clusters: np.ndarray) -> float:
    """The double sum over pairs of one cluster, with the factor G/(G-1)."""
    mean, groups, variance = values.mean(), np.unique(clusters), 0.0
    for group in groups:
        inside = values[clusters == group] - mean
        variance += np.outer(inside, inside).sum()
    return math.sqrt(variance * len(groups) / (len(groups) - 1)) / len(values)


@pytest.mark.parametrize("seed", range(30))
def test_standard_errors_golden(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 400))
    values = [rng.random(n), rng.integers(0, 2, n).astype(float), rng.binomial(8, 0.9, n) / 8, 50 * rng.standard_normal(n)][
        seed % 4
    ]
    clusters = rng.integers(0, max(n // 4, 2), n)
    assert standard_error(values) == pytest.approx(stats.sem(values), rel=1e-12)
    assert clustered_stderr(values, clusters.tolist()) == pytest.approx(inspect_clustered(values, clusters), rel=1e-12)
    robust = sm.OLS(values, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert clustered_stderr(values, clusters.tolist()) == pytest.approx(float(robust.bse[0]), rel=1e-12)
    a = aggregate(values, clusters=clusters.tolist())
    assert (a.value, a.se) == pytest.approx((values.mean(), float(robust.bse[0])), rel=1e-12)
    assert clustered_stderr(values, range(n)) == pytest.approx(stats.sem(values), rel=1e-12)


def test_standard_error_of_samples_is_of_their_means() -> None:
    scores = np.random.default_rng(0).random((12, 5))
    scores[3, 1:] = nan
    scores[7] = nan
    means = np.nanmean(np.delete(scores, 7, axis=0), axis=1)
    assert standard_error(scores) == pytest.approx(stats.sem(means), rel=1e-12)
    assert math.isnan(standard_error([1.0])) and math.isnan(standard_error([nan, 1.0])) and math.isnan(standard_error([]))
    assert math.isnan(clustered_stderr([1.0, 0.0, 1.0], ["a", "a", "a"]))
    assert clustered_stderr([1.0, 0.0, 1.0]) == standard_error([1.0, 0.0, 1.0])
    for rule in (standard_error, clustered_stderr):
        with pytest.raises(ValueError, match="finite"):
            rule([1.0, math.inf, 0.0])
    with pytest.raises(ValueError, match="2 cluster labels for 3"):
        clustered_stderr([1.0, 0.0, 1.0], ["a", "a"])
    with pytest.raises(ValueError, match="shape"):
        standard_error(np.zeros((2, 2, 2)))


def test_a_label_that_is_missing_stands_alone() -> None:
    values = [1.0, 0.0, 1.0, 1.0, 0.0]
    for missing in (None, nan, np.nan, np.float64("nan")):
        clusters = ["a", missing, "a", missing, missing]
        assert clustered_stderr(values, clusters) == clustered_stderr(values, [0, 1, 0, 2, 3])
    assert clustered_stderr(values, np.array([0, nan, 0, nan, nan])) == clustered_stderr(values, [0, 1, 0, 2, 3])


@given(st.integers(0, 10**6), st.integers(2, 60), st.booleans())
def test_errors_do_not_depend_on_order_shift_or_names(seed: int, n: int, clustered: bool) -> None:
    rng = np.random.default_rng(seed)
    values, clusters, order = rng.random(n), rng.integers(0, 5, n), rng.permutation(n)
    labels = clusters.tolist() if clustered else None
    one = clustered_stderr(values, labels)
    other = clustered_stderr(values[order] + 3, [f"c{clusters[i]}" for i in order] if clustered else None)
    assert other == pytest.approx(one, rel=1e-9, abs=1e-14, nan_ok=True)
    with_gaps = clustered_stderr([*values, nan], None if labels is None else [*labels, 99])
    assert with_gaps == pytest.approx(one, rel=1e-12, nan_ok=True)


def test_components_by_exact_rationals() -> None:
    rows = [[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 0, 0]]
    means = [Fraction(sum(r), 4) for r in rows]
    within = sum(sum((x - m) ** 2 for x in r) / 3 for r, m in zip(rows, means)) / 5
    mean = sum(means) / 5
    total = sum((m - mean) ** 2 for m in means) / 4
    v = variance_components(rows)
    assert v.within == pytest.approx(float(within), rel=1e-14)
    assert v.between == pytest.approx(float(total - within / 4), rel=1e-14)
    assert v.sampling_share == pytest.approx(float(within / 4 / total), rel=1e-14)
    # The parts make up the standard error that the mean has.
    assert math.sqrt((v.between + v.within / 4) / 5) == pytest.approx(standard_error(rows), rel=1e-14)


@pytest.mark.parametrize("seed", range(8))
def test_components_against_the_analysis_of_variance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    questions, k = int(rng.integers(5, 80)), int(rng.integers(2, 12))
    scores = (rng.random((questions, k)) < rng.beta(0.9, 0.6, questions)[:, None]).astype(float)
    v = variance_components(scores)
    f = stats.f_oneway(*scores).statistic  # (k between + within) / within, in mean squares
    assert k * v.between / v.within + 1 == pytest.approx(f, rel=1e-12)
    assert v.sampling_share == pytest.approx(min(1 / f, 1), rel=1e-12)


def test_components_are_unbiased_with_missing_samples() -> None:
    rng, parts = np.random.default_rng(0), []
    holes = np.arange(6)[None, :] >= rng.integers(2, 7, 20)[:, None]
    for _ in range(4000):
        theta = rng.beta(2, 2, 20)[:, None]  # variance 1/20, mean of theta (1 - theta) 1/5
        scores = np.where(holes, nan, rng.random((20, 6)) < theta)
        v = variance_components(scores)
        parts.append((v.between, v.within))
    mean, error = np.mean(parts, axis=0), np.std(parts, axis=0) / math.sqrt(4000)
    assert (abs(mean - [1 / 20, 1 / 5]) <= 4 * error).all()


def test_components_at_the_ends() -> None:
    alike = variance_components([[1, 0], [0, 1], [1, 0]])  # the means do not differ at all
    assert alike.between == pytest.approx(-1 / 4) and alike.sampling_share == 1.0
    sure = variance_components([[1, 1], [0, 0], [1, 1]])
    assert (sure.within, sure.sampling_share) == (0.0, 0.0) and sure.between == pytest.approx(1 / 3)
    constant = variance_components([[1, 1], [1, 1]])
    assert (constant.between, constant.within) == (0.0, 0.0) and math.isnan(constant.sampling_share)
    single = variance_components([[1], [0], [1]])
    assert math.isnan(single.between) and math.isnan(single.within) and single.n_questions == 3
    assert math.isnan(variance_components([[1, 0]]).between) and variance_components([[1, 0]]).within == 0.5
    assert variance_components([[nan, nan]]).n_questions == 0
    # A question with one sample has the others' mean variance: 1/2 over one sample, 1/4 over two.
    mixed = variance_components([[1, 0], [0, 1], [1, nan]])
    assert mixed.within == 0.5
    assert mixed.between == pytest.approx(np.var([0.5, 0.5, 1.0], ddof=1) - (1 / 4 + 1 / 4 + 1 / 2) / 3)
    with pytest.raises(ValueError, match="questions, samples"):
        variance_components([1.0, 0.0])
