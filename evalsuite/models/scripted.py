"""Models that need no weights: an oracle, a constant, an oracle with a chosen accuracy. For tests, dry runs and overhead."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.errors import RequestError, UsageError
from evalsuite.words.completion import Completion, Request

if TYPE_CHECKING:
    from evalsuite.words.sample import Sample
    from evalsuite.words.task import Task

_GARBAGE = "I do not know."


class ScriptedModel:
    """Says what `target` tells it to, at once or after `latency` seconds; tokens are counted as words.

    `oracle` gives the gold answer of the task's verifier; `constant:TEXT` always TEXT; `noisy:P` the gold with probability P,
    else the gold of another question of the task (a text without an answer where all golds are the same). The draw depends
    only on the sample's seed. A question for which the verifier can write no gold raises RequestError.
    """

    one_by_one = False

    def __init__(self, target: str, *, latency: float = 0.0, concurrency: int = 256) -> None:
        kind, _, value = target.partition(":")
        if kind not in ("oracle", "constant", "noisy") or (kind == "oracle") == bool(value):
            raise UsageError(
                f"scripted:{target} is not one of scripted:oracle, scripted:constant:TEXT, scripted:noisy:ACCURACY"
            )
        if not latency >= 0 or concurrency < 1:
            raise UsageError(f"scripted: latency ({latency}) >= 0 seconds, concurrency ({concurrency}) >= 1")
        try:
            self._accuracy = float(value) if kind == "noisy" else 1.0
        except ValueError:
            self._accuracy = -1.0
        if not 0.0 <= self._accuracy <= 1.0:
            raise UsageError(f"scripted:{target}: the accuracy is a number from 0 to 1")
        self.name, self.concurrency = f"scripted:{target}", concurrency
        self._target, self._latency = target, latency
        self._constant = value if kind == "constant" else None
        self._golds: dict[str, dict[str, str | None]] = {}
        self._wrong: dict[str, tuple[str, ...]] = {}

    def prepare(self, task: Task, samples: Sequence[Sample]) -> None:
        """Collect the gold answers. Raises UsageError for a target that the verifier cannot read."""
        if self._constant is None:
            golds = self._golds[task.name] = {sample.id: _gold(task, sample) for sample in samples}
            self._wrong[task.name] = tuple(dict.fromkeys(gold for gold in golds.values() if gold is not None))

    async def generate(self, request: Request) -> list[Completion]:
        """One text per seed."""
        if self._latency:
            await asyncio.sleep(self._latency)
        prompt_tokens = sum(len(message.text.split()) for message in request.messages)
        return [self._completion(self._text(request, seed), prompt_tokens) for seed in request.seeds]

    def identity(self) -> Mapping[str, Any]:
        """The script."""
        return {"backend": "scripted", "script": self._target}

    def environment(self) -> Mapping[str, Any]:
        """Nothing that an answer could depend on."""
        return {}

    async def close(self) -> None:
        """Nothing to release."""

    def _completion(self, text: str, prompt_tokens: int) -> Completion:
        return Completion(
            text=text,
            finish_reason="stop",
            prompt_tokens=prompt_tokens,
            completion_tokens=len(text.split()),
            latency=self._latency,
        )

    def _text(self, request: Request, seed: int) -> str:
        if self._constant is not None:
            return self._constant
        gold = self._golds.get(request.task, {}).get(request.sample_id)
        if gold is None:
            raise RequestError(
                f"scripted:{self._target}: no gold answer of sample {request.sample_id!r} of task {request.task!r}"
            )
        if self._accuracy == 1.0:
            return gold
        draw = hashlib.sha256(seed.to_bytes(8, "big", signed=True)).digest()
        if int.from_bytes(draw[:8], "big") < self._accuracy * 2**64:
            return gold
        wrong = self._wrong[request.task]
        if len(wrong) == 1:
            return _GARBAGE
        other = wrong[int.from_bytes(draw[8:16], "big") % len(wrong)]
        return other if other != gold else wrong[(wrong.index(gold) + 1) % len(wrong)]


def _gold(task: Task, sample: Sample) -> str | None:
    try:
        return task.verifier.gold(sample)
    except Exception as error:  # the target is the user's data: what is wrong with it is said, not traced
        raise UsageError(f"task {task.name}, sample {sample.id!r}: no gold answer: {error}") from error
