"""Recipes in verl's registries: what fits its two signatures, and the numbers that come out. verl itself: test_verl_itself.py."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from evalsuite.errors import UsageError
from evalsuite.registry.recipes import load_recipe, recipes
from evalsuite.trainers.adapters import verl as adapter
from evalsuite.trainers.objectives.aggregate import Normaliser, aggregate
from evalsuite.trainers.objectives.batch import Batch
from evalsuite.trainers.rows import Rows

LENGTHS = [2, 6, 4, 5, 3, 5, 7, 7]
SCORES = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.5]
UIDS = ["b", "b", "b", "b", "a", "a", "c", "c"]


def given() -> tuple[torch.Tensor, torch.Tensor]:
    """Token rewards at the last token, and the mask."""
    mask = torch.arange(7) < torch.tensor(LENGTHS)[:, None]
    rewards = torch.zeros(8, 7)
    rewards[range(8), torch.tensor(LENGTHS) - 1] = torch.tensor(SCORES)
    return rewards, mask


class Actor(dict):
    """verl's actor configuration, as far as a loss reads it."""

    global_batch_info: dict = {}


@pytest.fixture
def fake(monkeypatch):
    """The part of `verl.trainer.ppo.core_algos` that the adapter calls."""
    core = types.ModuleType("verl.trainer.ppo.core_algos")
    core.ADV_ESTIMATOR_REGISTRY, core.POLICY_LOSS_REGISTRY = {}, {}
    core.register_adv_est = lambda name: lambda f: core.ADV_ESTIMATOR_REGISTRY.setdefault(name, f)
    core.register_policy_loss = lambda name: lambda f: core.POLICY_LOSS_REGISTRY.setdefault(name, f)

    def agg_loss(loss_mat, loss_mask, loss_agg_mode):
        (mode,) = [ours for ours, theirs in adapter.AGGREGATES.items() if theirs == loss_agg_mode]
        return aggregate(loss_mat, loss_mask, mode, Normaliser.of(loss_mask))

    core.agg_loss = agg_loss
    ppo, trainer, verl = (types.ModuleType(name) for name in ("verl.trainer.ppo", "verl.trainer", "verl"))
    ppo.core_algos, trainer.ppo, verl.trainer = core, ppo, trainer
    for module in (core, ppo, trainer, verl):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return core


@pytest.mark.parametrize("name", ["grpo", "gr3", "twyn", "rloo", "dr_grpo", "reinforce_pp", "dapo"])
def test_estimators_are_the_stages(name):
    recipe = adapter.default(name)
    rewards, mask = given()
    advantages, returns = adapter.estimator(recipe)(
        token_level_rewards=rewards, response_mask=mask.long(), index=UIDS, config={}
    )
    score = torch.tensor(SCORES)
    rows = Rows(
        rollouts=(),
        group=torch.tensor([0, 0, 0, 0, 1, 1, 2, 2]),
        score=score,
        reward=score,
        length=torch.tensor(LENGTHS),
        truncated=torch.zeros(8, dtype=torch.bool),
        keep=torch.ones(8, dtype=torch.bool),
    )
    rows = rows.replace(reward=recipe.shape(rows))
    rows = rows.replace(keep=recipe.admit(rows))
    assert torch.equal(advantages, recipe.credit(rows)[:, None] * mask) and torch.equal(returns, advantages)
    assert advantages.abs().max() > 0 and (advantages[4:6] == 0).all() == (name in ("grpo", "gr3", "rloo", "dr_grpo", "dapo"))


def test_hand_worked():
    """rloo: of two, the difference; passk at k = 2: what a right one adds over the other."""
    rewards, mask = given()
    advantages, _ = adapter.estimator(adapter.default("rloo"))(rewards, mask, UIDS)
    assert advantages[6:, 0].tolist() == [-0.5, 0.5] and advantages[0, :3].tolist() == pytest.approx([2 / 3, 2 / 3, 0.0])
    advantages, _ = adapter.estimator(load_recipe("passk")({"shape.k": 2}))(rewards, mask, UIDS)
    assert advantages[:, 0].tolist() == pytest.approx([2 / 3, 2 / 3, 0, 0, 0, 0, 0, 0.5])


def test_rewards_that_are_missing_and_empty_answers():
    rewards, mask = given()
    rewards[1, 0], mask[3] = torch.nan, False
    advantages, _ = adapter.estimator(adapter.default("gr3"))(rewards, mask, UIDS)
    assert not advantages.isnan().any() and (advantages[1] == 0).all() and (advantages[3] == 0).all() and advantages[0, 0] > 0
    with pytest.raises(UsageError, match="uid"):
        adapter.estimator(adapter.default("gr3"))(rewards, mask)


