"""Settings that cannot work are refused when a recipe is made, before anything is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.registry.recipes import load_recipe, recipes


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("reinforce_pp", {"credit.baseline": "median"}, r"credit\.baseline='median': one of none, mean"),
        ("reinforce_pp", {"credit.baseline": "batch"}, r"one of none, mean"),
        ("passk", {"credit.baseline": "marginals"}, r"one of marginal, subsets, mean, none, leave_one_out, batch"),
        ("grpo", {"optim.betas": [0.9, 1.0]}, r"optim\.betas=\(0\.9, 1\.0\): both from 0 to below 1"),
        ("sft", {"optim.betas": [-0.1, 0.9]}, r"optim\.betas"),
        ("dapo", {"loss.clip_low": 1.5}, r"loss\.clip_low is at most 1"),
        ("cispo", {"loss.clip_low": 1.5}, r"loss\.clip_low is at most 1"),
        ("grpo", {"loss.dual_clip": 1.2}, r"loss\.dual_clip=1\.2: 0 \(none\), or above 1 \+ loss\.clip_high = 1\.2"),
        ("dapo", {"loss.dual_clip": 1.25}, r"= 1\.28"),
    ],
)
def test_out_of_range(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_recipe(name)(settings)


def test_at_the_ends_of_the_ranges() -> None:
    load_recipe("grpo")({"optim.betas": [0.0, 0.0], "loss.clip_low": 1.0, "loss.dual_clip": 1.21})
    load_recipe("reinforce_pp")({"credit.baseline": "mean"})
    for word in ("marginal", "subsets", "mean", "none", "leave_one_out", "batch"):
        load_recipe("passk")({"credit.baseline": word})


def test_show_refuses_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "grpo", "--show", "--set", "loss.clip_low=2"]) == 2
    assert "loss.clip_low is at most 1" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["grpo", "rloo", "dr_grpo", "bnpo", "gr3", "gspo", "cispo", "sapo", "vespo"])
def test_a_group_of_one_has_no_baseline_of_its_own(name: str) -> None:
    with pytest.raises(UsageError, match=r"rollout\.group=1 and credit\.baseline=.* set credit\.baseline=batch or none"):
        load_recipe(name)({"rollout.group": 1})
    for baseline in ("batch", "none"):
        load_recipe(name)({"rollout.group": 1, "credit.baseline": baseline})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("dapo", {}, r"rollout\.group=1 and admit\.drop_flat"),
        ("random_reward", {}, r"admit\.drop_flat=false"),
        ("dapo", {"admit.drop_flat": False}, r"credit\.baseline=mean"),
        ("reinforce_pp", {"credit.baseline": "mean"}, r"credit\.baseline=mean"),
        ("passk", {"shape.k": 1, "credit.baseline": "leave_one_out"}, r"credit\.baseline=leave_one_out"),
        ("passk", {"shape.k": 1, "credit.baseline": "subsets"}, r"credit\.baseline=subsets"),
        ("twyn", {}, r"nothing to rank"),
    ],
)
def test_groups_of_one_in_other_stages(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_recipe(name)({"rollout.group": 1, **settings})


def test_groups_of_one_that_can_be_learnt_from() -> None:
    load_recipe("dapo")({"rollout.group": 1, "admit.drop_flat": False, "credit.baseline": "batch", "credit.scale": "batch"})
    load_recipe("reinforce_pp")({"rollout.group": 1})
    load_recipe("sft")({})


def test_defaults_are_allowed() -> None:
    for name in recipes():
        load_recipe(name)({})
