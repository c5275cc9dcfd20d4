"""Null settings are GRPO: every recipe equals it to the last bit where its term is nothing, or declares the identity that links them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from evalsuite import Completion, Score, ask
from evalsuite.registry.recipes import load_recipe, recipes
from evalsuite.trainers.objectives.advantages import advantages
from evalsuite.trainers.objectives.aggregate import Normaliser
from evalsuite.trainers.objectives.batch import Batch
from evalsuite.trainers.objectives.total import total_loss
from evalsuite.trainers.rows import Rollout, Rows


@dataclass(frozen=True)
class Identity:
    """How a recipe at `settings` is linked to GRPO at `grpo` settings.

    holds     "bits": rewards, admitted rows, advantages, loss and gradient are equal to the last bit
              "value": advantages, loss and gradient are equal up to rounding
              "gradient": the gradient is, on-policy; the loss is another
              "advantages": standardised within the group, they are; everything else follows from the advantages
    lengths   of the answers: "mixed", "equal", or "one" token each
    right     every answer is right
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    grpo: Mapping[str, Any] = field(default_factory=dict)
    holds: str = "bits"
    lengths: str = "mixed"
    right: bool = False


SEQUENCES = {"loss.aggregate": "sequence_mean"}
IDENTITIES = {
    "grpo": Identity(),
    "dr_grpo": Identity({"credit.scale": "group", **SEQUENCES}),
    "bnpo": Identity(SEQUENCES),
    "dapo": Identity({"loss.clip_high": 0.2, "admit.drop_flat": False, "admit.refill": 0, **SEQUENCES}),
    "rloo": Identity({"credit.baseline": "mean", "credit.scale": "group", **SEQUENCES}),
    "gr3": Identity({"shape.alpha": 0.0}),
    "passk": Identity({"shape.k": 1, "credit.baseline": "mean", "credit.scale": "group"}),
    # What replaces a stage. A sequence of one token is its token:
    "gspo": Identity({"loss.clip_low": 0.2, "loss.clip_high": 0.2}, holds="value", lengths="one"),
    # and the mean over its tokens is that over rows.
    "reinforce_pp": Identity(
        grpo={"credit.baseline": "batch", "credit.scale": "batch", "credit.eps": 0.0}, holds="value", lengths="one"
    ),
    # All weights are 1 where the policy is the one that sampled.
    "cispo": Identity(SEQUENCES, holds="gradient"),
    "sapo": Identity(holds="gradient"),
    "vespo": Identity(SEQUENCES, holds="gradient"),
    # A coin that is never tossed.
    "random_reward": Identity(
        {"shape.share": 0.0, "loss.clip_high": 0.2, "admit.drop_flat": False, "admit.refill": 0, **SEQUENCES}
    ),
    # Demonstrations are samples whose advantage is 1.
    "sft": Identity(SEQUENCES, grpo={"credit.baseline": "none", "credit.scale": "none"}, holds="gradient", right=True),
    # Equally long answers: two values in a group, right and wrong.
    "twyn": Identity(holds="advantages", lengths="equal"),
}

# Per question: flat at 0 and at 1, mixed, not all scored.
SCORES = [(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 0, 1), (0, 1, None, 0), (0, 0, 0, 1), (1, None, 1, 0), (1, 1, 1, 0)]
LENGTHS = [(3, 9, 5, 2), (1, 7, 4, 6), (5, 0, 8, 2), (2, 6, 4, 9), (9, 9, 3, 1), (4, 2, 2, 7), (6, 1, 8, 3)]


def table(lengths: str, right: bool) -> Rows:
    """28 rollouts of 7 questions. Every ninth was cut off."""
    rollouts = []
    for g, (scores, counts) in enumerate(zip(SCORES, LENGTHS, strict=True)):
        for i, (value, count) in enumerate(zip(scores, counts, strict=True)):
            count = {"mixed": count, "equal": 4, "one": 1}[lengths]
            if right:
                score = Score(1.0)
            else:
                score = Score(None, outcome="error") if value is None else Score(float(value))
            finish = "length" if (4 * g + i) % 9 == 0 else "stop"
            completion = Completion("", token_ids=(1,) * count, finish_reason=finish)
            sample = ask("?", id=str(g))
            rollouts.append(
                Rollout(task="t", sample=sample, group=g, index=i, prompt_ids=(1,), completion=completion, score=score)
            )
    return Rows.of(rollouts)


@dataclass(frozen=True)
class Step:
    reward: Tensor
    keep: Tensor
    advantages: Tensor
    loss: Tensor
    gradient: Tensor


def step(name: str, settings: Mapping[str, Any], rows: Rows, stale: bool) -> Step:
    """One step of the recipe as the loop makes it: float64 log-probabilities, far enough from the old ones to be clipped if `stale`."""
    recipe = load_recipe(name)(settings)
    rows = rows.replace(reward=recipe.shape(rows))
    rows = rows.replace(keep=recipe.admit(rows))
    credit = recipe.credit(rows)
    width = int(rows.length.max())
    mask = (torch.arange(width) < rows.length[:, None]) & rows.keep[:, None]
    generator = torch.Generator().manual_seed(0)
    old = -3 * torch.rand(len(rows), width, generator=generator, dtype=torch.float64)
    noise = 0.4 * torch.randn(len(rows), width, generator=generator, dtype=torch.float64)
    logp = (old + stale * noise).requires_grad_()
    batch = Batch(logp=logp, old_logp=old, advantages=credit[:, None], mask=mask)
    normaliser = Normaliser(sequences=int(rows.keep.sum()), tokens=int(mask.sum()), max_tokens=width)
    loss, _ = total_loss(recipe, batch, normaliser)
    loss.backward()
    assert logp.grad is not None
    return Step(rows.reward, rows.keep, credit, loss.detach(), logp.grad)


def equal(mine: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(mine, other, rtol=0, atol=0, equal_nan=True)


def test_every_recipe_declares_its_identity():
    assert set(IDENTITIES) == set(recipes())


@pytest.mark.parametrize("name", IDENTITIES)
def test_null_setting(name):
    identity = IDENTITIES[name]
    rows = table(identity.lengths, identity.right)
    stale = identity.holds != "gradient"
    mine, grpo = step(name, identity.settings, rows, stale), step("grpo", identity.grpo, rows, stale)
    equal(mine.keep, grpo.keep)
    assert grpo.gradient.abs().sum() > 0
    if identity.holds == "bits":
        for attribute in ("reward", "advantages", "loss", "gradient"):
            equal(getattr(mine, attribute), getattr(grpo, attribute))
    elif identity.holds == "value":
        for attribute in ("advantages", "loss", "gradient"):
            torch.testing.assert_close(getattr(mine, attribute), getattr(grpo, attribute), rtol=1e-6, atol=1e-6)
    elif identity.holds == "gradient":
        torch.testing.assert_close(mine.gradient, grpo.gradient, rtol=1e-12, atol=1e-15)
    else:
        assert identity.holds == "advantages"
        standardised = (advantages(s.advantages, rows.group, rows.keep, eps=0.0) for s in (mine, grpo))
        torch.testing.assert_close(*standardised, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in IDENTITIES if name != "grpo"])
def test_at_its_defaults_it_is_not_grpo(name):
    """Else the table above would compare nothing."""
    rows = table("mixed", False)
    mine, grpo = step(name, {}, rows, True), step("grpo", {}, rows, True)
    assert not torch.equal(mine.gradient, grpo.gradient)
