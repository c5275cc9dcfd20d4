"""Supervised fine-tuning, on a task's own solutions, a file of demonstrations, or a model's own right answers. Stages source, credit
and loss.

    l_it = -log pi(y_it),  averaged over all tokens

No samples are drawn: the rows are demonstrations (`demos.py`), a prompt has one, and every token counts the same. This is the cold
start before RL (`rollout.demos=solutions` or a file) and rejection sampling (`rollout.demos=rejection:RUN`; RFT, Yuan et al. 2023, arXiv
2308.01825; best-of-n rounds as in Llama 2). Its gradient is REINFORCE's with the demonstrations as samples and every advantage 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

from ..base import Recipe, recipe
from ..demos import check_source
from ..objectives.total import Terms

if TYPE_CHECKING:
    from torch import Tensor

    from ..objectives.batch import Batch
    from ..rows import Rows


@recipe(
    "sft",
    paper="arXiv:2308.01825",
    formula="-log pi of demonstrations; mean over tokens",
    changes=("source", "credit", "loss"),
)
class SFT(Recipe):
    """Imitation of verified demonstrations."""

    source = "demonstrations"

    @dataclass(frozen=True, kw_only=True)
    class Rollout(Recipe.Rollout):
        """Which texts are learnt, as `demos.demonstrations` takes them."""

        prompts: int = 32
        group: int = 1
        demos: str = "solutions"  # or rejection:RUN, or a data file
        per_prompt: int = 0  # demonstrations of a question at most; 0: all
        verify: bool = True  # leave out what the task's verifier does not give 1.0

    @dataclass(frozen=True, kw_only=True)
    class Loss(Terms):
        """Token mean."""

        aggregate: str = "token_mean"

    @dataclass(frozen=True, kw_only=True)
    class Optim(Recipe.Optim):
        """TRL's learning rate for it (SFTConfig)."""

        lr: float = 2e-5

    def check(self) -> None:
        """A row is one demonstration, seen once by one update, at temperature 1."""
        super().check()
        rollout = self.settings.rollout
        for name in ("group", "updates", "epochs", "temperature"):
            if getattr(rollout, name) != 1:
                raise UsageError(f"recipe sft: rollout.{name} is 1; demonstrations are not sampled")
        check_source(rollout.demos)

    def credit(self, rows: Rows) -> Tensor:
        """1 for every row."""
        return rows.keep.float()

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Negative log-likelihood."""
        return -batch.advantages * batch.logp, {}
