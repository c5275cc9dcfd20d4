from __future__ import annotations

import math
from fractions import Fraction
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from evalsuite.metrics.aggregate import Aggregate, aggregate, macro, per_question, summarize, wilson
from evalsuite.metrics.reduce import jackknife_var, parse_metric

Z = stats.norm.ppf(0.975)


def shrink(df: float) -> float:
    return float((Z / stats.t.ppf(0.975, df)) ** 2)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.99, 0.999999])
def test_wilson_at_other_confidences(confidence: float) -> None:
    for right, n in [(0, 5), (29, 30), (107, 191)]:
        expected = proportion_confint(right, n, alpha=1 - confidence, method="wilson")
        assert wilson(right / n, n, confidence) == pytest.approx(expected, abs=1e-9)
    for wrong in (0.0, 1.0, 95, nan):
        with pytest.raises(ValueError, match="confidence"):
            wilson(0.5, 10, confidence=wrong)


def test_wilson_against_statsmodels_and_the_exact_roots() -> None:
    for right, n in [(0, 5), (1, 7), (5, 10), (29, 30), (30, 30), (107, 191)]:
        assert wilson(right / n, n) == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-12)
    # The ends solve (p - x)^2 = z^2 x (1 - x) / n.
    for x in wilson(0.3, 41.7):
        assert (0.3 - x) ** 2 == pytest.approx(Z**2 * x * (1 - x) / 41.7)


@pytest.mark.parametrize(("right", "questions"), [(1, 15), (14, 15), (40, 100), (150, 191), (700, 1319)])
def test_one_sample_per_question_is_wilson_with_the_df_correction(right: int, questions: int) -> None:
    a = aggregate([1.0] * right + [0.0] * (questions - right))
    # s^2 has Q - 1 below it, so n* = Q - 1; then (z/t)^2.
    n = (questions - 1) * shrink(questions - 1)
    p = right / questions
    assert (a.low, a.high) == pytest.approx(proportion_confint(p * n, n, method="wilson"), abs=1e-10)
    assert a.se == pytest.approx(math.sqrt(p * (1 - p) / (questions - 1)))
    assert (a.method, a.target, a.n_questions, a.n_clusters) == ("wilson", "population", questions, questions)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_all_or_nothing_has_a_width(p: float) -> None:
    for target in ("population", "benchmark"):
        a = aggregate([p] * 30, samples_per_question=8, target=target, within=[0.0] * 30)
        assert a.se == (0.0 if target == "population" else 1 / 240)
        assert a.high - a.low > 0.05
        assert a.low <= p <= a.high
    a = aggregate([p] * 30, samples_per_question=2, target="benchmark", within=[0.0] * 30)
    assert (a.low, a.high) == pytest.approx(proportion_confint(30 * p, 30, method="wilson"), abs=1e-10)
    n = 30 * shrink(29)
    a = aggregate([p] * 30, samples_per_question=8)
    assert (a.low, a.high) == pytest.approx(proportion_confint(p * n, n, method="wilson"), abs=1e-10)


@pytest.mark.parametrize(("p", "n"), [(-0.1, 5), (1.1, 5), (0.5, 0), (0.5, -1), (nan, 5), (0.5, nan)])
def test_wilson_out_of_range(p: float, n: float) -> None:
    with pytest.raises(ValueError, match="must be in"):
        wilson(p, n)


