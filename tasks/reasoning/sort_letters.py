"""Sorting letters: generated, download-free, and small enough for a model that is trained in seconds.

Level 1 is `sort dbca=` -> `abcd`: four letters of a-j, repeats allowed. Higher levels are longer, over wider alphabets.
Every question comes from the tenth of all strings that `held_out` names, and training draws from the rest (the demo model
does, and `sort_letters@split=train`), so that a score is never a score on training strings. Protocol: exact match of the
whole answer; our own definition. Pitfall: no text normalisation, which would drop an "a". The questions are drawn
independently of each other: no clusters. Data: generated, Apache-2.0 like the code.
"""

from __future__ import annotations

import math
import random
import string

from evalsuite import Prompt, Sample, Sampling, Shot, Task, ask, task
from evalsuite.verifiers.exact import ExactVerifier

from ._draw import Family, sha256_modulo

LEVELS = {1: (4, 10), 2: (6, 16), 3: (8, 26), 4: (12, 26), 5: (16, 26)}  # level: (letters, alphabet)
# Three letters: no question of any level, and none that a trainer of level 1 sees.
SHOTS = (Shot("sort cab=", "abc"), Shot("sort jjd=", "djj"), Shot("sort gef=", "efg"), Shot("sort bib=", "bbi"))
PROMPT = Prompt(
    name="sort_letters",
    user="Put the letters after the word sort into alphabetical order, keeping repeated letters. "
    "Answer with the sorted letters only.\n\n{problem}",
    plain="{problem}",
    gap="",
    plain_stop=("\n",),
)


def held_out(letters: str) -> bool:
    """Whether a string belongs to the tenth that is for evaluation only: sha256(letters) mod 10 = 0."""
    return sha256_modulo(letters, 10) == 0


def chance(level: int) -> float:
    """Score of giving the letters back in random order: the mean of 1 / (orders of the letters) over all strings.

    A multiset of letters with p orders occurs p times among the A^n strings, so this is (number of multisets) / A^n.
    """
    n, alphabet = LEVELS[level]
    return math.comb(alphabet + n - 1, n) / alphabet**n


def _make(rng: random.Random, level: int) -> Sample:
    n, alphabet = LEVELS[level]
    letters = "".join(rng.choice(string.ascii_lowercase[:alphabet]) for _ in range(n))
    return ask(f"sort {letters}=", id="", target="".join(sorted(letters)))


def _held_out(sample: Sample) -> bool:
    return held_out(sample.problem.removeprefix("sort ").removesuffix("="))


FAMILY = Family("sort_letters", LEVELS, _make, held_out=_held_out, settled=0)


@task("sort_letters", tags=("reasoning", "generated"))
def sort_letters(level: int = 1, size: int = 200, seed: int = 0, split: str = "test") -> Task:
    """Letters in alphabetical order, `sort dbca=` -> `abcd`. Generated; levels 1 (4 letters of 10) to 5 (16 of 26)."""
    return Task(
        samples=FAMILY.questions(level, size, seed, split),
        prompt=PROMPT,
        verifier=ExactVerifier(),
        sampling=Sampling(temperature=1.0, max_tokens=16 if level < 4 else 32),
        metrics=("avg", "pass@8", "maj@8"),
        fewshot=SHOTS,
        chance=chance(level),
    )
