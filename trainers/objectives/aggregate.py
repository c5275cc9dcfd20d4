"""From a loss per token to one number, in parts that add up: over micro-batches and ranks the parts sum to the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Counts of the whole update batch, over all its micro-batches and ranks.

    `sequences` includes those without a token that counts, `tokens` is the number of tokens in the masks, `max_tokens` the
    longest response there can be, a constant of the run. Where gradients are averaged over ranks, the loss is multiplied by
    their number.
    """

    sequences: float
    tokens: float
    max_tokens: int

    @classmethod
    def of(cls, mask: Tensor, max_tokens: int | None = None) -> Normaliser:
        """The counts of a batch that is in one piece: `mask` is bool (B, T), `max_tokens` is T if not given."""
        return cls(mask.shape[0], float(mask.sum()), max_tokens or mask.shape[1])


def aggregate(per_token: Tensor, mask: Tensor, mode: str, normaliser: Normaliser) -> Tensor:
    """The part of these rows in the loss, a scalar. `per_token` is float (B, T) or (B, 1), `mask` bool (B, T).

    sequence_mean  mean over the tokens of a sequence, then over sequences (GRPO). TRL `grpo`; verl `seq-mean-token-mean`
    token_mean     mean over all tokens of the update batch (DAPO). TRL `dapo`, `bnpo` in one piece; verl `token-mean`
    sequence_sum   sum over sequences x max_tokens, a constant (Dr. GRPO). TRL `dr_grpo`; verl `seq-mean-token-sum-norm`

    A row with an empty mask adds 0 and counts as a sequence (verl leaves it out of the count). Nothing outside the mask
    matters, be it NaN. Raises UsageError for an unknown mode.
    """
    import torch

    values = torch.where(mask, per_token, 0.0)
    if mode == "sequence_mean":
        return _over((values.sum(-1) / mask.sum(-1).clamp(min=1)).sum(), normaliser.sequences)
    if mode == "token_mean":
        return _over(values.sum(), normaliser.tokens)
    if mode == "sequence_sum":
        return _over(values.sum(), normaliser.sequences * normaliser.max_tokens)
    raise UsageError(f"loss.aggregate={mode!r} is one of sequence_mean, token_mean, sequence_sum")


def _over(total: Tensor, count: float) -> Tensor:
    """`total / count`; where nothing was counted the total is a sum over nothing, 0."""
    return total / count if count else total
