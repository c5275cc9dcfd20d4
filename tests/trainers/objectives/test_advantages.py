"""Advantages under the conventions of GRPO, Dr. GRPO, RLOO and REINFORCE++."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import UsageError
from evalsuite.trainers.objectives.advantages import advantages, token_returns, whiten

REWARD = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.5, math.nan, 1.0])
GROUP = torch.tensor([2, 2, 2, 2, 0, 0, 8])
SCORED = ~REWARD.isnan()
STD = math.sqrt(1 / 3)  # of 1, 0, 1, 0 with n - 1


def adv(**settings: object) -> list[float]:
    return advantages(REWARD, GROUP, SCORED, **settings).tolist()


def test_grpo():
    a = 0.5 / (STD + 1e-4)
    assert adv() == pytest.approx([a, -a, a, -a, 0, 0, 0])
    b = 0.5 / (0.5 + 1e-6)
    assert adv(ddof=0, eps=1e-6) == pytest.approx([b, -b, b, -b, 0, 0, 0])


def test_dr_grpo_and_rloo():
    assert adv(scale="none") == [0.5, -0.5, 0.5, -0.5, 0, 0, 0]
    # 1 against the mean of 0, 1, 0; 0 against the mean of 1, 1, 0
    assert adv(baseline="leave_one_out", scale="none") == pytest.approx([2 / 3, -2 / 3, 2 / 3, -2 / 3, 0, 0, 0])


def test_batch():
    """The mean of the six scored rewards is 3.5 / 6; the failed row counts nowhere."""
    mean = 3.5 / 6
    assert adv(baseline="batch", scale="none") == pytest.approx([1 - mean, -mean, 1 - mean, -mean, 0.5 - mean, 0, 1 - mean])
    std = torch.tensor([1.0, 0, 1, 0, 0.5, 1]).std().item()
    assert adv(scale="batch", eps=0.0) == pytest.approx([0.5 / std, -0.5 / std, 0.5 / std, -0.5 / std, 0, 0, 0])


def test_no_baseline():
    """Where rewards do not vary, nothing is divided by eps."""
    assert adv(baseline="none", scale="none") == [1, 0, 1, 0, 0.5, 0, 1]
    a = 1 / (STD + 1e-4)
    assert adv(baseline="none") == pytest.approx([a, 0, a, 0, 0.5, 0, 1])


def test_unknown():
    for wrong in ({"baseline": "median"}, {"scale": "std"}):
        with pytest.raises(UsageError, match="is one of"):
            adv(**wrong)


def test_rows_left_out_change_nothing():
    """A row outside `where` has advantage 0 and moves no other, whatever its reward."""
    where = SCORED.clone()
    where[1] = False
    changed = REWARD.clone()
    changed[1] = 77.0
    for settings in ({}, {"baseline": "leave_one_out"}, {"baseline": "batch", "scale": "batch"}):
        a = advantages(REWARD, GROUP, where, **settings)
        assert torch.equal(a, advantages(changed, GROUP, where, **settings)) and a[1] == 0


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=12), st.floats(-5, 5), st.floats(0.5, 4))
def test_invariance(rewards, shift, scale):
    """Advantages of a group sum to 0, and do not see an affine change of the reward."""
    r = torch.tensor(rewards, dtype=torch.float64)
    g, w = torch.zeros(len(r), dtype=torch.long), torch.ones(len(r), dtype=torch.bool)
    if r.std() < 1e-3:
        return
    a = advantages(r, g, w, eps=0.0)
    assert a.sum().item() == pytest.approx(0, abs=1e-8)
    torch.testing.assert_close(advantages(scale * r + shift, g, w, eps=0.0), a, rtol=1e-5, atol=1e-7)
    n = len(r)
    centred = advantages(r, g, w, scale="none")
    torch.testing.assert_close(
        advantages(r, g, w, baseline="leave_one_out", scale="none"), centred * n / (n - 1), rtol=1e-9, atol=1e-12
    )


MASK = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)


def test_returns():
    """Reward 1 at the last token of [., ., obs, .], discounted by tokens and not by the observation."""
    reward = torch.tensor([1.0, 2.0, 3.0])
    assert token_returns(reward, MASK, gamma=0.5).tolist() == [[0.25, 0.5, 0, 1, 0], [2, 0, 0, 0, 0], [0] * 5]
    penalty = torch.full((3, 5), 0.125)
    assert token_returns(reward, MASK, penalty).tolist() == [[0.625, 0.75, 0, 0.875, 0], [1.875, 0, 0, 0, 0], [0] * 5]
    assert token_returns(reward, MASK[:, :0]).shape == (3, 0)


def test_whiten():
    """1 three times and 2 once: mean 5/4, variance (3/16 + 9/16) / 3 = 1/4."""
    expected = [[-0.5, -0.5, 0, -0.5, 0], [1.5, 0, 0, 0, 0], [0] * 5]
    values = torch.tensor([[1.0] * 5, [2.0] * 5, [math.nan] * 5])
    torch.testing.assert_close(whiten(values, MASK), torch.tensor(expected))
    rows = whiten(values[:, 0], MASK.sum(-1))
    torch.testing.assert_close(rows[:, None] * MASK, torch.tensor(expected))
    assert whiten(values, torch.zeros_like(MASK)).abs().max() == 0
    assert whiten(torch.ones(3), torch.ones(3)).abs().max() == 0
