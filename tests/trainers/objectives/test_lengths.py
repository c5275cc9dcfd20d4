"""Length-aware rewards: GR3's equations, edge cases and calibration, the additive control, DAPO's overlong punishment."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.trainers.objectives.advantages import advantages
from evalsuite.trainers.objectives.lengths import (
    additive,
    calibrate_alpha,
    constraint_met,
    gr3,
    length_factor,
    overlong,
    saturated,
)

NAN = math.nan


def one_group(values):
    return torch.zeros(len(values), dtype=torch.long), torch.ones(len(values), dtype=torch.bool)


def table(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype)


lengths = st.lists(st.integers(0, 10_000), min_size=1, max_size=12)


@given(lengths, st.floats(0, 10))
def test_the_factor_lies_above_0_and_at_most_at_1(length, alpha):
    group, where = one_group(length)
    factor = length_factor(torch.tensor(length), group, where, alpha)
    assert ((factor > 0) & (factor <= 1)).all()


@given(lengths, st.sampled_from([2, 3, 7, 10]), st.floats(0, 10))
def test_only_ratios_of_lengths_count(length, scale, alpha):
    group, where = one_group(length)
    plain = length_factor(table(*length), group, where, alpha)
    torch.testing.assert_close(length_factor(scale * table(*length), group, where, alpha), plain, rtol=1e-12, atol=0)


def test_worked_numbers_per_group_and_over_rows_that_count():
    """Mean lengths 20 and 4; the row outside does not move its group's mean."""
    reward = torch.tensor([1.0, 1.0, 0.5, NAN])
    shaped = gr3(reward, torch.tensor([10, 30, 4, 400]), torch.tensor([7, 7, 2, 2]), torch.tensor([1, 1, 1, 0]).bool(), 0.5)
    torch.testing.assert_close(shaped[:3], torch.tensor([1 / 1.25, 1 / 1.75, 0.5 / 1.5]))
    assert shaped[3].isnan()


def test_groups_without_tokens_count_as_equally_long():
    group, where = one_group([0, 0])
    assert length_factor(torch.tensor([0, 0]), group, where, 1.0).tolist() == [0.5, 0.5]


def test_group_centred_identities_of_both_forms():
    """Propositions 3.1 and 3.2 of the paper, in double precision."""
    generator = torch.Generator().manual_seed(0)
    reward = torch.rand(16, generator=generator, dtype=torch.float64)
    length = torch.randint(1, 1000, (16,), generator=generator).double()
    group, where = one_group(reward)
    factor = length_factor(length, group, where, 0.33)
    dr, ds = reward - reward.mean(), factor - factor.mean()
    product = gr3(reward, length, group, where, 0.33)
    right = reward * ds + factor.mean() * dr - (dr * ds).mean()
    torch.testing.assert_close(product - product.mean(), right, rtol=0, atol=1e-15)
    total = additive(reward, length, group, where, 0.33, weight=0.1)
    torch.testing.assert_close(total - total.mean(), dr + 0.1 * ds, rtol=0, atol=1e-15)


def test_alpha_0_is_the_reward_to_the_last_bit():
    generator = torch.Generator().manual_seed(1)
    reward = torch.rand(12, generator=generator)
    group, where = torch.arange(12) // 4, torch.ones(12, dtype=torch.bool)
    assert torch.equal(gr3(reward, torch.arange(12), group, where, 0.0), reward)


def test_equal_lengths_divide_by_1_plus_alpha():
    """Standardised advantages stay GRPO's up to eps, centred ones are GRPO's over 1 + alpha."""
    reward = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.25])
    group, where = one_group(reward)
    shaped = gr3(reward, torch.full((5,), 17), group, where, 0.33)
    torch.testing.assert_close(shaped, reward / 1.33)
    normal = advantages(reward, group, where, eps=1e-6), advantages(shaped, group, where, eps=1e-6)
    torch.testing.assert_close(normal[1], normal[0], rtol=1e-6, atol=1e-6)
    centred = advantages(reward, group, where, scale="none"), advantages(shaped, group, where, scale="none")
    torch.testing.assert_close(centred[1], centred[0] / 1.33)


def test_who_gains_and_who_does_not():
    """Of two right answers the shorter has the larger advantage; wrong ones of any length have the same; all wrong: no pressure."""
    length = torch.tensor([10, 500, 20, 900])
    group, where = one_group(length)
    got = advantages(gr3(torch.tensor([1.0, 1.0, 0.0, 0.0]), length, group, where, 0.33), group, where)
    assert got[0] > got[1] > got[2] == got[3]
    assert gr3(torch.zeros(4), length, group, where, 0.33).tolist() == [0.0] * 4
    flat = additive(torch.zeros(4), length, group, where, 0.33, weight=0.1)
    assert flat[0] > flat[2] > flat[1] > flat[3]  # the control pulls at length even there


