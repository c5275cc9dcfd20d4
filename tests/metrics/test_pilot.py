from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evalsuite.metrics.paired import compare
from evalsuite.metrics.pilot import paired_pilot, pilot
from evalsuite.metrics.power import INTERACTION, Noise, detectable_difference, usual_within

BITS = arrays(np.int64, (8, 3), elements=st.integers(0, 1)).map(lambda x: x.astype(float))


def test_one_run_by_hand() -> None:
    # Variances of the questions: 1/3 (1 of 3), 0, 1/2 (1 of 2).
    found = pilot([[1, 0, 0], [1, 1, 1], [1, 0, math.nan]])
    assert found.noise == Noise(within_a=5 / 18, within_b=found.noise.within_a)
    assert (found.noise.within_a, found.samples_a) == pytest.approx((5 / 18, 3 / (1 / 3 + 1 / 3 + 1 / 2)))
    assert (found.n_questions, found.n_clusters) == (3, 3) and len(found.notes) == 1


def test_columns_of_a_roll_up_give_the_same_as_samples() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((20, 4))
    columns = pilot(scores.mean(axis=1), samples=4, within=scores.var(axis=1, ddof=1) / 4)
    assert columns.noise.within_a == pytest.approx(pilot(scores).noise.within_a)


def test_one_sample_per_question_is_assumed_and_said() -> None:
    found = pilot([1.0, 0.0, 1.0, 1.0, math.nan])
    assert found.noise.within_a == pytest.approx(usual_within(4 / 6)) and found.n_questions == 4
    assert "one sample per question: a variance of 0.144 between samples is assumed" in found.notes[0]
    assert pilot(np.ones(30)).noise.within_a == pytest.approx(usual_within(31 / 32)) != 0


def test_samples_that_never_disagree_are_not_without_noise() -> None:
    found = pilot(np.ones((10, 4)))
    assert found.noise.within_a == 1 / 40 and "never disagreed" in found.notes[0]


def test_clusters_that_are_alike_raise_the_interaction() -> None:
    values = np.repeat([0.0, 1.0, 1.0, 0.0, 1.0], 4)
    alike = pilot(values, clusters=np.repeat(np.arange(5), 4).tolist())
    # One cluster of m equal questions counts once: the ratio is m (N-1)/N G/(G-1) = 4 * 19/20 * 5/4.
    assert alike.noise.design_effect == pytest.approx(4.75) and alike.noise.cluster_size == 4
    assert (alike.n_questions, alike.n_clusters) == (20, 5)
    unlike = pilot(np.tile([0.0, 1.0, 1.0, 0.0], 5), clusters=np.repeat(np.arange(5), 4).tolist())
    assert unlike.noise.design_effect == 1.0
    assert pilot(np.ones(8), clusters=[0] * 8).noise.design_effect == 1.0


@given(BITS, BITS)
def test_pairs_keep_the_variance_that_compare_sees(a: np.ndarray, b: np.ndarray) -> None:
    labels = [0, 0, 1, 2, 3, 4, 5, 5]
    for one, other, k, clusters in ((a, b, 3, None), (a, b, 3, labels), (a[:, 0], b[:, 0], 1, None), (a[:, 0], b, 1, None)):
        found = paired_pilot(one, other, clusters=clusters)
        seen = 8 * compare(one, other, clusters=clusters).se ** 2
        assert found.noise.variance(k, k if other is not b else 3) >= seen - 1e-12
        if found.noise.interaction > 0 and found.noise.within_a > 0:
            assert found.noise.variance(k, np.size(other) // 8) == pytest.approx(seen)
        assert found.samples_a == k


def test_pairs_recover_what_was_put_in() -> None:
    rng = np.random.default_rng(1)
    theta = rng.uniform(0.3, 0.7, 40_000)
    a = rng.binomial(1, theta[:, None], (40_000, 4)).astype(float)
    b = rng.binomial(1, (theta + rng.choice([-0.1, 0.1], 40_000))[:, None], (40_000, 8)).astype(float)
    found = paired_pilot(a, b).noise
    assert found.interaction == pytest.approx(0.1, abs=0.01)
    assert (found.within_a, found.within_b) == pytest.approx((0.2367, 0.2267), abs=0.002)


def test_single_samples_split_the_differences_as_assumed() -> None:
    a, b = np.array([1.0, 0, 1, 0, 1, 0, 1, 0]), np.array([1.0, 0, 0, 0, 1, 0, 1, 1])
    found = paired_pilot(a, b)
    assert found.noise.interaction == pytest.approx(INTERACTION) and found.noise.within_a == found.noise.within_b
    assert found.noise.variance(1, 1) == pytest.approx(float(np.var(b - a, ddof=1)))
    assert "one sample per question" in found.notes[0]
    same = paired_pilot(a, a).noise
    assert (same.interaction, same.within_a, same.within_b) == (0, 0, 0)
    assert 0 < detectable_difference(8, same, 1, 1) < 1


def test_too_little() -> None:
    with pytest.raises(ValueError, match="no question has a value"):
        pilot([math.nan, math.nan])
    with pytest.raises(ValueError, match="4 independent questions have a value in both"):
        paired_pilot([1, 0, 1, 0, math.nan], [1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="2 independent questions"):
        paired_pilot(np.ones(8), np.zeros(8), clusters=[0] * 4 + [1] * 4)
