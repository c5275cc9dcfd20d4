"""VESPO, 2026 (arXiv 2602.10693): whole sequences weighted by a smooth kernel, for stale samples. Stage loss.

    W_i = prod_t pi(y_it) / mu(y_it),  mu the policy that sampled
    phi(W) = W^k exp(lambda (1 - W)),  (k, lambda) = (2, 3) where A_i >= 0, (3, 2) elsewhere
    l_it = -sg(phi(W_i)) A_i log pi(y_it),  averaged over all tokens

W is a product: it is not divided by the length. phi(1) = 1, so on-policy the gradient is that of REINFORCE; far from 1 on
either side phi goes to 0. No clip, no KL. With `importance_cap` the truncated ratio old policy / sampler is part of W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..base import Recipe, recipe
from ..objectives.kernels import vespo
from ..objectives.ratios import behaviour_weight
from ..objectives.total import Terms, need

if TYPE_CHECKING:
    from torch import Tensor

    from ..objectives.batch import Batch


@recipe(
    "vespo",
    paper="arXiv:2602.10693",
    formula="-sg(W^k exp(lambda (1 - W))) A log pi, W = prod w; mean over tokens",
    changes=("loss",),
)
class VESPO(Recipe):
    """The gamma kernel of the sequence's ratio."""

    corrects_behaviour = True  # importance_cap is used here, not on top of the loss

    @dataclass(frozen=True, kw_only=True)
    class Loss(Terms):
        """The kernel by the sign of the advantage; values of the authors' scripts and of TRL."""

        k_pos: float = 2.0
        lambda_pos: float = 3.0
        k_neg: float = 3.0
        lambda_neg: float = 2.0
        aggregate: str = "token_mean"

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """phi(W) A log pi."""
        s = self.settings.loss
        weight = None
        if s.importance_cap:
            behaviour_logp = need(batch, "behaviour_logp", "loss.importance_cap")
            weight = behaviour_weight(batch.old_logp, behaviour_logp, batch.mask, s.importance_cap)
        kernel = {"k_pos": s.k_pos, "lambda_pos": s.lambda_pos, "k_neg": s.k_neg, "lambda_neg": s.lambda_neg}
        return vespo(batch.log_ratio, batch.logp, batch.advantages, batch.mask, weight=weight, **kernel)
