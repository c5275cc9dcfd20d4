from __future__ import annotations

import math
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evalsuite.metrics import adjust, benjamini_hochberg, compare, compare_many, holm

PS = [
    [0.01, 0.04, 0.03, 0.005], [0.05], [0.5, 0.5, 0.5], [0.0, 1.0], [1e-12, 0.2, 0.2, 0.9, 0.049], [0.001] * 10, [0.9, 0.8, 0.01],
    np.linspace(0.001, 1, 45).tolist(), np.random.default_rng(0).random(100).tolist(), (np.random.default_rng(1).random(30) ** 4).tolist(),
]  # fmt: skip


@pytest.mark.parametrize("p", PS)
def test_against_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], rel=1e-12)
    assert adjust(p, "none").tolist() == p


def test_by_hand() -> None:
    # Sorted .01 .02 .04: times 3, 2, 1 and rising; times 3/1, 3/2, 3/3 and falling from the end.
    assert holm([0.04, 0.01, 0.02]).tolist() == pytest.approx([0.04, 0.03, 0.04])
    assert benjamini_hochberg([0.04, 0.01, 0.02]).tolist() == pytest.approx([0.04, 0.03, 0.03])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_properties(p: list[float]) -> None:
    h, b = holm(p), benjamini_hochberg(p)
    assert (h >= b - 1e-15).all() and (b >= np.array(p) * (1 - 1e-15)).all() and (h <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(h[order]) >= 0).all() and (np.diff(b[order]) >= 0).all()
    assert holm(p[::-1])[::-1] == pytest.approx(h)


def test_what_was_not_tested_does_not_count() -> None:
    for rule in (holm, benjamini_hochberg):
        assert rule([0.01, nan, 0.04])[[0, 2]] == pytest.approx(rule([0.01, 0.04]))
        assert math.isnan(rule([0.01, nan, 0.04])[1])
        assert rule([]).shape == (0,) and np.isnan(rule([nan, nan])).all()
        assert rule([[0.01, 0.04], [0.03, 0.5]]).ravel() == pytest.approx(rule([0.01, 0.04, 0.03, 0.5]))
    with pytest.raises(ValueError, match="holm, bh, none"):
        adjust([0.1], "bonferroni")


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(("runs", "questions", "missing"), [(2, 5, 0), (4, 40, 0), (3, 60, 7), (6, 191, 20)])
def test_every_pair_is_compare(runs: int, questions: int, missing: int, clustered: bool) -> None:
    rng = np.random.default_rng(runs * questions)
    k = rng.choice([1, 2, 4, 8], runs)
    values = np.stack([rng.binomial(n, rng.beta(0.9, 0.6, questions)) / n for n in k])
    values[rng.integers(0, runs, missing), rng.choice(questions, missing, replace=False)] = nan
    clusters = rng.integers(0, max(questions // 3, 5), questions).tolist() if clustered else None
    ranking = compare_many(values, samples=k, clusters=clusters)
    there = ~np.isnan(values).any(axis=0)
    kept = None if clusters is None else [c for c, ok in zip(clusters, there) if ok]
    pairs = []
    for i in range(runs):
        for j in range(i + 1, runs):
            one = compare(values[i, there], values[j, there], clusters=kept, samples_a=k[i], samples_b=k[j])
            assert [ranking.p[i, j], ranking.p[j, i]] == pytest.approx([one.p, one.p], rel=1e-9, nan_ok=True)
            pairs.append(one.p)
    if not np.isnan(pairs).all():
        assert ranking.adjusted[np.triu_indices(runs, 1)] == pytest.approx(multipletests(pairs, method="holm")[1], rel=1e-9)
    assert np.isnan(np.diag(ranking.p)).all() and np.isnan(np.diag(ranking.adjusted)).all()
    assert ranking.means == pytest.approx(values[:, there].mean(axis=1))


def test_bands_by_hand() -> None:
    base = np.tile([1.0, 0.0], 100)
    better, worse = np.ones(200), np.where(np.arange(200) % 8 == 0, 1.0, 0.0)
    nearly = base.copy()
    nearly[1] = 1.0
    ranking = compare_many([base, better, nearly, worse])
    assert ranking.bands == ((2, 3), (1, 1), (2, 3), (4, 4))
    assert compare_many([base, base, base]).bands == ((1, 3),) * 3
    few = compare_many([[1, 1, 1, 1], [0, 0, 0, 0]])
    assert np.isnan(few.p).all() and few.bands == ((1, 2), (1, 2))


def test_order_of_questions_and_runs() -> None:
    rng = np.random.default_rng(3)
    values = (rng.random((4, 80)) < np.array([0.3, 0.5, 0.6, 0.9])[:, None]).astype(float)
    one, other = compare_many(values, correction="bh"), compare_many(values[::-1][:, rng.permutation(80)], correction="bh")
    assert other.adjusted[::-1, ::-1] == pytest.approx(one.adjusted, nan_ok=True)
    assert other.bands[::-1] == one.bands


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="runs, questions"):
        compare_many([1.0, 0.0])
    with pytest.raises(ValueError, match="cluster labels"):
        compare_many([[1.0, 0.0]], clusters=["a"])
    with pytest.raises(ValueError, match="correction"):
        compare_many(np.ones((2, 9)), correction="tukey")
    for p in ([0.5, 1.5], [-1.0], [math.inf, 0.1]):
        for rule in (holm, benjamini_hochberg, lambda x: adjust(x, "none")):
            with pytest.raises(ValueError, match=r"p-values must be in \[0, 1\]"):
                rule(p)
    with pytest.raises(ValueError, match="runs, questions"):
        compare_many(np.ones((0, 9)))
    with pytest.raises(ValueError, match="samples above 0"):
        compare_many(np.ones((2, 9)), samples=[1, 0])
    with pytest.raises(ValueError, match="finite"):
        compare_many([[1.0, math.inf], [0.0, 0.0]])
