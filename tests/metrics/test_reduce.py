from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, product
from math import comb, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from evalsuite.errors import UsageError
from evalsuite.metrics.reduce import Metric, jackknife_var, maj_at_k, parse_metric


def test_nothing_right_is_a_plain_zero() -> None:
    assert math.copysign(1, parse_metric("pass@2").per_question([0.0, 0.0, 0.0, 0.0])) == 1


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


# Sizes of the classes of answers, samples without an answer, and k.
@pytest.mark.parametrize(
    ("sizes", "silent", "k"),
    [
        ((3, 2, 1), 0, 3), ((3, 2, 1), 2, 4), ((4, 4), 0, 4), ((4, 4), 1, 5), ((1, 1, 1, 1, 1), 0, 4), ((6,), 4, 3), ((2, 2, 2, 2), 2, 5),
        ((5, 3, 2), 0, 10), ((5, 3, 2), 3, 1), ((4, 3, 3), 2, 6), ((7, 5), 0, 7), ((2, 2, 1, 1, 1), 1, 4), ((8, 1, 1, 1), 1, 2),
        ((3, 3, 3, 3), 0, 6), ((6, 5, 1), 0, 8), ((1,), 9, 5), ((2, 1), 7, 8), ((4, 3, 2, 1), 2, 5), ((5, 5, 2), 0, 9), ((10, 2), 1, 4),
    ],
)  # fmt: skip
def test_maj_at_k_golden(sizes: tuple[int, ...], silent: int, k: int) -> None:
    classes = [c for c, size in enumerate(sizes) for _ in range(size)] + [-1] * silent
    for worth in ({0: Fraction(1)}, {len(sizes) - 1: Fraction(1)}, {c: Fraction(c + 1, 7) for c in range(len(sizes))}):
        everything = {c: worth.get(c, Fraction(0)) for c in range(len(sizes))}
        values = [float(everything.get(c, 0)) for c in classes]
        assert maj_at_k(classes, values, k) == pytest.approx(float(majority(classes, everything, k)), rel=1e-12, abs=1e-14)


def by_counts(groups: list[tuple[int, Fraction]], silent: int, k: int) -> Fraction:
    """maj@k by going through all numbers of votes that each class can get."""
    total = Fraction(0)
    for votes in product(*(range(min(size, k) + 1) for size, _ in groups)):
        if sum(votes) <= k <= sum(votes) + silent and any(votes):
            ways = math.prod(comb(size, v) for (size, _), v in zip(groups, votes)) * comb(silent, k - sum(votes))
            best = [worth for (_, worth), v in zip(groups, votes) if v == max(votes)]
            total += ways * sum(best, Fraction(0)) / len(best)
    return total / comb(silent + sum(size for size, _ in groups), k)


@pytest.mark.parametrize(
    ("sizes", "silent", "k"), [((30, 20, 14), 0, 16), ((30, 20, 14), 10, 32), ((64, 64), 0, 64), ((100, 28), 0, 8), ((9, 9, 9, 9), 3, 12)]
)  # fmt: skip
def test_maj_at_k_of_many_samples_by_counts(sizes: tuple[int, ...], silent: int, k: int) -> None:
    groups = [(size, Fraction(c, 3)) for c, size in enumerate(sizes)]
    classes = np.repeat([*range(len(sizes)), -1], [*sizes, silent])
    values = np.where(classes < 0, 0.0, classes / 3)
    assert maj_at_k(classes, values, k) == pytest.approx(float(by_counts(groups, silent, k)), rel=1e-12)


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=12), st.integers(1, 12), st.randoms())
def test_maj_at_k_does_not_depend_on_order_or_names(classes: list[int], k: int, random) -> None:
    k, worth = min(k, len(classes)), {-1: 0.0, 0: 1.0, 1: 0.0, 2: 0.25, 3: 0.0}
    expected = maj_at_k(classes, [worth[c] for c in classes], k)
    shuffled = random.sample(classes, len(classes))
    renamed = [c if c < 0 else 17 - 3 * c for c in shuffled]
    assert maj_at_k(renamed, [worth[c] for c in shuffled], k) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert 0 <= expected <= 1


