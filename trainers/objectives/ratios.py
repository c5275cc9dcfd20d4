"""Policy losses per token from the ratio w = policy / old policy: surrogates that the gradient goes through (importance, clip,
GSPO, SAPO) and detached coefficients of log-probabilities (REINFORCE, CISPO; VESPO is in kernels.py).

`log_ratio` is float (B, T) with gradient and finite padding (`Batch.log_ratio`), `advantages` float (B, 1) or (B, T). Every
loss is float (B, T), to be minimised; metrics are float (B, T), or (B, 1) for one value per sequence. Log-ratios are clamped
to +-20: the ratio stays finite, and beyond it has no gradient. NaN goes through, for the loop to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

from .kl import LIMIT

if TYPE_CHECKING:
    from torch import Tensor

    Loss = tuple[Tensor, dict[str, Tensor]]


def reinforce(logp: Tensor, advantages: Tensor) -> Loss:
    """-A log pi: the gradient of the policy that sampled."""
    return -advantages * logp, {}


def importance(log_ratio: Tensor, advantages: Tensor) -> Loss:
    """-w A: unbiased for stale samples, without bound on the variance."""
    return -_ratio(log_ratio) * advantages, {}


def clipped(log_ratio: Tensor, advantages: Tensor, *, low: float = 0.2, high: float = 0.2, dual: float = 0.0) -> Loss:
    """-min(w A, clip(w, 1 - low, 1 + high) A): PPO (arXiv:1707.06347); high > low is DAPO's clip-higher (arXiv:2503.14476).

    `dual` > 1 + high bounds w where A < 0, which the clip does not (arXiv:1912.09729; verl's `clip_ratio_c`, TRL's `delta`).
    Metrics, of the ratio before the bound: clip_ratio/low_mean, clip_ratio/high_mean, clip_ratio/region_mean, as TRL's.
    """
    import torch

    ratio = _ratio(log_ratio)
    free = ratio.clamp(max=dual) if dual else ratio
    loss = -torch.min(free * advantages, ratio.clamp(1 - low, 1 + high) * advantages)
    return loss, _clip_metrics(ratio, advantages, low, high)


def gspo(
    log_ratio: Tensor, advantages: Tensor, mask: Tensor, *, low: float = 3e-4, high: float = 4e-4, dual: float = 0.0
) -> Loss:
    """The clip, on the sequence's ratio s = exp(mean of log w over its tokens): GSPO (arXiv:2507.18071).

    In the paper's token form (GSPO-token): value s, gradient s A_t grad log pi_t at each token. For one advantage per sequence
    that is the gradient of s A (TRL's importance_sampling_level="sequence"); advantages per token keep to their tokens.
    Metrics are per sequence where the advantages are.
    """
    sequence = sequence_log_ratio(log_ratio, mask, "mean").detach()
    token = log_ratio.clamp(-LIMIT, LIMIT)
    loss, _ = clipped(sequence + token - token.detach(), advantages, low=low, high=high, dual=dual)
    return loss, _clip_metrics(_ratio(sequence), advantages, low, high)


def cispo(log_ratio: Tensor, logp: Tensor, advantages: Tensor, *, low: float = 1.0, high: float = 4.0) -> Loss:
    """-sg(clip(w, 1 - low, 1 + high)) A log pi: CISPO (arXiv:2506.13585). The weight is cut, no token loses its gradient.

    low = 1 is no lower bound. TRL writes the upper bound itself, `epsilon_high` = 1 + high. Metric: cispo_clip_ratio, as TRL's.
    """
    ratio = _ratio(log_ratio).detach()
    weight = ratio.clamp(1 - low, 1 + high)
    return -weight * advantages * logp, {"cispo_clip_ratio": ((ratio > 1 + high) & (advantages > 0)).to(ratio.dtype)}


def sapo(log_ratio: Tensor, advantages: Tensor, *, pos: float = 1.0, neg: float = 1.05) -> Loss:
    """-(4 / tau) sigmoid(tau (w - 1)) A, tau = pos where A > 0, else neg: SAPO (arXiv:2511.20347), a smooth gate, no clip.

    The gate's slope at w = 1 is 1 for every tau: on-policy the gradient is that of -w A.
    """
    import torch

    tau = torch.where(advantages > 0, pos, neg).to(log_ratio.dtype)
    return -torch.sigmoid(tau * (_ratio(log_ratio) - 1)) * 4 / tau * advantages, {}


def sequence_log_ratio(log_ratio: Tensor, mask: Tensor, reduce: str = "sum") -> Tensor:
    """Log-ratio of the sequence, float (B, 1): the "sum" over its tokens (of the sequence's probabilities) or their "mean"
    (per token, geometrically). 0 for an empty mask. Each token's log-ratio is clamped to +-20. Raises UsageError for another
    `reduce`."""
    total = log_ratio.clamp(-LIMIT, LIMIT).masked_fill(~mask, 0.0).sum(-1, keepdim=True)
    if reduce == "mean":
        return total / mask.sum(-1, keepdim=True).clamp(min=1)
    if reduce == "sum":
        return total
    raise UsageError(f"reduce={reduce!r} is sum or mean")


def behaviour_weight(old_logp: Tensor, behaviour_logp: Tensor, mask: Tensor, cap: float) -> Tensor:
    """min(old policy / sampler, cap) per token, detached, float (B, T): truncated importance sampling, for a sampler whose
    numerics differ from the trainer's. 1 outside the mask and where the sampler gave no log-probability (NaN)."""
    difference = (old_logp - behaviour_logp).detach().masked_fill(~mask, 0.0).nan_to_num(nan=0.0)
    return _ratio(difference).clamp(max=cap)


def _ratio(log_ratio: Tensor) -> Tensor:
    return log_ratio.clamp(-LIMIT, LIMIT).exp()


def _clip_metrics(ratio: Tensor, advantages: Tensor, low: float, high: float) -> dict[str, Tensor]:
    is_low = (ratio < 1 - low) & (advantages < 0)
    is_high = (ratio > 1 + high) & (advantages > 0)
    shares = {"low": is_low, "high": is_high, "region": is_low | is_high}
    return {f"clip_ratio/{name}_mean": share.to(ratio.dtype) for name, share in shares.items()}
