"""Rank scores against phantom references: TWYN, "Think When You Need" (arXiv:2504.03234; `think_when_you_need_v6_ref` of its code).

Each group of n answers gets two more, which nobody wrote: a wrong one of length 0 and a right one of infinite length. Every pair among
the N = n + 2 is a match:

    right against wrong         +P for the right one, -P for the wrong one
    right against right         +1 for the shorter one, -1 for the longer one, 0 if equally long
    wrong against wrong         0

An answer's score is the sum over its matches. With C right ones, phantom included, that is -P C for a wrong answer, whatever its length,
and P (N - C) + C - 1 - 2 rank for a right one, ranked by length from 0; ties share P (N - C) + C + 1 - (i + j + 1) where they occupy the
ranks i to j - 1. All scores of a group sum to 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .groups import group_stats

if TYPE_CHECKING:
    from torch import Tensor


def rank_scores(right: Tensor, length: Tensor, group: Tensor, where: Tensor, penalty: float = 10.0) -> Tensor:
    """The scores above with P = `penalty`, float (B,); 0 for rows outside `where`.

    `right` and `where` are bool (B,), `length` (B,) counts response tokens, `group` long (B,).
    """
    import torch

    n, rights = _counts(right, group, where)
    wrongs = n + 2 - rights
    lead = torch.zeros_like(length)  # right answers of the group that are longer, less those that are shorter
    for g in group[where & right].unique():
        rows = (where & right & (group == g)).nonzero().squeeze(1)
        own = length[rows]
        ordered = own.sort().values
        shorter, not_longer = (torch.searchsorted(ordered, own, right=side) for side in (False, True))
        lead[rows] = (len(rows) - not_longer + 1 - shorter).to(lead.dtype)  # the phantom is longer than any
    return (right * (penalty * wrongs + lead) - ~right * penalty * rights).masked_fill(~where, 0.0)


def rank_advantages(
    right: Tensor, length: Tensor, group: Tensor, where: Tensor, penalty: float = 10.0, eps: float = 1e-6
) -> Tensor:
    """Scores over (their standard deviation + eps), float (B,); mean (0) and deviation are over the n + 2, phantoms included.

    The deviation has n + 1 in the denominator, as torch.std. A group of one gets 0, as in the authors' code, and so do rows outside
    `where`. Not centred on the answers themselves: where all are wrong, all are negative; where all are right, they are in order of
    length, and the longest of more than 12 are negative (P = 10).
    """
    scores = rank_scores(right, length, group, where, penalty)
    n, rights = _counts(right, group, where)
    mean_square, _, _ = group_stats(scores.square(), group, where)
    phantoms = (penalty * rights).square() + (penalty * (n + 2 - rights) - (rights - 1)).square()
    std = ((n * mean_square + phantoms) / (n + 1)).sqrt()
    return (scores / (std + eps)).masked_fill(n < 2, 0.0)


def _counts(right: Tensor, group: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """The answers of the row's group, and the right ones among them and the phantoms, float (B,) each."""
    import torch

    share, _, n = group_stats(right.to(torch.get_default_dtype()), group, where)
    return n, (share * n).round() + 1
