from __future__ import annotations

import math
from math import nan

import numpy as np
import pytest
from scipy import stats

from evalsuite.metrics import bootstrap, clustered_stderr, maj_at_k, standard_error, summarize


def scores(seed: int, questions: int, k: int, mean: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((questions, k)) < rng.beta(1.5 * mean, 1.5 * (1 - mean), questions)[:, None]).astype(float)


def test_questions_alone_are_the_textbook_bootstrap() -> None:
    values = scores(0, 60, 4).mean(axis=1)
    b = bootstrap(np.mean, values, levels=("question",), draws=4000)
    reference = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1))
    assert b.value == values.mean()
    assert (b.low, b.high) == pytest.approx(tuple(reference.confidence_interval), abs=0.008)
    # Var* of a mean is S^2 (N-1)/N / N.
    assert b.se == pytest.approx(standard_error(values) * math.sqrt(59 / 60), rel=0.05)
    assert (b.draws, b.notes) == (4000, ())


def test_the_variance_of_each_level() -> None:
    matrix = scores(1, 80, 5)
    between = matrix.mean(axis=1).var() / 80
    within = (matrix.var(axis=1) / 5).sum() / 80**2
    for levels, variance in [(("question",), between), (("sample",), within), (("question", "sample"), between + within)]:
        assert bootstrap(np.mean, matrix, levels=levels, draws=6000).se == pytest.approx(math.sqrt(variance), rel=0.04)


def test_clusters_are_drawn_whole() -> None:
    values, clusters = np.repeat(scores(2, 30, 1).ravel(), 4), np.repeat(np.arange(30), 4).tolist()
    b = bootstrap(np.mean, values, clusters=clusters, levels=("cluster",), draws=4000)
    assert b.se == pytest.approx(clustered_stderr(values, clusters) * math.sqrt(29 / 30), rel=0.05)
    # Within clusters all questions are alike here, so that drawing them again adds nothing.
    same = bootstrap(np.mean, values, clusters=clusters, levels=("cluster", "question"), draws=4000)
    assert same.se == pytest.approx(b.se, rel=0.05)
    # Without the clusters' level the clusters stay as they are.
    assert bootstrap(np.mean, values, clusters=clusters, levels=("question",), draws=200).se == pytest.approx(0.0, abs=1e-12)


