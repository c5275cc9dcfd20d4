from __future__ import annotations

import math
from math import nan

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from evalsuite.metrics import compare, mcnemar_mid_p, paired_stderr, sign_flip_p


def samples(seed: int, questions: int, k: int, graded: bool = False) -> np.ndarray:
    """(Q, k) scores of questions that differ in difficulty."""
    rng = np.random.default_rng(seed)
    theta = rng.beta(0.9, 0.6, questions)[:, None]
    return (
        rng.beta(4 * theta + 0.1, 4 - 4 * theta + 0.1, (questions, k))
        if graded
        else (rng.random((questions, k)) < theta).astype(float)
    )


def labels(seed: int, questions: int) -> list[int]:
    return np.random.default_rng(seed).integers(0, max(questions // 3, 6), questions).tolist()


CASES = [
    (seed, q, ka, kb)
    for seed, (q, ka, kb) in enumerate([(5, 1, 1), (12, 2, 2), (30, 16, 16), (40, 4, 1), (191, 1, 8), (500, 4, 4)])
]
CASES += [(seed + 50, 10 + 7 * seed, 1 + seed % 5, 1 + seed % 3) for seed in range(14)]


@pytest.mark.parametrize(("seed", "questions", "ka", "kb"), CASES)
def test_the_interval_is_students_t_with_two_pseudo_questions(seed: int, questions: int, ka: int, kb: int) -> None:
    a, b = samples(seed, questions, ka, graded=seed % 2 == 0), samples(seed + 1000, questions, kb)
    c = compare(a, b)
    step = 1 / min(ka, kb)
    d = np.concatenate([b.mean(1) - a.mean(1), [step, -step]])
    low, high = stats.t.interval(0.95, len(d) - 1, d.mean(), stats.sem(d))
    assert (c.low, c.high) == pytest.approx((low, high), rel=1e-12, abs=1e-13)
    assert (c.centre, c.error, c.df) == pytest.approx((d.mean(), stats.sem(d), questions + 1), rel=1e-12, abs=1e-15)
    assert c.p == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=1e-9)
    assert c.value == pytest.approx(b.mean() - a.mean(), rel=1e-12, abs=1e-15)
    assert c.se == pytest.approx(stats.sem(d[:-2]), rel=1e-12)
    for z in (1.0, 1.645, 2.11, 3.5):
        t = stats.t.isf(stats.norm.sf(z), questions + 1)
        assert c.bounds(z) == pytest.approx((d.mean() - t * stats.sem(d), d.mean() + t * stats.sem(d)), rel=1e-9)
    for shift in (0.0, -0.03, 0.1):
        assert c.z(shift) == pytest.approx(
            -stats.norm.ppf(stats.t.sf((d.mean() - shift) / stats.sem(d), questions + 1)), abs=1e-7
        )
    assert (c.won, c.lost) == (int((d[:-2] > 1e-12).sum()), int((d[:-2] < -1e-12).sum()))
    assert c.won + c.lost + c.same == questions


@pytest.mark.parametrize(("seed", "questions", "ka", "kb"), CASES)
def test_clustered_and_paired_errors_against_statsmodels(seed: int, questions: int, ka: int, kb: int) -> None:
    a, b, clusters = samples(seed, questions, ka), samples(seed + 1, questions, kb), labels(seed, questions)
    d = b.mean(1) - a.mean(1)
    plain = sm.OLS(d, np.ones(questions)).fit()
    assert paired_stderr(a, b) == pytest.approx(float(plain.bse[0]), rel=1e-12)
    robust = sm.OLS(d, np.ones(questions)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert paired_stderr(a, b, clusters) == pytest.approx(float(robust.bse[0]), rel=1e-12)
    # The clustered interval: pseudo-questions are clusters of their own.
    c, step = compare(a, b, clusters=clusters), 1 / min(ka, kb)
    assert c.se == pytest.approx(float(robust.bse[0]), rel=1e-12)
    if c.n_clusters >= 5:
        with_two = sm.OLS(np.concatenate([d, [step, -step]]), np.ones(questions + 2))
        fit = with_two.fit(cov_type="cluster", cov_kwds={"groups": [*clusters, 10**6, 10**6 + 1]}, use_t=True)
        assert (c.centre, c.error) == pytest.approx((float(fit.params[0]), float(fit.bse[0])), rel=1e-12, abs=1e-15)
        assert c.df == c.n_clusters + 1
        half = stats.t.ppf(0.975, c.df) * float(fit.bse[0])
        assert (c.low, c.high) == pytest.approx((c.centre - half, c.centre + half), rel=1e-10)


@pytest.mark.parametrize(("seed", "questions", "ka", "kb"), [case for case in CASES if min(case[2:]) > 1])
def test_benchmark_target_by_hand(seed: int, questions: int, ka: int, kb: int) -> None:
    a, b = samples(seed, questions, ka, graded=True), samples(seed + 1, questions, kb)
    c = compare(a, b, target="benchmark")
    va, vb = a.var(axis=1, ddof=1) / ka, b.var(axis=1, ddof=1) / kb
    assert c.se == pytest.approx(math.sqrt((va + vb).sum()) / questions, rel=1e-12)
    pseudo = 1 / min(ka, kb) ** 2
    total = (va + vb).sum() + 2 * pseudo
    assert (c.centre, c.error) == pytest.approx((c.value, math.sqrt(total) / questions), rel=1e-12)
    df = total**2 / ((va**2 / (ka - 1) + vb**2 / (kb - 1)).sum() + 2 * pseudo**2)
    half = stats.t.ppf(0.975, df) * c.error
    assert (c.low, c.high) == pytest.approx((c.centre - half, c.centre + half), rel=1e-9)


def test_by_hand() -> None:
    # Differences 1, 1, 0, -1, 0, 1 and the pseudo-questions 1, -1: mean 2/8, sum of squares 6 - 8/16 = 5.5.
    c = compare([0, 0, 1, 1, 0, 0], [1, 1, 1, 0, 0, 1])
    assert (c.value, c.centre, c.df) == pytest.approx((1 / 3, 1 / 4, 7))
    assert c.error == pytest.approx(math.sqrt(5.5 / 7 / 8))
    assert (c.won, c.lost, c.same, c.n_questions) == (3, 1, 2, 6)
    assert c.mde == pytest.approx((stats.t.ppf(0.975, 7) + stats.t.ppf(0.8, 7)) * c.error * 8 / 6)
    assert c.detectable(0.01) > c.mde
    assert "6 questions" in c.notes[0]


def test_a_run_against_itself_has_a_width() -> None:
    for k in (1, 4):
        a = samples(0, 100, k)
        c = compare(a, a)
        assert (c.value, c.se, c.p, c.won, c.lost) == (0.0, 0.0, 1.0, 0, 0)
        assert c.high == pytest.approx(stats.t.ppf(0.975, 101) * math.sqrt(2 / k**2 / 101 / 102), rel=1e-9)
        assert c.low == -c.high < 0


@given(
    st.integers(0, 10**6),
    st.integers(5, 40),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["population", "benchmark"]),
)
def test_antisymmetry_and_order(seed: int, questions: int, ka: int, kb: int, clustered: bool, target: str) -> None:
    if target == "benchmark":
        ka, kb = ka + 1, kb + 1
    a, b = samples(seed, questions, ka), samples(seed + 1, questions, kb)
    clusters = labels(seed, questions) if clustered else None
    c, back = compare(a, b, clusters=clusters, target=target), compare(b, a, clusters=clusters, target=target)
    assert (back.value, back.low, back.high, back.p) == pytest.approx(
        (-c.value, -c.high, -c.low, c.p), rel=1e-9, abs=1e-12, nan_ok=True
    )
    assert (back.won, back.lost, back.same) == (c.lost, c.won, c.same)
    order = np.random.default_rng(seed).permutation(questions)
    mixed = compare(a[order], b[order], clusters=clusters and [clusters[i] for i in order], target=target)
    assert (mixed.value, mixed.low, mixed.high, mixed.p) == pytest.approx(
        (c.value, c.low, c.high, c.p), rel=1e-9, abs=1e-12, nan_ok=True
    )
    if not math.isnan(c.low):
        assert c.low < c.centre < c.high
        assert (c.p <= 0.05) == (c.low >= 0 or c.high <= 0)


@given(st.integers(0, 10**6), st.floats(-3, 3), st.floats(0.1, 10))
def test_units(seed: int, shift: float, scale: float) -> None:
    a, b = samples(seed, 20, 2), samples(seed + 1, 20, 2)
    c, moved = compare(a, b), compare(a + shift, b + shift)
    assert (moved.value, moved.low, moved.high) == pytest.approx((c.value, c.low, c.high), abs=1e-12)
    assert paired_stderr(a * scale, b * scale) == pytest.approx(scale * paired_stderr(a, b), rel=1e-12)


def test_missing_samples_and_questions() -> None:
    a, b = samples(1, 20, 3), samples(2, 20, 3)
    a[4] = nan
    b[7, 1:] = nan
    b[9] = nan
    there = [q for q in range(20) if q not in (4, 9)]
    c = compare(a, b)
    mean_b = np.nanmean(b[there], axis=1)
    assert c.n_questions == 18
    assert c.value == pytest.approx((mean_b - a[there].mean(axis=1)).mean())
    d = np.concatenate([mean_b - a[there].mean(axis=1), [1 / (52 / 18), -1 / (52 / 18)]])
    assert c.error == pytest.approx(stats.sem(d), rel=1e-12)
    clusters = labels(3, 20)
    rest = compare(a[there], b[there], clusters=[clusters[q] for q in there])
    assert compare(a, b, clusters=clusters) == rest
    assert paired_stderr(a, b, clusters) == pytest.approx(rest.se, rel=1e-14)


def test_values_of_questions_equal_their_samples() -> None:
    a, b = samples(1, 25, 4), samples(2, 25, 8)
    for target in ("population", "benchmark"):
        one = compare(a, b, target=target)
        other = compare(
            a.mean(1), b.mean(1), target=target, samples_a=4, samples_b=[8] * 25, within_a=a.var(1, ddof=1) / 4, within_b=b.var(1, ddof=1) / 8
        )  # fmt: skip
        assert (other.low, other.high, other.p) == pytest.approx((one.low, one.high, one.p), rel=1e-12)


def test_copied_questions_in_clusters_are_no_new_evidence() -> None:
    a, b = samples(1, 60, 1).ravel(), samples(2, 60, 1).ravel()
    once, thrice = paired_stderr(a, b), paired_stderr(np.tile(a, 3), np.tile(b, 3), list(range(60)) * 3)
    assert thrice == pytest.approx(once, rel=1e-12)


def test_too_little_to_say() -> None:
    c = compare([1, 0, 1, 0], [1, 1, 0, 0])
    assert c.value == 0 and math.isnan(c.low) and math.isnan(c.p) and c.notes == ("only 4 questions: no interval below 5",)
    assert all(map(math.isnan, (*c.bounds(1.645), c.z())))
    assert c.se == pytest.approx(math.sqrt(2 / 3 / 4))
    nothing = compare([nan, 1.0], [1.0, nan])
    assert math.isnan(nothing.value) and nothing.n_questions == 0 and "no question" in nothing.notes[0]
    assert math.isnan(paired_stderr([nan], [1.0])) and math.isnan(paired_stderr([1.0], [1.0]))
    few = compare([1, 0] * 20, [0, 1] * 20, clusters=[0, 1, 2, 3] * 10)
    assert "only 4 clusters of questions" in few.notes[0]


def test_wrong_arguments() -> None:
    for call in (compare, paired_stderr, sign_flip_p):
        with pytest.raises(ValueError, match="3 questions in a and 2 in b"):
            call([1, 0, 1], [1, 0])
    with pytest.raises(ValueError, match="population, benchmark"):
        compare([1], [1], target="sample")
    with pytest.raises(ValueError, match="needs 2 samples"):
        compare([1.0] * 9, [0.0] * 9, target="benchmark")
    with pytest.raises(ValueError, match="cluster labels"):
        compare([1, 0, 1], [1, 0, 1], clusters=["a"])


@pytest.mark.parametrize(
    ("won", "lost"), [(0, 0), (1, 0), (3, 3), (2, 9), (9, 2), (15, 30), (0, 12), (40, 41), (120, 80), (499, 500)]
)
def test_mcnemar_mid_p(won: int, lost: int) -> None:
    n, few = won + lost, min(won, lost)
    exact = mcnemar([[0, won], [lost, 0]], exact=True).pvalue if n else 1.0
    # Fagerland, Lydersen, Laake 2013: the exact p less the chance of what was seen; two-sided binomial tails.
    expected = min(2 * stats.binom.cdf(few, n, 0.5), 1.0) - stats.binom.pmf(few, n, 0.5) if won != lost else 1.0
    assert mcnemar_mid_p(won, lost) == pytest.approx(expected, rel=1e-11)
    assert mcnemar_mid_p(won, lost) == mcnemar_mid_p(lost, won) <= exact + 1e-12


def test_mcnemar_mid_p_of_many_pairs() -> None:
    assert mcnemar_mid_p(1000, 1100) == pytest.approx(
        2 * stats.binom.cdf(1000, 2100, 0.5) - stats.binom.pmf(1000, 2100, 0.5), rel=1e-9
    )
    assert mcnemar_mid_p(np.int64(40), np.int64(80)) == mcnemar_mid_p(40, 80)
    assert mcnemar_mid_p(5000, 5000) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="counts"):
        mcnemar_mid_p(-1, 2)


