"""Questions are paired by content, whatever their order and ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.comparison.pairs import Keys, align, bounds, clusters, pair, values
from evalsuite.metrics.reduce import jackknife_var, parse_metric


def matched(a: Keys, b: Keys) -> set[tuple[str, str]]:
    pairs = pair(a, b)
    return {(a.ids[i], b.ids[j]) for i, j in zip(pairs.a, pairs.b)}


def test_order_and_new_ids_do_not_matter() -> None:
    a, b = Keys(["1", "2", "3"], ["x", "y", "z"]), Keys(["9", "8", "7"], ["z", "x", "y"])
    assert matched(a, b) == {("1", "8"), ("2", "7"), ("3", "9")}


def test_an_edited_question_does_not_pair_and_is_named() -> None:
    pairs = pair(Keys(["1", "2"], ["x", "y"]), Keys(["1", "2", "3"], ["x", "Y", "z"]))
    assert (pairs.a.tolist(), pairs.b.tolist(), pairs.only_a, pairs.only_b, pairs.edited) == ([0], [0], (1,), (1, 2), ("2",))


def test_equal_questions_pair_by_id_first() -> None:
    """By the order of ids alone, 5 would go to 7 and 7 to nothing."""
    a, b = Keys(["5", "7"], ["same", "same"]), Keys(["7", "6"], ["same", "same"])
    assert matched(a, b) == {("7", "7"), ("5", "6")}
    one = Keys(["7"], ["same"])
    assert matched(a, one) == {("7", "7")} and pair(a, one).only_a == (0,)


keys = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("uvwxyz")), unique_by=lambda k: k[0], max_size=10).map(
    lambda rows: Keys([str(i) for i, _ in rows], [d for _, d in rows])
)


@given(keys, keys, st.randoms())
def test_pairing_is_symmetric_complete_and_blind_to_order(a: Keys, b: Keys, random) -> None:
    pairs = pair(a, b)
    assert all(a.digests[i] == b.digests[j] for i, j in zip(pairs.a, pairs.b))
    assert sorted([*pairs.a, *pairs.only_a]) == list(range(len(a.ids)))
    assert sorted([*pairs.b, *pairs.only_b]) == list(range(len(b.ids)))
    assert not {a.digests[i] for i in pairs.only_a} & {b.digests[j] for j in pairs.only_b}
    assert matched(b, a) == {(y, x) for x, y in matched(a, b)}
    order = list(range(len(b.ids)))
    random.shuffle(order)
    assert matched(a, Keys([b.ids[i] for i in order], [b.digests[i] for i in order])) == matched(a, b)


@given(st.lists(keys, min_size=1, max_size=4))
def test_align_lays_every_question_of_every_run_once(sides: list[Keys]) -> None:
    union, positions = align(sides)
    assert positions.shape == (len(sides), len(union.ids))
    for side, row in zip(sides, positions):
        assert sorted(i for i in row if i >= 0) == list(range(len(side.ids)))
        assert all(side.digests[i] == digest for i, digest in zip(row, union.digests) if i >= 0)


@pytest.mark.parametrize("name", ["avg", "pass@1", "pass@2", "pass^2", "g_pass@3_0.5", "mg_pass@3"])
def test_values_and_sampling_variances_from_counts_equal_those_from_samples(make, name: str) -> None:
    scores = np.random.default_rng(0).integers(0, 2, (40, 6)).astype(float)
    scores[0, 2:] = np.nan  # two samples left
    scores[1] = np.nan
    metric, rollup = parse_metric(name), make("a", t=scores).rollup("t")
    found, within = values(rollup, metric)
    np.testing.assert_allclose(found, [metric.per_question(row) for row in scores], atol=1e-12)
    np.testing.assert_allclose(within, [jackknife_var(metric, row) for row in scores], atol=1e-12)


def test_bounds_by_hand(make, rollup) -> None:
    """a: questions 0 and 1; b: 1 and 2. Question 1 lost one of b's two samples."""
    a = make("a", t=rollup([[1, 1], [0, 1]], id=["0", "1"], digest=["d0", "d1"])).rollup("t")
    b = make("b", t=rollup([[0, np.nan], [1, 1]], id=["1", "2"], digest=["d1", "d2"])).rollup("t")
    # 0: b in [0, 1] less 1; 1: b in [0, .5] less .5; 2: 1 less a in [0, 1].
    assert bounds(a, b, pair(a, b), parse_metric("avg")) == pytest.approx(((-1 - 0.5 + 0) / 3, (0 + 0 + 1) / 3))


def test_clusters_are_labels_that_come_twice(make, rollup) -> None:
    run = make("a", t=rollup(np.ones((4, 1)), cluster=["x", None, "x", "1"])).rollup("t")
    assert clusters(run, np.arange(4)) == ["x", None, "x", "1"]
    assert clusters(run, np.array([1, 2, 3])) is None
