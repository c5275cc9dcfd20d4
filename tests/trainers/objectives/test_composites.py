"""Composite rewards: the published tables, entropy of success, and what each part may not buy."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import UsageError
from evalsuite.trainers.objectives.composites import (
    asl_question,
    deepeyes,
    deepeyes_math,
    deepeyes_v2,
    difficulty,
    score_entropy,
    success_entropy,
)

EIGHT = list(itertools.product([1.0, 0.0], [True, False], [True, False]))  # accuracy, well formed, tool
ACCURACY = torch.tensor([a for a, _, _ in EIGHT])
FORMED = torch.tensor([f for _, f, _ in EIGHT])
TOOL = torch.tensor([3 * t for _, _, t in EIGHT])
SHORT = torch.full((8,), 20)


def test_deepeyes_table():
    """2 and .8 for right answers with and without a tool; malformed ones lose .2; tools buy nothing for wrong ones."""
    got = deepeyes(ACCURACY, FORMED, TOOL, SHORT)
    torch.testing.assert_close(got, torch.tensor([2.0, 0.8, 1.8, 0.6, 0.0, 0.0, -0.2, -0.2]))


def test_deepeyes_long_answers_are_wrong_and_malformed():
    got = deepeyes(ACCURACY[:2], FORMED[:2], TOOL[:2], torch.tensor([999, 1000]))
    torch.testing.assert_close(got, torch.tensor([2.0, -0.2]))


def test_deepeyes_bonus_wants_an_accuracy_above_one_half():
    got = deepeyes(torch.tensor([0.5, 0.6]), FORMED[:2], torch.tensor([1, 1]), SHORT[:2])
    torch.testing.assert_close(got, torch.tensor([0.4, 0.48 + 1.2]))


def test_deepeyes_mathematics():
    got = deepeyes_math(torch.tensor([1.0, 1.0, 0.0, 0.0]), torch.tensor([True, False, True, False]))
    torch.testing.assert_close(got, torch.tensor([1.2, 0.8, 0.0, -0.4]))


def test_deepeyes_v2_table_and_its_search_discount():
    torch.testing.assert_close(deepeyes_v2(ACCURACY, FORMED, SHORT), torch.tensor([1.0, 1.0, 0.8, 0.8, 0.2, 0.2, 0.0, 0.0]))
    searched = deepeyes_v2(ACCURACY, FORMED, SHORT, searches=TOOL)
    torch.testing.assert_close(searched, torch.tensor([0.92, 1.0, 0.72, 0.8, 0.2, 0.2, 0.0, 0.0]))
    assert deepeyes_v2(ACCURACY[:2], FORMED[:2], torch.tensor([299, 300])).tolist() == [1.0, 0.0]


def test_entropy_of_success():
    p = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0], dtype=torch.float64)
    want = torch.tensor([0.0, 0.325, 0.500, 0.611, 0.673, 0.693, 0.0], dtype=torch.float64)
    torch.testing.assert_close(success_entropy(p), want, rtol=0, atol=5e-4)
    assert float(success_entropy(p[5])) == pytest.approx(math.log(2), abs=1e-15)
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="success rates"):
            success_entropy(torch.tensor([bad]))


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_binary_scores_have_the_entropy_of_their_mean(right):
    score = torch.tensor(right, dtype=torch.float64)
    group, where = torch.zeros(len(right), dtype=torch.long), torch.ones(len(right), dtype=torch.bool)
    want = success_entropy(score.mean()).expand(len(right))
    torch.testing.assert_close(score_entropy(score, group, where), want, rtol=0, atol=1e-12)


def test_entropy_of_graded_scores_per_group():
    """1/2, 1/4, 1/4: 1.5 ln 2. The other group is flat; rows that do not count are not there."""
    score = torch.tensor([0.2, 0.2, 0.6, 1.0, math.nan, 0.4, 0.4, 0.9])
    group = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1])
    where = torch.tensor([True] * 4 + [False] + [True] * 2 + [False])
    got = score_entropy(score, group, where)
    torch.testing.assert_close(got, torch.tensor([1.5 * math.log(2)] * 5 + [0.0] * 3))
    assert score_entropy(score, group, torch.zeros(8, dtype=torch.bool)).tolist() == [0.0] * 8


def test_questions_of_asl():
    """Malformed ones and those whose own answer fewer than four of five verdicts confirm are worth nothing."""
    success = torch.tensor([0.5, 0.1, 0.0, 1.0, 0.5, 0.5])
    agreement = torch.tensor([0.8, 1.0, 1.0, 1.0, 0.6, 1.0])
    well_formed = torch.tensor([True] * 5 + [False])
    entropy = asl_question(success, agreement, well_formed)
    torch.testing.assert_close(entropy, torch.tensor([math.log(2), 0.3251, 0, 0, 0, 0]), rtol=0, atol=1e-4)
    zero = asl_question(success, agreement, well_formed, form="absolute_zero")
    torch.testing.assert_close(zero, torch.tensor([0.5, 0.9, 0, 0, 0, 0]))
    with pytest.raises(UsageError, match="entropy or absolute_zero"):
        asl_question(success, agreement, well_formed, form="hardness")


def test_difficulty():
    assert difficulty(torch.tensor([0.0, 0.5, 1.0])).tolist() == [0.0, 0.25, 0.0]
