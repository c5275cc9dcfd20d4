"""Which questions come next: shuffled anew in every epoch, the same for a seed, wherever a run was interrupted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from evalsuite import Sample
from evalsuite.errors import UsageError
from evalsuite.plan import Plan


class Question(NamedTuple):
    """A sample and the plan of its task."""

    plan: Plan
    sample: Sample


class Prompts:
    """An endless stream over the questions of all tasks. `cursor` counts what was taken, and is all there is to save."""

    def __init__(self, plans: Sequence[Plan], seed: int) -> None:
        self.questions: tuple[Question, ...] = tuple(Question(plan, sample) for plan in plans for sample in plan.samples)
        if not self.questions:
            raise UsageError("the tasks have no questions to train on")
        self._seed = seed
        self._epoch = -1
        self._order: list[int] = []
        self.cursor = 0

    def __len__(self) -> int:
        return len(self.questions)

    def take(self, n: int) -> list[Question]:
        """The next `n` questions; the order within an epoch is a permutation, so none comes twice before all came once."""
        taken = []
        for _ in range(n):
            epoch, place = divmod(self.cursor, len(self))
            if epoch != self._epoch:
                self._epoch = epoch
                self._order = random.Random(f"{self._seed}/{epoch}").sample(range(len(self)), len(self))
            taken.append(self.questions[self._order[place]])
            self.cursor += 1
        return taken
