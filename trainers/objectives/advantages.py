"""Advantages from rewards. Baseline and scale are arguments: GRPO, Dr. GRPO and RLOO are values of them.

Every function here sees the whole rollout batch, as the loop gives all rows to every rank: "batch" is that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

from .groups import group_stats, leave_one_out

if TYPE_CHECKING:
    from torch import Tensor

BASELINES = ("mean", "none", "leave_one_out", "batch")
SCALES = ("group", "batch", "none")


def advantages(
    reward: Tensor,
    group: Tensor,
    where: Tensor,
    *,
    baseline: str = "mean",
    scale: str = "group",
    ddof: int = 1,
    eps: float = 1e-4,
) -> Tensor:
    """(reward - baseline) / (standard deviation + eps), float (B,); 0 for rows outside `where`, whose reward may be NaN.

    baseline  "mean" of the group | "none" | "leave_one_out", mean of the others in the group | "batch", mean of all rows
    scale     standard deviation of the rewards of the "group" or of the "batch", with n - `ddof`; "none": no division, as
              where the deviation is 0

    GRPO (arXiv:2402.03300) is mean and group, Dr. GRPO (arXiv:2503.20783) mean and none, RLOO (arXiv:2402.14740) leave_one_out
    and none. A group of one row has advantage 0 under "mean" and "leave_one_out": it is its own baseline. verl 0.9 and code
    derived from it take mean 0 and deviation 1 there, so that the advantage is the raw reward. verl's eps is 1e-6, TRL's 1e-4.
    Raises UsageError for an unknown baseline or scale.
    """
    import torch

    if baseline not in BASELINES or scale not in SCALES:
        raise UsageError(
            f"baseline={baseline!r} is one of {', '.join(BASELINES)}; scale={scale!r} is one of {', '.join(SCALES)}"
        )
    everyone = torch.zeros_like(group)
    if baseline == "leave_one_out":
        centre = leave_one_out(reward, group, where)
    elif baseline == "none":
        centre = torch.zeros_like(reward)
    else:
        centre = group_stats(reward, group if baseline == "mean" else everyone, where)[0]
    result = reward - centre
    if scale != "none":
        std = group_stats(reward, group if scale == "group" else everyone, where, ddof)[1]
        result = torch.where(std > 0, result / (std + eps), result)
    return result.masked_fill(~where, 0.0)


def token_returns(reward: Tensor, mask: Tensor, penalty: Tensor | None = None, gamma: float = 1.0) -> Tensor:
    """What is still to be earned from each token on, float (B, T), 0 outside `mask`: REINFORCE++ (arXiv:2501.03262).

    `reward` float (B,) is earned at the last token of the mask, `penalty` float (B, T) is paid at each token of it (weight
    times log(old policy / reference), the k1 estimate of the KL). Each token of the mask discounts by `gamma`; observations do
    not. verl 0.9: `compute_reinforce_plus_plus_outcome_advantage`.
    """
    import torch

    last = mask & (mask.flip(1).cumsum(1).flip(1) == 1)
    earned = torch.where(last, reward[:, None], 0.0)
    if penalty is not None:
        earned = torch.where(mask, earned - penalty, 0.0)
    returns = torch.zeros_like(earned)
    following = torch.zeros_like(reward)
    for t in reversed(range(mask.shape[1])):
        following = torch.where(mask[:, t], earned[:, t] + gamma * following, following)
        returns[:, t] = torch.where(mask[:, t], following, 0.0)
    return returns


def whiten(values: Tensor, weight: Tensor, eps: float = 1e-8) -> Tensor:
    """(values - mean) / sqrt(variance + eps) over everything that has weight, 0 where the weight is 0; same shape as `values`.

    `weight` has the shape of `values`: (B, T) as a mask, or (B,) as the number of tokens that share the row's value. Both give
    the same result where a row has one value. Variance with n - 1 where n is the total weight, as in verl 0.9
    (`masked_whiten`).
    """
    import torch

    weight = weight.to(values.dtype)
    values = torch.where(weight > 0, values, 0.0)
    total = weight.sum()
    mean = (weight * values).sum() / total.clamp(min=1)
    variance = (weight * (values - mean).square()).sum() / (total - 1).clamp(min=1)
    return torch.where(weight > 0, (values - mean) * (variance + eps).rsqrt(), 0.0)
