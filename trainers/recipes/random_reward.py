"""Control, no method: a reward that knows nothing (Shao et al. 2025, "Spurious Rewards", arXiv 2506.10947). Stage shape.

    R_i = 1 with probability p, else 0, whatever was answered; for a `share` of the answers, and the score for the others

What a run gains when all rewards are coins is not learnt from the verifier: run it beside a method with the same settings. A smaller
share is a noisy verifier. Draws belong to the question and its answer's place, so that a resumed run draws the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.errors import UsageError
from evalsuite.words.completion import sample_seed

from ..base import Recipe, recipe
from .dapo import DAPO

if TYPE_CHECKING:
    from torch import Tensor

    from ..rows import Rows


@recipe(
    "random_reward",
    paper="arXiv:2506.10947",
    formula="R = 1 with probability p, whatever was answered, for a share of the answers; else as dapo",
    changes=("shape", "admit", "loss"),
)
class RandomReward(DAPO):
    """DAPO on coin tosses."""

    @dataclass(frozen=True, kw_only=True)
    class Shape(Recipe.Shape):
        """Of the coin."""

        p: float = 0.5  # that it says 1
        share: float = 1.0  # of the answers that it decides

    def check(self) -> None:
        """Probabilities."""
        Recipe.check(self)
        for name in ("p", "share"):
            if getattr(self.settings.shape, name) > 1:
                raise UsageError(f"recipe random_reward: shape.{name} is a probability, from 0 to 1")

    def shape(self, rows: Rows) -> Tensor:
        """Coin tosses, and the score where none is tossed."""
        import torch

        s = self.settings.shape
        coin, tossed = (
            torch.tensor([sample_seed(r.group, f"{what} {r.task}", r.sample.id, r.index) / 2**31 for r in rows.rollouts])
            for what in ("coin", "tossed")
        )
        return torch.where(tossed < s.share, (coin < s.p).float(), rows.score)

    def admit(self, rows: Rows) -> Tensor:
        """Groups without variance of the coin are left out, not those of the score."""
        return Recipe.admit(self, rows)
