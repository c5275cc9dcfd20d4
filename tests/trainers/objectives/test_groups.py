"""Group statistics: hand-worked numbers, any numbering, rows that are left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.trainers.objectives.groups import all_at, group_stats, has_signal, leave_one_out

NAN = math.nan
X = torch.tensor([1.0, 0.0, NAN, 5.0, 2.0, 6.0])
GROUP = torch.tensor([70, -3, 70, 12, 70, -3])  # {1, nan, 2}, {0, 6}, {5}
SCORED = ~X.isnan()


def test_by_hand():
    mean, std, count = group_stats(X, GROUP, SCORED)
    assert mean.tolist() == [1.5, 3.0, 1.5, 5.0, 1.5, 3.0]
    assert std.tolist() == pytest.approx([math.sqrt(0.5), math.sqrt(18), math.sqrt(0.5), 0.0, math.sqrt(0.5), math.sqrt(18)])
    assert count.tolist() == [2, 2, 2, 1, 2, 2]
    assert group_stats(X, GROUP, SCORED, ddof=0)[1].tolist() == pytest.approx([0.5, 3.0, 0.5, 0.0, 0.5, 3.0])
    assert leave_one_out(X, GROUP, SCORED).tolist() == [2.0, 6.0, 1.5, 5.0, 1.0, 0.0]


def test_group_without_rows():
    mean, std, count = group_stats(torch.tensor([NAN, 1.0]), torch.tensor([0, 1]), torch.tensor([False, True]))
    assert mean.tolist() == [0.0, 1.0] and std.tolist() == [0.0, 0.0] and count.tolist() == [0, 1]
    assert has_signal(X[:0], GROUP[:0]).tolist() == [] and group_stats(X[:0], GROUP[:0])[0].tolist() == []


def test_equal_values_are_their_own_mean():
    """No rounding: 0.1 is not a binary number, and an advantage of 1e-9 / 1e-4 would be one."""
    for n in (3, 7, 16, 1000):
        x = torch.full((n,), 0.1)
        mean, std, _ = group_stats(x, torch.zeros(n, dtype=torch.long))
        assert torch.equal(mean, x) and std.abs().max() == 0


def test_signal():
    assert has_signal(X, GROUP, SCORED).tolist() == [True, True, True, False, True, True]
    only = torch.tensor([True, True, False, True, False, False])
    assert not has_signal(X, GROUP, only).any()
    assert not has_signal(torch.full((4,), 0.3), torch.zeros(4, dtype=torch.long)).any()


def test_all_at():
    reward = torch.tensor([1.0, 1.0, 0.0, 1.0, NAN, NAN])
    group = torch.tensor([5, 5, 2, 2, 5, 9])
    assert all_at(reward, group, 1.0, ~reward.isnan()).tolist() == [True, True, False, False, True, False]
    assert all_at(reward[:4], group[:4], 0.0).tolist() == [False] * 4


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=20),
    st.integers(0, 1),
)
def test_against_numpy(rows, ddof):
    group, x, where = (np.array(column) for column in zip(*rows))
    mean, std, count = group_stats(torch.tensor(x), torch.tensor(group), torch.tensor(where), ddof)
    for i in range(len(rows)):
        own = x[where & (group == group[i])]
        assert count[i] == len(own)
        assert mean[i].item() == pytest.approx(own.mean() if len(own) else 0.0, abs=1e-12)
        assert std[i].item() == pytest.approx(own.std(ddof=ddof) if len(own) > ddof else 0.0, abs=1e-7)
