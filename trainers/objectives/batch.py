"""`Batch`: the tensors that a loss sees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """B sequences of at most T response tokens, right-padded. Log-probabilities are natural, at the sampling temperature.

    logp            float (B, T)            the policy's, with gradient
    old_logp        float (B, T)            of the policy before the updates on these rollouts; no gradient
    advantages      float (B, 1) or (B, T)
    mask            bool (B, T)             tokens that count: padding and observations are False
    entropy         float (B, T) or None    of the policy's next-token distribution, nats
    ref_logp        float (B, T) or None    of the reference model
    behaviour_logp  float (B, T) or None    as the sampler computed them while it generated
    """

    logp: Tensor
    old_logp: Tensor
    advantages: Tensor
    mask: Tensor
    entropy: Tensor | None = None
    ref_logp: Tensor | None = None
    behaviour_logp: Tensor | None = None

    @cached_property
    def log_ratio(self) -> Tensor:
        """log(policy / old policy), float (B, T) with gradient, 0 outside the mask."""
        return (self.logp - self.old_logp).masked_fill(~self.mask, 0.0)
