"""The whole loss: terms, metrics that add up, and every recipe in micro-batches."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from evalsuite.errors import UsageError
from evalsuite.trainers.base import Recipe
from evalsuite.trainers.objectives.aggregate import Normaliser
from evalsuite.trainers.objectives.batch import Batch
from evalsuite.trainers.objectives.total import Terms, total_loss
from evalsuite.trainers.recipes.bnpo import BNPO
from evalsuite.trainers.recipes.cispo import CISPO
from evalsuite.trainers.recipes.dr_grpo import DrGRPO
from evalsuite.trainers.recipes.grpo import GRPO
from evalsuite.trainers.recipes.gspo import GSPO
from evalsuite.trainers.recipes.reinforce_pp import ReinforcePP
from evalsuite.trainers.recipes.rloo import RLOO
from evalsuite.trainers.recipes.sapo import SAPO
from evalsuite.trainers.recipes.vespo import VESPO

RECIPES = [GRPO, DrGRPO, BNPO, GSPO, CISPO, SAPO, VESPO, RLOO, ReinforcePP]
TERMS = {"loss.kl": 0.1, "loss.entropy": 0.01, "loss.importance_cap": 2.0}
LENGTHS = torch.tensor([6, 1, 0, 4, 3, 6])


def numbers(per_token: bool = False) -> Batch:
    """Six sequences, one without tokens; NaN where nothing counts."""
    g = torch.Generator().manual_seed(1)
    mask = torch.arange(6) < LENGTHS[:, None]

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    old = -normal(6, 6).abs()
    tensors = {"old_logp": old, "ref_logp": old + 0.3 * normal(6, 6), "behaviour_logp": old + 0.3 * normal(6, 6)}
    tensors |= {"logp": old + 0.3 * normal(6, 6), "entropy": normal(6, 6).abs()}
    tensors = {name: value.masked_fill(~mask, math.nan) for name, value in tensors.items()}
    return Batch(advantages=normal(6, 6 if per_token else 1), mask=mask, **tensors)


def rows(batch: Batch, own: list[int]) -> Batch:
    """These rows, cut to the longest of them."""
    width = max(1, int(LENGTHS[own].max()))
    values = {f.name: getattr(batch, f.name)[own, :width] for f in dataclasses.fields(Batch)}
    return Batch(**values)


def losses(recipe: Recipe, batch: Batch, parts: list[list[int]]):
    """The sum over micro-batches: loss, gradients in log-probabilities and entropies, metrics."""
    leaves = [x.clone().requires_grad_() for x in (batch.logp, batch.entropy)]
    batch = dataclasses.replace(batch, logp=leaves[0], entropy=leaves[1])
    normaliser = Normaliser.of(batch.mask, 8)
    total, metrics = torch.zeros((), dtype=torch.float64), {}
    for own in parts:
        loss, sums = total_loss(recipe, rows(batch, own), normaliser)
        total = total + loss
        for name, (value, count) in sums.items():
            before = metrics.get(name, (0.0, 0.0))
            metrics[name] = (before[0] + value, before[1] + count)
    gradients = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return total, gradients, metrics


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("kind", RECIPES)
def test_micro_batches_do_not_matter(kind, per_token):
    recipe, batch = kind(TERMS), numbers(per_token)
    whole = losses(recipe, batch, [[0, 1, 2, 3, 4, 5]])
    assert whole[0].isfinite() and all(g.isfinite().all() for g in whole[1])
    assert not whole[1][0][~batch.mask].any() and (whole[1][0][batch.mask] != 0).any()
    for parts in ([[3, 0], [2], [5, 1, 4]], [[i] for i in range(6)]):
        split = losses(recipe, batch, parts)
        torch.testing.assert_close(split[0], whole[0])
        torch.testing.assert_close(split[1], whole[1])
        assert split[2].keys() == whole[2].keys() >= {"kl", "entropy", "ppo_kl"}
        for name, pair in split[2].items():
            assert pair == pytest.approx(whole[2][name]), name


@pytest.mark.parametrize("kind", RECIPES)
def test_nothing_in_the_batch(kind):
    """A micro-batch in which nothing counts has loss 0, a gradient of 0, and metrics of nothing."""
    batch = numbers()
    leaf = batch.logp.clone().requires_grad_()
    empty = dataclasses.replace(batch, logp=leaf, mask=torch.zeros_like(batch.mask))
    loss, sums = total_loss(kind(TERMS), empty, Normaliser(6, 20, 8))
    loss.backward()
    assert loss.item() == 0 and not leaf.grad.any()
    assert set(sums.values()) == {(0.0, 0.0)}


def simple(**changes: object) -> Batch:
    """One sequence of two tokens, on-policy, A = 2."""
    logp = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    values = {
        "logp": logp,
        "old_logp": logp.detach(),
        "advantages": torch.tensor([[2.0]]),
        "mask": torch.ones(1, 2, dtype=torch.bool),
    }
    return Batch(**values | changes)


ONE = Normaliser(sequences=1, tokens=2, max_tokens=4)


def test_terms_by_hand():
    assert total_loss(GRPO(), simple(), ONE)[0].item() == -2
    ref = torch.tensor([[-1.5, -2.5]])
    loss, sums = total_loss(GRPO({"loss.kl": 0.1, "loss.kl_estimator": "k1"}), simple(ref_logp=ref), ONE)
    assert loss.item() == pytest.approx(-2 + 0.1 * 0.5) and sums["kl"] == (1.0, 2.0)
    entropy = torch.tensor([[1.0, 2.0]])
    loss, sums = total_loss(GRPO({"loss.entropy": 0.1}), simple(entropy=entropy), ONE)
    assert loss.item() == pytest.approx(-2 - 0.1 * 1.5) and sums["entropy"] == (3.0, 2.0)
    sampler = torch.tensor([[-1.0 - math.log(4), -2.0 + math.log(2)]])  # old / sampler: 4, cut to 3, and 1/2
    loss, _ = total_loss(GRPO({"loss.importance_cap": 3.0}), simple(behaviour_logp=sampler), ONE)
    assert loss.item() == pytest.approx(-2 * (3 + 0.5) / 2)


def test_old_policy_is_behind():
    """log w = .1 and -.3: mean of -log w is .1."""
    batch = simple(old_logp=torch.tensor([[-1.1, -1.7]]))
    assert total_loss(GRPO(), batch, ONE)[1]["ppo_kl"] == pytest.approx((0.2, 2.0))


@pytest.mark.parametrize(
    ("kind", "setting", "field"),
    [
        (GRPO, "loss.kl", "ref_logp"),
        (GRPO, "loss.entropy", "entropy"),
        (GRPO, "loss.importance_cap", "behaviour_logp"),
        (VESPO, "loss.importance_cap", "behaviour_logp"),
    ],
)
def test_missing_tensor(kind, setting, field):
    with pytest.raises(UsageError, match=rf"{setting} is above 0 and needs batch.{field}"):
        total_loss(kind({setting: 0.5}), simple(), ONE)


def test_settings_that_every_loss_has():
    """`Terms` is what `total_loss` reads: every recipe has them, GRPO with the same defaults."""
    for field in dataclasses.fields(Terms):
        assert GRPO.defaults()[f"loss.{field.name}"] == field.default
        assert all(f"loss.{field.name}" in kind.defaults() for kind in RECIPES)


@pytest.mark.parametrize("kind", [CISPO, SAPO, VESPO])
def test_no_setting_without_effect(kind):
    with pytest.raises(UsageError, match="has no setting"):
        kind({"loss.dual_clip": 3.0})
