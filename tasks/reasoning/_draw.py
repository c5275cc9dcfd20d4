"""Draws generated questions: the same ones for a seed on every machine, all different, under ids that stay."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Collection
from typing import Any

from evalsuite import Sample
from evalsuite.errors import UsageError

TRIES = 2000  # in a row without a new question: the level has no more


def draw(
    family: str, level: int, size: int, seed: int, make: Callable[..., Sample | None], **options: Any
) -> tuple[Sample, ...]:
    """`size` different questions from `make(rng, level, **options)`, which may return None for a draw that is no good.

    Ids read `l1-s0-0007`: level, seed, place. A smaller `size` gives the first questions of a larger one. Raises UsageError
    where the level does not hold `size` different questions.
    """
    rng = random.Random(f"{family}/{level}/{seed}")  # seeded through sha512: the same on every machine and Python
    found: dict[str, Sample] = {}
    for place in range(size):
        for _ in range(TRIES):
            sample = make(rng, level, **options)
            if sample is not None and sample.problem not in found:
                found[sample.problem] = dataclasses.replace(sample, id=f"l{level}-s{seed}-{place:04d}")
                break
        else:
            raise UsageError(
                f"{family}: found only {place} different questions of level {level} and {size} were asked for; lower size"
            )
    return tuple(found.values())


def check(family: str, level: int, levels: Collection[int], size: int) -> None:
    """Raises UsageError for a level that does not exist or a size below 1."""
    if level not in levels:
        raise UsageError(f"{family}: there is no level {level}; the levels are {', '.join(map(str, sorted(levels)))}")
    if size < 1:
        raise UsageError(f"{family}: size {size} must be at least 1")
