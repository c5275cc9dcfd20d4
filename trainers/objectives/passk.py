"""pass@k and max@k as rewards: what each of the n samples of a question contributes to the best of k.

    R_i = mean over the k-subsets that hold i of the greatest reward in the subset

The mean of R over the group is the unbiased estimate of max@k, the expected greatest of k rewards; for rewards of 0 and 1 that is pass@k
(`evalsuite.metrics.counts.pass_at_k`), and R_i is 1 for a right sample and pass@(k-1) of the others for a wrong one. The gradient of
max@k is E[k/n sum_i R_i grad log p_i]: k/n R_i is s_i of PKPO (Walder and Karkhanis 2025, arXiv:2505.15201, eq. 19). At k = 1, R is the
reward.

PKPO subtracts a baseline from R_i and leaves it at that (`marginal`). The mean of the group as baseline shrinks the gradient by 1 - k/n,
the mean of the others' R by (n - k) / (n - 1), as R_j, too, depends on sample i. And a standard deviation of the R_i in the denominator
would undo it all: rewards of 0 and 1 become two other values, and standardising makes the same of any two. "Pass@k Training" (Chen et al.
2025, arXiv:2508.10751) divides by the deviation of the k-subsets instead (`subset_advantages`).

Arguments are as elsewhere: `reward` float (B,), `group` long (B,), `where` bool (B,), the rows that count, NaN rewards only outside it.
Results are float (B,). Advantages are 0 for rows outside `where` and for groups with fewer than k rows in it, which cannot tell.
"""

from __future__ import annotations

import functools
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def best_of(reward: Tensor, group: Tensor, where: Tensor, k: int) -> Tensor:
    """R_i: the expected greatest reward among the sample and k - 1 others of its group, or all of them where there are fewer.

    Rows outside `where` keep their reward. Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k={k}: the best of k samples needs k of at least 1")

    def value(ordered: Tensor) -> Tensor:
        return _holding(len(ordered), min(k, len(ordered))).to(ordered) @ ordered

    return reward.where(~where, _per_group(value, reward, group, where, least=1))


def marginal(reward: Tensor, group: Tensor, where: Tensor, k: int) -> Tensor:
    """R_i less max@(k-1) of the other samples: what the sample adds to k - 1 others, on average; at least 0.

    The baseline does not depend on the sample, so that the gradient stays unbiased: s_i^(loo-1) n/k of PKPO (arXiv:2505.15201, eq. 33),
    its least noisy form. Only what beats others is paid. Raises ValueError for k < 2: there is no best of none.
    """
    if k < 2:
        raise ValueError(f"k={k}: the marginal reward compares k samples with k - 1 and needs k of at least 2")

    def value(ordered: Tensor) -> Tensor:
        n = len(ordered)
        weight = ordered.new_tensor([comb(j, k - 2) / comb(n - 1, k - 1) for j in range(n)])  # j is the best of the k - 1
        return (weight * (ordered[:, None] - ordered).clamp(min=0)).sum(1)

    return _per_group(value, reward, group, where, least=k)


def subset_advantages(reward: Tensor, group: Tensor, where: Tensor, k: int, eps: float = 1e-6) -> Tensor:
    """(R_i - mean) / (deviation + eps), both of the greatest reward over all k-subsets: Pass@k Training's analytical advantages.

    For rewards of 0 and 1 the mean is pass@k and the deviation sqrt(pass@k (1 - pass@k)) (arXiv:2508.10751); other rewards follow the
    same definition. Groups whose subsets are all worth the same get 0. At k = 1 this is GRPO with ddof = 0. Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k={k}: a subset has at least 1 sample")

    def value(ordered: Tensor) -> Tensor:
        n = len(ordered)
        chance = ordered.new_tensor([comb(j, k - 1) / comb(n, k) for j in range(n)])  # j is the best of a subset
        mean = chance @ ordered
        std = (chance @ (ordered - mean).square()).sqrt()
        centred = _holding(n, k).to(ordered) @ ordered - mean
        return centred / (std + eps) if std > 1e-9 else centred * 0

    return _per_group(value, reward, group, where, least=k)


def _per_group(value: Callable[[Tensor], Tensor], reward: Tensor, group: Tensor, where: Tensor, least: int) -> Tensor:
    """`value` of the rewards of each group of at least `least` rows, 0 elsewhere.

    Rewards are given in ascending order and double precision. Equal ones get the same to the last bit.
    """
    import torch

    result = torch.zeros_like(reward)
    for g in group[where].unique():
        rows = (where & (group == g)).nonzero().squeeze(1)
        if len(rows) >= least:
            ordered, order = reward[rows].double().sort()
            last = torch.searchsorted(ordered, ordered, right=True) - 1  # of those equal to it
            result[rows[order]] = value(ordered)[last].to(reward.dtype)
    return result


@functools.lru_cache(maxsize=256)
def _holding(n: int, k: int) -> Tensor:
    """float64 (n, n): the chance that j, counted from the least reward, is the best of a k-subset that holds i."""
    import torch

    others = comb(n - 1, k - 1)
    # j is the best, i is below it, and so are the k - 2 others.
    below = [comb(j - 1, k - 2) / others if j and k > 1 else 0.0 for j in range(n)]
    rows = [[0.0] * i + [comb(i, k - 1) / others] + below[i + 1 :] for i in range(n)]
    return torch.tensor(rows, dtype=torch.float64)
