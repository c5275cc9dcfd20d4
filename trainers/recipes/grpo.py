"""GRPO, Shao et al. 2024 (arXiv 2402.03300), as this project means it once and for all.

    A_i = (r_i - mean r) / (std r + 1e-4) over the G samples of a prompt, std with n - 1
    l_it = -min(w_it A_i, clip(w_it, 1 - .2, 1 + .2) A_i),  w_it = pi(y_it) / pi_old(y_it)

averaged over the tokens of a sequence, then over sequences; no KL. Every other recipe is a change of this one.
"""

from __future__ import annotations

from ..base import Recipe, recipe


@recipe("grpo", paper="arXiv:2402.03300", formula="A = (r - mean) / (std + 1e-4); token ratio clipped at .2/.2", changes=())
class GRPO(Recipe):
    """Group mean and sample std, token clip, mean over tokens then sequences."""
