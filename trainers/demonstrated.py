"""Rows of demonstrations: texts become tokens, so that imitation runs through the same loop as everything else."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence

from evalsuite import Completion, Score
from evalsuite.models.loading import Checkpoint
from evalsuite.plan import Plan

from .collect import Sampler
from .demos import Demo
from .rows import Rollout


class Demonstrated:
    """An endless stream of demonstrations, each a group of its own, shuffled anew in every epoch. `cursor` counts what was taken."""

    def __init__(self, demos: Sequence[Demo], plans: Sequence[Plan], sampler: Sampler, source: Checkpoint, seed: int) -> None:
        self._demos, self._seed = demos, seed
        self._plans = {plan.name: plan for plan in plans}
        self._sampler, self._source = sampler, source
        self._chat = bool(sampler.model.identity().get("chat"))
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

    def _rollout(self, group: int, demo: Demo) -> Rollout:
        """The prompt as the model will be asked, the text's tokens, and the end token that it must learn to write."""
        plan, tokenizer = self._plans[demo.task], self._source.tokenizer
        request = plan.request(demo.sample, [0])
        end = tokenizer.eos_token_id
        text = demo.text if self._chat else demo.gap + demo.text  # a chat template ends where the answer begins
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        tokens = (*ids, end) if end is not None else tuple(ids)
        return Rollout(
            task=demo.task,
            sample=demo.sample,
            group=group,
            index=0,
            prompt_ids=self._sampler.prompt_ids(request),
            completion=Completion(text=demo.text, finish_reason="stop", token_ids=tuple(tokens), completion_tokens=len(tokens)),
            score=Score(1.0),
        )
