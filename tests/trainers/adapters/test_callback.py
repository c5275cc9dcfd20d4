"""Evaluations inside a training by TRL."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="trl is not installed: no training to evaluate in")

from evalsuite.errors import UsageError
from evalsuite.trainers.adapters import trl as adapter
from evalsuite.trainers.adapters.callback import EvalCallback

from .conftest import history


@pytest.fixture
def task():
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from small import small

    return small(max_tokens=4)


def train(make, common, *callbacks):
    recipe = adapter.load("grpo", {"rollout.prompts": 4, "rollout.group": 4, "rollout.max_tokens": 8, "optim.lr": 1e-2})
    trainer = make(adapter.RecipeTrainer, recipe, args=adapter.config(recipe, **common))
    for task, settings in callbacks:
        trainer.add_callback(EvalCallback(trainer, task, **settings))
    trainer.train()
    return trainer


def test_evaluations_share_the_steps_and_leave_the_training_as_it_is(make, common, task):
    trainer = train(make, common, (task, {"every": 2, "repeats": 2}))
    rows = [row for row in trainer.state.log_history if "eval/small/avg@2" in row]
    assert [row["step"] for row in rows] == [0, 2, 4]
    for row in rows:
        assert 0 <= row["eval/small/avg@2/low"] <= row["eval/small/avg@2"] <= row["eval/small/avg@2/high"] <= 1
        assert "loss" not in row and "reward" not in row
    assert trainer.model.training and not trainer.is_fsdp_enabled and not trainer.is_deepspeed_enabled
    names = ("loss", "grad_norm", "reward", "entropy")
    assert history(trainer, *names) == history(train(make, common), *names)


def test_each_evaluation_is_a_run_of_its_own(make, common, task, tmp_path):
    """With the values that were logged; another training into the same folder reuses none of them."""
    for trained in (1, 2):
        trainer = train(make, common | {"max_steps": 2}, (task, {"output": tmp_path / "evals"}))
        runs = sorted(p.parent for p in (tmp_path / "evals").glob("*/run.json"))
        assert len(runs) == 2 * trained
    logged = [row["eval/small/avg"] for row in trainer.state.log_history if "eval/small/avg" in row]
    found = [json.loads((run / "results.json").read_text())["results"]["small"]["avg,none"] for run in runs]
    assert len(logged) == 2 and set(logged) <= set(found)


def test_sharded_weights_are_refused(tmp_path):
    args = types.SimpleNamespace(output_dir="out")
    trainer = types.SimpleNamespace(is_fsdp_enabled=True, is_deepspeed_enabled=False, args=args)
    with pytest.raises(UsageError, match="evalsuite run --watch --model out"):
        EvalCallback(trainer, "sort_letters")
    plugin = types.SimpleNamespace(deepspeed_plugin=types.SimpleNamespace(zero_stage=3))
    trainer = types.SimpleNamespace(
        is_fsdp_enabled=False, is_deepspeed_enabled=True, args=args, accelerator=types.SimpleNamespace(state=plugin)
    )
    with pytest.raises(UsageError, match="weights are sharded"):
        EvalCallback(trainer, "sort_letters")