def test_sign_flips_against_every_flip_and_scipy() -> None:
    rng = np.random.default_rng(0)
    for n in (4, 9, 12):
        a, b = rng.random(n), rng.random(n)
        reference = stats.permutation_test(
            (b - a,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=np.inf
        )
        assert sign_flip_p(a, b) == pytest.approx(reference.pvalue, abs=1e-12)
    a, b = samples(1, 60, 1), samples(2, 60, 1)
    wins, losses = int((b > a).sum()), int((b < a).sum())
    assert sign_flip_p(a, b) == pytest.approx(stats.binomtest(wins, wins + losses).pvalue, abs=0.015)
    assert sign_flip_p(a, a) == 1.0
    # A cluster flips as one: two clusters have four flips, two of them as extreme.
    assert sign_flip_p([0, 0, 0, 0], [1, 1, 1, 1], clusters=list("aabb")) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "questions", "k"), [(0.6, 191, 1), (0.6, 191, 8), (0.93, 30, 1), (0.95, 191, 8)])
def test_coverage_of_no_difference(mean: float, questions: int, k: int) -> None:
    rng, hits, repetitions = np.random.default_rng(questions + k), 0, 4000
    for _ in range(repetitions):
        theta = rng.beta(1.5 * mean, 1.5 * (1 - mean), questions)
        c = compare(rng.binomial(k, theta) / k, rng.binomial(k, theta) / k, samples_a=k, samples_b=k)
        hits += c.low <= 0 <= c.high
    assert 100 * hits / repetitions >= 94


def test_a_large_difference_is_inside_its_own_benchmark_interval_and_no_interval_leaves_what_is_possible() -> None:
    everything = compare(np.zeros((30, 8)), np.ones((30, 8)), target="benchmark")
    assert everything.value == everything.high == 1.0 and everything.low > 0.9
    few = compare(np.zeros(10), np.ones(10))
    assert few.high == 1.0 and few.low < 0.7
    assert compare(np.zeros(10), np.full(10, 30.0)).high > 1.0


def test_errors() -> None:
    for won, lost in ((9.5, 2), (-1, 2)):
        with pytest.raises(ValueError, match="counts"):
            mcnemar_mid_p(won, lost)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="above 0"):
        compare(np.zeros(6), np.ones(6), samples_a=0)
