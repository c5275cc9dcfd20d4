"""The decode loop over a transformers model, with images or without: shared prefill, per-row ends, finished rows dropped."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.errors import UnavailableError
from evalsuite.models.batching import Row
from evalsuite.models.sampler import Knobs, Noise, next_tokens, not_finite
from evalsuite.models.vision import ImagePrompt, Vision, rope_index, rope_positions
from evalsuite.words.completion import Sampling

if TYPE_CHECKING:
    import torch

KEEP = 0.75  # rows are dropped from the batch when no more than this share of it is still running
POLL = 16  # steps between two looks for cancelled requests


@dataclass(eq=False, slots=True, kw_only=True)
class Generation(Row):
    """One sample to be drawn: `room` new tokens at most. `stopped(tokens)` says whether a stop string was reached.

    Filled in: `tokens` (the end token included), `logprobs` if wanted, `finish` (`stop` or `length`), `seconds` since its
    batch began.
    """

    sampling: Sampling
    seed: int
    watch: Callable[[], Callable[[Sequence[int]], bool] | None]
    wanted: bool = False
    stopped: Callable[[Sequence[int]], bool] | None = None
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str | None = None
    seconds: float = 0.0

    def restart(self) -> None:
        """Forget what an interrupted batch made of it."""
        self.tokens, self.logprobs, self.finish, self.stopped = [], [], None, self.watch()


@dataclass(eq=False, slots=True, kw_only=True)
class Scoring(Row):
    """One continuation to be scored. Filled in: sum of log-probabilities (natural) and whether greedy decoding gives it."""

    target: list[int]
    total: float = 0.0
    greedy: bool = False


class Decoder:
    """A loaded model on its device, as the engine drives it. Not for two threads at once."""

    def __init__(self, model: Any, ends: frozenset[int], pad: int, vision: Vision | None = None) -> None:
        """`ends` are the ids that end a sample; `pad` fills the left of shorter prompts; `vision` prepares images."""
        self.model, self.ends, self.pad, self.vision = model, ends, pad, vision
        self.device = model.get_input_embeddings().weight.device
        self._accepts = inspect.signature(model.forward).parameters
        self._cached = "past_key_values" in self._accepts
        self._positions = "position_ids" in self._accepts
        self._keep = "logits_to_keep" in self._accepts
        # Without positions, models with multimodal rotary embeddings go on from those of whoever called them last.
        self._stateful = rope_index(model) is not None

    def run(self, rows: list[Any], done: Callable[[Sequence[Row]], None], halted: Callable[[], bool]) -> None:
        """Work off a batch of one kind of row; `done(rows)` as some are finished, early return once `halted()`."""
        import torch

        with torch.inference_mode():
            if isinstance(rows[0], Scoring):
                self._score(rows, done)
            else:
                self._generate(rows, done, halted)

    def _generate(self, rows: list[Generation], done: Callable[[Sequence[Row]], None], halted: Callable[[], bool]) -> None:
        import torch

        started = time.perf_counter()
        for row in rows:
            row.restart()
        firsts, parents = _distinct(rows)
        batch = self._batch([row.prompt for row in firsts], [row.images for row in firsts])
        logits, cache = self._prefill(batch)
        if cache is None and batch.extra:
            raise UnavailableError(
                f"{type(self.model).__name__} keeps no cache that rows can be dropped from, which images need"
            )
        last = max(len(row.prompt) + row.room for row in rows) - 1
        state = _State(batch.ids if cache is None else None, batch.mask, cache, last, batch.shift)
        if len(firsts) < len(rows):
            logits = state.select(logits, torch.tensor(parents, device=self.device))
        logprobs = any(row.wanted for row in rows)
        knobs = Knobs.of([row.sampling for row in rows], logits.device)
        noise = Noise([row.seed for row in rows]) if knobs.sampled else None
        alive = [True] * len(rows)
        running = len(rows)
        step = 0
        while True:
            tokens, scores = next_tokens(logits, knobs, noise, logprobs)
            picked = tokens.tolist()
            values = scores.tolist() if scores is not None else None
            over: list[Row] = []
            for i, row in enumerate(rows):
                if not alive[i]:
                    continue
                row.tokens.append(picked[i])
                if values is not None:
                    row.logprobs.append(values[i])
                if picked[i] in self.ends or (row.stopped is not None and row.stopped(row.tokens)):
                    row.finish = "stop"
                elif len(row.tokens) >= row.room:
                    row.finish = "length"
                elif step % POLL or not row.ticket.done():
                    continue
                alive[i] = False
                row.finished, row.seconds = True, time.perf_counter() - started
                over.append(row)
            if over:
                running -= len(over)
                done(over)
            if not running or halted():
                return
            if running <= KEEP * len(rows):
                kept = [i for i, lives in enumerate(alive) if lives]
                rows = [rows[i] for i in kept]
                alive = [True] * running
                tokens = state.select(tokens, torch.tensor(kept, device=self.device))
                knobs = Knobs.of([row.sampling for row in rows], logits.device)
                if noise is not None:
                    noise.keep(kept)
            logits = self._step(state, tokens)
            step += 1

    def _prefill(self, batch: _Batch) -> tuple[torch.Tensor, Any]:
        """Logits (prompts, vocabulary) of the next token and the cache, None for a model that keeps none we can handle."""
        output = self._forward(batch.ids, batch.mask, None, batch.positions, 1, extra=batch.extra)
        cache = getattr(output, "past_key_values", None)
        return output.logits[:, -1], cache if hasattr(cache, "reorder_cache") else None

    def _step(self, state: _State, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (rows, vocabulary) after one more token in each row."""
        new = tokens.to(self.device)[:, None]
        state.append(new)
        if state.ids is not None:  # no cache: read everything again
            return self._prefill(_Batch.of(state.ids, state.mask))[0]
        # Finished rows run on until they are dropped, and would leave a table of positions.
        positions = (state.mask.sum(-1, keepdim=True) - 1).clamp(max=state.last) if state.mask is not None else None
        if positions is not None and state.shift is not None:
            positions = positions + state.shift
        return self._forward(new, state.mask, state.cache, positions, 1).logits[:, -1]

    def _score(self, rows: list[Scoring], done: Callable[[Sequence[Row]], None]) -> None:
        import torch

        batch = self._batch([row.prompt + row.target for row in rows], [row.images for row in rows])
        width = max(len(row.target) for row in rows)
        output = self._forward(batch.ids, batch.mask, None, batch.positions, width + 1, cached=False, extra=batch.extra)
        logits = output.logits[:, -width - 1 : -1].float()
        target = batch.ids[:, -width:].to(logits.device)
        inside = torch.tensor([[i >= width - len(r.target) for i in range(width)] for r in rows], device=logits.device)
        chosen = logits.log_softmax(-1).gather(-1, target[..., None])[..., 0].double().masked_fill(~inside, 0.0)
        if bool(chosen.isnan().any()):
            raise not_finite()
        totals = chosen.sum(-1).tolist()
        greedy = ((logits.argmax(-1) == target) | ~inside).all(-1).tolist()
        for row, total, argmax in zip(rows, totals, greedy, strict=True):
            row.total, row.greedy, row.finished = total, argmax, True
        done(rows)

    def _forward(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor | None,
        cache: Any,
        positions: torch.Tensor | None,
        keep: int,
        cached: bool = True,
        extra: Mapping[str, torch.Tensor] | None = None,
    ) -> Any:
        arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, **(extra or {})}
        if self._cached:
            arguments |= {"use_cache": cached, "past_key_values": cache}
        if self._positions and positions is not None:
            arguments["position_ids"] = positions
        if self._keep:
            arguments["logits_to_keep"] = keep
        return self.model(**arguments)

    def _batch(self, sequences: Sequence[Sequence[int]], images: Sequence[ImagePrompt | None]) -> _Batch:
        """The sequences left-padded, with what their images add: all of them have some, or none."""
        prompts = [(ids, prompt) for ids, prompt in zip(sequences, images, strict=True) if prompt is not None]
        if not prompts or self.vision is None:
            return _Batch.of(*self._padded(sequences))
        inputs = self.vision.inputs(prompts, self.device)
        batch = _Batch.of(inputs.ids, inputs.mask)._replace(extra=inputs.taken(self._accepts, self.model.dtype))
        rope = rope_positions(self.model, inputs)
        return batch if rope is None else batch._replace(positions=rope[0], shift=rope[1])

    def _padded(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Left-padded ids (prompts, longest) and the mask, None where nothing is padded (which is faster)."""
        import torch

        longest = max(map(len, prompts))
        padded = [[self.pad] * (longest - len(p)) + list(p) for p in prompts]
        ids = torch.tensor(padded, dtype=torch.long, device=self.device)
        if all(len(p) == longest for p in prompts) and not self._stateful:
            return ids, None
        lengths = torch.tensor([len(p) for p in prompts], device=self.device)
        return ids, (torch.arange(longest, device=self.device) >= longest - lengths[:, None]).long()


class _Batch(NamedTuple):
    """What a prefill reads. `shift` (axes, rows, 1) is added to rotary positions after the prompt."""

    ids: torch.Tensor
    mask: torch.Tensor | None
    positions: torch.Tensor | None
    extra: Mapping[str, torch.Tensor]
    shift: torch.Tensor | None

    @classmethod
    def of(cls, ids: torch.Tensor, mask: torch.Tensor | None) -> _Batch:
        return cls(ids, mask, mask.cumsum(-1).sub(1).clamp(min=0) if mask is not None else None, {}, None)


@dataclass(eq=False, slots=True)
class _State:
    """What a running batch carries from step to step: the cache, else all ids; the mask; the last position a row may need;
    the shift of its rotary positions, if any."""

    ids: torch.Tensor | None
    mask: torch.Tensor | None
    cache: Any
    last: int
    shift: torch.Tensor | None

    def select(self, rows: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Make row i what row index[i] was (repeats and drops rows alike); returns `rows` selected the same way."""
        if self.cache is not None:
            self.cache.reorder_cache(index)
        self.ids = self.ids[index] if self.ids is not None else None
        self.mask = self.mask[index] if self.mask is not None else None
        self.shift = self.shift[:, index] if self.shift is not None else None
        return rows[index.to(rows.device)]

    def append(self, new: torch.Tensor) -> None:
        """Account for one more token (rows, 1)."""
        import torch

        if self.ids is not None:
            self.ids = torch.cat([self.ids, new], -1)
        if self.mask is not None:
            self.mask = torch.cat([self.mask, torch.ones_like(new)], -1)


def _distinct(rows: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """A row for each prompt, those of one request once, and for each row the number of its prompt."""
    seen: dict[int, int] = {}
    firsts: list[Row] = []
    for row in rows:
        if id(row.prompt) not in seen:
            seen[id(row.prompt)] = len(firsts)
            firsts.append(row)
    return firsts, [seen[id(row.prompt)] for row in rows]