def test_negative_rewards_would_invert_the_method_and_are_refused():
    length = torch.tensor([1, 20])
    group, where = one_group(length)
    inverted = -length_factor(length, group, where, 0.33)
    assert inverted[1] > inverted[0]
    with pytest.raises(ValueError, match="at 0 or above; the least is -1"):
        gr3(torch.tensor([-1.0, 1.0]), length, group, where, 0.33)
    gr3(torch.tensor([-1.0, 1.0]), length, group, torch.tensor([False, True]), 0.33)  # what does not count may be anything
    with pytest.raises(ValueError, match="below 0"):
        length_factor(length, group, where, -0.1)


def test_groups_right_throughout_break_the_constraint_unless_equally_long():
    """Jensen: 1/(1 + alpha z) is convex. Mean of S over lengths 1 and 3 (ratios .5, 1.5) is above S at the mean."""
    group, where = one_group([1, 3])
    factor = length_factor(torch.tensor([1, 3]), group, where, 1.0)
    torch.testing.assert_close(factor, torch.tensor([1 / 1.5, 1 / 2.5]))
    assert factor.mean() > 1 / 2


def test_saturated_groups():
    reward = torch.tensor([1.0, 1, 1, 1, 0, 0, 1, 0, 0.5, 0.5, 1, NAN])
    length = torch.tensor([5, 6, 5, 5, 5, 6, 5, 6, 1, 2, 5, 9])
    group = torch.arange(12) // 2
    where = ~reward.isnan()
    assert saturated(reward, length, group, where).view(6, 2)[:, 0].tolist() == [True, False, False, False, True, False]


def test_constraint_by_hand():
    """Rewards (1, 0), lengths (l, L): 1/(1 + a) >= 1/2 1/(1 + a l/mean). With l/mean = .1 and a = 1.5: .4 < 1/2 /1.15 = .435.

    With three of four right at ratios .2, .2, .2, 3.4 (wrong): .5 < 3/4 / 1.2 = .625 at a = 1; 1/1.1 > 3/4 / 1.02 at a = .1.
    """
    pair = torch.tensor([1.0, 0.0]), torch.tensor([1, 19]), *one_group([1, 19])
    assert constraint_met(*pair, (0.5, 1.5)) == ([1, 0], 1)
    four = torch.tensor([1.0, 1, 1, 0]), torch.tensor([1, 1, 1, 17]), *one_group([1] * 4)
    assert constraint_met(*four, (0.1, 1.0)) == ([1, 0], 1)


def test_calibration_takes_the_greatest_alpha_that_is_safe():
    """Group 0 fails at 1.5 only, group 1 at 1.0 and above, group 2 is all wrong, group 3 saturated and not counted."""
    reward = torch.tensor([1.0, 0, 1, 1, 1, 0, 0, 0, 1, 1])
    length = torch.tensor([1, 19, 1, 1, 1, 17, 4, 5, 3, 9])
    group = torch.tensor([0, 0, 1, 1, 1, 1, 2, 2, 3, 3])
    where = torch.ones(10, dtype=torch.bool)
    candidates = (1.5, 0.1, 1.0)
    assert calibrate_alpha(reward, length, group, where, candidates) == (0.1, [1 / 3, 1.0, 2 / 3])
    assert calibrate_alpha(reward, length, group, where, candidates, rate=0.6)[0] == 1.0
    assert calibrate_alpha(reward, length, group, where, (1.5,)) == (0.0, [1 / 3])
    assert calibrate_alpha(reward, length, group, ~where, candidates) == (0.0, [0.0] * 3)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 50)), min_size=1, max_size=8))
def test_the_constraint_never_fails_for_alpha_0(rows):
    reward, length = torch.tensor([r for r, _ in rows]), torch.tensor([n for _, n in rows])
    met, groups = constraint_met(reward, length, *one_group(rows), (0.0,))
    assert met == [groups]


def test_overlong_is_0_then_linear_then_minus_1():
    got = overlong(torch.tensor([0, 80, 85, 90, 100, 400]), max_length=100, buffer=20)
    assert got.tolist() == [0.0, 0.0, -0.25, -0.5, -1.0, -1.0]
    for buffer in (0, -1, 101):
        with pytest.raises(ValueError, match="buffer"):
            overlong(torch.tensor([1]), 100, buffer)
