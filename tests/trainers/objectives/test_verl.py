"""Our losses, advantages and KL estimates against numbers that verl 0.9.1 returned (make_verl_numbers.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from evalsuite.trainers.objectives.advantages import advantages, token_returns, whiten
from evalsuite.trainers.objectives.aggregate import Normaliser, aggregate
from evalsuite.trainers.objectives.kl import kl
from evalsuite.trainers.objectives.ratios import cispo, clipped, gspo, sapo

NUMBERS = json.loads(Path(__file__).with_name("verl_numbers.json").read_text())
INPUTS = {
    name: torch.tensor(value, dtype={"mask": torch.bool, "group": torch.long}.get(name, torch.float64))
    for name, value in NUMBERS["inputs"].items()
}
MASK, GROUP, REWARD = INPUTS["mask"], INPUTS["group"], INPUTS["reward"]
EVERYONE = torch.ones_like(GROUP, dtype=torch.bool)
ALONE = GROUP == 9
MODES = {"seq-mean-token-mean": "sequence_mean", "token-mean": "token_mean", "seq-mean-token-sum-norm": "sequence_sum"}


def same(mine: torch.Tensor, other: object) -> None:
    torch.testing.assert_close(mine, torch.tensor(other, dtype=torch.float64), rtol=1e-6, atol=1e-12)


def test_which_verl():
    assert NUMBERS["verl"] == "0.9.1" and len(NUMBERS["losses"]) == 10 and len(NUMBERS["advantages"]) == 6


@pytest.mark.parametrize("case", NUMBERS["losses"], ids=lambda c: f"{c['name']}, {c['agg']}, {c['config']}")
def test_loss(case):
    config = case["config"]
    logp = INPUTS["logp"].clone().requires_grad_()
    log_ratio = (logp - INPUTS["old_logp"]).masked_fill(~MASK, 0.0)
    adv = INPUTS["token_advantages"] if case["per_token"] else INPUTS["advantages"]
    clip = {"low": config.get("clip_ratio_low", 0.2), "high": config.get("clip_ratio_high", 0.2)}
    if case["name"] == "vanilla":
        per_token, _ = clipped(log_ratio, adv, dual=config["clip_ratio_c"], **clip)
    elif case["name"] == "gspo":
        per_token, _ = gspo(log_ratio, adv, MASK, **clip)
    elif case["name"] == "sapo":
        per_token, _ = sapo(log_ratio, adv, pos=config.get("tau_pos", 1.0), neg=config.get("tau_neg", 1.05))
    else:
        per_token, _ = cispo(log_ratio, logp, adv, **clip)
    if case["weighted"]:
        per_token = per_token * INPUTS["weight"]
    loss = aggregate(per_token, MASK, MODES[case["agg"]], Normaliser.of(MASK))
    loss.backward()
    same(loss.detach(), case["loss"])
    same(logp.grad, case["gradient"])


@pytest.mark.parametrize("case", NUMBERS["advantages"], ids=lambda c: f"{c['name']}, {c['config']}")
def test_advantages(case):
    """verl's group of one has its raw reward as advantage, ours 0: `advantages` says so. All else is equal."""
    config, name = case["config"], case["name"]
    other = torch.tensor(case["advantages"], dtype=torch.float64)
    if name == "reinforce_plus_plus":
        penalty = 0.1 * kl(INPUTS["old_logp"], INPUTS["ref_logp"], "k1")
        returns = token_returns(REWARD, MASK, penalty, config["gamma"])
        same(returns, case["returns"])
        same(whiten(returns, MASK), case["advantages"])
    elif name == "reinforce_plus_plus_baseline":
        centred = advantages(REWARD, GROUP, EVERYONE, scale="none")
        # Another baseline for the row that is alone moves the mean of all, so that it is put in before the whitening.
        centred = torch.where(ALONE, REWARD, centred)
        same(whiten(centred, MASK.sum(-1))[:, None] * MASK, case["advantages"])
        same(whiten(centred[:, None].expand(MASK.shape), MASK), case["advantages"])
    else:
        settings = {"rloo": {"baseline": "leave_one_out", "scale": "none"}, "grpo": {"eps": 1e-6}}[name]
        if config.get("norm_adv_by_std_in_grpo") is False:
            settings["scale"] = "none"
        mine = advantages(REWARD, GROUP, EVERYONE, **settings)
        assert mine[ALONE].item() == 0.0
        torch.testing.assert_close(other[ALONE].amax(), REWARD[ALONE][0], rtol=1e-5, atol=0)
        same((mine[:, None] * MASK)[~ALONE], other[~ALONE].tolist())


@pytest.mark.parametrize("case", NUMBERS["kl"], ids=lambda c: c["name"])
def test_kl(case):
    logp = INPUTS["logp"].clone().requires_grad_()
    value = kl(logp, INPUTS["ref_logp"], case["name"])
    value.sum().backward()
    same(value.detach(), case["value"])
    same(logp.grad, case["gradient"])
