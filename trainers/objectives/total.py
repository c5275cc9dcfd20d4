"""`total_loss`: what is differentiated, in parts. The recipe's policy loss, the KL term and the entropy bonus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evalsuite.errors import UsageError

from .aggregate import Normaliser, aggregate
from .kl import kl
from .ratios import behaviour_weight

if TYPE_CHECKING:
    from torch import Tensor

    from ..base import Recipe
    from .batch import Batch


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The settings that `total_loss` reads, whatever the policy loss. A recipe without GRPO's clip starts from these."""

    aggregate: Literal["sequence_mean", "token_mean", "sequence_sum"] = "sequence_mean"
    kl: float = 0.0  # weight of the KL to the reference model
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"
    entropy: float = 0.0  # weight of the entropy bonus
    importance_cap: float = 0.0  # truncated weight old / behaviour per token; 0: none


def total_loss(recipe: Recipe, batch: Batch, normaliser: Normaliser) -> tuple[Tensor, dict[str, tuple[float, float]]]:
    """The part of this batch in the loss of the update, a scalar with gradient, and metrics as name -> (sum, count).

    loss = aggregate(weight x recipe.loss + kl x KL) - entropy x mean entropy per token, where weight is the truncated old /
    sampler (`importance_cap`; not for a recipe that `corrects_behaviour` in its own coefficient). Losses, sums and counts add
    up over micro-batches and ranks. Metrics are the recipe's and, over tokens: `kl` to the reference, `entropy`, and `ppo_kl`,
    the mean of -log w. Raises UsageError where a term needs log-probabilities that the batch does not have.
    """
    s = recipe.settings.loss
    loss, measured = recipe.loss(batch)
    measured = {**measured, "ppo_kl": -batch.log_ratio}
    if s.importance_cap and not recipe.corrects_behaviour:
        behaviour_logp = need(batch, "behaviour_logp", "loss.importance_cap")
        loss = loss * behaviour_weight(batch.old_logp, behaviour_logp, batch.mask, s.importance_cap)
    if s.kl:
        measured["kl"] = kl(batch.logp, need(batch, "ref_logp", "loss.kl"), s.kl_estimator)
        loss = loss + s.kl * measured["kl"]
    total = aggregate(loss, batch.mask, s.aggregate, normaliser)
    if s.entropy:
        total = total - s.entropy * aggregate(need(batch, "entropy", "loss.entropy"), batch.mask, "token_mean", normaliser)
    if batch.entropy is not None:
        measured["entropy"] = batch.entropy
    return total, sums(measured, batch.mask)


def need(batch: Batch, field: str, setting: str) -> Tensor:
    """The batch's `field`; UsageError where it is missing although a setting asks for it."""
    value = getattr(batch, field)
    if value is None:
        raise UsageError(
            f"{setting} is above 0 and needs batch.{field}, which was not computed; set {setting}=0 to leave the term out"
        )
    return value


def sums(measured: dict[str, Tensor], mask: Tensor) -> dict[str, tuple[float, float]]:
    """Sum and count of each metric: over tokens for float (B, T), over sequences with tokens for (B, 1)."""
    import torch

    sequences = mask.any(-1, keepdim=True)
    pairs = []
    for value in measured.values():
        where = sequences if value.shape[1] == 1 else mask
        pairs.append(torch.stack([torch.where(where, value.detach(), 0.0).sum().double(), where.sum().double()]))
    # One transfer for all: each .item() of its own would wait for the device.
    return dict(zip(measured, (tuple(pair) for pair in torch.stack(pairs).tolist())))
