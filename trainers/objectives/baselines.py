"""Baselines per role, for games and other episodes whose players see different tasks: SPIRAL's role-conditioned advantage estimate.

One baseline for all roles credits the role that wins more often with skill it does not have; one per role takes that away. A role is
named by a string, as "kuhn/0": one per game and player, as in the paper (the authors' code has one game per run).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .groups import group_stats

if TYPE_CHECKING:
    from torch import Tensor

    State = Mapping[str, tuple[float, int]]  # per role: the running value, and how many rewards went into it


def role_mean(reward: Tensor, roles: Sequence[str], where: Tensor) -> Tensor:
    """Mean reward of the row's role over the rows in `where`, float (B,); 0 for a role without any. `reward` float (B,)."""
    import torch

    numbers = {role: i for i, role in enumerate(dict.fromkeys(roles))}
    index = torch.tensor([numbers[role] for role in roles], dtype=torch.long, device=reward.device)
    return group_stats(reward, index, where)[0]


def role_ema(
    reward: Tensor, roles: Sequence[str], where: Tensor, state: State, *, decay: float = 0.95, unbias: bool = False
) -> tuple[Tensor, dict[str, tuple[float, int]]]:
    """Baselines float (B,) and the new state: b <- decay b + (1 - decay) r per role, row after row (SPIRAL, arXiv:2506.24119).

    A row's baseline is the value before its own reward enters, so that it does not depend on it. The start is 0, as the authors', and
    takes 45 rewards to come within a tenth of the mean at .95; `unbias` divides by 1 - decay^count instead of waiting (0 for a
    role's first row). Rows outside `where` get a baseline and change nothing. Raises ValueError unless 0 <= decay < 1.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay={decay} must be at least 0 and below 1")
    new = {role: (float(value), int(count)) for role, (value, count) in state.items()}
    baselines = []
    for r, role, counts in zip(reward.tolist(), roles, where.tolist(), strict=True):
        value, count = new.get(role, (0.0, 0))
        baselines.append(value / (1 - decay**count) if unbias and count else value)
        if counts:
            new[role] = (decay * value + (1 - decay) * r, count + 1)
    return reward.new_tensor(baselines), new
