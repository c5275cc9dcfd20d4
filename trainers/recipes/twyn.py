"""TWYN, "Think When You Need", 2025 (arXiv 2504.03234). Stage credit.

Each group of n gets two phantoms, a wrong answer of length 0 and a right one of infinite length; N = n + 2, C right ones, phantom
included, ranked by length from 0 (ties share):

    s = P (N - C) + C - 1 - 2 rank  if right,   -P C  if wrong        A = s / (std of the N scores + 1e-6)

Right beats wrong, and short beats long among the right. Where all are wrong, all advantages are negative, and where all are right, length
orders them: `admit.drop_flat` would take that away. An answer is right where its score is 1. Equally long answers get GRPO's advantages
up to a factor and a shift per group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

from ..base import Recipe, recipe
from ..objectives.ranks import rank_advantages

if TYPE_CHECKING:
    from torch import Tensor

    from ..rows import Rows


@recipe(
    "twyn",
    paper="arXiv:2504.03234",
    formula="s = P (N - C) + C - 1 - 2 rank if right, -P C if wrong; A = s / std, with two phantom references",
    changes=("credit",),
)
class TWYN(Recipe):
    """Ranks against phantom references."""

    @dataclass(frozen=True, kw_only=True)
    class Credit:
        """P, and the eps of the deviation."""

        penalty: float = 10.0
        eps: float = 1e-6

    def check(self) -> None:
        """Ranks are among two or more."""
        super().check()
        if self.settings.rollout.group == 1:
            raise UsageError("recipe twyn: rollout.group=1 leaves nothing to rank; set group=2 or more")

    def credit(self, rows: Rows) -> Tensor:
        """Rank scores over the deviation."""
        s = self.settings.credit
        return rank_advantages(rows.score == 1, rows.length, rows.group, rows.keep, s.penalty, s.eps)
