"""Which questions come next: shuffled anew in every epoch, the same for a seed, wherever a run was interrupted."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from evalsuite import Sample
from evalsuite.errors import UsageError
from evalsuite.plan import Plan


class Question(NamedTuple):
    """A sample and the plan of its task."""

    plan: Plan
    sample: Sample


class Prompts:
    """An endless stream over the questions of all tasks. `cursor` counts what was taken, and is all there is to save.

    Without a `mix` all questions are shuffled together. With one, a weight for each task as `evalsuite.rewards.datasets.check_mix`
    wants them, every task has an order of its own and `turns` says whose question is next. Either way none comes twice before all
    that it is shuffled with came once. Raises UsageError where there is no question.
    """

    def __init__(self, plans: Sequence[Plan], seed: int, mix: Mapping[str, float] | None = None) -> None:
        self.questions: tuple[Question, ...] = tuple(Question(plan, sample) for plan in plans for sample in plan.samples)
        if mix:
            own = [[question for question in self.questions if question.plan is plan] for plan in plans]
            self._decks = [_Deck(questions, f"{seed}/{plan.name}") for plan, questions in zip(plans, own, strict=True)]
            self._weights = _whole([mix[plan.name] for plan in plans])
        else:
            self._decks, self._weights = [_Deck(self.questions, str(seed))], [1]
        if not all(deck.questions for deck in self._decks):
            raise UsageError("the tasks have no questions to train on")
        self.cursor = 0
        self._at, self._turns = 0, turns(self._weights)

    def __len__(self) -> int:
        """One epoch: the draws within which every question comes at least once. Without a mix, the number of questions."""
        return max(-(-len(d.questions) * sum(self._weights) // w) for d, w in zip(self._decks, self._weights, strict=True))

    def take(self, n: int) -> list[Question]:
        """The next `n` questions."""
        if self._at != self.cursor:
            self._turns = turns(self._weights, self.cursor)
        chosen = [self._decks[deck].draw(before) for deck, before in itertools.islice(self._turns, n)]
        self.cursor += n
        self._at = self.cursor
        return chosen


class _Deck:
    """Questions that are shuffled together: an endless stream of epochs, each a permutation that `seed` and its number give."""

    def __init__(self, questions: Sequence[Question], seed: str) -> None:
        self.questions, self._seed = questions, seed
        self._epoch = -1
        self._order: list[int] = []

    def draw(self, number: int) -> Question:
        """Question `number`, from 0."""
        size = len(self.questions)
        epoch, place = divmod(number, size)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = random.Random(f"{self._seed}/{epoch}").sample(range(size), size)
        return self.questions[self._order[place]]


def turns(weights: Sequence[int], first: int = 0) -> Iterator[tuple[int, int]]:
    """Whose turn it is in draw `first` and all that follow, and how many turns it had before. `weights` are at least 1.

    With p the share of one and j its turns before, its next is not before draw floor(j / p) and before draw ceil((j + 1) / p); of
    those that may, the one with the earliest end goes. That meets every end (Baruah et al. 1996, Algorithmica 15, proportionate
    progress, on one processor), so of the first n draws each has n p, give or take less than one. Of any n in a row it has n p, give
    or take less than two; less than one where two share them, which no order gives to three in general, as weights 6, 3, 2 show.
    The order repeats after sum(weights) draws.
    """
    period = sum(weights)
    past = first // period
    had = [past * w for w in weights]
    for draw in itertools.count(past * period):
        may = [i for i, w in enumerate(weights) if had[i] * period // w <= draw]
        next_one = min(may, key=lambda i: -(-(had[i] + 1) * period // weights[i]))
        if draw >= first:
            yield next_one, had[next_one]
        had[next_one] += 1


def _whole(weights: Sequence[float]) -> list[int]:
    """The smallest whole numbers in the proportions of these, taken as the decimals that they are written as."""
    exact = [Fraction(str(w)) for w in weights]
    scale = math.lcm(*(w.denominator for w in exact))
    whole = [int(w * scale) for w in exact]
    return [w // math.gcd(*whole) for w in whole]
