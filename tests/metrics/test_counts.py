from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from evalsuite.metrics import g_pass_at_k, mg_pass_at_k, pass_at_k, pass_hat_k

SMALL = [(n, c, k) for n in range(1, 11) for c in range(n + 1) for k in range(1, n + 1)]
LARGE = [
    (16, 3, 8), (16, 9, 8), (16, 15, 16), (32, 1, 16), (32, 30, 4), (48, 24, 16), (64, 3, 16), (64, 60, 32), (100, 7, 50), (100, 93, 29),
    (128, 2, 64), (200, 199, 100), (256, 1, 128), (256, 128, 8), (257, 40, 31), (512, 300, 200), (1000, 1, 1), (1000, 999, 999),
    (1000, 17, 3), (1024, 10, 512), (1024, 1000, 8), (2000, 1234, 16), (3000, 2, 1500), (3000, 2999, 10), (4096, 2048, 64),
]  # fmt: skip
TAUS = [Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(7, 10), Fraction(3, 4), Fraction(1)]
FUNCTIONS = [pass_at_k, pass_hat_k, mg_pass_at_k, lambda n, c, k: g_pass_at_k(n, c, k, 0.5)]


def subsets(n: int, c: int, k: int) -> list[int]:
    """How many of the c right ones each k-subset of n holds."""
    return [sum(i < c for i in chosen) for chosen in combinations(range(n), k)]


def tail(n: int, c: int, k: int, least: int) -> Fraction:
    """P(at least `least` of k are right), exactly."""
    return Fraction(sum(comb(c, j) * comb(n - c, k - j) for j in range(least, k + 1)), comb(n, k))


def human_eval(n: int, c: int, k: int) -> float:
    """pass@k as the paper prints it: 1 - prod_{i = n-c+1}^{n} (1 - k/i)."""
    return 1.0 if n - c < k else 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def lighteval(n: int, c: int, k: int, tau: float) -> float:
    return float(hypergeom.sf(max(math.ceil(k * tau), 1) - 1, n, c, k))


def test_pass_family_is_the_share_of_subsets() -> None:
    for n, c, k in SMALL:
        right = subsets(n, c, k)
        total = len(right)
        assert pass_at_k(n, c, k) == sum(r >= 1 for r in right) / total
        assert pass_hat_k(n, c, k) == sum(r == k for r in right) / total
        for tau in TAUS:
            assert g_pass_at_k(n, c, k, float(tau)) == sum(r >= max(math.ceil(tau * k), 1) for r in right) / total
        over_half = range(math.ceil(k / 2) + 1, k + 1)
        mean = Fraction(2, k) * sum(Fraction(sum(r >= i for r in right), total) for i in over_half)
        assert mg_pass_at_k(n, c, k) == float(mean)


@pytest.mark.parametrize(("n", "c", "k"), LARGE)
def test_pass_at_k_golden(n: int, c: int, k: int) -> None:
    assert pass_at_k(n, c, k) == float(tail(n, c, k, 1))
    assert pass_at_k(n, c, k) == pytest.approx(human_eval(n, c, k), rel=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), LARGE)
def test_pass_hat_k_golden(n: int, c: int, k: int) -> None:
    assert pass_hat_k(n, c, k) == float(tail(n, c, k, k))
    # The chance that the first is right, then the second of those left, ...
    assert pass_hat_k(n, c, k) == pytest.approx(math.prod((c - i) / (n - i) for i in range(k)), rel=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), LARGE)
def test_g_pass_at_k_golden(n: int, c: int, k: int) -> None:
    for tau in TAUS:
        mine = g_pass_at_k(n, c, k, float(tau))
        assert mine == float(tail(n, c, k, max(math.ceil(tau * k), 1)))
        # scipy itself loses digits for large counts.
        assert mine == pytest.approx(lighteval(n, c, k, float(tau)), rel=1e-12 if n <= 64 else 1e-9, abs=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), LARGE)
