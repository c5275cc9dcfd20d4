"""DAPO, Yu et al. 2025 (arXiv 2503.14476). Stages shape, admit and loss.

    clip-higher           the ratio is clipped at 1 - .2 and 1 + .28: unlikely tokens have room to grow
    dynamic sampling      groups that are all right or all wrong are left out, and further prompts take their place
    token-level loss      averaged over all tokens, as long answers weigh more than short ones
    overlong punishment   reward + 0 up to max_tokens - buffer tokens, then linear down to -1 at max_tokens (eq. 13)

The paper samples until the batch is full; `admit.refill` bounds that at 3 further rounds: where half of the groups are flat, a sixteenth
of the batch is missing then. The punishment is off until `shape.buffer` is set (paper: 4096 of 20480), as it needs
`rollout.max_tokens`. The paper's rewards are -1 and 1 and ours 0 and 1, so here it weighs twice as much as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

from ..base import Recipe, recipe
from ..objectives.lengths import overlong

if TYPE_CHECKING:
    from torch import Tensor

    from ..rows import Rows


@recipe(
    "dapo",
    paper="arXiv:2503.14476",
    formula="ratio clipped at .2/.28; mean over tokens; flat groups resampled; overlong answers punished",
    changes=("shape", "admit", "loss"),
)
class DAPO(Recipe):
    """Clip-higher, dynamic sampling, token mean, overlong punishment."""

    @dataclass(frozen=True, kw_only=True)
    class Shape:
        """The overlong punishment."""

        buffer: int = 0  # tokens before rollout.max_tokens in which the punishment grows; 0: none

    @dataclass(frozen=True, kw_only=True)
    class Admit(Recipe.Admit):
        """Dynamic sampling."""

        drop_flat: bool = True
        refill: int = 3

    @dataclass(frozen=True, kw_only=True)
    class Loss(Recipe.Loss):
        """Clip-higher, token mean."""

        clip_high: float = 0.28
        aggregate: str = "token_mean"

    def check(self) -> None:
        """The buffer lies within the longest answer."""
        super().check()
        buffer, longest = self.settings.shape.buffer, self.settings.rollout.max_tokens
        if buffer and not 0 < buffer <= longest:
            raise UsageError(
                f"recipe dapo: shape.buffer={buffer} needs rollout.max_tokens (now {longest}) of at least as many tokens"
            )

    def shape(self, rows: Rows) -> Tensor:
        """Score and punishment."""
        buffer = self.settings.shape.buffer
        return rows.score + overlong(rows.length, self.settings.rollout.max_tokens, buffer) if buffer else rows.score

    def admit(self, rows: Rows) -> Tensor:
        """Flat is a group of equal scores: wrong answers that differ in their punishment teach nothing else (eq. 11)."""
        return super().admit(rows.replace(reward=rows.score))
