"""Pass@k as the objective: PKPO, Walder and Karkhanis 2025 (arXiv 2505.15201), and Pass@k Training, Chen et al. 2025 (arXiv 2508.10751).
Stages shape, admit and credit.

    R_i = mean over the k-subsets of the group that hold i of the greatest score in the subset; mean R is the unbiased pass@k

    credit.baseline marginal    A_i = R_i - max@(k-1) of the other samples             PKPO, eq. 33: gradient of pass@k over k, unbiased
    credit.baseline subsets     A_i = (R_i - pass@k) / (std over the k-subsets + eps)  Pass@k Training

Groups with fewer than k scored samples are left out. With credit.scale group, rewards of 0 and 1 would give GRPO at any k, as two values
are two values; hence none. At k = 1 R is the score: with GRPO's baseline and scale this is GRPO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evalsuite.errors import UsageError

from ..base import Recipe, recipe
from ..objectives.groups import group_stats
from ..objectives.passk import best_of, marginal, subset_advantages

if TYPE_CHECKING:
    from torch import Tensor

    from ..rows import Rows


@recipe(
    "passk",
    paper="arXiv:2505.15201",
    formula="R = mean of max over k-subsets that hold i; A = R - max@(k-1) of the others",
    changes=("shape", "admit", "credit"),
)
class PassK(Recipe):
    """Unbiased pass@k credit."""

    @dataclass(frozen=True, kw_only=True)
    class Shape:
        """The k of pass@k."""

        k: int = 4

    @dataclass(frozen=True, kw_only=True)
    class Credit(Recipe.Credit):
        """`baseline` marginal, subsets, or one of GRPO's on R."""

        baseline: Literal["marginal", "subsets", "mean", "none", "leave_one_out", "batch"] = "marginal"
        scale: str = "none"

    def check(self) -> None:
        """k samples, and one to compare with."""
        super().check()
        k, group, baseline = self.settings.shape.k, self.settings.rollout.group, self.settings.credit.baseline
        if not 1 <= k <= group:
            raise UsageError(f"recipe passk: shape.k={k} is at least 1 and at most rollout.group={group}")
        if k == 1 and baseline == "marginal":
            raise UsageError(
                "recipe passk: shape.k=1 leaves no others to compare with; set credit.baseline=leave_one_out, or k=2 or more"
            )
        self.check_baseline()

    def shape(self, rows: Rows) -> Tensor:
        """R."""
        return best_of(rows.score, rows.group, rows.keep, self.settings.shape.k)

    def admit(self, rows: Rows) -> Tensor:
        """Groups of k samples or more."""
        keep = super().admit(rows)
        return keep & (group_stats(rows.reward, rows.group, keep)[2] >= self.settings.shape.k)

    def credit(self, rows: Rows) -> Tensor:
        """From the scores of the rows that are left."""
        s, k = self.settings.credit, self.settings.shape.k
        if s.baseline == "marginal":
            return marginal(rows.score, rows.group, rows.keep, k)
        if s.baseline == "subsets":
            return subset_advantages(rows.score, rows.group, rows.keep, k, s.eps)
        return super().credit(rows)
