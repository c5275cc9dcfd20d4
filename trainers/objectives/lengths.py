"""Rewards that know how long the answer was: GR3's rescaling and its calibration, the additive control, DAPO's overlong punishment.

`length` counts response tokens, long or float (B,); what a tool or an environment wrote into the context is not part of it.
Row-wise arguments are (B,), `group` long, `where` bool; rows outside `where` (NaN rewards among them) enter no mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .groups import group_stats, has_signal

if TYPE_CHECKING:
    from torch import Tensor


def length_factor(length: Tensor, group: Tensor, where: Tensor, alpha: float) -> Tensor:
    """S = 1 / (1 + alpha l / mean l), float (B,) in (0, 1]: GR3 (arXiv:2603.10535, eq. 15), the mean over the row's group in `where`.

    Only ratios of lengths count. A group without any token is one of equal lengths: S = 1 / (1 + alpha). Raises ValueError for a
    negative alpha, which would reward length.
    """
    import torch

    if alpha < 0:
        raise ValueError(f"alpha={alpha} is below 0: longer answers would be worth more")
    length = length * 1.0
    mean, _, _ = group_stats(length, group, where)
    return 1 / (1 + alpha * torch.where(mean > 0, length / mean, 1.0))


def gr3(reward: Tensor, length: Tensor, group: Tensor, where: Tensor, alpha: float) -> Tensor:
    """R S, float (B,): GR3 (arXiv:2603.10535, eq. 6). Length counts in proportion to the reward, and not at all where it is 0.

    Group-centred it is R (S - mean S) + mean S (R - mean R) - cov(R, S) (proposition 3.2). Raises ValueError for negative rewards:
    there the product turns round and longer is better (-1 becomes -.97 for a short and -.62 for a long answer).
    """
    if bool((reward[where] < 0).any()):
        low = float(reward[where].min())
        raise ValueError(
            f"GR3 multiplies rewards by a length factor and needs them at 0 or above; the least is {low}: shift them"
        )
    return reward * length_factor(length, group, where, alpha)


def additive(reward: Tensor, length: Tensor, group: Tensor, where: Tensor, alpha: float, weight: float) -> Tensor:
    """R + weight S, float (B,), S as in `gr3`: the additive shaping that GR3 is compared with (arXiv:2603.10535, eq. 5).

    Group-centred it is (R - mean R) + weight (S - mean S) (proposition 3.1): length pulls where the reward is flat, too.
    """
    return reward + weight * length_factor(length, group, where, alpha)


def overlong(length: Tensor, max_length: int, buffer: int) -> Tensor:
    """DAPO's soft overlong punishment (arXiv:2503.14476, eq. 13), float (B,) in [-1, 0], to be added to the reward.

    0 up to max_length - buffer, then linear down to -1 at max_length, and -1 beyond. Raises ValueError unless
    0 < buffer <= max_length.
    """
    if not 0 < buffer <= max_length:
        raise ValueError(f"the buffer of {buffer} tokens must be above 0 and at most the longest answer, {max_length} tokens")
    return ((max_length - buffer - length) / buffer).clamp(-1.0, 0.0)


def saturated(reward: Tensor, length: Tensor, group: Tensor, where: Tensor) -> Tensor:
    """Whether the row's group has one and the same reward above 0 throughout, and unequal lengths, bool (B,).

    1 / (1 + alpha z) is convex: in such a group the typical answer gets a negative advantage under any alpha, and all that is
    learnt is length. GR3 leaves these groups out (arXiv:2603.10535, app. C.2).
    """
    return where & (reward > 0) & ~has_signal(reward, group, where) & has_signal(length * 1.0, group, where)


def constraint_met(
    reward: Tensor, length: Tensor, group: Tensor, where: Tensor, candidates: Sequence[float]
) -> tuple[list[int], int]:
    """In how many groups each candidate alpha satisfies R_max / (1 + alpha) >= mean(R S), and the number of groups.

    GR3's calibration (arXiv:2603.10535, eq. 16): an answer with the group's greatest reward and its mean length keeps an advantage
    of at least 0. Groups that `saturated` leaves out are not counted; counts of several batches may be added.
    """
    where = where & ~saturated(reward, length, group, where)
    groups = group[where].unique().tolist()
    met = []
    for alpha in candidates:
        shaped = gr3(reward, length, group, where, alpha).double()
        members = [where & (group == g) for g in groups]
        # A flat group of equal lengths meets it with equality, up to the rounding of the rewards.
        met.append(sum(bool(reward[m].max() / (1 + alpha) >= shaped[m].mean() - 1e-6) for m in members))
    return met, len(groups)


def calibrate_alpha(
    reward: Tensor, length: Tensor, group: Tensor, where: Tensor, candidates: Sequence[float], rate: float = 0.999
) -> tuple[float, list[float]]:
    """The greatest candidate whose Constraint Satisfaction Rate reaches `rate`, and the rate of each: see `constraint_met`.

    The rate is the share of groups that satisfy the constraint; alpha is 0, no length term, where no candidate reaches it or there is
    no group. Groups without any reward satisfy it trivially.
    """
    met, groups = constraint_met(reward, length, group, where, candidates)
    return greatest(candidates, met, groups, rate), [m / groups if groups else 0.0 for m in met]


def greatest(candidates: Sequence[float], met: Sequence[int], groups: int, rate: float = 0.999) -> float:
    """The greatest candidate that was met in at least the share `rate` of the groups; 0 where there is none."""
    return max((alpha for alpha, m in zip(candidates, met, strict=True) if groups and m >= rate * groups), default=0.0)
