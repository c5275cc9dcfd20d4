from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations
from math import comb, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from evalsuite.errors import UsageError
from evalsuite.metrics.reduce import (
    Metric,
    g_pass_at_k,
    jackknife_var,
    maj_at_k,
    mg_pass_at_k,
    parse_metric,
    pass_at_k,
    pass_hat_k,
)

SMALL = [(n, c, k) for n in range(1, 11) for c in range(n + 1) for k in range(1, n + 1)]


def subsets(n: int, c: int, k: int) -> list[int]:
    """How many of the c right ones each k-subset of n holds."""
    return [sum(i < c for i in chosen) for chosen in combinations(range(n), k)]


def test_pass_family_is_the_share_of_subsets() -> None:
    for n, c, k in SMALL:
        right = subsets(n, c, k)
        total = len(right)
        assert float(pass_at_k(n, c, k)) == pytest.approx(sum(r >= 1 for r in right) / total, abs=1e-14)
        assert float(pass_hat_k(n, c, k)) == pytest.approx(sum(r == k for r in right) / total, abs=1e-14)
        for tau in (Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(7, 10), Fraction(1)):
            share = sum(r >= max(math.ceil(tau * k), 1) for r in right) / total
            assert float(g_pass_at_k(n, c, k, float(tau))) == pytest.approx(share, abs=1e-13)
        over_half = range(math.ceil(k / 2) + 1, k + 1)
        mean = Fraction(2, k) * sum(Fraction(sum(r >= i for r in right), total) for i in over_half)
        assert float(mg_pass_at_k(n, c, k)) == pytest.approx(float(mean), abs=1e-13)


def test_large_counts_against_exact_rationals_and_scipy() -> None:
    for n, c, k in [(64, 3, 16), (256, 1, 128), (1024, 10, 512), (1024, 1000, 8), (100_000, 7, 5_000)]:
        miss = Fraction(comb(n - c, k), comb(n, k))
        assert float(pass_at_k(n, c, k)) == pytest.approx(float(1 - miss), rel=1e-9)
        assert float(pass_hat_k(n, n - c, k)) == pytest.approx(float(miss), rel=1e-9)
        if n <= 1024:
            tail = hypergeom.sf(math.ceil(k / 2) - 1, n, n - c, k)
            assert float(g_pass_at_k(n, n - c, k, 0.5)) == pytest.approx(tail, rel=1e-9)


def test_exact_at_the_ends() -> None:
    n = np.array([16, 16, 16, 8])
    assert pass_at_k(n, [0, 9, 16, 0], 8).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert pass_hat_k(n, [0, 7, 16, 8], 8).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_nothing_right_is_a_plain_zero() -> None:
    assert not np.signbit(pass_at_k([4, 8], [0, 0], 2)).any()
    assert math.copysign(1, parse_metric("pass@2").per_question([0.0, 0.0, 0.0, 0.0])) == 1


def test_g_pass_threshold_is_not_moved_by_rounding() -> None:
    # .7 * 10 is 7.000000000000001 in floats; seven right of ten drawn are enough.
    assert float(g_pass_at_k(10, 7, 10, 0.7)) == 1.0
    assert float(g_pass_at_k(10, 6, 10, 0.7)) == 0.0


@pytest.mark.parametrize("function", [pass_at_k, pass_hat_k, mg_pass_at_k, lambda n, c, k: g_pass_at_k(n, c, k, 0.5)])
def test_too_few_samples_never_give_a_number(function) -> None:
    with pytest.raises(ValueError, match=r"k = 8 needs at least 8 samples.*smallest n is 7"):
        function([16, 7], [1, 1], 8)
    with pytest.raises(ValueError, match="between 0 and n"):
        function([8], [9], 4)
    with pytest.raises(ValueError, match="at least 1"):
        function([8], [1], 0)
    with pytest.raises(ValueError, match="counts"):
        function([8.0], [1.0], 2)


def majority(classes: list[int], worth: dict[int, Fraction], k: int) -> Fraction:
    """maj@k by going through every subset."""
    total = Fraction(0)
    for chosen in combinations(classes, k):
        votes = {c: chosen.count(c) for c in chosen if c >= 0}
        winners = [c for c, v in votes.items() if v == max(votes.values())]
        total += sum((worth[c] for c in winners), Fraction(0)) / len(winners) if winners else 0
    return total / comb(len(classes), k)


