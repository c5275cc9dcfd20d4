"""Entropy: a coefficient that keeps it in a band, and the tokens where it is high. The bonus itself is in `total_loss`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def band(coef: float, entropy: float, *, target: float, delta: float = 0.005, low: float = 0.0, high: float = 1.0) -> float:
    """The coefficient of the entropy bonus for the next update: up by `delta` where the mean entropy per token (nats) is at
    most `target`, down otherwise, within [low, high]. Skywork-OR1 (arXiv:2505.22312) and TRL's `use_adaptive_entropy`, both of
    which apply the bonus only while the entropy is at most the target."""
    step = delta if entropy <= target else -delta
    return min(max(coef + step, low), high)


def high_entropy(entropy: Tensor, mask: Tensor, share: float) -> Tensor:
    """The `share` in (0, 1] of the tokens in the mask with the highest entropy, bool (B, T), ties at the threshold included.

    Gradients of those alone are the 80/20 rule (arXiv:2506.01939; TRL's `top_entropy_quantile`). The threshold is this batch's.
    """
    values = entropy.detach()[mask]
    if not values.numel():
        return mask
    keep = max(1, round(share * values.numel()))
    return mask & (entropy >= values.topk(keep).values[-1])
