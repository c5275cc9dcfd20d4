"""GSPO, Zheng et al. 2025 (arXiv 2507.18071): the ratio and its clip belong to the sequence. Stage loss.

    s_i = (pi(y_i) / pi_old(y_i))^(1 / |y_i|) = exp(mean_t log w_it)
    l_i = -min(s_i A_i, clip(s_i, 1 - 3e-4, 1 + 4e-4) A_i)

The clip range is small because s_i is a mean over many tokens. With one token per sequence and GRPO's range it is GRPO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..base import Recipe, recipe
from ..objectives.ratios import gspo

if TYPE_CHECKING:
    from torch import Tensor

    from ..objectives.batch import Batch


@recipe("gspo", paper="arXiv:2507.18071", formula="s = exp(mean log w) per sequence, clipped at 3e-4/4e-4", changes=("loss",))
class GSPO(Recipe):
    """Clip on the sequence's mean log-ratio."""

    @dataclass(frozen=True, kw_only=True)
    class Loss(Recipe.Loss):
        """The paper's range."""

        clip_low: float = 3e-4
        clip_high: float = 4e-4

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """min(s A, clip(s) A)."""
        s = self.settings.loss
        return gspo(batch.log_ratio, batch.advantages, batch.mask, low=s.clip_low, high=s.clip_high, dual=s.dual_clip)
