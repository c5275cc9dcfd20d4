"""The gamma kernel of VESPO: its shape, its limits, and what it does to a batch."""

from __future__ import annotations

import math

import pytest
import torch

from evalsuite.trainers.objectives.kernels import gamma, vespo
from evalsuite.trainers.objectives.ratios import importance, reinforce

INF, NAN = math.inf, math.nan
POS, NEG = torch.tensor([[1.0]]), torch.tensor([[-1.0]])
SIGNS = [(POS, 2.0, 3.0), (NEG, 3.0, 2.0)]


def phi(w: float, advantages: torch.Tensor, **kernel: float) -> float:
    return gamma(torch.tensor([[math.log(w)]], dtype=torch.float64), advantages, **kernel).item()


def grid(advantages: torch.Tensor, **kernel: float) -> tuple[torch.Tensor, torch.Tensor]:
    """W from 0.001 to 10 and phi(W)."""
    w = torch.arange(0.001, 10, 0.001, dtype=torch.float64)[:, None]
    return w[:, 0], gamma(w.log(), advantages.expand(len(w), 1), **kernel)[:, 0]


@pytest.mark.parametrize(("k", "rate"), [(2.0, 3.0), (3.0, 2.0), (0.5, 7.0), (4.0, 0.001), (0.0, 1.0)])
def test_one_at_one(k, rate):
    assert phi(1.0, POS, k_pos=k, lambda_pos=rate) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(
    ("advantages", "k", "rate", "top", "at_ten"),
    [(*SIGNS[0], 1.2081, 1.9e-10), (*SIGNS[1], 1.2416, 1.5e-5)],
    ids=["A > 0", "A < 0"],
)
def test_shape(advantages, k, rate, top, at_ten):
    """The maximum (k / lambda)^k e^(lambda - k) at k / lambda, slope k - lambda at 1, 0 at both ends."""
    w, values = grid(advantages)
    assert values.max().item() == pytest.approx((k / rate) ** k * math.exp(rate - k), rel=1e-6) == pytest.approx(top, abs=1e-4)
    assert w[values.argmax()].item() == pytest.approx(k / rate, abs=1e-3)
    h = 1e-6
    slope = (phi(1 + h, advantages) - phi(1 - h, advantages)) / (2 * h)
    assert slope == pytest.approx(k - rate, abs=1e-5)
    assert phi(10.0, advantages) == pytest.approx(at_ten, rel=0.05)
    assert phi(1e-12, advantages) < 1e-13 and phi(1e30, advantages) == 0


def test_against_importance_sampling():
    """The greatest phi(W) / W, at W = (k - 1) / lambda: for negative advantages phi is nowhere above W."""
    for advantages, k, rate, bound in [(POS, 2.0, 3.0, 2.463), (NEG, 3.0, 2.0, 1.0)]:
        w, values = grid(advantages)
        assert (values / w).max().item() == pytest.approx(bound, abs=1e-3)
        assert w[(values / w).argmax()].item() == pytest.approx((k - 1) / rate, abs=1e-3)


def test_limits():
    """k = 1, lambda -> 0 is W; k = 0, lambda -> 0 is 1. The floor of lambda is 1e-4."""
    w = torch.tensor([[0.01], [0.5], [1.0], [3.0]], dtype=torch.float64)
    for lam in (0.0, 1e-4):
        torch.testing.assert_close(gamma(w.log(), POS.expand(4, 1), k_pos=1.0, lambda_pos=lam), w, rtol=3e-4, atol=0)
        torch.testing.assert_close(gamma(w.log(), POS.expand(4, 1), k_pos=0.0, lambda_pos=lam), w / w, rtol=3e-4, atol=0)


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e30])
def test_what_is_not_finite_is_left_out(value):
    for advantages in (POS, NEG):
        assert gamma(torch.tensor([[value]]), advantages).item() == pytest.approx(0.0, abs=1e-14)
    log_ratio = torch.tensor([[value, 0.0], [0.1, 0.2]])
    loss, _ = vespo(log_ratio, torch.full((2, 2), -1.0), torch.ones(2, 1), torch.ones(2, 2, dtype=torch.bool))
    assert loss[0].tolist() == pytest.approx([0, 0], abs=1e-12) and (loss[1] > 0.5).all()


MASK = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.bool)
ADV = torch.tensor([[1.0], [-2.0], [3.0]])


