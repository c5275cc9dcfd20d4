"""GR3, "Tackling Length Inflation Without Trade-offs", Li et al. 2026 (arXiv 2603.10535). Stages shape, admit and after.

    R_i = r_i / (1 + alpha l_i / mean l)        l in response tokens, mean over the group (eq. 6); rewards at 0 or above

Groups that are right throughout, in unequal lengths, are left out (app. C.2): there length is all that differs. alpha is .33 for
mathematics and code and .00133 for chat in the paper. `shape.calibrate` finds it instead: so many first steps are GRPO, while candidates
are watched; then alpha is the greatest with r_max / (1 + alpha) >= mean R in 99.9 % of the groups (eq. 16), 0 if there is none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..base import Recipe, recipe
from ..objectives.lengths import constraint_met, gr3, greatest, saturated

if TYPE_CHECKING:
    from torch import Tensor

    from ..rows import Rows

CANDIDATES = (0.033, 0.1, 0.2, 0.33, 0.5, 1.0, 1.5)  # the paper's figure 4


@recipe(
    "gr3",
    paper="arXiv:2603.10535",
    formula="R = r / (1 + alpha l / mean l); groups all right left out",
    changes=("shape", "admit", "after"),
)
class GR3(Recipe):
    """Rewards rescaled by relative length. `state` has the counts of the calibration and the alpha that came out of it."""

    @dataclass(frozen=True, kw_only=True)
    class Shape:
        """Strength of the rescaling."""

        alpha: float = 0.33  # 0: GRPO
        calibrate: int = 0  # first steps in which candidates are watched, in place of alpha; 0: none

    @property
    def alpha(self) -> float:
        """What is in force."""
        return self.state.get("alpha", 0.0) if self.settings.shape.calibrate else self.settings.shape.alpha

    def shape(self, rows: Rows) -> Tensor:
        """Score times length factor."""
        return gr3(rows.score, rows.length, rows.group, rows.keep, self.alpha)

    def admit(self, rows: Rows) -> Tensor:
        """Without groups that are right throughout, as soon as length counts."""
        keep = super().admit(rows)
        return keep & ~saturated(rows.score, rows.length, rows.group, keep) if self.alpha else keep

    def after(self, rows: Rows, step: int) -> dict[str, float]:
        """Counts the groups in which each candidate is safe, once per rollout batch however many updates are made of it; at the
        end of the calibration, settles for one."""
        steps = self.settings.shape.calibrate
        if step <= steps and self.state.get("counted") != (batch := _digest(rows)):
            self.state["counted"] = batch
            met, groups = constraint_met(rows.score, rows.length, rows.group, rows.keep, CANDIDATES)
            before = self.state.get("met", [0] * len(CANDIDATES))
            self.state["met"] = [a + b for a, b in zip(before, met, strict=True)]
            self.state["groups"] = self.state.get("groups", 0) + groups
        if step == steps:
            self.state["alpha"] = greatest(CANDIDATES, self.state["met"], self.state["groups"])
        return {"gr3/alpha": self.alpha}


def _digest(rows: Rows) -> str:
    """What tells a rollout batch from the one before it, also after a checkpoint."""
    columns = (rows.group, rows.score, rows.length)
    return hashlib.sha256(b"".join(column.numpy().tobytes() for column in columns)).hexdigest()