def test_every_copy_is_made_of_the_data() -> None:
    sizes = [1, 2, 3, 1, 4, 2, 6]
    clusters = np.repeat(np.arange(7), sizes)
    data = clusters[:, None] * 100 + np.arange(len(clusters))[:, None] + np.arange(3)[None, :] / 10  # cluster, question, sample
    seen: list[np.ndarray] = []

    def keep(copy: np.ndarray) -> float:
        seen.append(copy)
        return 0.0

    bootstrap(keep, data, clusters=clusters.tolist(), draws=200)
    for copy in seen[1:]:
        assert copy.shape[1] == 3
        assert len(np.unique(copy.astype(int) - copy.astype(int)[:, :1])) == 1  # a row is one question
        drawn = copy[:, 0].astype(int) // 100
        counts = np.bincount(drawn, minlength=7)
        assert (counts % sizes == 0).all() and (counts // sizes).sum() == 7
        assert np.isin(np.round(copy, 1), np.round(data, 1)).all()
    assert {len(copy) for copy in seen} != {len(clusters)}
    seen.clear()
    bootstrap(keep, data, clusters=clusters.tolist(), levels=("sample",), draws=50)
    assert all((copy.astype(int) == data.astype(int)).all() for copy in seen)


def test_missing_samples_stay_missing() -> None:
    matrix = scores(3, 40, 4)
    matrix[5, 1:], matrix[6] = nan, nan
    counts = []

    def statistic(copy: np.ndarray) -> float:
        counts.append((~np.isnan(copy)).sum(axis=1))
        return float(np.nanmean(copy))

    b = bootstrap(statistic, matrix, levels=("sample",), draws=50)
    assert all((c == counts[0]).all() for c in counts)
    assert b.low <= b.value <= b.high


def test_several_numbers_of_each_sample() -> None:
    """A ratio: tokens per right answer."""
    rng = np.random.default_rng(4)
    right = scores(4, 50, 4)
    both = np.stack([right, rng.poisson(200, right.shape)], axis=2)
    b = bootstrap(lambda x: x[..., 1].sum() / x[..., 0].sum(), both, levels=("cluster",), draws=4000)
    # The linearised variance of a ratio of means.
    residual = both[..., 1].sum(1) - b.value * both[..., 0].sum(1)
    assert b.se == pytest.approx(math.sqrt((residual**2).sum()) / both[..., 0].sum(), rel=0.1)


def test_majority_of_all_samples() -> None:
    rng = np.random.default_rng(5)
    classes = rng.integers(0, 3, (40, 6))
    data = np.stack([(classes == 0).astype(float), classes], axis=2)

    def majority(copy: np.ndarray) -> float:
        return float(np.mean([maj_at_k(q[:, 1].astype(int), q[:, 0], 6) for q in copy]))

    b = bootstrap(majority, data, levels=("cluster",), draws=300)
    per_question = np.array([maj_at_k(c, c == 0, 6) for c in classes])
    assert b.value == pytest.approx(per_question.mean())
    assert b.se == pytest.approx(standard_error(per_question), rel=0.15)


def test_the_same_seed_gives_the_same_numbers() -> None:
    matrix = scores(6, 20, 3)
    assert bootstrap(np.mean, matrix, draws=100) == bootstrap(np.mean, matrix, draws=100)
    assert bootstrap(np.mean, matrix, draws=100) != bootstrap(np.mean, matrix, draws=100, seed=1)
    assert bootstrap(np.mean, matrix, draws=100, clusters=[None] * 20) == bootstrap(np.mean, matrix, draws=100)
    wide, narrow = (bootstrap(np.mean, matrix, draws=500, confidence=c) for c in (0.99, 0.8))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_too_little_to_say() -> None:
    few = bootstrap(np.mean, [1.0, 0.0, 1.0, 0.0])
    assert few.value == 0.5 and math.isnan(few.low) and few.notes == ("only 4 questions: no interval below 5",)
    assert "only 3 clusters of questions" in bootstrap(np.mean, scores(7, 30, 2), clusters=[0, 1, 2] * 10).notes[0]
    assert "rough below 10" in bootstrap(np.mean, scores(7, 8, 2), draws=50).notes[0]
    for single in (np.ones(20), np.ones((20, 1))):
        assert "needs 2" in bootstrap(np.mean, single, levels=("sample",)).notes[0]
    nothing = bootstrap(np.mean, [])
    assert math.isnan(nothing.value) and math.isnan(nothing.se)


def test_copies_without_a_value_are_noted() -> None:
    values = np.array([1.0] + [0.0] * 9)
    b = bootstrap(lambda x: 1.0 if x.any() else nan, values, levels=("question",), draws=500)
    gone = 500 - b.draws
    assert gone / 500 == pytest.approx(0.9**10, abs=0.08)
    assert b.notes == (f"{gone} of 500 copies gave no value",)
    assert math.isnan(bootstrap(lambda x: nan, values, draws=20).low)


def test_wrong_arguments() -> None:
    for levels in ((), ("run",), ("question", "token")):
        with pytest.raises(ValueError, match="one or more of cluster, question, sample"):
            bootstrap(np.mean, [1.0] * 9, levels=levels)
    for wrong in ({"draws": 1}, {"confidence": 1.0}, {"confidence": 0.0}):
        with pytest.raises(ValueError, match="at least 2, in"):
            bootstrap(np.mean, [1.0] * 9, **wrong)
    with pytest.raises(ValueError, match="cluster labels"):
        bootstrap(np.mean, [1.0] * 9, clusters=["a"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mean", "questions", "k", "levels", "low", "high"),
    [
        (0.5, 100, 4, ("cluster",), 92.5, 96), (0.5, 100, 4, ("cluster", "question", "sample"), 95, 98.5),
        (0.85, 30, 16, ("cluster",), 90, 95), (0.85, 30, 16, ("cluster", "question", "sample"), 92, 97),
        (0.95, 30, 4, ("cluster",), 80, 89), (0.95, 30, 4, ("cluster", "question", "sample"), 85, 94),
    ],
)  # fmt: skip
def test_coverage_is_as_documented(
    mean: float, questions: int, k: int, levels: tuple[str, ...], low: float, high: float
) -> None:
    hits = 0
    for repetition in range(600):
        b = bootstrap(np.mean, scores(repetition, questions, k, mean), levels=levels, draws=500, seed=repetition)
        hits += b.low <= mean <= b.high
    assert low <= 100 * hits / 600 <= high


def test_near_the_ceiling_the_formula_is_wider() -> None:
    matrix = np.ones((30, 4))
    b, a = bootstrap(np.mean, matrix, draws=50), summarize(matrix)
    assert b.high - b.low == 0.0 < a.high - a.low
