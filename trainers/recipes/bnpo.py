"""BNPO, the name that TRL gives (`loss_type="bnpo"`) to GRPO averaged over the tokens of the batch. Stage loss.

    L = sum_i sum_t l_it / sum_i |y_i|

Every token weighs the same, where GRPO gives every sequence the same weight. TRL counts the tokens of each micro-batch; here
they are those of the whole update, and the size of a micro-batch changes nothing. (Not the Beta normalisation of arXiv
2506.02864.)
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base import Recipe, recipe


@recipe("bnpo", paper="TRL, loss_type bnpo", formula="GRPO; sum over tokens / tokens of the batch", changes=("loss",))
class BNPO(Recipe):
    """GRPO with the mean over all tokens."""

    @dataclass(frozen=True, kw_only=True)
    class Loss(Recipe.Loss):
        """GRPO's, averaged over tokens."""

        aggregate: str = "token_mean"
