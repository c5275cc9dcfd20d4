"""From rollouts to padded tensors: micro-batches that fit a budget of tokens, siblings side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evalsuite.models.vision import ImagePrompt

from .rows import Rollout


@dataclass(frozen=True, kw_only=True, eq=False)
class Micro:
    """B rows over U distinct prompts.

    prompt       long (U, P)  left-padded
    prompt_mask  bool (U, P)
    images       tuple of U   the prompts with their images, or empty: all of them have some, or none
    parent       long (B,)    which prompt a row has
    response     long (B, T)  right-padded
    mask         bool (B, T)
    index        tuple of B   which of the given rollouts a row is
    """

    prompt: Tensor
    prompt_mask: Tensor
    images: tuple[ImagePrompt, ...]
    parent: Tensor
    response: Tensor
    mask: Tensor
    index: tuple[int, ...]

    def idle(self) -> Micro:
        """The same shape with nothing that counts."""
        return dataclasses.replace(self, mask=torch.zeros_like(self.mask))

    def column(self, values: Tensor) -> Tensor:
        """The rows' own part of `values` (N,) or (N, anything), on the micro-batch's device and no wider than its response."""
        own = values[torch.tensor(self.index, dtype=torch.long)]
        own = own[:, None] if own.dim() == 1 else own[:, : self.response.shape[1]]
        return own.to(self.response.device)


def micro_batches(
    rollouts: Sequence[Rollout],
    rows: Sequence[int],
    budget: int,
    pad: int,
    device: torch.device | str = "cpu",
    *,
    packed: bool = False,
    shared: bool = True,
) -> list[Micro]:
    """Each of the `rows` of `rollouts` in one micro-batch of at most `budget` tokens (a row that is longer is alone): padded ones,
    or with `packed` only those that are there. Rows with images are apart from those without, and never packed; unless prompts are
    `shared`, each has a prompt of its own.

    Rows of one prompt stay together, and prompts of like length follow each other, so that little is padded. A sum over tokens
    does not depend on the split.
    """
    groups: dict[int, list[int]] = {}
    for i in rows:
        groups.setdefault(rollouts[i].group, []).append(i)
    order = sorted(groups.values(), key=lambda members: max((_sees(rollouts[i]), _size(rollouts[i])) for i in members))
    batches: list[list[int]] = []
    deep = wide = count = real = 0
    for i in (i for members in order for i in members):
        prompt, response = len(rollouts[i].prompt_ids), rollouts[i].length
        deep, wide, count, real = max(deep, prompt), max(wide, response), count + 1, real + prompt + response
        sees = _sees(rollouts[i])
        size = real if packed and not sees else count * (deep + wide)
        if not batches or size > budget or sees != _sees(rollouts[batches[-1][0]]):
            batches.append([])
            deep, wide, count, real = prompt, response, 1, prompt + response
        batches[-1].append(i)
    return [_padded(rollouts, members, pad, device, shared) for members in batches]


def _sees(rollout: Rollout) -> bool:
    return rollout.images is not None


def _size(rollout: Rollout) -> int:
    return len(rollout.prompt_ids) + rollout.length


def _padded(rollouts: Sequence[Rollout], rows: list[int], pad: int, device: torch.device | str, shared: bool) -> Micro:
    # Equal ids may stand for different images. What an image becomes belongs to its prompt and cannot be repeated for siblings.
    own = _sees(rollouts[rows[0]]) and not shared
    distinct: dict[Any, int] = {}
    parent = [distinct.setdefault((rollouts[i].prompt_ids, i if own else rollouts[i].images), len(distinct)) for i in rows]
    firsts = [rollouts[rows[parent.index(u)]] for u in range(len(distinct))]
    prompts = [first.prompt_ids for first in firsts]
    responses = [rollouts[i].completion.token_ids or () for i in rows]
    deep = max(map(len, prompts))
    wide = max(1, *map(len, responses))  # a batch of empty responses keeps one masked column
    return Micro(
        prompt=torch.tensor([[pad] * (deep - len(p)) + list(p) for p in prompts], dtype=torch.long, device=device),
        prompt_mask=torch.tensor([[False] * (deep - len(p)) + [True] * len(p) for p in prompts], device=device),
        images=tuple(first.images for first in firsts if first.images is not None),
        parent=torch.tensor(parent, dtype=torch.long, device=device),
        response=torch.tensor([list(r) + [pad] * (wide - len(r)) for r in responses], dtype=torch.long, device=device),
        mask=torch.tensor([[True] * len(r) + [False] * (wide - len(r)) for r in responses], dtype=torch.bool, device=device),
        index=tuple(rows),
    )


def padded_logprobs(rollouts: Sequence[Rollout]) -> Tensor | None:
    """The sampler's log-probabilities, float32 (N, longest response), 0 where padded; None where a rollout has none."""
    if any(r.completion.logprobs is None and r.length for r in rollouts):
        return None
    wide = max(1, *(r.length for r in rollouts))
    rows = [list(r.completion.logprobs or ()) for r in rollouts]
    return torch.tensor([row + [0.0] * (wide - len(row)) for row in rows], dtype=torch.float32)