def scores(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    questions, k = int(rng.integers(5, 120)), int(rng.integers(1, 10))
    out = (rng.random((questions, k)) < rng.beta(0.9, 0.6, questions)[:, None]).astype(float)
    out[rng.random(out.shape) < 0.1 * (seed % 2)] = nan
    return out


@pytest.mark.parametrize("seed", range(16))
def test_summarize_golden(seed: int) -> None:
    matrix = scores(seed)
    values = np.array([row[~np.isnan(row)].mean() for row in matrix if not np.isnan(row).all()])
    a = summarize(matrix)
    assert (a.value, a.se, a.n_questions) == pytest.approx((values.mean(), stats.sem(values), len(values)), rel=1e-12)
    n = min(a.value * (1 - a.value) / stats.sem(values) ** 2, (~np.isnan(matrix)).sum()) * shrink(len(values) - 1)
    assert (a.low, a.high) == pytest.approx(proportion_confint(a.value * n, n, method="wilson"), rel=1e-10)
    clusters = (np.arange(len(matrix)) // 3).tolist()
    kept = [c for c, row in zip(clusters, matrix) if not np.isnan(row).all()]
    clustered = summarize(matrix, clusters=clusters)
    assert clustered.se == pytest.approx(cluster_se(values.tolist(), kept), rel=1e-12)
    assert clustered.n_clusters == len(set(kept))


@pytest.mark.parametrize("seed", range(0, 16, 2))
def test_summarize_the_benchmark(seed: int) -> None:
    matrix = np.hstack([scores(seed), scores(seed)[:, :1]])
    within = matrix.var(axis=1, ddof=1) / matrix.shape[1]
    a = summarize(matrix, target="benchmark")
    assert a.se == pytest.approx(math.sqrt(within.sum()) / len(matrix), rel=1e-12)
    assert a == aggregate(matrix.mean(1), target="benchmark", samples_per_question=matrix.shape[1], within=within)


def test_summarize_of_one_sample_each() -> None:
    values = [1.0, 0.0, 1.0, 1.0, 0.0, nan, 1.0]
    assert summarize(values) == summarize(np.array(values)[:, None]) == aggregate(values)
    for flat in (values, np.array(values)[:, None]):
        assert math.isnan(summarize(flat, target="benchmark").low)
    with pytest.raises(ValueError, match="shape"):
        summarize(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="target"):
        summarize(values, target="model")


def test_se_of_question_means_by_exact_rationals() -> None:
    counts = [0, 1, 2, 4, 4, 3, 1, 0, 4, 2]
    means = [Fraction(c, 4) for c in counts]
    mean = sum(means) / len(means)
    variance = sum((m - mean) ** 2 for m in means) / (len(means) - 1) / len(means)
    a = aggregate([float(m) for m in means], samples_per_question=4)
    assert a.value == float(mean)
    assert a.se == pytest.approx(math.sqrt(variance), rel=1e-14)
    n = float(mean * (1 - mean) / variance) * shrink(9)
    assert (a.low, a.high) == pytest.approx(proportion_confint(float(mean) * n, n, method="wilson"), abs=1e-10)


def test_effective_size_is_capped_by_the_number_of_samples() -> None:
    # Every question at exactly 1/2: no spread at all, yet there are only 20 * 4 samples.
    a = aggregate([0.5] * 20, samples_per_question=4)
    n = 80 * shrink(19)
    assert (a.low, a.high) == pytest.approx(proportion_confint(n / 2, n, method="wilson"), abs=1e-10)
    uneven = aggregate([0.5] * 20, samples_per_question=[4] * 19 + [24])
    assert uneven.high - uneven.low < a.high - a.low


def test_values_outside_the_unit_interval_get_students_t() -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0, 5.0]
    a = aggregate(values)
    assert (a.low, a.high) == pytest.approx(stats.t.interval(0.95, 10, np.mean(values), stats.sem(values)))
    assert a.method == "t"


def cluster_se(values: list[float], clusters: list[str]) -> float:
    """Miller's equation 4 with the finite-cluster factor, as a double loop over pairs of one cluster."""
    mean, n, groups = sum(values) / len(values), len(values), len(set(clusters))
    pairs = sum((x - mean) * (y - mean) for x, a in zip(values, clusters) for y, b in zip(values, clusters) if a == b)
    return math.sqrt(groups / (groups - 1) * pairs) / n


def test_clusters() -> None:
    values = [1.0, 1.0, 0.0, 0.0, 1.0, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    clusters = list("aabbccddeeff")
    a = aggregate(values, clusters=clusters)
    assert a.se == pytest.approx(cluster_se(values, clusters))
    assert (a.n_questions, a.n_clusters) == (12, 6)
    n = min(a.value * (1 - a.value) / a.se**2, 12) * shrink(5)
    assert (a.low, a.high) == pytest.approx(proportion_confint(a.value * n, n, method="wilson"), abs=1e-10)
    assert "6 clusters" in a.notes[0]


def test_clusters_of_one_are_no_clusters() -> None:
    values = np.random.default_rng(0).random(40)
    plain, single = aggregate(values), aggregate(values, clusters=[f"c{i}" for i in range(40)])
    assert (single.low, single.high, single.se) == pytest.approx((plain.low, plain.high, plain.se))
    assert aggregate(values, clusters=[None] * 40) == aggregate(values)


def test_copied_questions_are_no_new_evidence() -> None:
    values = list(np.random.default_rng(1).integers(0, 2, 25).astype(float))
    once, thrice = aggregate(values), aggregate(values * 3, clusters=list(range(25)) * 3)
    assert thrice.se == pytest.approx(once.se)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize(
    ("units", "interval", "noted"), [(10, True, False), (9, True, True), (5, True, True), (4, False, True), (1, False, True)]
)
def test_few_units(units: int, interval: bool, noted: bool) -> None:
    values = [float(i % 2) for i in range(units)] * 3
    for a, word in ((aggregate(values, clusters=list(range(units)) * 3), "clusters"), (aggregate(values[:units]), "questions")):
        assert math.isnan(a.low) == math.isnan(a.high) == (not interval)
        assert bool(a.notes) == noted
        assert a.method == ("wilson" if interval else "none")
        if noted:
            assert f"only {units} {word}" in a.notes[0]


def test_missing_questions_lower_the_count_and_not_the_value() -> None:
    a = aggregate([1.0, nan] * 12)
    assert (a.value, a.n_questions) == (1.0, 12)
    nothing = aggregate([nan, nan])
    assert math.isnan(nothing.value) and math.isnan(nothing.low) and nothing.n_questions == 0
    assert nothing.notes == ("no question has a value",)


def test_benchmark_target() -> None:
    # Four of eight right on every question: s^2 = (8/7)/4, over K = 8 and Q = 20 questions.
    rows = np.tile([1.0, 0.0], (20, 4))
    within = parse_metric("avg").within_variance(rows)
    a = aggregate(rows.mean(1), target="benchmark", samples_per_question=8, within=within)
    assert a.se == pytest.approx(math.sqrt((8 / 7) / 4 / 8 / 20))
    # Equal variances: Satterthwaite's df is Q (K - 1).
    n = 0.25 / a.se**2 * shrink(140)
    assert (a.low, a.high) == pytest.approx(proportion_confint(n / 2, n, method="wilson"), abs=1e-10)
    assert a.target == "benchmark"


def test_benchmark_is_narrower_where_questions_differ() -> None:
    rows = np.repeat([[1.0] * 8, [0.0] * 8, [1.0] * 7 + [0.0]], 10, axis=0)
    arguments = {"samples_per_question": 8, "within": parse_metric("avg").within_variance(rows)}
    population, benchmark = (aggregate(rows.mean(1), target=t, **arguments) for t in ("population", "benchmark"))
    assert benchmark.value == population.value
    assert benchmark.high - benchmark.low < 0.3 * (population.high - population.low)


def test_benchmark_never_has_no_width() -> None:
    a = aggregate([1.0, 0.0] * 15, target="benchmark", samples_per_question=2, within=[0.0] * 30)
    assert a.se == pytest.approx(1 / 60)
    assert 0.02 < a.high - a.low < 0.4


def test_benchmark_needs_repeated_samples() -> None:
    a = aggregate([1.0, 0.0] * 15, target="benchmark", within=parse_metric("avg").within_variance([[1.0], [0.0]] * 15))
    assert a.value == 0.5 and math.isnan(a.low) and math.isnan(a.se)
    assert "needs 2 samples of every question" in a.notes[0]
    with pytest.raises(ValueError, match="within"):
        aggregate([1.0, 0.0], target="benchmark")


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="target 'sample' is not one of population, benchmark"):
        aggregate([1.0], target="sample")
    with pytest.raises(ValueError, match="2 cluster labels for 3 values"):
        aggregate([1.0, 0.0, 1.0], clusters=["a", "b"])
    with pytest.raises(ValueError, match="numbers for"):
        aggregate([1.0, 0.0, 1.0], samples_per_question=[1, 2])
    for values in (np.zeros((30, 4)), 0.5):
        with pytest.raises(ValueError, match=r"one per question; summarize takes \(Q, K\) samples"):
            aggregate(values)
    for rule in (aggregate, summarize, lambda v: summarize(np.array(v)[:, None])):
        for inf in (math.inf, -math.inf):
            with pytest.raises(ValueError, match="finite"):
                rule([1.0, inf, 0.0, 0.5, 1.0, nan])
    for samples in (0, -1, nan, [1, 0, 1]):
        with pytest.raises(ValueError, match="samples per question must be above 0"):
            aggregate([1.0, 0.0, 1.0], samples_per_question=samples)
        with pytest.raises(ValueError, match="samples per question must be above 0"):
            per_question([1.0, 0.0, 1.0], samples)
    assert aggregate([1.0, 0.0, nan], samples_per_question=[1, 1, 0]).value == 0.5
    with pytest.raises(ValueError, match="weights"):
        aggregate([1.0, 0.0, 1.0], weights=[1.0, math.inf, 1.0])


@given(st.lists(st.floats(0, 1).map(lambda v: round(v, 6)), min_size=5, max_size=40), st.integers(1, 16))
def test_interval_is_in_range_and_around_the_value(values: list[float], k: int) -> None:
    a = aggregate(values, samples_per_question=k)
    assert 0 <= a.low <= a.value + 1e-12 and a.value - 1e-12 <= a.high <= 1
    assert a.high > a.low
    flipped = aggregate([1 - v for v in values], samples_per_question=k)
    assert (1 - flipped.high, 1 - flipped.low) == pytest.approx((a.low, a.high), abs=1e-6)


def one(value: float, low: float, high: float, se: float = 0.1, target: str = "population") -> Aggregate:
    return Aggregate(value=value, low=low, high=high, se=se, n_questions=10, n_clusters=10, target=target, method="wilson")


def test_macro_by_hand() -> None:
    a = macro([one(0.5, 0.2, 0.6, se=0.3), one(0.9, 0.5, 0.95, se=0.4)])
    assert (a.value, a.low, a.high) == pytest.approx((0.7, 0.7 - 0.5 / 2, 0.7 + math.hypot(0.1, 0.05) / 2))
    assert a.se == pytest.approx(0.25)
    assert (a.n_questions, a.method) == (20, "mover")


def test_macro_of_one_task_is_that_task() -> None:
    a = aggregate([1.0, 0.0, 0.0] * 10)
    m = macro([a])
    assert (m.value, m.low, m.high, m.se) == pytest.approx((a.value, a.low, a.high, a.se))


def test_macro_without_an_interval() -> None:
    a = macro([one(0.5, 0.2, 0.6), one(1.0, nan, nan)])
    assert a.value == 0.75 and math.isnan(a.low) and a.method == "none"
    assert "1 of 2" in a.notes[0]
    with pytest.raises(ValueError, match="one target"):
        macro([one(0.5, 0.4, 0.6), one(0.5, 0.4, 0.6, target="benchmark")])
    with pytest.raises(ValueError, match="none"):
        macro([])


# Coverage of the 95 % population interval, in percent, published for 3000 repetitions. (mean, Q, K, coverage)
COVERAGE = [
    (0.50, 30, 16, 95.8),
    (0.50, 30, 64, 96.0),
    (0.50, 191, 8, 96.0),
    (0.85, 15, 1, 98.7),
    (0.85, 30, 16, 93.7),
    (0.95, 15, 1, 96.6),
    (0.95, 30, 1, 93.7),
    (0.95, 30, 16, 90.0),
    (0.95, 191, 1, 95.3),
    (0.95, 191, 8, 95.2),
]


@pytest.mark.parametrize(("mean", "questions", "k", "published"), COVERAGE)
def test_coverage(mean: float, questions: int, k: int, published: float) -> None:
    rng, repetitions, hits = np.random.default_rng(20_000 + questions + k), 3000, 0
    for _ in range(repetitions):
        # Question difficulties from a Beta with a + b = 1.5; where K = 1 the distribution does not matter.
        theta = rng.beta(1.5 * mean, 1.5 * (1 - mean), questions)
        a = aggregate(rng.binomial(k, theta) / k, samples_per_question=k)
        hits += a.low <= mean <= a.high
    # Both are Monte Carlo estimates (standard error .4 to .55 each); the published Beta is not known exactly: one point more.
    error = 3 * math.sqrt(2 * published * (100 - published) / repetitions)
    assert 100 * hits / repetitions == pytest.approx(published, abs=error + (1 if k > 1 else 0))


@pytest.mark.parametrize(
    ("mean", "questions", "k"), [(0.5, 30, 8), (0.85, 30, 4), (0.95, 30, 4), (0.95, 191, 4), (0.6, 191, 2)]
)
def test_coverage_of_the_benchmark_target(mean: float, questions: int, k: int) -> None:
    rng, repetitions = np.random.default_rng(7), 2000
    theta, hits = rng.beta(1.5 * mean, 1.5 * (1 - mean), questions), 0
    for _ in range(repetitions):
        x = rng.binomial(k, theta) / k
        a = aggregate(x, target="benchmark", samples_per_question=k, within=x * (1 - x) / (k - 1))
        hits += a.low <= theta.mean() <= a.high
    assert 93.5 <= 100 * hits / repetitions <= 99


def test_coverage_of_pass_at_k() -> None:
    rng, metric, hits = np.random.default_rng(3), parse_metric("pass@4"), 0
    truth = float(1 - np.mean((1 - rng.beta(0.9, 0.6, 2_000_000)) ** 4))
    for _ in range(2000):
        c = rng.binomial(8, rng.beta(0.9, 0.6, 100))
        values = [metric.per_question([1.0] * right + [0.0] * (8 - right)) for right in c]
        a = aggregate(values, samples_per_question=8 / 4)
        hits += a.low <= truth <= a.high
    assert 93 <= 100 * hits / 2000 <= 99


@pytest.mark.parametrize("difficulty", [(0.9, 0.6), (2.0, 1.0), (1.9, 0.1), (5.0, 5.0)])
@pytest.mark.parametrize("name", ["pass@8", "pass^8"])
def test_coverage_of_metrics_at_k(name: str, difficulty: tuple[float, float]) -> None:
    """A metric @8 of 16 samples has two draws of a question, not 16: above all where nearly every question has nearly the same value."""
    rng, metric = np.random.default_rng(4), parse_metric(name)
    of = np.array([metric.per_question(np.arange(16) < c) for c in range(17)])
    jackknife = np.array([jackknife_var(metric, np.arange(16) < c) for c in range(17)])
    theta = rng.beta(*difficulty, (800, 30))
    everything = rng.beta(*difficulty, 1_000_000)
    per_theta = {"pass@8": lambda t: 1 - (1 - t) ** 8, "pass^8": lambda t: t**8}[name]
    truth, hits = float(per_theta(everything).mean()), dict.fromkeys(("n / k", "n", "benchmark"), 0)
    for row in theta:
        c = rng.binomial(16, row)
        found = {
            "n / k": (aggregate(of[c], samples_per_question=16 / 8), truth),
            "n": (aggregate(of[c], samples_per_question=16), truth),
            "benchmark": (
                aggregate(of[c], target="benchmark", samples_per_question=16 / 8, within=jackknife[c]),
                float(per_theta(row).mean()),
            ),
        }
        for rule, (a, true) in found.items():
            hits[rule] += a.low <= true <= a.high
    assert min(hits["n / k"] / len(theta), hits["benchmark"] / len(theta)) >= 0.935
    if name == "pass@8" and difficulty == (2.0, 1.0):
        assert hits["n"] / len(theta) < 0.8


def test_clusters_hold_their_coverage() -> None:
    """50 clusters of 4 questions with a shared difficulty: the plain interval is too short, the cluster-robust one is not."""
    rng, labels = np.random.default_rng(5), np.repeat(np.arange(50), 4)
    hits = {"plain": 0, "clustered": 0}
    for _ in range(2000):
        values = (rng.random(200) < np.repeat(rng.beta(0.9, 0.6, 50), 4)).astype(float)
        for name, a in (("plain", aggregate(values)), ("clustered", aggregate(values, clusters=labels.tolist()))):
            hits[name] += a.low <= 0.6 <= a.high
    assert hits["plain"] / 2000 < 0.88
    assert 0.93 <= hits["clustered"] / 2000 <= 0.975


def test_weights_give_a_micro_average() -> None:
    # 2 of 3, 1 of 1, 0 of 2, 3 of 4, 1 of 2 instructions: 7 of 12 in all, in clusters of one.
    followed, asked = np.array([2, 1, 0, 3, 1.0]), np.array([3, 1, 2, 4, 2.0])
    a = aggregate(followed / asked, weights=asked)
    assert a.value == pytest.approx(7 / 12)
    # The ratio estimator's linearised variance (Cochran, Sampling Techniques, 6.4), with n/(n-1).
    residuals = followed - 7 / 12 * asked
    assert a.se == pytest.approx(math.sqrt(5 / 4 * (residuals**2).sum()) / 12)


def test_weights_that_are_equal_or_unknown_change_nothing() -> None:
    values = [1.0, 0.0, 0.5, 1.0, 1.0, 0.0, 1.0]
    for weights in ([3.0] * 7, [nan] * 7, [2.0, nan, 2.0, nan, 2.0, 2.0, 2.0]):
        a, b = aggregate(values, weights=weights), aggregate(values)
        assert (a.value, a.low, a.high, a.se) == pytest.approx((b.value, b.low, b.high, b.se))
    with pytest.raises(ValueError, match="positive"):
        aggregate(values, weights=[0.0] * 7)


def test_weighted_benchmark_error() -> None:
    a = aggregate([0.5] * 6, target="benchmark", samples_per_question=4, within=[0.05] * 6, weights=[1, 1, 1, 1, 1, 5])
    assert a.se == pytest.approx(math.sqrt(0.05 * 30) / 10)


def test_all_right_stays_exact_under_weights() -> None:
    a = aggregate([1.0] * 30, weights=np.linspace(0.1, 7.3, 30))
    assert (a.value, a.high) == (1.0, 1.0)
    assert 0.8 < a.low < 0.95