@given(
    st.lists(st.integers(-1, 4), min_size=1, max_size=9), st.integers(1, 9), st.lists(st.integers(0, 4), min_size=5, max_size=5)
)
def test_maj_at_k_against_every_subset(classes: list[int], k: int, quarters: list[int]) -> None:
    k = min(k, len(classes))
    worth = {c: Fraction(q, 4) for c, q in enumerate(quarters)}
    values = [float(worth.get(c, 0)) for c in classes]
    assert maj_at_k(classes, values, k) == pytest.approx(float(majority(classes, worth, k)), abs=1e-12)


def test_maj_at_k_by_hand() -> None:
    # Answers a a b -: of the three pairs with b, (a, b) twice ties at 1/2 and (b, -) is b's; (a, a) and (a, -) twice are a's.
    assert maj_at_k([0, 0, 1, -1], [1, 1, 0, 0], 2) == pytest.approx((1 + 0.5 * 2 + 1 * 2 + 0) / 6)
    assert maj_at_k([0, 0, 1, -1], [1, 1, 0, 0], 4) == 1.0
    assert maj_at_k([0, 0, 1, 1, -1, -1, -1], [1, 1, 0, 0, 0, 0, 0], 7) == 0.5  # a tie; no answer never wins
    assert maj_at_k([-1, -1], [0, 0], 2) == 0.0
    assert maj_at_k([0, 0], [0.5, 0.5], 1) == 0.5


def test_maj_at_k_with_many_samples() -> None:
    # n distinct answers, one of them right: it wins 1/n of the time whatever k is.
    for n, k in [(64, 8), (64, 32), (256, 128)]:
        assert maj_at_k(np.arange(n), np.arange(n) == 0, k) == pytest.approx(1 / n, rel=1e-10)
    # Two answers and odd k: a win is a hypergeometric majority.
    classes = np.repeat([0, 1], [70, 58])
    assert maj_at_k(classes, classes == 0, 31) == pytest.approx(hypergeom.sf(15, 128, 70, 31), rel=1e-10)


def test_maj_at_k_refuses() -> None:
    with pytest.raises(ValueError, match="k = 3 needs at least 3 samples"):
        maj_at_k([0, 0], [1, 1], 3)
    with pytest.raises(ValueError, match="one length"):
        maj_at_k([0, 0], [1], 1)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("avg", Metric("avg")),
        ("avg@16", Metric("avg", 16)),
        ("pass@8", Metric("pass@", 8)),
        ("pass^4", Metric("pass^", 4)),
        ("maj@8", Metric("maj@", 8)),
        ("g_pass@8_0.5", Metric("g_pass@", 8, 0.5)),
        ("g_pass@16_1", Metric("g_pass@", 16, 1.0)),
        ("mg_pass@8", Metric("mg_pass@", 8)),
        ("part:prompt_strict", Metric("part", part="prompt_strict")),
        ("part:inst_strict/inst_count", Metric("part", part="inst_strict", weight="inst_count")),
        ("pass@1", Metric("avg")),
        ("pass^1", Metric("avg")),
    ],
)
def test_names(name: str, metric: Metric) -> None:
    assert parse_metric(name) == metric


WRONG = [
    "", "avg@", "avg8", "avg@0", "pass@", "pass@0", "pass@-1", "pass@08", "pass@8_0.5", "pass", "maj", "g_pass@8", "g_pass@8_",
    "g_pass@8_1.5", "mg_pass@1", "part:", "part:a/", "part:a/b/c", "part:a b", "AVG", "pass@8 ",
]  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_names(name: str) -> None:
    with pytest.raises(UsageError, match="metric"):
        parse_metric(name)


@given(st.text(max_size=20))
def test_any_text_is_a_metric_or_a_usage_error(name: str) -> None:
    try:
        metric = parse_metric(name)
    except UsageError:
        return
    assert parse_metric(metric.label(metric.needs_n)).label(64) == metric.label(64)


