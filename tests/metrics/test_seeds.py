from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalsuite.metrics.seeds import seeds

VALUES = st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda v: np.std(v) > 1e-6)


def test_by_hand() -> None:
    # s_a^2 = .01/... : a = .4, .5, .6 has s^2 = .01, b = .6, .8 has s^2 = .02: se^2 = .01/3 + .02/2 = .0133333.
    found = seeds([0.4, 0.5, 0.6], [0.6, 0.8])
    assert found.value == pytest.approx(0.2) and found.se == pytest.approx(math.sqrt(0.04 / 3))
    assert found.df == pytest.approx((0.04 / 3) ** 2 / ((0.01 / 3) ** 2 / 2 + 0.01**2))
    assert (found.mean_a, found.mean_b) == pytest.approx((0.5, 0.7))
    assert (found.seeds_a, found.seeds_b, found.paired, found.note) == (3, 2, False, "")


@given(VALUES, VALUES)
def test_welch_against_scipy(a: list[float], b: list[float]) -> None:
    found, expected = seeds(a, b), stats.ttest_ind(b, a, equal_var=False)
    interval = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12) and found.df == pytest.approx(expected.df)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-12)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
def test_paired_against_scipy(pairs: list[tuple[float, float]]) -> None:
    a, b = zip(*pairs)
    if np.std(np.subtract(b, a)) < 1e-6:
        return
    found, expected = seeds(a, b, paired=True), stats.ttest_rel(b, a)
    interval = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12) and found.df == len(pairs) - 1
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "which"), [([0.5], [0.9], "each side"), ([0.5], [0.8, 0.9], "a"), ([0.5, 0.6, 0.7], [0.9], "b")]
)
def test_one_seed_says_nothing_about_methods(a: list[float], b: list[float], which: str) -> None:
    found = seeds(a, b)
    assert found.value == pytest.approx(np.mean(b) - np.mean(a))
    assert all(math.isnan(x) for x in (found.low, found.high, found.p, found.se, found.df))
    assert found.note.startswith(f"checkpoint claim only: 1 training seed of {which},")


@pytest.mark.parametrize("paired", [False, True])
def test_seeds_that_do_not_differ_are_no_evidence(paired: bool) -> None:
    found = seeds([0.1 + 0.2, 0.3], [0.7, 0.7], paired=paired)
    assert math.isnan(found.p) and found.note.startswith("checkpoint claim only: the seeds do not differ")
    one_sided = seeds([0.3, 0.3], [0.6, 0.8])
    assert one_sided.df == pytest.approx(1.0) and one_sided.p > 0.05


def test_swapping_sides_changes_signs_only() -> None:
    one, other = seeds([0.4, 0.5, 0.55], [0.6, 0.7]), seeds([0.6, 0.7], [0.4, 0.5, 0.55])
    assert (one.value, one.low, one.high, one.p) == pytest.approx((-other.value, -other.high, -other.low, other.p))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="3 in a, 2 in b"):
        seeds([0.1, 0.2, 0.3], [0.1, 0.2], paired=True)
    for bad in ([], [0.5, math.nan], [[0.5, 0.6]]):
        with pytest.raises(ValueError, match="b: one finite number per training seed"):
            seeds([0.1, 0.2], bad)


@pytest.mark.slow
@pytest.mark.parametrize(("few", "many"), [(3, 3), (3, 10)])
def test_no_difference_is_found_at_the_level_asked_for(few: int, many: int) -> None:
    rng = np.random.default_rng(few + many)
    found = [seeds(rng.normal(0.5, 0.03, few), rng.normal(0.5, 0.03, many)).p for _ in range(4000)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.045, abs=0.02)
