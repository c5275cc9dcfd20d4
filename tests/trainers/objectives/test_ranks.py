"""TWYN's ranks: the pairwise view by brute force, the paper's sums and orders, and its measured advantages."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.trainers.objectives.ranks import rank_advantages, rank_scores

P = 10.0


def scored(right, length, function=rank_scores, **options):
    group, where = torch.zeros(len(right), dtype=torch.long), torch.ones(len(right), dtype=torch.bool)
    return function(torch.tensor(right), torch.tensor(length), group, where, **options)


def matches(right, length):
    """Sum over all pairs of the group and its phantoms; the phantoms' scores come last."""
    players = [*zip(right, length, strict=True), (False, 0), (True, math.inf)]

    def match(me, other):
        if me[0] != other[0]:
            return P if me[0] else -P
        return (other[1] > me[1]) - (other[1] < me[1]) if me[0] else 0

    return [sum(match(me, other) for j, other in enumerate(players) if j != i) for i, me in enumerate(players)]


def blocks(right, length):
    """The closed form with tie blocks: P (N - C) + C + 1 - (i + j + 1) for right answers at sorted places i to j - 1."""
    n, c = len(right) + 2, sum(right) + 1
    places = sorted([x for x, r in zip(length, right, strict=True) if r] + [math.inf])
    first_last = {x: (places.index(x), places.index(x) + places.count(x)) for x in places}
    return [P * (n - c) + c + 1 - (sum(first_last[x]) + 1) if r else -P * c for x, r in zip(length, right, strict=True)]


answers = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=10)


@given(answers)
def test_three_ways_to_the_scores(rows):
    right, length = [r for r, _ in rows], [n for _, n in rows]
    everyone = matches(right, length)
    assert scored(right, length).tolist() == everyone[:-2] == blocks(right, length)
    assert sum(everyone) == 0
    c = sum(right) + 1
    assert everyone[-2:] == [-P * c, P * (len(rows) + 2 - c) - (c - 1)]


@given(answers)
def test_order(rows):
    """Every right answer above every wrong one, short before long among the right, ties exact; the wrong ones are all the same."""
    score = scored([r for r, _ in rows], [n for _, n in rows]).tolist()
    for (right, length), s in zip(rows, score, strict=True):
        for (other, longer), t in zip(rows, score, strict=True):
            if right and not other:
                assert s > t
            if right == other:
                assert (s > t) == (right and length < longer)


@given(answers.filter(lambda rows: len(rows) > 1))
def test_advantages_are_scores_over_the_deviation_with_phantoms(rows):
    right, length = [r for r, _ in rows], [n for _, n in rows]
    everyone = torch.tensor(matches(right, length), dtype=torch.float64)
    want = (everyone - everyone.mean()) / (everyone.std() + 1e-6)
    torch.testing.assert_close(scored(right, length, rank_advantages).double(), want[:-2], rtol=1e-5, atol=1e-6)


def test_all_wrong_is_negative_and_all_right_is_in_order_of_length():
    """The measured values of the method's notes."""
    wrong = scored([False] * 4, [1, 2, 3, 4], rank_advantages)
    torch.testing.assert_close(wrong, torch.full((4,), -0.408), rtol=0, atol=5e-4)
    right = scored([True] * 4, [1, 2, 3, 4], rank_advantages)
    assert (right.diff() < 0).all()
    torch.testing.assert_close(right[[0, 3]], torch.tensor([0.568, 0.324]), rtol=0, atol=5e-4)


@pytest.mark.parametrize(("n", "negative"), [(12, 0), (13, 1), (16, 2)])
def test_many_right_answers_punish_the_longest(n, negative):
    """The longest of n right answers scores P + 2 - n."""
    assert scored([True] * n, list(range(n)))[-1] == P + 2 - n
    got = scored([True] * n, list(range(n)), rank_advantages)
    assert int((got < 0).sum()) == negative
    if n == 16:
        torch.testing.assert_close(got[-2:], torch.tensor([-0.046, -0.092]), rtol=0, atol=5e-4)


def test_a_group_of_one_gets_nothing():
    assert scored([True], [5], rank_advantages).tolist() == [0.0]
    assert scored([False], [5], rank_advantages).tolist() == [0.0]


def test_groups_and_rows_outside_do_not_touch_each_other():
    """Two interleaved groups with an outsider each; alone, they score the same."""
    right = torch.tensor([True, False, False, True, True, True])
    length, group = torch.tensor([4, 7, 9, 2, 8, 1]), torch.tensor([5, 3, 5, 3, 5, 3])
    where = torch.tensor([True, True, True, True, False, False])
    for function in (rank_scores, rank_advantages):
        got = function(right, length, group, where)
        alone = scored([True, False], [4, 9], function), scored([False, True], [7, 2], function)
        assert got.tolist() == [*torch.stack(alone, 1).flatten().tolist(), 0.0, 0.0]


def test_many_groups_need_no_table_of_all_pairs():
    """60,000 rows in 1000 groups: all pairs would be 3.6e9. Each group scores as it does alone."""
    generator = torch.Generator().manual_seed(0)
    b = 60_000
    right, length = torch.rand(b, generator=generator) < 0.5, torch.randint(1, 9, (b,), generator=generator)
    group = torch.arange(b) % 1000
    where = torch.rand(b, generator=generator) < 0.9
    got = rank_scores(right, length, group, where)
    for g in (0, 17, 999):
        rows = (group == g) & where
        assert got[rows].tolist() == scored(right[rows].tolist(), length[rows].tolist()).tolist()
        assert got[rows].tolist() == matches(right[rows].tolist(), length[rows].tolist())[:-2]
