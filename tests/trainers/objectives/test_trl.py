"""Loss, gradient and metrics of our recipes against TRL's own `GRPOTrainer._compute_loss`, on random inputs.

The method runs on a stand-in for the trainer that has the attributes it reads; log-probabilities and entropies are leaves.
"""

from __future__ import annotations

import collections
import types
import typing

import pytest
import torch

from evalsuite.trainers.base import Recipe
from evalsuite.trainers.objectives.aggregate import Normaliser
from evalsuite.trainers.objectives.batch import Batch
from evalsuite.trainers.objectives.ratios import behaviour_weight
from evalsuite.trainers.objectives.total import total_loss
from evalsuite.trainers.recipes.bnpo import BNPO
from evalsuite.trainers.recipes.cispo import CISPO
from evalsuite.trainers.recipes.dr_grpo import DrGRPO
from evalsuite.trainers.recipes.grpo import GRPO
from evalsuite.trainers.recipes.gspo import GSPO
from evalsuite.trainers.recipes.sapo import SAPO
from evalsuite.trainers.recipes.vespo import VESPO

B, T, MAX_TOKENS = 7, 11, 16


@pytest.fixture(scope="module")
def trainer() -> typing.Any:
    """TRL's class, the real one."""
    module = pytest.importorskip("trl.trainer.grpo_trainer", reason="trl is not installed: nothing to compare with")
    return module.GRPOTrainer


def numbers(seed: int, noise: float = 0.3) -> Batch:
    """Responses of 1 to T tokens, ratios on both sides of every clip, advantages of both signs."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    old = -normal(B, T).abs() - 0.1
    lengths = torch.tensor([T, 1, 2, 5, 8, T, 3])
    return Batch(
        logp=(old + noise * normal(B, T)).requires_grad_(),
        old_logp=old,
        advantages=normal(B, 1),
        mask=torch.arange(T) < lengths[:, None],
        entropy=normal(B, T).abs().requires_grad_(),
        ref_logp=old + 0.5 * normal(B, T),
        behaviour_logp=old + 0.4 * normal(B, T),
    )


def theirs(trainer: typing.Any, batch: Batch, loss_type: str, weight: torch.Tensor | None = None, **settings: typing.Any):
    """TRL's loss, its gradients in log-probabilities and entropies, and its metrics."""
    args = types.SimpleNamespace(
        delta=settings.pop("delta", None),
        use_bias_correction_kl=settings.pop("use_bias_correction_kl", False),
        steps_per_generation=1,
        sapo_temperature_pos=1.0,
        sapo_temperature_neg=1.05,
        vespo_k_pos=2.0,
        vespo_lambda_pos=3.0,
        vespo_k_neg=3.0,
        vespo_lambda_neg=2.0,
    )
    metrics = {"train": collections.defaultdict(list)}
    attributes = {
        "args": args,
        "model": types.SimpleNamespace(training=True),
        "accelerator": types.SimpleNamespace(
            num_processes=1, sync_gradients=True, gather=lambda x: x, reduce=lambda x, reduction: x
        ),
        "loss_type": loss_type,
        "importance_sampling_level": "token",
        "epsilon_low": 0.2,
        "epsilon_high": 0.2,
        "beta": 0.0,
        "top_entropy_quantile": 1.0,
        "off_policy_mask_threshold": None,
        "use_vllm": weight is not None,
        "vllm_importance_sampling_correction": weight is not None,
        "max_completion_length": MAX_TOKENS,
        "current_gradient_accumulation_steps": 1,
        "aux_loss_enabled": False,
        "entropy_coef": 0.0,
        "use_adaptive_entropy": False,
        "get_gamma_weights": trainer.get_gamma_weights,
        "_metrics": metrics,
        "_get_per_token_logps_and_entropies": lambda *a, **k: (batch.logp, batch.entropy, None),
    }
    attributes |= settings
    attributes["_entropy_bonus_enabled"] = attributes["entropy_coef"] != 0.0
    ids = torch.zeros(B, T, dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": ids[:, :1] + 1,
        "completion_ids": ids,
        "completion_mask": batch.mask.long(),
        "advantages": batch.advantages[:, 0],
        "old_per_token_logps": batch.old_logp,
        "ref_per_token_logps": batch.ref_logp,
        "num_items_in_batch": batch.mask.sum(),
    }
    if weight is not None:
        inputs["importance_sampling_ratio"] = weight
    loss = trainer._compute_loss(types.SimpleNamespace(**attributes), None, inputs)
    return loss, gradients(loss, batch), {name: values[0] for name, values in metrics["train"].items()}


def ours(recipe: Recipe, batch: Batch):
    """Our loss, gradients and metrics: the same three."""
    loss, sums = total_loss(recipe, batch, Normaliser.of(batch.mask, MAX_TOKENS))
    return loss, gradients(loss, batch), {name: value / count for name, (value, count) in sums.items()}


def gradients(loss: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, ...]:
    """With respect to log-probabilities and entropies."""
    return torch.autograd.grad(loss, (batch.logp, batch.entropy), allow_unused=True, materialize_grads=True)


def assert_same(mine, other, rtol: float = 1e-6) -> None:
    """Equal loss and gradients, and equal metrics where the names are equal; at least entropy is one of those."""
    torch.testing.assert_close(mine[0], other[0], rtol=rtol, atol=0)
    for a, b in zip(mine[1], other[1]):
        torch.testing.assert_close(a, b, rtol=rtol, atol=1e-12)
    assert mine[1][0].abs().max() > 1e-3
    shared = set(mine[2]) & set(other[2])
    assert "entropy" in shared
    for name in shared:
        assert mine[2][name] == pytest.approx(other[2][name], rel=1e-5), name


