"""Rows of demonstrations: texts become tokens, so that imitation runs through the same loop as everything else."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence

from evalsuite import Completion, Request, Score
from evalsuite.errors import UsageError
from evalsuite.models.loading import Checkpoint
from evalsuite.plan import Plan

from .collect import Sampler
from .demos import Demo
from .rows import Rollout


class Demonstrated:
    """An endless stream of demonstrations, each a group of its own, shuffled anew in every epoch. `cursor` counts what was taken.

    Those that do not fit the model's context are left out, as `note` says (empty where there are none). Raises UsageError where
    nothing is left.
    """

    def __init__(self, demos: Sequence[Demo], plans: Sequence[Plan], sampler: Sampler, source: Checkpoint, seed: int) -> None:
        self._seed = seed
        self._plans = {plan.name: plan for plan in plans}
        self._sampler, self._source = sampler, source
        self._chat = bool(sampler.model.identity().get("chat"))
        self._demos, self.note = self._that_fit(demos)
        self.cursor = 0
        self._order = functools.lru_cache(maxsize=2)(self._permutation)

    def __len__(self) -> int:
        return len(self._demos)

    def rollouts(self, groups: int, advance: Callable[[int], None]) -> list[Rollout]:
        """The next demonstrations."""
        total, first = len(self._demos), self.cursor
        self.cursor += groups
        return [self._rollout(i, self._demos[self._order(i // total)[i % total]]) for i in range(first, self.cursor)]

    def _permutation(self, epoch: int) -> list[int]:
        return random.Random(f"{self._seed}/{epoch}").sample(range(len(self._demos)), len(self._demos))

    def _that_fit(self, demos: Sequence[Demo]) -> tuple[Sequence[Demo], str]:
        """Demonstrations within the context, and what to say of the others."""
        context = self._source.positions
        if context is None:
            return demos, ""
        sizes = [sum(map(len, self._tokens(demo))) for demo in demos]
        kept = [demo for demo, size in zip(demos, sizes, strict=True) if size <= context]
        if len(kept) == len(demos):
            return demos, ""
        size, one = max(zip(sizes, demos, strict=True), key=lambda pair: pair[0])
        longest = f"the longest is of {one.task}, {one.sample.id}: {size} tokens with its prompt, and the context has {context}"
        if not kept:
            raise UsageError(f"no demonstration fits the model's context, of {len(demos)}; {longest}")
        return kept, f"{len(demos) - len(kept)} of {len(demos)} demonstrations left out as too long; {longest}"

    def _tokens(self, demo: Demo) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The prompt as the model will be asked; the text's tokens, and the end token that it must learn to write."""
        tokenizer = self._source.tokenizer
        text = demo.text if self._chat else demo.gap + demo.text  # a chat template ends where the answer begins
        ids, end = tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id
        prompt = self._sampler.prompt_ids(self._request(demo))
        return prompt, (*ids, end) if end is not None else tuple(ids)

    def _request(self, demo: Demo) -> Request:
        return self._plans[demo.task].request(demo.sample, [0])

    def _rollout(self, group: int, demo: Demo) -> Rollout:
        prompt, tokens = self._tokens(demo)
        images = self._sampler.images(self._request(demo))
        return Rollout(
            task=demo.task,
            sample=demo.sample,
            group=group,
            index=0,
            prompt_ids=prompt,
            completion=Completion(text=demo.text, finish_reason="stop", token_ids=tokens, completion_tokens=len(tokens)),
            score=Score(1.0),
            images=images,
        )
