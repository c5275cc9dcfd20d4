"""Dr. GRPO, Liu et al. 2025 (arXiv 2503.20783): GRPO without its two biases. Stages credit and loss.

    A_i = r_i - mean r
    L = sum_i sum_t l_it / (sequences x max_tokens)

Dividing by the std favours questions that are almost always or almost never solved; dividing by each sequence's own length
favours long wrong answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base import Recipe, recipe


@recipe(
    "dr_grpo",
    paper="arXiv:2503.20783",
    formula="A = r - mean; sum over tokens / (sequences x max_tokens)",
    changes=("credit", "loss"),
)
class DrGRPO(Recipe):
    """No std, and a constant in place of the lengths."""

    @dataclass(frozen=True, kw_only=True)
    class Credit(Recipe.Credit):
        """Centred rewards."""

        scale: str = "none"

    @dataclass(frozen=True, kw_only=True)
    class Loss(Recipe.Loss):
        """GRPO's, summed over a constant."""

        aggregate: str = "sequence_sum"
