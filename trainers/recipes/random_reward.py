"""Control, no method: a reward that knows nothing (Shao et al. 2025, "Spurious Rewards", arXiv 2506.10947). Stage shape.

    R_i = 1 with probability p, else 0, whatever was answered

What a run gains under it is not learnt from the verifier: run it beside a method with the same settings. The draw belongs to the
question and its answer's place, so that a resumed run draws the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.words.completion import sample_seed

from ..base import Recipe, recipe
from .dapo import DAPO

if TYPE_CHECKING:
    from torch import Tensor

    from ..rows import Rows


@recipe(
    "random_reward",
    paper="arXiv:2506.10947",
    formula="R = 1 with probability p, whatever was answered; else as dapo",
    changes=("shape", "admit", "loss"),
)
class RandomReward(DAPO):
    """DAPO on coin tosses."""

    @dataclass(frozen=True, kw_only=True)
    class Shape(Recipe.Shape):
        """Of the coin."""

        p: float = 0.5

    def check(self) -> None:
        """A probability."""
        Recipe.check(self)

    def shape(self, rows: Rows) -> Tensor:
        """Coin tosses."""
        import torch

        seeds = (sample_seed(r.group, r.task, r.sample.id, r.index) for r in rows.rollouts)
        return torch.tensor([float(seed < self.settings.shape.p * 2**31) for seed in seeds])

    def admit(self, rows: Rows) -> Tensor:
        """Groups without variance of the coin are left out, not those of the score."""
        return Recipe.admit(self, rows)
