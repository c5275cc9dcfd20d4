"""Picking the next token, with noise that belongs to the sample and not to the batch it happens to be in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.errors import UnavailableError
from evalsuite.words.completion import Sampling

if TYPE_CHECKING:
    import torch

BLOCK = 64  # uniforms drawn at a time
HEAD = 1024  # most probable tokens looked at first; the whole vocabulary is sorted only where they do not reach top_p
MOST = 1 << 31  # above every vocabulary, and a number that tensors hold
CEILING = 1 - 1e-7  # keeps u * total below total, whatever the rounding


class Noise:
    """One uniform number in [0, 1) per row and step.

    Row i's numbers are the stream of Philox4x64 (Salmon et al. 2011) keyed by its seed: they do not depend on the other
    rows, the order, the batch size or a restart.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._streams = [np.random.Generator(np.random.Philox(key=seed)) for seed in seeds]
        self._block = np.empty((len(seeds), 0))
        self._at = 0

    def next(self) -> np.ndarray:
        """Shape (rows,), float64."""
        if self._at == self._block.shape[1]:
            self._block = np.stack([stream.random(BLOCK) for stream in self._streams])
            self._at = 0
        self._at += 1
        return np.minimum(self._block[:, self._at - 1], CEILING)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these."""
        self._streams = [self._streams[i] for i in rows]
        self._block = self._block[list(rows)]


@dataclass(frozen=True, slots=True)
class Knobs:
    """Sampling parameters of a batch, one entry per row; a filter is None where no row uses it. `greedy` marks argmax rows."""

    greedy: torch.Tensor | None
    sampled: bool
    temperature: torch.Tensor | None
    top_p: torch.Tensor | None
    top_k: torch.Tensor | None
    min_p: torch.Tensor | None
    widest: int

    @classmethod
    def of(cls, samplings: Sequence[Sampling], device: torch.device) -> Knobs:
        """The parameters of these rows on `device`."""
        import torch

        def column(values: list[float], off: float, dtype: torch.dtype = torch.float32) -> torch.Tensor | None:
            return None if all(v == off for v in values) else torch.tensor(values, dtype=dtype, device=device)

        greedy = [s.temperature == 0 for s in samplings]
        return cls(
            greedy=torch.tensor(greedy, device=device) if any(greedy) else None,
            sampled=not all(greedy),
            temperature=column([s.temperature or 1.0 for s in samplings], 1.0),
            top_p=column([s.top_p for s in samplings], 1.0),
            top_k=column([min(s.top_k, MOST) for s in samplings], 0, torch.long),
            min_p=column([s.min_p for s in samplings], 0.0),
            widest=min(max(s.top_k for s in samplings), MOST),
        )


def next_tokens(
    logits: torch.Tensor, knobs: Knobs, noise: Noise | None, logprobs: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Tokens (rows,) and, if wanted, their log-probabilities (rows,) from logits (rows, vocabulary).

    Without `noise`, argmax. A sampled row takes the first token, in vocabulary order, at which the cumulative filtered
    distribution exceeds its uniform number: one number decides, and small differences in the logits move no boundary
    much. The log-probability is natural, under softmax(logits / temperature) before top-k, top-p and min-p (temperature 1 for
    greedy rows): the behaviour policy's, as RL objectives recompute it. Raises UnavailableError for logits that are NaN or
    infinite, of which no honest sample can be drawn.
    """
    import torch

    logits = logits.float()
    scaled = logits if knobs.temperature is None else logits / knobs.temperature[:, None]
    normalizer = scaled.logsumexp(-1)
    if not bool(normalizer.isfinite().all()):
        raise not_finite()
    if noise is None:
        tokens = logits.argmax(-1)
    else:
        wide = torch.float32 if logits.device.type == "mps" else torch.float64
        cumulative = _filtered(scaled.softmax(-1), knobs).cumsum(-1, dtype=wide)
        goal = torch.from_numpy(noise.next()).to(wide).to(logits.device) * cumulative[:, -1]
        tokens = torch.searchsorted(cumulative, goal[:, None], right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
        if knobs.greedy is not None:
            tokens = torch.where(knobs.greedy, logits.argmax(-1), tokens)
    if not logprobs:
        return tokens, None
    return tokens, scaled.gather(-1, tokens[:, None])[:, 0] - normalizer


def not_finite() -> UnavailableError:
    """The error for a model that computes NaN or infinite logits."""
    return UnavailableError(
        "the model's logits are not finite: its weights are broken, or dtype is too narrow (try bfloat16, float32)"
    )


def _filtered(probabilities: torch.Tensor, knobs: Knobs) -> torch.Tensor:
    """Probabilities with what top-k, then top-p of the rest, then min-p exclude set to 0 (not renormalised). Ties stay in."""
    if knobs.top_k is None and knobs.top_p is None and knobs.min_p is None:
        return probabilities
    values = probabilities.topk(min(probabilities.shape[-1], max(knobs.widest, HEAD))).values
    if values.shape[-1] < probabilities.shape[-1] and knobs.top_p is not None:
        short = (values.sum(-1) < knobs.top_p) & (knobs.top_p < 1)
        if bool(short.any() if knobs.top_k is None else (short & (knobs.top_k == 0)).any()):
            values = probabilities.sort(-1, descending=True).values
    return probabilities.masked_fill(probabilities < _floor(values, knobs)[:, None], 0.0)


def _floor(values: torch.Tensor, knobs: Knobs) -> torch.Tensor:
    """Smallest probability kept in each row, from the row's largest ones in descending order."""
    import torch

    floor = torch.zeros_like(values[:, 0])
    limited = knobs.top_k > 0 if knobs.top_k is not None else None
    if knobs.top_k is not None:
        kth = values.gather(-1, (knobs.top_k - 1).clamp(min=0, max=values.shape[-1] - 1)[:, None])[:, 0]
        floor = torch.where(limited, kth, floor)
    if knobs.top_p is not None:
        kept = values.masked_fill(values < floor[:, None], 0.0)
        goal = knobs.top_p if limited is None else torch.where(limited, knobs.top_p * kept.sum(-1), knobs.top_p)
        count = ((kept.cumsum(-1) - kept) < goal[:, None]).sum(-1).clamp(min=1)
        nucleus = values.gather(-1, (count - 1)[:, None])[:, 0]
        floor = torch.where(knobs.top_p < 1, torch.maximum(floor, nucleus), floor)
    if knobs.min_p is not None:
        floor = torch.maximum(floor, knobs.min_p * values[:, 0])
    return floor
