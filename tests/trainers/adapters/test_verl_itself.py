"""The adapter inside verl 0.9: its plugin loader, its registries, its own call sites. Runs where verl is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

pytest.importorskip("verl", reason="verl is not installed: it pins other versions than this project and has a venv of its own")

import numpy as np
import torch
from verl.protocol import DataProto
from verl.trainer.ppo import core_algos
from verl.trainer.ppo.checkpoint_callback import build_checkpoint_callback
from verl.trainer.ppo.ray_trainer import compute_advantage
from verl.workers.config import ActorConfig

from evalsuite.errors import UsageError
from evalsuite.trainers.adapters import verl as adapter
from evalsuite.trainers.objectives.aggregate import Normaliser
from evalsuite.trainers.objectives.batch import Batch
from evalsuite.trainers.objectives.total import total_loss

adapter.register_all()  # does nothing where the entry point has done it

LENGTHS = torch.tensor([2, 6, 4, 5, 3, 5, 7, 7])
MASK = torch.arange(7) < LENGTHS[:, None]
UIDS = np.array(["b"] * 4 + ["a"] * 2 + ["c"] * 2, dtype=object)


def actor(recipe, **others):
    """verl's own configuration class, with what `overrides` says."""
    wanted = {
        k.removeprefix(adapter.ACTOR_PATH): v for k, v in adapter.overrides(recipe).items() if k.startswith(adapter.ACTOR_PATH)
    }
    wanted.pop("policy_loss.loss_mode")
    return ActorConfig(strategy="fsdp", rollout_n=4, ppo_micro_batch_size_per_gpu=8, **wanted | others)


def test_verl_loads_the_plugin_itself(tmp_path: Path) -> None:
    """By the entry point of pyproject.toml, and a module of the user's before it."""
    root = Path(__file__).parents[3]
    points = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]["verl.plugins"]
    info = tmp_path / "as_installed-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: as-installed\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[verl.plugins]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    (tmp_path / "mine.py").write_text(
        "from evalsuite.trainers.adapters import verl\nverl.register('gr3', {'shape.alpha': 0.1}, name='gr3_short')\n"
    )
    code = (
        "import verl, json; from verl.trainer.ppo import core_algos as c; "
        "print(json.dumps([[n for n in r if 'evalsuite' in n or 'gr3' in n] for r in (c.ADV_ESTIMATOR_REGISTRY, c.POLICY_LOSS_REGISTRY)]))"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "VERL_USE_EXTERNAL_MODULES": "mine"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert found.returncode == 0, found.stderr[-2000:]
    estimators, losses = json.loads(found.stdout.splitlines()[-1])
    assert {"gr3_short", "evalsuite_gr3", "evalsuite_passk", "evalsuite_grpo"} <= set(estimators)
    assert {"evalsuite_vespo", "evalsuite_cispo", "evalsuite_sapo", "evalsuite_gspo"} <= set(losses)


@pytest.mark.parametrize("name", ["vespo", "cispo", "sapo", "gspo"])
def test_losses(name):
    """Against `total_loss`, value and gradient; against verl's function of the same name where there is one."""
    recipe = adapter.default(name)
    g = torch.Generator().manual_seed(2)
    old = -torch.rand(8, 7, generator=g, dtype=torch.float64)
    logp = (old + 0.3 * torch.randn(8, 7, generator=g, dtype=torch.float64)).requires_grad_()
    advantages = torch.randn(8, 1, generator=g, dtype=torch.float64) * MASK
    config = actor(recipe)
    given = (old, logp, advantages, MASK)
    loss, metrics = core_algos.get_policy_loss_fn(f"evalsuite_{name}")(
        *given, loss_agg_mode=config.loss_agg_mode, config=config
    )
    batch = Batch(logp=logp, old_logp=old, advantages=advantages, mask=MASK)
    wanted, sums = total_loss(recipe, batch, Normaliser.of(MASK))
    torch.testing.assert_close(loss, wanted, rtol=1e-7, atol=0)
    assert metrics["actor/ppo_kl"] == pytest.approx(sums["ppo_kl"][0] / sums["ppo_kl"][1])
    gradient = torch.autograd.grad(loss, logp)[0]
    torch.testing.assert_close(gradient, torch.autograd.grad(wanted, logp)[0], rtol=1e-7, atol=1e-12)
    if name in core_algos.POLICY_LOSS_REGISTRY:
        theirs, _ = core_algos.get_policy_loss_fn(name)(*given, loss_agg_mode=config.loss_agg_mode, config=config)
        torch.testing.assert_close(loss, theirs, rtol=1e-6, atol=0)
        torch.testing.assert_close(gradient, torch.autograd.grad(theirs, logp)[0], rtol=1e-6, atol=1e-12)


def test_parts_of_the_global_batch():
    """Micro-batches with verl's counts of the whole batch sum to the loss of the whole."""
    recipe = adapter.default("vespo")
    g = torch.Generator().manual_seed(3)
    old, logp, advantages = -torch.rand(8, 7, generator=g), -torch.rand(8, 7, generator=g), torch.randn(8, 7, generator=g)
    config, f = actor(recipe), core_algos.get_policy_loss_fn("evalsuite_vespo")
    whole, _ = f(old, logp, advantages, MASK, "token-mean", config)
    config.global_batch_info.update(dp_size=1, batch_num_tokens=int(MASK.sum()), global_batch_size=8)
    parts = [f(old[i], logp[i], advantages[i], MASK[i], "token-mean", config)[0] for i in (slice(0, 3), slice(3, 8))]
    torch.testing.assert_close(sum(parts), whole)


def test_verls_defaults_are_refused():
    config = ActorConfig(strategy="fsdp", rollout_n=4, ppo_micro_batch_size_per_gpu=8)
    ones = torch.ones(8, 7)
    with pytest.raises(UsageError, match=r"clip_ratio_low=0.2 where it needs 0.0003"):
        core_algos.get_policy_loss_fn("evalsuite_gspo")(ones, ones, ones, MASK, "seq-mean-token-mean", config)


@pytest.mark.parametrize("name", ["gr3", "twyn", "passk", "rloo", "dr_grpo", "reinforce_pp", "grpo"])
def test_estimators_where_verl_calls_them(name):
    rewards = torch.zeros(8, 7)
    rewards[torch.arange(8), LENGTHS - 1] = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5])
    data = DataProto.from_dict(
        tensors={"token_level_rewards": rewards, "response_mask": MASK.long()}, non_tensors={"uid": UIDS}
    )
    recipe = adapter.default(name) if name != "passk" else None
    if recipe is None:
        if "passk_2" not in core_algos.ADV_ESTIMATOR_REGISTRY:
            adapter.register("passk", {"shape.k": 2}, name="passk_2")
        found = compute_advantage(data, "passk_2", config=None).batch["advantages"]
        assert found[:, 0].tolist() == pytest.approx([2 / 3, 2 / 3, 0, 0, 1, 0, 0, 0.5])
        return
    found = compute_advantage(data, f"evalsuite_{name}", config=None).batch["advantages"]
    wanted, _ = adapter.estimator(recipe)(rewards, MASK, UIDS)
    assert torch.equal(found, wanted) and found.abs().max() > 0
    if name in ("rloo", "grpo"):
        theirs = compute_advantage(data, name, config=None).batch["advantages"]
        torch.testing.assert_close(found, theirs, rtol=1e-3 if name == "grpo" else 1e-6, atol=1e-6)  # eps 1e-4 against 1e-6


