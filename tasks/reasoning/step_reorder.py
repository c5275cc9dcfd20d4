"""Step reorder: the steps of a generated derivation are shuffled, and an order in which they can be taken is wanted.

After the step-reorder pretext task of MR-RLVR, which matches positions in a reference order. A derivation has many valid
orders, so any topological order of its dependencies is right here: a step may stand only after the steps whose names its
formula uses. Levels are derivations of 4-5, 5-7 and 8-9 steps. The listed order itself is never valid. Protocol: the
step numbers in order, in a box, all or nothing (`precedence` in the parts is the share of dependencies kept). Pitfall: with
4 steps a random order is right in one case of twelve; compare with `chance`. Every question has a derivation of its own and
its template is drawn at random: no clusters. Data: generated, Apache-2.0 like the code.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from evalsuite import Prompt, Sample, Sampling, Shot, Task, ask, task
from evalsuite.verifiers.order import OrderVerifier

from ._derivations import LEVELS, derive, needs
from ._draw import Family

PROMPT = Prompt(
    name="boxed",
    user="{problem}\n\nPut the steps into an order in which every step uses only what is given and the results of earlier "
    "steps. Give all step numbers in that order, separated by commas, in \\boxed{}.",
    plain="{problem}\nOrder:",
    plain_stop=("\n",),
)
SHOTS = (
    Shot(
        "Given P = 3x^2 + 2x, k = 2, find the value of the derivative of P at x = k.\n"
        "(1) V = A at x = k = 14\n(2) A = derivative of P = 6x + 2",
        "\\boxed{2, 1}",
    ),
    Shot(
        "Given a = 2, b = 5, find the square of a + b plus a*b.\n"
        "(1) T = B + C = 59\n(2) A = a + b = 7\n(3) C = a*b = 10\n(4) B = A^2 = 49",
        "\\boxed{2, 4, 3, 1}",
    ),
)


def linear_extensions(before: Sequence[Sequence[int]]) -> int:
    """In how many orders the steps can be taken, where `before[i]` are the steps that step i needs. Time O(n 2^n)."""
    ways = {0: 1}
    for done in range(1, 1 << len(before)):
        last = (i for i in range(len(before)) if done >> i & 1)
        ways[done] = sum(ways[done ^ 1 << i] for i in last if all((done ^ 1 << i) >> j & 1 for j in before[i]))
    return ways[(1 << len(before)) - 1]


def chance(level: int) -> float:
    """Score of a random order: valid orders / n!, the mean over the level's templates, which are equally likely."""
    graphs = [needs(template) for template in LEVELS[level]]
    return sum(linear_extensions(g) / math.factorial(len(g)) for g in graphs) / len(graphs)


def _make(rng: random.Random, level: int) -> Sample:
    found = derive(rng, rng.choice(LEVELS[level]))
    listed = list(range(len(found.names)))
    while _valid(listed, found.needs):
        rng.shuffle(listed)
    number = {step: i + 1 for i, step in enumerate(listed)}
    lines = (f"({number[step]}) {found.line(step)}" for step in listed)
    before = sorted([number[needed], number[step]] for step, all_needed in enumerate(found.needs) for needed in all_needed)
    tests = {"steps": len(listed), "before": before}
    return ask("\n".join((found.statement, *lines)), id="", tests=tests)


def _valid(order: Sequence[int], needed: Sequence[Sequence[int]]) -> bool:
    place = {step: i for i, step in enumerate(order)}
    return all(place[n] < place[step] for step in order for n in needed[step])


FAMILY = Family("step_reorder", LEVELS, _make)


@task("step_reorder", tags=("reasoning", "generated"))
def step_reorder(level: int = 1, size: int = 200, seed: int = 0, split: str = "test") -> Task:
    """A valid order for the shuffled steps of a derivation. Generated with sympy; levels 1 (4-5 steps) to 3 (8-9 steps)."""
    return Task(
        samples=FAMILY.questions(level, size, seed, split),
        prompt=PROMPT,
        verifier=OrderVerifier(),
        sampling=Sampling(temperature=1.0, max_tokens=1024),
        metrics=("avg", "pass@8", "maj@8", "part:precedence"),
        fewshot=SHOTS,
        chance=chance(level),
        exempt={"other_gold": "an order that is valid for one derivation can be valid for another of as many steps"},
    )
