"""Writes verl_numbers.json: what verl's own functions return for random inputs. Run by hand where verl 0.9.1 is installed:

    python tests/trainers/objectives/make_verl_numbers.py

verl pins other versions than this project, so the tests read the numbers and not the library.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import verl
from verl.trainer.config import AlgoConfig
from verl.trainer.ppo import core_algos
from verl.workers.config import ActorConfig

B, T = 6, 7
OUT = Path(__file__).with_name("verl_numbers.json")


def main() -> None:
    g = torch.Generator().manual_seed(20)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    old = -normal(B, T).abs() - 0.1
    mask = torch.arange(T) < torch.tensor([7, 3, 1, 5, 2, 6])[:, None]
    inputs = {
        "old_logp": old,
        "logp": old + 0.6 * normal(B, T),
        "ref_logp": old + 0.5 * normal(B, T),
        "advantages": normal(B, 1),
        "token_advantages": normal(B, T),
        "weight": (0.4 * normal(B, T)).exp().clamp(max=1.5),
        "mask": mask,
        "reward": torch.tensor([1.0, 0.0, 0.25, 0.5, 1.0, 0.75], dtype=torch.float64),
        "group": torch.tensor([4, 4, 4, 1, 1, 9]),  # 9 is alone
    }
    out: dict[str, Any] = {"verl": verl.__version__, "inputs": {k: v.tolist() for k, v in inputs.items()}}
    out["losses"] = [
        loss(inputs, name, agg, weighted=weighted, per_token=per_token, **config)
        for name, agg, weighted, per_token, config in [
            ("vanilla", "seq-mean-token-mean", False, False, {"clip_ratio_c": 1e9}),
            ("vanilla", "token-mean", False, False, {"clip_ratio_high": 0.28, "clip_ratio_c": 1e9}),
            ("vanilla", "token-mean", False, True, {"clip_ratio_c": 1.5}),
            ("vanilla", "seq-mean-token-sum-norm", True, False, {"clip_ratio_c": 1.5}),
            ("gspo", "seq-mean-token-mean", False, False, {"clip_ratio_low": 3e-4, "clip_ratio_high": 4e-4}),
            ("gspo", "token-mean", True, True, {"clip_ratio_low": 0.2, "clip_ratio_high": 0.3}),
            ("sapo", "seq-mean-token-mean", False, False, {}),
            ("sapo", "seq-mean-token-mean", True, True, {"tau_pos": 2.0, "tau_neg": 0.5}),
            ("cispo", "token-mean", False, False, {"clip_ratio_low": 1.0, "clip_ratio_high": 0.28}),
            ("cispo", "token-mean", True, True, {"clip_ratio_low": 0.2, "clip_ratio_high": 4.0}),
        ]
    ]
    out["advantages"] = [
        advantages(inputs, name, **config)
        for name, config in [
            ("grpo", {"norm_adv_by_std_in_grpo": True}),
            ("grpo", {"norm_adv_by_std_in_grpo": False}),
            ("rloo", {}),
            ("reinforce_plus_plus", {"gamma": 1.0}),
            ("reinforce_plus_plus", {"gamma": 0.9}),
            ("reinforce_plus_plus_baseline", {}),
        ]
    ]
    out["kl"] = [penalty(inputs, name) for name in ("k1", "k2", "k3")]
    OUT.write_text(json.dumps(out) + "\n")
    print(f"{OUT.name}: {OUT.stat().st_size} bytes, verl {verl.__version__}, torch {torch.__version__}")


def loss(
    inputs: dict[str, torch.Tensor], name: str, agg: str, *, weighted: bool, per_token: bool, **config: Any
) -> dict[str, Any]:
    """A registered policy loss and its gradient in the log-probabilities."""
    logp = inputs["logp"].clone().requires_grad_()
    value, _ = core_algos.get_policy_loss_fn(name)(
        old_log_prob=inputs["old_logp"],
        log_prob=logp,
        advantages=inputs["token_advantages"] if per_token else inputs["advantages"].expand(B, T),
        response_mask=inputs["mask"].double(),
        loss_agg_mode=agg,
        config=ActorConfig(strategy="fsdp", rollout_n=1, use_dynamic_bsz=True, **config),
        rollout_is_weights=inputs["weight"] if weighted else None,
    )
    value.backward()
    case = {"name": name, "agg": agg, "weighted": weighted, "per_token": per_token, "config": config}
    return case | {"loss": value.item(), "gradient": logp.grad.tolist()}


def advantages(inputs: dict[str, torch.Tensor], name: str, **config: Any) -> dict[str, Any]:
    """A registered estimator, on rewards at the last token; for plain REINFORCE++ less a KL penalty of 0.1 k1 at each token."""
    mask = inputs["mask"].double()
    rewards = torch.zeros(B, T, dtype=torch.float64)
    rewards[torch.arange(B), inputs["mask"].sum(-1) - 1] = inputs["reward"]
    if name == "reinforce_plus_plus":
        rewards = core_algos.compute_rewards(rewards, inputs["old_logp"], inputs["ref_logp"], 0.1) * mask
    extra = {} if name != "grpo" else config
    estimator = core_algos.get_adv_estimator_fn(name)
    value, returns = estimator(
        token_level_rewards=rewards,
        response_mask=mask,
        index=np.array(inputs["group"].tolist()),
        config=AlgoConfig(gamma=config.get("gamma", 1.0)),
        **extra,
    )
    return {"name": name, "config": config, "advantages": value.tolist(), "returns": returns.tolist()}


def penalty(inputs: dict[str, torch.Tensor], name: str) -> dict[str, Any]:
    """A KL estimate per token and the gradient of its sum."""
    logp = inputs["logp"].clone().requires_grad_()
    value = core_algos.kl_penalty(logp, inputs["ref_logp"], name)
    value.sum().backward()
    return {"name": name, "value": value.tolist(), "gradient": logp.grad.tolist()}


if __name__ == "__main__":
    main()