@pytest.mark.parametrize("name", ["vespo", "cispo", "sapo", "gspo"])
def test_losses(fake, name):
    """The recipe's loss, aggregated; weights of rollout correction on top of it."""
    recipe = adapter.default(name)
    g = torch.Generator().manual_seed(1)
    old = -torch.rand(8, 7, generator=g, dtype=torch.float64)
    logp = (old + 0.3 * torch.randn(8, 7, generator=g, dtype=torch.float64)).requires_grad_()
    _, mask = given()
    advantages = torch.randn(8, 1, generator=g, dtype=torch.float64) * mask
    weights = torch.rand(8, 7, generator=g, dtype=torch.float64)
    wanted = adapter.overrides(recipe)
    config = Actor({key.removeprefix(adapter.ACTOR_PATH): value for key, value in wanted.items()})
    mode = config["loss_agg_mode"]
    per_token, _ = recipe.loss(Batch(logp=logp, old_logp=old, advantages=advantages, mask=mask))
    normaliser = Normaliser.of(mask)
    (ours,) = [key for key, value in adapter.AGGREGATES.items() if value == mode]
    loss, metrics = adapter.policy_loss(recipe)(old, logp, advantages, mask.long(), mode, config)
    assert torch.equal(loss, aggregate(per_token, mask, ours, normaliser)) and loss.abs() > 1e-4
    assert metrics["actor/ppo_kl"] == pytest.approx(float((old - logp)[mask].detach().mean()))
    if name == "vespo":
        with pytest.raises(UsageError, match="rollout_is=null"):
            adapter.policy_loss(recipe)(old, logp, advantages, mask, mode, config, weights)
    else:
        loss, _ = adapter.policy_loss(recipe)(old, logp, advantages, mask, mode, config, weights)
        assert torch.equal(loss, aggregate(per_token * weights, mask, ours, normaliser))
    for key in wanted.keys() & {adapter.ACTOR_PATH + k for k in ("clip_ratio_high", "tau_neg", "loss_agg_mode")}:
        short = key.removeprefix(adapter.ACTOR_PATH)
        other = "seq-mean-token-sum" if short == "loss_agg_mode" else 0.3
        with pytest.raises(UsageError, match=f"{key}={other} where it needs {wanted[key]}"):
            changed = Actor({**config, short: other})
            adapter.policy_loss(recipe)(old, logp, advantages, mask, changed["loss_agg_mode"], changed)


def test_a_constant_needs_its_setting(fake):
    recipe = load_recipe("gspo")({"loss.aggregate": "sequence_sum"})
    mode, ones = "seq-mean-token-sum-norm", torch.ones(2, 3)
    config = Actor(clip_ratio_low=3e-4, clip_ratio_high=4e-4)
    with pytest.raises(UsageError, match="loss_scale_factor is not set"):
        adapter.policy_loss(recipe)(ones, ones, ones, ones, mode, config)
    assert adapter.overrides("dr_grpo")["actor_rollout_ref.actor.loss_scale_factor"] == "${data.max_response_length}"


def test_all_that_fits_is_registered(fake):
    """Through the module of the entry point; sft is the one that does not fit, losses are those that differ from PPO's clip."""
    fake.ADV_ESTIMATOR_REGISTRY["evalsuite_gr3"] = mine = object()
    sys.modules.pop("evalsuite.trainers.adapters.verl_plugin", None)
    importlib.import_module("evalsuite.trainers.adapters.verl_plugin")
    fits = {name for name in recipes() if adapter.supports(adapter.default(name)) is None}
    assert set(fake.ADV_ESTIMATOR_REGISTRY) == {f"evalsuite_{name}" for name in fits}
    assert {"grpo", "gr3", "twyn", "passk", "vespo"} <= fits and "sft" not in fits
    assert {f"evalsuite_{name}" for name in ("vespo", "cispo", "sapo", "gspo")} <= set(fake.POLICY_LOSS_REGISTRY)
    assert "evalsuite_dapo" not in fake.POLICY_LOSS_REGISTRY
    assert fake.ADV_ESTIMATOR_REGISTRY["evalsuite_gr3"] is mine, "what a user registered before stays"
    adapter.register("gr3", {"shape.alpha": 0.1}, name="gr3_short")
    assert "gr3_short" in fake.ADV_ESTIMATOR_REGISTRY
    with pytest.raises(UsageError, match="give another name"):
        adapter.register("gr3")


def test_a_failing_plugin_says_so(fake, monkeypatch, caplog):
    """verl writes its own message at level DEBUG."""
    monkeypatch.setattr(adapter, "register_all", lambda: 1 / 0)
    sys.modules.pop("evalsuite.trainers.adapters.verl_plugin", None)
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("evalsuite.trainers.adapters.verl_plugin")
    assert "not registered in verl: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("sft", {}, "changes source"),
        ("dapo", {"admit.refill": 2}, "set admit.refill=0"),
        ("grpo", {"admit.mask_truncated": True}, "cut off"),
        ("gr3", {"shape.calibrate": 5}, "set shape.alpha"),
        ("grpo", {"loss.kl": 0.1}, "use_kl_loss and kl_loss_coef"),
        ("grpo", {"loss.entropy": 0.1}, "entropy_coeff"),
        ("grpo", {"loss.importance_cap": 2.0}, "rollout_correction"),
    ],
)
def test_what_verl_cannot_run(fake, name, settings, words):
    with pytest.raises(UsageError, match=f"recipe {name} does not run in verl: .*{words}"):
        adapter.register(load_recipe(name)(settings))
    assert not fake.ADV_ESTIMATOR_REGISTRY


def test_overrides():
    assert adapter.overrides("gspo") == {
        "algorithm.adv_estimator": "evalsuite_gspo",
        "actor_rollout_ref.rollout.n": 8,
        "actor_rollout_ref.rollout.temperature": 1.0,
        "actor_rollout_ref.actor.policy_loss.loss_mode": "evalsuite_gspo",
        "actor_rollout_ref.actor.loss_agg_mode": "seq-mean-token-mean",
        "actor_rollout_ref.actor.clip_ratio_low": 3e-4,
        "actor_rollout_ref.actor.clip_ratio_high": 4e-4,
    }
    dapo = adapter.overrides("dapo")
    assert dapo["actor_rollout_ref.actor.policy_loss.loss_mode"] == "vanilla"
    assert dapo["actor_rollout_ref.actor.clip_ratio_high"] == 0.28 and dapo["actor_rollout_ref.actor.clip_ratio_c"] == 1e9


def test_the_entry_point_costs_nothing_without_verl():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["verl.plugins"] == {"evalsuite": "evalsuite.trainers.adapters.verl_plugin"}
    code = "import sys, evalsuite.trainers.adapters.verl as a; a.overrides('vespo'); print('verl' in sys.modules, 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
