"""Baselines per role: hand-worked steps, the warm-up, and what one baseline for all roles does to an unfair game."""

import json
import math

import pytest
import torch

from evalsuite.trainers.objectives.baselines import role_ema, role_mean


def test_role_mean_over_the_rows_that_count():
    reward = torch.tensor([1.0, -1.0, 0.0, math.nan, 5.0])
    where = torch.tensor([True, True, True, False, False])
    assert role_mean(reward, ["a", "b", "a", "a", "c"], where).tolist() == [0.5, -1.0, 0.5, 0.5, 0.0]


def test_ema_by_hand_reads_before_it_writes():
    """decay .5. a: 0, .5 (NaN leaves it), .5, 1.25; b: 0, -.5."""
    reward = torch.tensor([1.0, -1.0, math.nan, 2.0, 0.0])
    where = ~reward.isnan()
    before = {"c": (0.25, 3)}
    got, state = role_ema(reward, ["a", "b", "a", "a", "c"], where, before, decay=0.5)
    assert got.tolist() == [0.0, 0.0, 0.5, 0.5, 0.25]
    assert state == {"a": (1.25, 2), "b": (-0.5, 1), "c": (0.125, 4)}
    assert before == {"c": (0.25, 3)}


def test_state_survives_json_and_goes_on_where_it_was():
    reward, roles, where = torch.linspace(-1, 1, 10), ["a", "b"] * 5, torch.ones(10, dtype=torch.bool)
    whole, end = role_ema(reward, roles, where, {})
    first, state = role_ema(reward[:3], roles[:3], where[:3], {})
    second, resumed = role_ema(reward[3:], roles[3:], where[3:], json.loads(json.dumps(state)))
    assert torch.equal(torch.cat([first, second]), whole) and resumed == end


def test_warm_up_takes_45_rewards_and_unbias_none():
    ones, roles, where = torch.ones(60, dtype=torch.float64), ["a"] * 60, torch.ones(60, dtype=torch.bool)
    got, _ = role_ema(ones, roles, where, {})
    assert got[44] < 0.9 < got[45]
    unbiased, _ = role_ema(ones, roles, where, {}, unbias=True)
    torch.testing.assert_close(unbiased, torch.tensor([0.0] + [1.0] * 59, dtype=torch.float64))


def test_one_baseline_for_all_roles_pays_the_seat():
    """First player wins 70 of 100: per role the mean advantage is 0, with a common baseline it is +-.4, the value of the seat."""
    first = torch.tensor([1.0 if game % 10 < 7 else -1.0 for game in range(100)])
    reward, roles = torch.stack([first, -first], 1).flatten(), ["first", "second"] * 100
    where = torch.ones(200, dtype=torch.bool)
    fair = (reward - role_mean(reward, roles, where)).view(100, 2).mean(0)
    torch.testing.assert_close(fair, torch.zeros(2), rtol=0, atol=1e-6)
    unfair = (reward - role_mean(reward, ["anyone"] * 200, where)).view(100, 2).mean(0)
    torch.testing.assert_close(unfair, torch.tensor([0.4, -0.4]))


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decay_out_of_range(decay):
    with pytest.raises(ValueError, match="decay"):
        role_ema(torch.zeros(1), ["a"], torch.ones(1, dtype=torch.bool), {}, decay=decay)
