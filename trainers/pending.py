"""`Pending`: a rollout batch on its way into updates. All of it is saved with a checkpoint."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from torch import Tensor

from .rows import Rows


@dataclass(eq=False)
class Pending:
    """Rows with their advantages, and the updates that are still to be made of them.

    advantages     float (N,) or (N, T)
    behaviour_logp float (N, T) or None: the sampler's
    old_logp       float (N, T) or None: with one update, it is the policy's own
    ref_logp       float (N, T) or None
    updates        per update the rows it takes; an empty one is a batch in which nothing was admitted
    """

    rows: Rows
    advantages: Tensor
    updates: list[list[int]]
    behaviour_logp: Tensor | None = None
    old_logp: Tensor | None = None
    ref_logp: Tensor | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def split(rows: Rows, updates: int, epochs: int) -> list[list[int]]:
    """Row numbers of each update: whole groups, in order, in `updates` parts of like size, `epochs` times over."""
    groups: dict[int, list[int]] = {}
    for i, (group, keep) in enumerate(zip(rows.group.tolist(), rows.keep.tolist(), strict=True)):
        if keep:
            groups.setdefault(group, []).append(i)
    members = list(groups.values())
    bounds = [len(members) * u // updates for u in range(updates + 1)]
    parts = [[i for rows_of in members[a:b] for i in rows_of] for a, b in itertools.pairwise(bounds)]
    return [part for part in parts if part] * epochs or [[]]


def share(part: list[int], rows: Rows, rank: int, world: int) -> list[int]:
    """This rank's rows of an update: whole groups, dealt in turn, so that siblings share their prompt."""
    groups = list(dict.fromkeys(int(rows.group[i]) for i in part))
    mine = set(groups[rank::world])
    return [i for i in part if int(rows.group[i]) in mine]
