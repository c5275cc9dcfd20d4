"""How far the policy is from the one that sampled: what to look at before the reward falls. Numbers for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ratios import sequence_log_ratio

if TYPE_CHECKING:
    from torch import Tensor

QUANTILES = {"p01": 0.01, "p10": 0.1, "p50": 0.5, "p90": 0.9, "p99": 0.99}


def ratio_report(log_ratio: Tensor, mask: Tensor, *, low: float = 0.2, high: float = 0.2) -> dict[str, float]:
    """Ratios policy / old policy over the tokens of the mask, before any clip; empty for an empty mask.

    ratio/min, p01 ... p99, max   quantiles, linear between order statistics
    ratio/outside                 share of tokens outside [1 - low, 1 + high], whatever the sign of the advantage
    ratio/effective_share         `effective_share` of the sequences' weights, products over their tokens
    """
    tokens = log_ratio.detach()[mask].double()
    if not tokens.numel():
        return {}
    ordered = tokens.exp().sort().values
    report = {"ratio/min": ordered[0].item(), "ratio/max": ordered[-1].item()}
    for name, q in QUANTILES.items():
        at = q * (len(ordered) - 1)
        below = ordered[int(at)]
        report[f"ratio/{name}"] = (below + (at - int(at)) * (ordered[min(int(at) + 1, len(ordered) - 1)] - below)).item()
    report["ratio/outside"] = ((ordered < 1 - low) | (ordered > 1 + high)).double().mean().item()
    report["ratio/effective_share"] = effective_share(sequence_log_ratio(log_ratio, mask)[mask.any(-1)])
    return report


def effective_share(log_weight: Tensor) -> float:
    """(sum w)^2 / (n sum w^2), the effective sample size as a share of n (Kong 1992): 1 for equal weights, 1 / n for one.

    `log_weight` has any shape; computed relative to the greatest, so that no weight overflows. NaN for no weights.
    """
    log_weight = log_weight.detach().double().flatten()
    if not log_weight.numel():
        return float("nan")
    w = (log_weight - log_weight.max()).exp()
    return (w.sum().square() / (len(w) * w.square().sum())).item()


def sampler_difference(old_logp: Tensor, behaviour_logp: Tensor, mask: Tensor, cap: float = 0.0) -> dict[str, float]:
    """Trainer against sampler on the same tokens, under TRL's names. Tokens that the sampler did not score (NaN) are left out;
    empty if that is all of them.

    sampling/sampling_logp_difference/mean, max            of |log old policy - log sampler|
    sampling/importance_sampling_ratio/min, mean, max      of old policy / sampler per token, at most `cap` if that is not 0
    """
    difference = (old_logp - behaviour_logp).detach()[mask].double()
    difference = difference[~difference.isnan()]
    if not difference.numel():
        return {}
    ratio = difference.exp().clamp(max=cap) if cap else difference.exp()
    return {
        "sampling/sampling_logp_difference/mean": difference.abs().mean().item(),
        "sampling/sampling_logp_difference/max": difference.abs().max().item(),
        "sampling/importance_sampling_ratio/min": ratio.min().item(),
        "sampling/importance_sampling_ratio/mean": ratio.mean().item(),
        "sampling/importance_sampling_ratio/max": ratio.max().item(),
    }