DAPO_SHAPE = {"loss.clip_high": 0.28, "loss.aggregate": "token_mean"}
SEQUENCE = {"importance_sampling_level": "sequence", "epsilon_low": 3e-4, "epsilon_high": 4e-4}
CASES = {
    "grpo": (GRPO, {}, "grpo", {}),
    "grpo, clip higher": (GRPO, {"loss.clip_high": 0.28}, "grpo", {"epsilon_high": 0.28}),
    "grpo, two-sided": (GRPO, {"loss.dual_clip": 1.3}, "grpo", {"delta": 1.3}),
    "dr_grpo": (DrGRPO, {}, "dr_grpo", {}),
    "dapo's loss": (GRPO, DAPO_SHAPE, "dapo", {"epsilon_high": 0.28}),
    "bnpo": (BNPO, {}, "bnpo", {}),
    "gspo": (GSPO, {}, "grpo", SEQUENCE),
    "gspo, wide": (
        GSPO,
        {"loss.clip_low": 0.1, "loss.clip_high": 0.1},
        "grpo",
        SEQUENCE | {"epsilon_low": 0.1, "epsilon_high": 0.1},
    ),
    "gspo, token mean": (GSPO, {"loss.aggregate": "token_mean"}, "bnpo", SEQUENCE),
    "cispo": (CISPO, {}, "cispo", {"epsilon_high": 5.0}),
    "cispo, tight": (CISPO, {"loss.clip_high": 0.1}, "cispo", {"epsilon_high": 1.1}),
    "sapo": (SAPO, {}, "sapo", {}),
    "vespo": (VESPO, {}, "vespo", {}),
}


@pytest.mark.parametrize("beta", [0.0, 0.04], ids=["without KL", "with KL"])
@pytest.mark.parametrize("case", CASES)
def test_recipe(trainer, case, beta):
    kind, settings, loss_type, attributes = CASES[case]
    for seed in range(3):
        batch = numbers(seed)
        mine = ours(kind({**settings, "loss.kl": beta}), batch)
        assert_same(mine, theirs(trainer, batch, loss_type, beta=beta, **attributes))
        assert ("kl" in mine[2]) == (beta > 0)


@pytest.mark.parametrize("kind", [GRPO, CISPO, SAPO, VESPO])
def test_sampler_correction(trainer, kind):
    """Truncated weights old / sampler: on top of the loss, for VESPO inside W."""
    batch = numbers(5)
    weight = behaviour_weight(batch.old_logp, batch.behaviour_logp, batch.mask, 1.5)
    assert (weight == 1.5).any() and (weight < 1).any()
    mine = ours(kind({"loss.importance_cap": 1.5}), batch)
    settings = {"epsilon_high": 5.0} if kind is CISPO else {}
    assert_same(mine, theirs(trainer, batch, kind.name, weight=weight, **settings))


@pytest.mark.parametrize("kind", [GRPO, VESPO])
def test_entropy_bonus(trainer, kind):
    batch = numbers(6)
    mine = ours(kind({"loss.entropy": 0.01}), batch)
    assert mine[1][1].abs().max() > 0
    assert_same(mine, theirs(trainer, batch, kind.name, entropy_coef=0.01))


def test_extreme_ratios_of_vespo(trainer):
    """Sequences whose W is clamped at either end."""
    batch = numbers(7, noise=8.0)
    mine, other = ours(VESPO(), batch), theirs(trainer, batch, "vespo")
    torch.testing.assert_close(mine[0], other[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(mine[1][0], other[1][0], rtol=1e-6, atol=0)


def test_corrected_kl(trainer):
    """TRL's use_bias_correction_kl is `kl(..., log_ratio=...)`."""
    from evalsuite.trainers.objectives.aggregate import aggregate
    from evalsuite.trainers.objectives.kl import kl

    batch = numbers(8)
    loss, grads, metrics = theirs(trainer, batch, "grpo", beta=0.04, use_bias_correction_kl=True)
    policy, _ = GRPO().loss(batch)
    penalty = kl(batch.logp, batch.ref_logp, "k3", batch.log_ratio)
    mine = aggregate(policy + 0.04 * penalty, batch.mask, "sequence_mean", Normaliser.of(batch.mask))
    torch.testing.assert_close(mine, loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients(mine, batch)[0], grads[0], rtol=1e-6, atol=1e-12)
    assert penalty[batch.mask].mean().item() == pytest.approx(metrics["kl"], rel=1e-5)


def test_high_entropy_tokens(trainer):
    """The 80/20 rule's mask: `keep` tokens. TRL's threshold is interpolated between two tokens and may lose one of them."""
    from evalsuite.trainers.objectives.entropy import high_entropy

    batch = numbers(9)
    n = int(batch.mask.sum())
    accelerator = types.SimpleNamespace(pad_across_processes=lambda x, dim, pad_index: x, gather=lambda x: x)
    for keep in (1, n // 5, n):
        wanted = trainer.get_high_entropy_mask(
            types.SimpleNamespace(accelerator=accelerator), batch.entropy.float(), batch.mask.long(), 1 - keep / n
        )
        mine = high_entropy(batch.entropy, batch.mask, keep / n)
        assert int(mine.sum()) == keep
        assert int((mine ^ wanted).sum()) <= 1 and not (wanted & ~mine).any()
