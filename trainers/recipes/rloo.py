"""RLOO, Ahmadian et al. 2024 (arXiv 2402.14740): each sample's baseline is the mean of the others. Stages credit and loss.

    A_i = r_i - mean of r_j, j != i  =  G / (G - 1) (r_i - mean r)
    L = sum_i sum_t l_it / (sequences x max_tokens)

The paper's REINFORCE on whole sequences, in ratio form: at the first update on a rollout batch, where w = 1, the gradient is
that of -A log pi(y), up to the constant max_tokens; later updates have GRPO's clip, as in verl. TRL clips the ratio of the
sequence instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base import Recipe, recipe


@recipe(
    "rloo",
    paper="arXiv:2402.14740",
    formula="A = r - mean of the others; sum over tokens / (sequences x max_tokens)",
    changes=("credit", "loss"),
)
class RLOO(Recipe):
    """Leave-one-out baseline, no std, log-probabilities of sequences."""

    @dataclass(frozen=True, kw_only=True)
    class Credit(Recipe.Credit):
        """The mean of the others, not scaled."""

        baseline: str = "leave_one_out"
        scale: str = "none"

    @dataclass(frozen=True, kw_only=True)
    class Loss(Recipe.Loss):
        """GRPO's, summed over each sequence."""

        aggregate: str = "sequence_sum"