@pytest.mark.parametrize("name", ["vespo", "gspo", "dr_grpo", "dapo", "sapo"])
def test_overrides_fit_verls_configuration(name):
    """Composed by hydra into verl's own tree, and read back by the classes of its workers."""
    from hydra import compose, initialize_config_module
    from verl.utils.config import omega_conf_to_dataclass

    given = [f"{key}={value}" for key, value in adapter.overrides(name).items()]
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=[*given, "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=8"])
    read = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    for key, value in adapter.overrides(name).items():
        head, _, field = key.rpartition(".")
        if head + "." == adapter.ACTOR_PATH and not str(value).startswith("$"):
            assert read.get(field) == value
    assert config.algorithm.adv_estimator == f"evalsuite_{name}"
    assert name != "dr_grpo" or read.loss_scale_factor == config.data.max_response_length


def test_evaluations_after_a_checkpoint(tiny: Path, tmp_path: Path) -> None:
    """verl's own factory makes the callback; a checkpoint folder of its shape is evaluated, and logged at its step."""
    from omegaconf import OmegaConf

    def config(**changes):
        return OmegaConf.create(
            {
                "trainer": {
                    "checkpoint_callback_class": "evalsuite.trainers.adapters.verl_eval.EvalOnSave",
                    "default_local_dir": str(tmp_path),
                    "evalsuite": {"tasks": ["sort_letters"], "limit": 12, "model_args": {"batch_size": 4}},
                },
                "actor_rollout_ref": {
                    "actor": {"checkpoint": {"save_contents": ["model", "hf_model"], "async_save": False} | changes}
                },
            }
        )

    folder = tmp_path / "global_step_7" / "actor"
    folder.mkdir(parents=True)
    (folder / "huggingface").symlink_to(tiny)
    logged = []
    trainer = types.SimpleNamespace(logger=types.SimpleNamespace(log=lambda data, step: logged.append((step, data))))
    callback = build_checkpoint_callback(config())
    callback.on_save(trainer=trainer, global_step=7, checkpoint_dir=str(folder.parent), async_save=False)
    ((step, values),) = logged
    (run,) = (tmp_path / "evals").glob("*/run.json")
    assert step == 7 and "global_step_7" in run.parent.name
    assert all(key.startswith("eval/sort_letters/") and 0 <= value <= 1 for key, value in values.items()) and values
    with pytest.raises(UsageError, match=r"add hf_model to actor_rollout_ref.actor.checkpoint.save_contents"):
        build_checkpoint_callback(config(save_contents=["model"]))
    without = config()
    del without.trainer["evalsuite"]
    with pytest.raises(UsageError, match=r"\+trainer.evalsuite.tasks"):
        build_checkpoint_callback(without)