def test_labels_and_solidity() -> None:
    assert [parse_metric("avg").label(n) for n in (1, 8)] == ["avg", "avg@8"]
    assert parse_metric("avg@8").label(16) == "avg@16"
    assert parse_metric("pass@8").label(16) == "pass@8"
    assert parse_metric("part:a/b").label(1) == "part:a/b"
    assert parse_metric("g_pass@8_0.50").label(16) == "g_pass@8_0.5"
    assert parse_metric("pass@8").solid(16) and not parse_metric("pass@8").solid(15)
    assert parse_metric("avg").solid(1)
    assert parse_metric("maj@4").needs_classes and not parse_metric("pass@4").needs_classes


def test_per_question() -> None:
    values = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert parse_metric("avg").per_question(values) == 0.25
    assert parse_metric("pass@4").per_question(values) == pytest.approx(1 - 15 / 70)
    assert parse_metric("pass^2").per_question(values) == pytest.approx(1 / 28)
    assert parse_metric("maj@8").per_question(values, [0, 1, 1, 0, 2, 3, 4, -1]) == 0.5
    assert parse_metric("mg_pass@2").per_question(values) == pytest.approx(1 / 28)
    # Partial credit is no success.
    assert parse_metric("pass@2").per_question([0.99, 0.5]) == 0.0
    assert parse_metric("avg").per_question([0.99, 0.5]) == pytest.approx(0.745)


def test_missing_samples_leave_n_and_never_count_as_wrong() -> None:
    values = [1.0, nan, 0.0, nan]
    assert parse_metric("avg").per_question(values) == 0.5
    assert parse_metric("pass@2").per_question(values) == 1.0
    assert math.isnan(parse_metric("pass@3").per_question(values))
    assert math.isnan(parse_metric("avg").per_question([nan, nan]))
    assert parse_metric("maj@2").per_question(values, [0, 1, 1, 1]) == 0.5
    with pytest.raises(ValueError, match="class of each answer"):
        parse_metric("maj@2").per_question(values)


def test_jackknife_of_a_mean_is_s2_over_n() -> None:
    values = np.array([0.0, 1.0, 1.0, nan, 0.25])
    assert jackknife_var(Metric("avg"), values) == pytest.approx(np.nanvar(values, ddof=1) / 4)


def test_jackknife_by_hand() -> None:
    # pass@2 of 1 right in 4: without the right one 0, without a wrong one pass@2(3, 1) = 2/3 (three times).
    without = np.array([0, 2 / 3, 2 / 3, 2 / 3])
    expected = 3 / 4 * ((without - without.mean()) ** 2).sum()
    assert jackknife_var(Metric("pass@", 2), [0, 1, 0, 0]) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(-1, 3), st.booleans()), min_size=4, max_size=8))
def test_jackknife_equals_deleting_one_by_one(samples: list[tuple[int, bool]]) -> None:
    classes, values = [c for c, _ in samples], [float(v) for _, v in samples]
    for metric in (Metric("maj@", 3), Metric("pass@", 2), Metric("g_pass@", 3, 0.5)):
        n = len(values)
        without = np.array([
            metric.per_question(values[:i] + values[i + 1 :], classes[:i] + classes[i + 1 :]) for i in range(n)
        ])  # fmt: skip
        expected = (n - 1) / n * ((without - without.mean()) ** 2).sum()
        assert jackknife_var(metric, values, classes) == pytest.approx(expected, abs=1e-12)


def test_jackknife_needs_one_sample_more() -> None:
    assert math.isnan(jackknife_var(Metric("pass@", 4), [0, 1, 0, 1]))
    assert math.isnan(jackknife_var(Metric("avg"), [1.0]))
    assert not math.isnan(jackknife_var(Metric("pass@", 3), [0, 1, 0, 1]))


def test_within_variance_is_per_question() -> None:
    values, classes = [[1, 0, 1, nan], [1, 1, 1, 1]], [[0, 1, 0, 1], [0, 0, 0, 0]]
    out = Metric("avg").within_variance(values)
    assert out == pytest.approx([1 / 9, 0.0])
    assert Metric("maj@", 2).within_variance(values, classes)[1] == 0.0
