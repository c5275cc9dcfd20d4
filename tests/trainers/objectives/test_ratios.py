"""Surrogates and coefficients: hand-worked values, gradients, and the settings at which they are each other."""

from __future__ import annotations

import math

import pytest
import torch

from evalsuite.errors import UsageError
from evalsuite.trainers.objectives.ratios import (
    behaviour_weight,
    cispo,
    clipped,
    gspo,
    importance,
    reinforce,
    sapo,
    sequence_log_ratio,
)

INF, NAN = math.inf, math.nan
MASK = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
ADV = torch.tensor([[1.0], [-2.0], [1.5], [-0.5]], dtype=torch.float64)


def noise(seed: int = 0) -> torch.Tensor:
    """Log-ratios as a batch has them: 0 outside the mask."""
    g = torch.Generator().manual_seed(seed)
    return (0.5 * torch.randn(MASK.shape, generator=g, dtype=torch.float64)).masked_fill(~MASK, 0.0)


def grad(function, log_ratio: torch.Tensor) -> torch.Tensor:
    """Gradient of the masked sum in the log-ratio."""
    x = log_ratio.clone().requires_grad_()
    torch.where(MASK, function(x), 0.0).sum().backward()
    return x.grad


@pytest.mark.parametrize(
    ("w", "a", "loss", "slope"),  # slope: of the loss in log w
    [
        (1.1, 1.0, -1.1, -1.1),
        (1.5, 1.0, -1.28, 0.0),  # above the range, to be made likelier: clipped
        (0.5, 1.0, -0.5, -0.5),  # below it: comes back
        (0.5, -1.0, 0.8, 0.0),  # below the range, to be made less likely: clipped
        (1.5, -1.0, 1.5, 1.5),  # above it: comes back
        (9.0, -1.0, 3.0, 0.0),  # dual clip
        (9.0, 1.0, -1.28, 0.0),
        (9.0, 0.0, 0.0, 0.0),
    ],
)
def test_clip_by_hand(w, a, loss, slope):
    x = torch.tensor([[math.log(w)]], dtype=torch.float64, requires_grad=True)
    value, metrics = clipped(x, torch.tensor([[a]]), low=0.2, high=0.28, dual=3.0)
    value.sum().backward()
    assert value.item() == pytest.approx(loss) and x.grad.item() == pytest.approx(slope)
    low, high = float(w < 0.8 and a < 0), float(w > 1.28 and a > 0)
    assert [m.item() for m in metrics.values()] == [low, high, low + high]
    assert list(metrics) == ["clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"]


def test_without_clip_is_importance_sampling():
    x = noise()
    assert torch.equal(clipped(x, ADV, low=INF, high=INF)[0], importance(x, ADV)[0])
    assert torch.equal(grad(lambda y: clipped(y, ADV, low=INF, high=INF)[0], x), grad(lambda y: importance(y, ADV)[0], x))


def test_no_dual_clip_is_an_infinite_one():
    x = 3 * noise()
    assert torch.equal(clipped(x, ADV)[0], clipped(x, ADV, dual=INF)[0])
    assert not torch.equal(clipped(x, ADV)[0], clipped(x, ADV, dual=1.3)[0])


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: importance(x, ADV),
        lambda x: clipped(x, ADV),
        lambda x: gspo(x, ADV, MASK),
        lambda x: cispo(x, x, ADV),
        lambda x: sapo(x, ADV, pos=1.0, neg=1.05),
        lambda x: sapo(x, ADV, pos=7.0, neg=0.3),
    ],
)
def test_on_policy_gradient_is_reinforce(loss):
    zero = torch.zeros_like(noise())
    wanted = grad(lambda x: reinforce(x, ADV)[0], zero)
    assert torch.equal(wanted, torch.where(MASK, -ADV, 0.0))
    torch.testing.assert_close(grad(lambda x: loss(x)[0], zero), wanted, rtol=1e-7, atol=0)


def test_gspo_of_single_tokens_is_grpo():
    """One token per sequence, the same range: GRPO's loss, gradient and metrics."""
    one = MASK & (torch.arange(4) == 0)
    x = noise().masked_fill(~one, 0.0)
    mine, metrics = gspo(x, ADV, one, low=0.2, high=0.2)
    theirs, wanted = clipped(x, ADV, low=0.2, high=0.2)
    torch.testing.assert_close(mine[one], theirs[one], rtol=1e-12, atol=0)
    left = grad(lambda y: torch.where(one, gspo(y, ADV, one, low=0.2, high=0.2)[0], 0.0), x)
    right = grad(lambda y: torch.where(one, clipped(y, ADV)[0], 0.0), x)
    torch.testing.assert_close(left, right, rtol=1e-12, atol=0)
    assert all(torch.equal(metrics[name][one.any(-1)], wanted[name][:, :1][one.any(-1)]) for name in wanted)


