"""`Rollout` and `Rows`: what a step collected, before it becomes tensors for the loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalsuite import Completion, Sample, Score
from evalsuite.models.vision import ImagePrompt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One completion of one prompt, token in, token out: nothing is decoded and encoded again on the way to the loss.

    `group` numbers the prompt within the rollout batch, `index` the sample within its group. `prompt_ids` and
    `completion.token_ids` are what the model read and wrote; `completion.logprobs` are the sampler's. `images` is the prompt with
    its images, where it has any, as sources: pixels are made for a micro-batch and forgotten after it.
    """

    task: str
    sample: Sample
    group: int
    index: int
    prompt_ids: tuple[int, ...]
    completion: Completion
    score: Score
    images: ImagePrompt | None = None

    @property
    def length(self) -> int:
        """Response tokens."""
        return len(self.completion.token_ids or ())


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """B rollouts as the stages of a recipe see them. Tensors are on the CPU.

    group      long (B,)   rows of one prompt share a number
    score      float (B,)  the verifier's value in [0, 1]; NaN where it failed
    reward     float (B,)  the shaped reward; the score before `shape` has run
    length     long (B,)   response tokens
    truncated  bool (B,)   cut off before an end
    keep       bool (B,)   rows that enter baseline and loss
    """

    rollouts: tuple[Rollout, ...]
    group: Tensor
    score: Tensor
    reward: Tensor
    length: Tensor
    truncated: Tensor
    keep: Tensor

    def __len__(self) -> int:
        return len(self.rollouts)

    @classmethod
    def of(cls, rollouts: Sequence[Rollout]) -> Rows:
        """The table of these rollouts; rows without a score are not kept."""
        import torch

        values = [r.score.value for r in rollouts]
        score = torch.tensor([float("nan") if v is None else v for v in values], dtype=torch.float32)
        return cls(
            rollouts=tuple(rollouts),
            group=torch.tensor([r.group for r in rollouts], dtype=torch.long),
            score=score,
            reward=score,
            length=torch.tensor([r.length for r in rollouts], dtype=torch.long),
            truncated=torch.tensor([r.completion.truncated for r in rollouts], dtype=torch.bool),
            keep=~score.isnan(),
        )

    def replace(self, **changes: Any) -> Rows:
        """The same rows with other columns."""
        return dataclasses.replace(self, **changes)