def batch(scale: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    log_ratio = (scale * torch.randn(3, 4, generator=g)).masked_fill(~MASK, 0.0)
    return log_ratio, (-1 - torch.rand(3, 4, generator=g))


def test_on_policy_is_reinforce():
    _, logp = batch()
    loss, metrics = vespo(torch.zeros(3, 4), logp, ADV, MASK)
    torch.testing.assert_close(loss, reinforce(logp, ADV)[0])
    assert metrics["vespo/phi_seq_mean"].flatten().tolist() == pytest.approx([1.0] * 3)


def test_weight_is_detached():
    """The gradient in the log-probabilities is -phi A, and nothing flows through W."""
    log_ratio, logp = batch()
    log_ratio.requires_grad_()
    logp.requires_grad_()
    loss, metrics = vespo(log_ratio, logp, ADV, MASK)
    loss.sum().backward()
    assert log_ratio.grad is None
    torch.testing.assert_close(logp.grad, (-metrics["vespo/phi_seq_mean"] * ADV).expand(3, 4))
    w = log_ratio.detach().sum(-1).exp()
    assert metrics["vespo/phi_seq_mean"][0].item() == pytest.approx((w[0] ** 2 * (3 * (1 - w[0])).exp()).item(), rel=1e-5)
    assert metrics["vespo/phi_seq_mean"][1].item() == pytest.approx((w[1] ** 3 * (2 * (1 - w[1])).exp()).item(), rel=1e-5)


def test_plain_importance_sampling_of_sequences():
    """At k = 1, lambda -> 0 the gradient is that of -W A with W the product over the sequence."""
    log_ratio, _ = batch()
    x = log_ratio.clone().requires_grad_()
    vespo(x, x, ADV, MASK, k_pos=1.0, lambda_pos=0.0, k_neg=1.0, lambda_neg=0.0)[0].sum().backward()
    y = log_ratio.sum(-1, keepdim=True).requires_grad_()
    importance(y, ADV)[0].sum().backward()
    torch.testing.assert_close(x.grad, y.grad.expand(3, 4), rtol=1e-3, atol=0)


def test_splitting_a_sequence_into_other_tokens():
    """W is a product over the sequence: the same log-ratio in one token or in four."""
    whole = torch.tensor([[0.4, 0.0, 0.0, 0.0]])
    parts = torch.tensor([[0.1, 0.1, 0.1, 0.1]])
    first = torch.tensor([[True, False, False, False]])
    every = torch.ones(1, 4, dtype=torch.bool)
    a = vespo(whole, whole, POS, first)[1]["vespo/phi_seq_mean"]
    b = vespo(parts, parts, POS, every)[1]["vespo/phi_seq_mean"]
    torch.testing.assert_close(a, b)


def test_advantages_per_token_have_the_sign_of_their_sum():
    """Column 0 and the padding (99) would choose the other branch."""
    log_ratio, logp = batch()
    tokens = torch.tensor([[-1.0, 1.0, 1.0, -99.0], [1.0, -2.0, 99.0, 99.0], [0.0, 0.0, 0.0, -1.0]])
    signs = torch.tensor([[1.0], [-1.0], [0.0]])
    mine, metrics = vespo(log_ratio, logp, tokens, MASK)
    wanted = vespo(log_ratio, logp, signs, MASK)[1]["vespo/phi_seq_mean"]
    assert torch.equal(metrics["vespo/phi_seq_mean"], wanted)
    torch.testing.assert_close(mine, -wanted * tokens * logp)


def test_sampler_correction_enters_w():
    """Weights of 2 and 1/4 on two tokens halve W; those outside the mask do not count."""
    log_ratio, logp = batch()
    weight = torch.tensor([[2.0, 0.25, 1.0, 7.0], [1.0, 1.0, 7.0, 7.0], [7.0, 7.0, 7.0, 7.0]])
    corrected = vespo(log_ratio, logp, ADV, MASK, weight=weight)[1]["vespo/phi_seq_mean"]
    moved = log_ratio.clone()
    moved[0, 0] -= math.log(2)
    torch.testing.assert_close(corrected, vespo(moved, logp, ADV, MASK)[1]["vespo/phi_seq_mean"])


def test_noise_adds_up_over_long_responses():
    """What the docstring says: 0.02 per token over 8192 tokens, W of mean 1 as ratios have; by quadrature."""
    z = torch.linspace(-9, 9, 20001, dtype=torch.float64)[:, None]
    density = (-z.square() / 2).exp() / (-z.square() / 2).exp().sum()
    sd = 0.02 * math.sqrt(8192)
    assert sd == pytest.approx(1.81, abs=0.01)
    log_w = sd * z - sd**2 / 2
    assert (density * log_w.exp()).sum().item() == pytest.approx(1.0, abs=1e-6)
    mean = [(density * gamma(log_w, advantages.expand_as(z))).sum().item() for advantages in (POS, NEG)]
    assert mean == pytest.approx([0.40, 0.24], abs=0.005)
