"""What images add to a forward pass of the policy: arguments, positions, and care with image tokens that it wrote itself."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from evalsuite.models.vision import ImagePrompt, Vision, rope_positions

PLACEHOLDERS = ("image_token_id", "image_token_index", "video_token_id", "video_token_index")  # in configurations


class Seen(NamedTuple):
    """Arguments of a call, by name; and under multimodal rotary embeddings the `positions` (axes, rows, n) of its first n tokens
    and the `shift` (axes, rows, 1) of those that follow."""

    extra: dict[str, Tensor]
    positions: Tensor | None
    shift: Tensor | None

    def placed(self, plain: Tensor) -> Tensor:
        """Positions of a call whose tokens would be at `plain` (rows, T) without images."""
        if self.shift is None:
            return plain
        if self.positions is None:
            return plain + self.shift
        return torch.cat([self.positions, plain[:, self.positions.shape[-1] :] + self.shift], -1)

    def continued(self, width: int) -> Seen:
        """For the prompts, each followed by a response of `width` tokens, which are text."""
        extra = {n: functional.pad(v, (0, width)) if n.endswith("token_type_ids") else v for n, v in self.extra.items()}
        return self._replace(extra=extra)

    def after(self, parent: Tensor) -> Seen:
        """For responses alone, once their prompts (`parent`) are cached."""
        return Seen({}, None, self.shift[:, parent] if self.shift is not None else None)


NOTHING = Seen({}, None, None)


def see(model: Any, vision: Vision, prompt: Tensor, mask: Tensor, images: Sequence[ImagePrompt]) -> Seen:
    """What `model` is given for these left-padded prompts (U, P) with their images."""
    known = [row[kept].tolist() for row, kept in zip(prompt, mask, strict=True)]
    inputs = vision.inputs(list(zip(known, images, strict=True)), prompt.device)
    positions, shift = rope_positions(model, inputs) or (None, None)
    return Seen(inputs.taken(inspect.signature(model.forward).parameters, model.dtype), positions, shift)


@contextlib.contextmanager
def as_text(model: Any, ids: Tensor, width: int) -> Iterator[Tensor]:
    """`ids` (rows, T) without placeholders of images in the last `width` columns (0: as they are), which the policy wrote.

    The model takes such a token for text, as it did when it was sampled: its embedding layer still reads `ids`.
    """
    if not width:
        yield ids
        return
    placeholders = [i for name in PLACEHOLDERS if (i := getattr(model.config, name, None)) is not None]
    written = torch.isin(ids, torch.tensor(placeholders, dtype=ids.dtype, device=ids.device))
    written[:, :-width] = False
    if not bool(written.any()):
        yield ids
        return
    layer = model.get_input_embeddings()
    hook = layer.register_forward_pre_hook(lambda _, read: (torch.where(written, ids, read[0]), *read[1:]))
    try:
        yield ids.masked_fill(written, 0)
    finally:
        hook.remove()
