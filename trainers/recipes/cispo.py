"""CISPO, MiniMax-M1 2025 (arXiv 2506.13585): cut the weight of a token, never its gradient. Stage loss.

    l_it = -sg(min(w_it, 1 + high)) A_i log pi(y_it),  averaged over all tokens

No lower bound (clip_low 1), no KL. 1 + high = 5 is the bound that TRL documents after ScaleRL (arXiv 2510.13786), there written
`epsilon_high=5`; the paper tunes it. On-policy the gradient is that of REINFORCE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..base import Recipe, recipe
from ..objectives.ratios import cispo
from ..objectives.total import Terms

if TYPE_CHECKING:
    from torch import Tensor

    from ..objectives.batch import Batch


@recipe("cispo", paper="arXiv:2506.13585", formula="-sg(min(w, 5)) A log pi; mean over tokens", changes=("loss",))
class CISPO(Recipe):
    """Clipped, detached weights of log-probabilities."""

    @dataclass(frozen=True, kw_only=True)
    class Loss(Terms):
        """The weight lies in [1 - clip_low, 1 + clip_high]."""

        clip_low: float = 1.0
        clip_high: float = 4.0
        aggregate: str = "token_mean"

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Weight times log-probability."""
        s = self.settings.loss
        return cispo(batch.log_ratio, batch.logp, batch.advantages, low=s.clip_low, high=s.clip_high)
