"""Masked-step fill: one value of a generated derivation is hidden and has to be given.

After the masked-step pretext task of MR-RLVR (its authors mask text of existing proofs and match it; here the derivations
are our own, so that the hidden value is unique and is checked by equivalence). Sympy computes every step; levels are
derivations of 4-5, 5-7 and 8-9 steps over polynomials and rationals. The value can be had from the step's own formula or
from a later step that uses it. Protocol: the hidden value or any equivalent expression, in a box. Pitfall: no other value
in the derivation equals the hidden one, so that copying what is shown is worth nothing. Every question has a derivation
of its own and its template is drawn at random: no clusters. Data: generated, Apache-2.0 like the code.
"""

from __future__ import annotations

import random

from evalsuite import Sample, Sampling, Shot, Task, ask, task
from evalsuite.verifiers.math import MathVerifier

from ._derivations import LEVELS, derive
from ._draw import Family
from ._prompts import BOXED

MASK = "[MASK]"
# Share of the most frequent answer among 5,000 draws per level: the score of the best fixed answer.
CHANCE = {1: 0.011, 2: 0.020, 3: 0.017}
SHOTS = (
    Shot(
        "Given P = 3x^2 + 2x, k = 2, find the value of the derivative of P at x = k.\n"
        "(1) A = derivative of P = [MASK]\n(2) V = A at x = k = 14\n"
        "What value stands at [MASK]? (Antiderivatives have constant term 0.)",
        "The derivative of 3x^2 + 2x is 6x + 2, and 6*2 + 2 = 14 as step 2 says. \\boxed{6x + 2}",
    ),
)


def _make(rng: random.Random, level: int) -> Sample:
    found = derive(rng, rng.choice(LEVELS[level]))
    hidden = rng.randrange(len(found.names))
    lines = (f"({i + 1}) {found.line(i, MASK if i == hidden else None)}" for i in range(len(found.names)))
    question = f"What value stands at {MASK}? (Antiderivatives have constant term 0.)"
    return ask("\n".join((found.statement, *lines, question)), id="", target=found.values[hidden])


FAMILY = Family("masked_step", CHANCE, _make)


@task("masked_step", tags=("reasoning", "generated", "math"))
def masked_step(level: int = 1, size: int = 200, seed: int = 0, split: str = "test") -> Task:
    """The hidden value of one step of a derivation. Generated with sympy; levels 1 (4-5 steps) to 3 (8-9 steps)."""
    return Task(
        samples=FAMILY.questions(level, size, seed, split),
        prompt=BOXED,
        verifier=MathVerifier(),
        sampling=Sampling(temperature=1.0, max_tokens=1024),
        metrics=("avg", "pass@8", "maj@8"),
        fewshot=SHOTS,
        chance=CHANCE[level],
    )
