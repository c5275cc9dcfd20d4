"""Scalars of a step, under the names that TRL gives them where the meaning is the same."""

from __future__ import annotations

import torch
from torch import Tensor

from .objectives.groups import group_stats, has_signal
from .rows import Rows


def batch_metrics(rows: Rows, temperature: float) -> dict[str, float]:
    """What a rollout batch looked like. Over all rows that could be scored, admitted or not; lengths over all rows."""
    scored = ~rows.score.isnan()
    length = rows.length.float()
    _, std, _ = group_stats(rows.reward, rows.group, scored)
    signal = has_signal(rows.reward, rows.group, scored)
    values = {
        "reward": _mean(rows.reward[scored]),
        "reward_std": _mean(std[scored]),
        "frac_reward_zero_std": 1.0 - _mean(signal.float()),
        "score": _mean(rows.score[scored]),
        "completions/mean_length": _mean(length),
        "completions/min_length": float(length.min()) if len(rows) else 0.0,
        "completions/max_length": float(length.max()) if len(rows) else 0.0,
        "completions/clipped_ratio": _mean(rows.truncated.float()),
        "completions/mean_terminated_length": _mean(length[~rows.truncated]),
        "frac_unscorable": 1.0 - _mean(scored.float()),
        "frac_admitted": _mean(rows.keep.float()),
        "temperature": temperature,
    }
    for task in sorted({r.task for r in rows.rollouts}):
        own = torch.tensor([r.task == task for r in rows.rollouts]) & scored
        values[f"rewards/{task}/mean"] = _mean(rows.score[own])
        values[f"rewards/{task}/std"] = float(rows.score[own].std()) if int(own.sum()) > 1 else 0.0
    outcomes = [r.score.outcome for r in rows.rollouts]
    for outcome in ("no_answer", "timeout"):
        values[f"frac_{outcome}"] = outcomes.count(outcome) / max(1, len(outcomes))
    names = {name for r in rows.rollouts for name in r.score.parts}
    for name in sorted(names):
        parts = [r.score.parts[name] for r in rows.rollouts if name in r.score.parts]
        values[f"parts/{name}"] = sum(parts) / len(parts)
    return values


def _mean(values: Tensor) -> float:
    return float(values.float().mean()) if values.numel() else 0.0