def test_maj_at_k_of_values_beyond_one() -> None:
    assert maj_at_k([0, 0, 1], [5.0, 5.0, -2.0], 3) == 5.0
    assert maj_at_k([0, 0, 0], [-2.0, -2.0, -2.0], 2) == -2.0
    assert maj_at_k([0, -1], [-2.0, 0.0], 1) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    "answers",
    [
        ["4", "4", "5", None], ["4", "4", "5", nan], np.array(["4", "4", "5", None]), [4.0, 4.0, 5.0, nan], np.array([4, 4, 5, -1]),
        [4, 4.0, "4", -1], [(1, 2), (1, 2), "-1", None], [True, True, False, None], [-2, -2, 0, -1.0], (c for c in ["a", "a", "b", None]),
    ],
)  # fmt: skip
def test_maj_at_k_takes_answers_as_they_are(answers) -> None:
    # As in `by_hand`: 4 of 6 pairs, a tie counting half.
    assert maj_at_k(answers, [True, True, False, False], 2) == pytest.approx(4 / 6)


def test_maj_at_k_of_many_k() -> None:
    answers, correct = ["a", "a", "b", None], np.array([True, True, False, False])
    found = maj_at_k(answers, correct, [[1], [2], [4]])
    assert found.shape == (3, 1) and found.ravel() == pytest.approx([0.5, 4 / 6, 1.0])
    assert isinstance(maj_at_k(answers, correct, np.int64(2)), float) and maj_at_k(answers, correct, []).shape == (0,)


def test_maj_at_k_of_no_answer_needs_no_value() -> None:
    assert maj_at_k(["a", None], [1.0, nan], 1) == 0.5
    with pytest.raises(ValueError, match="value is missing"):
        maj_at_k(["a", "b"], [1.0, nan], 1)


def test_maj_at_k_refuses() -> None:
    for k in (3, [1, 3]):
        with pytest.raises(ValueError, match="k = 3 needs at least 3 samples"):
            maj_at_k([0, 0], [1, 1], k)
    with pytest.raises(ValueError, match="k is 0"):
        maj_at_k([0, 0], [1, 1], 0)
    with pytest.raises(ValueError, match="one length"):
        maj_at_k([0, 0], [1], 1)
    with pytest.raises(ValueError, match="the answers come before"):
        maj_at_k([True, False], ["4", "5"], 1)
    for classes in ([[1], [2]], np.zeros((2, 2)), 5):
        with pytest.raises(ValueError, match="hashable"):
            maj_at_k(classes, [1, 1], 1)


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


def test_answers_instead_of_numbers() -> None:
    metric, values, classes = Metric("maj@", 3), [1.0, 1.0, 0.0, nan, 0.0, 0.0], [0, 0, 1, 1, 2, -1]
    answers = ["4", "4", "x, y", "x, y", "", None]
    assert metric.per_question(values, answers) == metric.per_question(values, classes)
    assert jackknife_var(metric, values, answers) == jackknife_var(metric, values, classes) > 0
    assert metric.within_variance([values], [answers]) == metric.within_variance([values], [classes])


def test_jackknife_needs_one_sample_more() -> None:
    assert math.isnan(jackknife_var(Metric("pass@", 4), [0, 1, 0, 1]))
    assert math.isnan(jackknife_var(Metric("avg"), [1.0]))
    assert not math.isnan(jackknife_var(Metric("pass@", 3), [0, 1, 0, 1]))


def test_within_variance_is_per_question() -> None:
    values, classes = [[1, 0, 1, nan], [1, 1, 1, 1]], [[0, 1, 0, 1], [0, 0, 0, 0]]
    out = Metric("avg").within_variance(values)
    assert out == pytest.approx([1 / 9, 0.0])
    assert Metric("maj@", 2).within_variance(values, classes)[1] == 0.0
