"""Estimates of KL(policy || reference) from the tokens that were sampled (Schulman 2020, joschu.net/blog/kl-approx.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

LIMIT = 20.0  # on log-ratios: exp stays finite


def kl(logp: Tensor, ref_logp: Tensor, estimator: str = "k3", log_ratio: Tensor | None = None) -> Tensor:
    """Per-token estimate float (B, T), with gradient in `logp`. With d = ref_logp - logp, clamped to +-20:

    estimator  value           unbiased  >= 0  gradient                    its mean over samples of the policy
    k1         -d              yes       no    grad logp                   0: for the reward, not for the loss
    k2         d^2 / 2         no        yes   -d grad logp                gradient of KL(policy || reference)
    k3         e^d - d - 1     yes       yes   (1 - e^d) grad logp         gradient of KL(reference || policy)

    k3 is GRPO's (arXiv:2402.03300, eq. 4). With `log_ratio` = log(policy / sampling policy), with gradient, the estimate is
    multiplied by the ratio: k1 and k3 then have value and gradient of KL(policy || reference), for stale samples too
    (DeepSeek-V3.2; TRL's `use_bias_correction_kl`). verl 0.9 also clamps k3 to 10. Raises UsageError for an unknown estimator.
    """
    d = (ref_logp - logp).clamp(-LIMIT, LIMIT)
    if estimator == "k1":
        value = -d
    elif estimator == "k2":
        value = d.square() / 2
    elif estimator == "k3":
        value = d.exp() - d - 1
    else:
        raise UsageError(f"loss.kl_estimator={estimator!r} is one of k1, k2, k3")
    return value if log_ratio is None else value * log_ratio.clamp(-LIMIT, LIMIT).exp()
