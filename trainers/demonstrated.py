"""Rows of demonstrations: texts become tokens, so that imitation runs through the same loop as everything else."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from evalsuite import Completion, Score
from evalsuite.models.loading import Checkpoint
from evalsuite.plan import Plan

from .base import Recipe
from .collect import Sampler
from .demos import Demo, demonstrations
from .rows import Rollout


class Demonstrated:
    """An endless stream of demonstrations, shuffled anew in every epoch. Stateless: batch `b` of `n` is the same at any time."""

    def __init__(self, recipe: Recipe, plans: Sequence[Plan], sampler: Sampler, source: Checkpoint, seed: int) -> None:
        s: Any = recipe.settings.rollout
        found = demonstrations(plans, s.demos, per_prompt=s.per_prompt, seed=seed, verify=s.verify)
        self.note = str(found)
        self._demos, self._seed = found.demos, seed
        self._plans = {plan.name: plan for plan in plans}
        self._sampler, self._source = sampler, source

    def rollouts(self, n: int, batch: int) -> list[Rollout]:
        """Batch number `batch` of `n` demonstrations, each a group of its own."""
        places = range(n * batch, n * (batch + 1))
        return [self._rollout(place, self._demos[self._order(place)]) for place in places]

    def _order(self, place: int) -> int:
        epoch, i = divmod(place, len(self._demos))
        return random.Random(f"{self._seed}/{epoch}").sample(range(len(self._demos)), len(self._demos))[i]

    def _rollout(self, group: int, demo: Demo) -> Rollout:
        """The prompt as the model will be asked, the text's tokens, and the end token that it must learn to write."""
        plan, tokenizer = self._plans[demo.task], self._source.tokenizer
        request = plan.request(demo.sample, [0])
        end = tokenizer.eos_token_id
        ids = tokenizer(demo.gap + demo.text, add_special_tokens=False)["input_ids"]
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