def test_mg_pass_at_k_golden(n: int, c: int, k: int) -> None:
    expected = Fraction(2, k) * sum((tail(n, c, k, i) for i in range(-(-k // 2) + 1, k + 1)) if k <= 200 else [], Fraction(0))
    if k <= 200:
        assert mg_pass_at_k(n, c, k) == float(expected)
    mean = 2 / k * sum(hypergeom.sf(np.arange(-(-k // 2), k), n, c, k))
    assert mg_pass_at_k(n, c, k) == pytest.approx(mean, rel=1e-12 if n <= 64 else 1e-9, abs=1e-12)


def test_by_hand() -> None:
    assert pass_at_k(4, 1, 2) == 1 - 3 / 6
    assert pass_hat_k(4, 3, 2) == 3 / 6
    assert g_pass_at_k(4, 2, 3, 0.5) == 0.5  # both right ones in 3 of 4: C(2,2) C(2,1) / 4
    assert mg_pass_at_k(4, 3, 3) == 2 / 3 * 1 / 4  # only i = 3
    assert (mg_pass_at_k(8, 8, 8), mg_pass_at_k(5, 5, 5), mg_pass_at_k(1, 1, 1)) == (1.0, 0.8, 0.0)


def test_exact_at_the_ends() -> None:
    n = np.array([16, 16, 16, 8])
    assert pass_at_k(n, [0, 9, 16, 0], 8).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert pass_hat_k(n, [0, 7, 16, 8], 8).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert not np.signbit(pass_at_k([4, 8], [0, 0], 2)).any()
    # Far below what 1 - x can hold, and beyond the range of floats.
    assert pass_hat_k(1000, 500, 450) == float(tail(1000, 500, 450, 450)) > 0
    assert pass_hat_k(4000, 2000, 2000) == 0.0
    assert pass_at_k(10**6, 1, 1) == 1e-6


@pytest.mark.parametrize(
    ("tau", "k", "least"), [(0.7, 10, 7), (0.1, 30, 3), (0.29, 100, 29), (0.07, 100, 7), (0.0, 8, 1), (1.0, 8, 8)]
)
def test_the_ceiling_of_decimal_shares(tau: float, k: int, least: int) -> None:
    # With all k drawn, the value is a step at the threshold.
    assert g_pass_at_k(k, least, k, tau) == 1.0
    assert g_pass_at_k(k, least - 1, k, tau) == 0.0


def test_the_ceiling_is_exact_for_every_share() -> None:
    for k in range(1, 201):
        i = np.arange(1, k + 1)
        steps = g_pass_at_k(k, np.concatenate([i, i - 1]), k, np.concatenate([i / k, i / k]))
        assert (steps == np.repeat([1.0, 0.0], k)).all()
    percent = [f"0.{p:02d}" for p in range(1, 100)]
    for k in (3, 8, 10, 30, 100, 128, 1000):
        least = [math.ceil(Fraction(p) * k) for p in percent]
        taus = [float(p) for p in percent]
        assert (g_pass_at_k(k, least, k, taus) == 1).all() and (g_pass_at_k(k, np.array(least) - 1, k, taus) == 0).all()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble])
def test_the_ceiling_is_exact_for_narrow_floats(kind: type) -> None:
    for k in (3, 7, 8, 10, 30, 100):
        i = np.arange(1, k + 1)
        for tau in ((i / k).astype(kind), np.array([i / k for i in range(1, k + 1)], dtype=kind)):
            assert (g_pass_at_k(k, i, k, tau) == 1).all() and (g_pass_at_k(k, i - 1, k, tau) == 0).all()
    assert g_pass_at_k(10, [2, 3], 10, kind(0.3)).tolist() == [0.0, 1.0]
    assert g_pass_at_k(10, [2, 3], 10, [np.float32(0.3)]).tolist() == [0.0, 1.0]
    if kind in (np.float16, np.float32):  # the next number of its kind above a half is meant to be above
        assert g_pass_at_k(8, 4, 8, np.nextafter(kind(0.5), kind(1))) == 0.0


def test_the_ceiling_forgives_rounding_only() -> None:
    assert g_pass_at_k(8, 4, 8, 0.5 + 1e-12) == 0.0
    assert g_pass_at_k(8, 4, 8, 0.5 - 1e-12) == 1.0
    assert g_pass_at_k(8, 1, 8, 1e-300) == 1.0


@pytest.mark.parametrize("function", FUNCTIONS)
def test_numbers_give_floats_and_arrays_arrays(function) -> None:
    assert type(function(8, 3, 4)) is float
    assert type(function(np.int64(8), np.int32(3), np.uint8(4))) is float
    assert type(function(np.array(8), 3.0, 4)) is float
    column = function([8, 16], 3, 4)
    assert isinstance(column, np.ndarray) and column.dtype == np.float64 and column.shape == (2,)
    assert function([8], [3], 4).shape == (1,)
    assert function([], [], 4).shape == (0,)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_broadcasts(function) -> None:
    n, c, k = np.array([[8], [16]]), np.array([0, 1, 5]), np.array([[[1]], [[2]], [[4]], [[8]]])
    table = function(n, c, k)
    assert table.shape == (4, 2, 3)
    for (i, j, m), value in np.ndenumerate(table):
        assert value == function(int(n[j, 0]), int(c[m]), int(k[i, 0, 0]))


def test_tau_broadcasts() -> None:
    table = g_pass_at_k(16, [[4], [12]], 8, [0.0, 0.5, 1.0])
    assert table == pytest.approx(np.array([[lighteval(16, c, 8, t) for t in (0.0, 0.5, 1.0)] for c in (4, 12)]), rel=1e-12)


def test_whole_floats_and_small_integers_are_counts() -> None:
    assert pass_at_k(8.0, [1.0, 2.0], 4).tolist() == pass_at_k(8, [1, 2], 4).tolist()
    n, c = np.full(3, 200, np.uint8), np.array([0, 100, 200], np.uint8)
    assert pass_at_k(n, c, 150).tolist() == pass_at_k(200, [0, 100, 200], 150).tolist()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_too_few_samples_never_give_a_number(function) -> None:
    with pytest.raises(ValueError, match=r"k = 8 needs at least 8 samples.*smallest n is 7"):
        function([16, 7], [1, 1], 8)
    with pytest.raises(ValueError, match=r"k = 8 needs at least 8 samples.*smallest n is 4"):
        function(4, 1, [2, 4, 8])
    for n, c, k, words in [
        (8, 9, 4, "between 0 and n"), (8, -1, 4, "between 0 and n"), ([8, 8], [1, 9], 4, "between 0 and n"), (8, 1, 0, "at least 1"),
        (8, 1, [2, -1], "at least 1"), (8.5, 1, 2, "n must be whole"), (8, 0.5, 2, "c must be whole"), (8, 1, 2.5, "k must be whole"),
        (8, math.nan, 2, "c must be whole"), (math.inf, 1, 2, "n must be whole"), ("8", 1, 2, "n must be whole"),
        (1e20, 1, 2, "n must be at most 1,000,000,000, not 1e"), (10**30, 1, 2, "n must be at most"), (2**63, 1, 2, "n must be at most"),
        ([8, 8], [1, 1e300], 2, "c must be at most"), (8, 1, [2, 10**30], "k must be at most"), (-1e20, 1, 2, "n must be at most"),
        (8, [True], 2, "c must be whole"), (8, None, 2, "c must be whole"), ([8, 8], [1, 1, 1], 2, "broadcast"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            function(n, c, k)


@pytest.mark.parametrize("tau", [-0.1, 1.1, math.nan, [0.5, 2.0]])
def test_tau_is_a_share(tau) -> None:
    with pytest.raises(ValueError, match="tau must be in"):
        g_pass_at_k(8, 1, 4, tau)


COUNTS = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))


@given(COUNTS, st.integers(0, 1000))
def test_identities(counts: tuple[int, int, int], per_mille: int) -> None:
    n, c, k = counts
    # All of k wrong is the complement of one right; one right is G-Pass at 0, all right at 1.
    assert pass_at_k(n, c, k) == pytest.approx(1 - pass_hat_k(n, n - c, k), abs=1e-14)
    assert g_pass_at_k(n, c, k, 0) == pass_at_k(n, c, k)
    assert g_pass_at_k(n, c, k, 1) == pass_hat_k(n, c, k)
    assert pass_at_k(n, c, 1) == pass_hat_k(n, c, 1) == c / n
    tau = per_mille / 1000
    least = max(-(-per_mille * k // 1000), 1)
    assert g_pass_at_k(n, c, k, tau) == float(tail(n, c, k, least))
    # At least m of k right, or at least k - m + 1 wrong.
    assert g_pass_at_k(n, c, k, least / k) + g_pass_at_k(n, n - c, k, (k - least + 1) / k) == pytest.approx(1, abs=1e-14)


@given(COUNTS, st.floats(0, 1))
def test_more_right_is_never_worse(counts: tuple[int, int, int], tau: float) -> None:
    n, _, k = counts
    c = np.arange(n + 1)
    for column in (pass_at_k(n, c, k), pass_hat_k(n, c, k), g_pass_at_k(n, c, k, tau), mg_pass_at_k(n, c, k)):
        assert (np.diff(column) >= 0).all()
        assert column.min() >= 0 and column.max() <= 1
    ks = np.arange(1, n + 1)
    assert (np.diff(pass_at_k(n, c[:, None], ks)) >= 0).all()
    assert (np.diff(pass_hat_k(n, c[:, None], ks)) <= 0).all()
    assert (np.diff(g_pass_at_k(n, c[:, None], k, np.arange(k + 1) / k)) <= 0).all()


@given(COUNTS, st.integers(1, 20))
def test_unbiased(counts: tuple[int, int, int], more: int) -> None:
    """What n of n + more samples say on average is what all of them say."""
    n, c, k = counts
    everything = n + more
    right = np.arange(max(0, c - more), min(n, c) + 1)
    chance = np.array([comb(c, int(r)) * comb(everything - c, n - int(r)) / comb(everything, n) for r in right])
    for function in FUNCTIONS:
        assert chance @ function(n, right, k) == pytest.approx(function(everything, c, k), abs=1e-12)


def test_a_column_of_a_large_leaderboard() -> None:
    rng = np.random.default_rng(0)
    n = rng.choice([8, 16, 64], 62_500)
    c = rng.integers(0, n + 1)
    for function in FUNCTIONS:
        column = function(n, c, 8)
        for i in range(0, 62_500, 5_000):
            assert column[i] == function(int(n[i]), int(c[i]), 8)
