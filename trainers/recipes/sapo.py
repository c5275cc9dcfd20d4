"""SAPO, Gao et al. 2025 (arXiv 2511.20347): a smooth gate where GRPO clips. Stage loss.

    l_it = -(4 / tau) sigmoid(tau (w_it - 1)) A_i,  tau = 1 where A_i > 0, 1.05 elsewhere

The gradient's weight falls off smoothly on both sides of w = 1, faster for negative advantages; at w = 1 it is that of GRPO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..base import Recipe, recipe
from ..objectives.ratios import sapo
from ..objectives.total import Terms

if TYPE_CHECKING:
    from torch import Tensor

    from ..objectives.batch import Batch


@recipe(
    "sapo", paper="arXiv:2511.20347", formula="-(4/tau) sigmoid(tau (w - 1)) A, tau 1 / 1.05 by sign of A", changes=("loss",)
)
class SAPO(Recipe):
    """Sigmoid gates with a temperature per sign."""

    @dataclass(frozen=True, kw_only=True)
    class Loss(Terms):
        """Temperatures of the gate."""

        tau_pos: float = 1.0
        tau_neg: float = 1.05

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The gate of the token's ratio."""
        s = self.settings.loss
        return sapo(batch.log_ratio, batch.advantages, pos=s.tau_pos, neg=s.tau_neg)
