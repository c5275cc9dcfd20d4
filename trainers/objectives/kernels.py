"""VESPO: a smooth weight of whole sequences in place of a clip (arXiv:2602.10693)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .kl import LIMIT
from .ratios import sequence_log_ratio

if TYPE_CHECKING:
    from torch import Tensor

    from .ratios import Loss

FLOOR = math.log(1e-8)  # of the sequence's log-ratio, as in TRL


def gamma(
    log_w: Tensor,
    advantages: Tensor,
    *,
    k_pos: float = 2.0,
    lambda_pos: float = 3.0,
    k_neg: float = 3.0,
    lambda_neg: float = 2.0,
) -> Tensor:
    """phi(W) = W^k exp(lambda (1 - W)), detached, float (B, 1) as `log_w` and `advantages`; k and lambda by the sign of A.

    `log_w` is log W of the sequence, clamped to [log 1e-8, 20]; lambda is at least 1e-4. Where W is not finite, phi is 0: the
    sequence is left out. An advantage of 0 counts as positive.

    phi(1) = 1; the greatest value, (k / lambda)^k exp(lambda - k), is at W = k / lambda. With lambda -> 0, k = 1 is W itself
    (importance sampling) and k = 0 is 1 (REINFORCE).
    """
    import torch

    log_w = log_w.detach().clamp(FLOOR, LIMIT)
    positive = advantages >= 0
    k = torch.where(positive, k_pos, k_neg)
    rate = torch.where(positive, lambda_pos, lambda_neg).clamp(min=1e-4)
    return (rate + k * log_w - rate * log_w.exp()).exp().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def vespo(
    log_ratio: Tensor,
    logp: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    k_pos: float = 2.0,
    lambda_pos: float = 3.0,
    k_neg: float = 3.0,
    lambda_neg: float = 2.0,
    weight: Tensor | None = None,
) -> Loss:
    """-phi(W) A log pi per token, float (B, T), with log W the sum of log w over the sequence, not divided by its length.

    `weight` float (B, T) is a truncated ratio old policy / sampler per token (`ratios.behaviour_weight`); its log enters log
    W, so that W is policy / sampler. For advantages per token, (B, T), the kernel goes by the sign of their sum over the mask:
    phi belongs to the sequence (TRL: each token's own sign; the authors: that of column 0). Metric: vespo/phi_seq_mean, as
    TRL's.

    Numerical noise between sampler and trainer adds up over the sequence: 0.02 per token over 8192 tokens is a s.d. of 1.8 in
    log W, and leaves phi at 0.40 (A > 0) and 0.24 (A < 0) on average where W has mean 1. Watch the metric.
    """
    import torch

    log_w = sequence_log_ratio(log_ratio, mask)
    if weight is not None:
        log_w = log_w + torch.where(mask, weight.log().clamp(FLOOR, LIMIT), 0.0).sum(-1, keepdim=True)
    sign = torch.where(mask, advantages, 0.0).sum(-1, keepdim=True) if advantages.shape[1] > 1 else advantages
    phi = gamma(log_w, sign, k_pos=k_pos, lambda_pos=lambda_pos, k_neg=k_neg, lambda_neg=lambda_neg)
    return -phi * advantages * logp, {"vespo/phi_seq_mean": phi}
