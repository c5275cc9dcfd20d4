"""Draws generated questions: the same ones for a seed on every machine, all different, under ids that stay.

Every family has two splits, told apart by what a question is about: its program, the statement of its derivation, else its
text. Half of all contents, those with an even sha256, are for evaluation and the others for training, so that no training
question is an evaluated one, whatever level, size and seed either side draws. The first `SETTLED` questions of seed 0 are
benchmarks from before this rule: they stay for evaluation as they are, and training in that family leaves their contents out.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from evalsuite import Sample
from evalsuite.errors import UsageError

TRIES = 2000  # in a row without a new question: the level has no more
SETTLED = 200
SPLITS = ("test", "train")


def content(sample: Sample) -> str:
    """What a question is about: its cluster (a program), else its first line (a derivation's statement, or all of it)."""
    return sample.cluster or sample.problem.partition("\n")[0]


def sha256_modulo(text: str, parts: int) -> int:
    """sha256(text) mod parts."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % parts


def even(sample: Sample) -> bool:
    """Whether a question is for evaluation: sha256(content) mod 2 = 0."""
    return sha256_modulo(content(sample), 2) == 0


@dataclass(frozen=True, eq=False)
class Family:
    """Questions from `make(rng, level, **options)`, which may return None for a draw that is no good.

    `options` are tuples of texts with their defaults, and part of the name of the random stream. `held_out` says whether a question is for evaluation; the first `settled`
    questions of seed 0 with the default options are so in any case.
    """

    name: str
    levels: Collection[int]
    make: Callable[..., Sample | None]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held_out: Callable[[Sample], bool] = even
    settled: int = SETTLED

    def questions(
        self, level: int, size: int, seed: int, split: str, **options: tuple[str, ...]
    ) -> Callable[[], tuple[Sample, ...]]:
        """`draw` with these arguments. Raises UsageError for a level or split that does not exist and a size below 1."""
        if level not in self.levels:
            raise UsageError(
                f"{self.name}: there is no level {level}; the levels are {', '.join(map(str, sorted(self.levels)))}"
            )
        if size < 1:
            raise UsageError(f"{self.name}: size {size} must be at least 1")
        if split not in SPLITS:
            raise UsageError(f"{self.name}: there is no split {split!r}; the splits are {', '.join(SPLITS)}")
        return functools.partial(self.draw, level, size, seed, split, **options)

    def draw(self, level: int, size: int, seed: int = 0, split: str = "test", **options: tuple[str, ...]) -> tuple[Sample, ...]:
        """`size` different questions of a split.

        Ids read `l1-s0-0007`, or `train-l1-s0-0007`: level, seed, place. A smaller `size` gives the first questions of a
        larger one. Raises UsageError where the level does not hold `size` different questions.
        """
        options = {**self.options, **options}
        prefix = "" if split == "test" else f"{split}-"
        stream = " ".join((self.name, *itertools.chain(*options.values())))
        rng = random.Random(f"{prefix}{stream}/{level}/{seed}")  # seeded through sha512: the same on every machine and Python
        settled = self.settled if (split, seed, options) == ("test", 0, self.options) else 0
        found: dict[str, Sample] = {}
        for place in range(size):
            for _ in range(TRIES):
                sample = self.make(rng, level, **options)
                if sample is None or sample.problem in found:
                    continue
                if place < settled or (self.held_out(sample) if split == "test" else self._for_training(sample)):
                    found[sample.problem] = dataclasses.replace(sample, id=f"{prefix}l{level}-s{seed}-{place:04d}")
                    break
            else:
                raise UsageError(
                    f"{self.name}: found only {place} different questions of level {level} and {size} were asked for; lower size"
                )
        return tuple(found.values())

    def _for_training(self, sample: Sample) -> bool:
        return not self.held_out(sample) and content(sample) not in self._settled

    @functools.cached_property
    def _settled(self) -> frozenset[str]:
        """Contents of the settled questions of all levels: two levels might share one."""
        return frozenset(content(sample) for level in self.levels for sample in self.draw(level, self.settled))