def test_gspo_by_hand():
    """Ratios 2 and 8 over two tokens: s = 4, for every token; clipped for A > 0, each token's slope s A for A < 0."""
    mask = torch.tensor([[True, True, False]])
    x = torch.tensor([[math.log(2), math.log(8), 0.0]], requires_grad=True)
    up, metrics = gspo(x, torch.tensor([[1.0]]), mask, low=0.5, high=0.5)
    assert up[mask].tolist() == pytest.approx([-1.5, -1.5]) and metrics["clip_ratio/high_mean"].tolist() == [[1.0]]
    down, _ = gspo(x, torch.tensor([[-1.0]]), mask, low=0.5, high=0.5)
    down[mask].sum().backward()
    assert down[mask].tolist() == pytest.approx([4, 4]) and x.grad.tolist()[0] == pytest.approx([4, 4, 0])
    # An advantage per token: metrics per token.
    _, metrics = gspo(x, torch.tensor([[1.0, -1.0, 0.0]]), mask, low=0.5, high=0.5)
    assert metrics["clip_ratio/high_mean"].tolist() == [[1.0, 0.0, 0.0]]


def test_cispo_by_hand():
    """Ratios 1/2, 2 and 9 at the bound 5: no token loses its gradient."""
    logp = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
    log_ratio = torch.tensor([[0.5, 2.0, 9.0]]).log()
    loss, metrics = cispo(log_ratio, logp, torch.tensor([[2.0]]))
    loss.sum().backward()
    assert loss.tolist()[0] == pytest.approx([1, 8, 30]) and logp.grad.tolist()[0] == pytest.approx([-1, -4, -10])
    assert metrics["cispo_clip_ratio"].tolist() == [[0, 0, 1]]
    assert cispo(log_ratio, logp, torch.tensor([[2.0]]), low=0.2)[0].tolist()[0] == pytest.approx([1.6, 8, 30])


def test_sapo_falls_off_on_both_sides():
    """The gate's slope sech^2(tau (w - 1) / 2) is 1 at w = 1 and symmetric in w - 1; a larger tau falls off faster."""
    w = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    for tau in (1.0, 3.0):
        loss, metrics = sapo(w.log()[None], torch.tensor([[1.0]]), pos=tau, neg=99.0)
        (slope,) = torch.autograd.grad(-loss.sum(), w)
        assert slope.tolist() == pytest.approx([1 / math.cosh(tau * d / 2) ** 2 for d in (-0.5, 0, 0.5)]) and metrics == {}


def test_sequence_log_ratio():
    x = torch.tensor([[0.5, -1.0, NAN], [INF, 3.0, 1.0], [1.0, 1.0, 1.0]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 1], [0, 0, 0]], dtype=torch.bool)
    assert sequence_log_ratio(x, mask).tolist() == [[-0.5], [21.0], [0.0]]
    assert sequence_log_ratio(x, mask, "mean").tolist() == [[-0.25], [10.5], [0.0]]
    with pytest.raises(UsageError, match="sum or mean"):
        sequence_log_ratio(x, mask, "max")


@pytest.mark.parametrize("value", [INF, -INF, 500.0])
def test_infinite_ratios_stay_finite(value):
    """Loss and gradient; beyond e^20 the gradient through the ratio stops."""
    x = noise()
    x[3, 1] = value
    for loss in (importance, clipped, sapo, lambda y, a: gspo(y, a, MASK)):
        assert loss(x, ADV)[0].isfinite().all()
        slope = grad(lambda y, loss=loss: loss(y, ADV)[0], x)
        assert slope.isfinite().all() and slope[3, 1] == 0
    assert cispo(x, x.clamp(-9, 9), ADV)[0].isfinite().all()


def test_nan_is_seen():
    x = noise()
    x[0, 0] = NAN
    assert all(loss(x, ADV)[0][0, 0].isnan() for loss in (importance, clipped, sapo))


def test_behaviour_weight():
    old = torch.tensor([[-1.0, -1.0, -1.0, -1.0, NAN]], requires_grad=True)
    sampler = torch.tensor([[-1.0 - math.log(5), -1.0, -1.0 + math.log(4), NAN, 0.0]])
    mask = torch.tensor([[True, True, True, True, False]])
    weight = behaviour_weight(old, sampler, mask, cap=2.0)
    assert weight.tolist()[0] == pytest.approx([2, 1, 0.25, 1, 1]) and not weight.requires_grad
