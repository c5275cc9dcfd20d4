"""REINFORCE++, Hu et al. 2025 (arXiv 2501.03262): advantages normalised over all tokens of the batch. Stages credit and loss.

    A_it = (r_i - mean) / std over all tokens of the batch      credit.baseline none: any number of samples per prompt
    with r_i - mean of its group in place of r_i                credit.baseline mean: the paper's "w/ baseline", for reasoning

and GRPO's clip, averaged over tokens. The KL, where wanted (`loss.kl`), is the paper's separate k2 term of the variant with
baseline. The other variant subtracts it from the rewards of later tokens (`objectives.advantages.token_returns`), which needs
the reference model's log-probabilities at the credit stage, where rows have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..base import Recipe, recipe
from ..objectives.advantages import advantages, whiten

if TYPE_CHECKING:
    from torch import Tensor

    from ..rows import Rows


@recipe(
    "reinforce_pp",
    paper="arXiv:2501.03262",
    formula="A = (r - mean) / std over all tokens of the batch; token ratio clipped at .2/.2, mean over tokens",
    changes=("credit", "loss"),
)
class ReinforcePP(Recipe):
    """Rewards whitened over the batch, weighted by length."""

    @dataclass(frozen=True, kw_only=True)
    class Credit:
        """What is subtracted before the whitening, and the eps of its variance."""

        baseline: Literal["none", "mean"] = "none"  # mean: of the group
        eps: float = 1e-8

    @dataclass(frozen=True, kw_only=True)
    class Loss(Recipe.Loss):
        """GRPO's clip, averaged over tokens."""

        aggregate: str = "token_mean"
        kl_estimator: str = "k2"

    def check(self) -> None:
        """A mean is that of others, too."""
        super().check()
        self.check_baseline()

    def credit(self, rows: Rows) -> Tensor:
        """All tokens of a row share its value, so that a row weighs its length."""
        s = self.settings.credit
        centred = advantages(rows.reward, rows.group, rows.keep, baseline=s.baseline, scale="none")
        return whiten(centred, rows.length * rows.keep, s.eps)
