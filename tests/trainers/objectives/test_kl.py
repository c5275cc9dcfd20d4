"""KL estimators: values, and what their values and gradients are the mean of."""

from __future__ import annotations

import math

import pytest
import torch

from evalsuite.errors import UsageError
from evalsuite.trainers.objectives.kl import kl


def test_by_hand():
    """Policy 1/2, reference 1/4: d = -log 2."""
    logp, ref = torch.tensor([[0.5]], dtype=torch.float64).log(), torch.tensor([[0.25]], dtype=torch.float64).log()
    d = math.log(2)
    assert kl(logp, ref, "k1").item() == pytest.approx(d)
    assert kl(logp, ref, "k2").item() == pytest.approx(d**2 / 2)
    assert kl(logp, ref, "k3").item() == kl(logp, ref).item() == pytest.approx(0.5 + d - 1)
    assert all(kl(logp, logp, name).item() == 0 for name in ("k1", "k2", "k3"))
    with pytest.raises(UsageError, match="k1, k2, k3"):
        kl(logp, ref, "k4")


LOGITS = torch.tensor([0.3, -1.0, 0.8, 0.0], dtype=torch.float64)
REF = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64).log()
OLD = torch.tensor([0.4, 0.2, 0.3, 0.1], dtype=torch.float64)


def exact(direction: str) -> tuple[float, torch.Tensor]:
    """KL(policy || reference) or KL(reference || policy), and its gradient in the logits."""
    x = LOGITS.clone().requires_grad_()
    log_p = x.log_softmax(-1)
    value = (log_p.exp() * (log_p - REF)).sum() if direction == "policy || reference" else (REF.exp() * (REF - log_p)).sum()
    return value.item(), torch.autograd.grad(value, x)[0]


def expected(name: str, sampler: str = "policy") -> tuple[float, torch.Tensor]:
    """Mean of the estimate over what the sampler writes, and the mean of its gradient."""
    x = LOGITS.clone().requires_grad_()
    log_p = x.log_softmax(-1)
    weight = log_p.exp().detach() if sampler == "policy" else OLD
    value = (weight * kl(log_p, REF, name, log_p - OLD.log() if sampler == "old" else None)).sum()
    return value.item(), torch.autograd.grad(value, x)[0]


def test_means_over_all_tokens():
    """The table of the docstring, with the expectation taken exactly over a vocabulary of four."""
    value, gradient = exact("policy || reference")
    _, reverse = exact("reference || policy")
    assert expected("k1")[0] == pytest.approx(value) and expected("k3")[0] == pytest.approx(value)
    assert expected("k2")[0] != pytest.approx(value, rel=1e-2)
    torch.testing.assert_close(expected("k1")[1], torch.zeros(4, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(expected("k2")[1], gradient)
    torch.testing.assert_close(expected("k3")[1], reverse)


@pytest.mark.parametrize("name", ["k1", "k3"])
def test_ratio_corrects_stale_samples(name):
    """Tokens of an older policy, weighted by the ratio: value and gradient of KL(policy || reference)."""
    value, gradient = exact("policy || reference")
    mine = expected(name, sampler="old")
    assert mine[0] == pytest.approx(value)
    torch.testing.assert_close(mine[1], gradient)


def test_far_apart_is_finite():
    logp = torch.tensor([[-math.inf, -1000.0, -0.1]], requires_grad=True)
    value = kl(logp, torch.tensor([[-1.0, -1.0, -1000.0]]), "k3")
    value.sum().backward()
    assert value.isfinite().all() and logp.grad.isfinite().all()
