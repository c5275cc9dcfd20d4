"""Linear equations: generated, with exact rational answers.

Level 1 `ax + b = c` with an integer solution, 2 `ax + b = cx + d` with a rational one, 3 the same with brackets, 4 two
unknowns, 5 three unknowns, with integer solutions. Systems always have exactly one solution. Protocol: the value of x, or
the tuple (x, y) or (x, y, z), compared exactly as rationals; our own definition. Pitfalls: a decimal that rounds the
solution is wrong; at levels 1, 4 and 5 the solutions lie in -9..9, so guessing is worth something. The questions are drawn
independently: no clusters. Data: generated, Apache-2.0 like the code.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

from evalsuite import Sample, Sampling, Shot, Task, ask, task
from evalsuite.verifiers.math import MathVerifier

from ._draw import Family
from ._prompts import BOXED

# Score of the best fixed answer: exact where solutions are uniform on -9..9, else the most frequent of 100,000 draws.
CHANCE = {1: 1 / 19, 2: 0.041, 3: 0.013, 4: 1 / 19**2, 5: 1 / 19**3}
# With coefficients above 9 and 12: no question of any level.
SHOTS = (
    Shot("Solve 15x + 4 = 79 for x.", "15x = 75, so x = 5. \\boxed{5}"),
    Shot("Solve 15x - 2 = 2x + 5 for x.", "13x = 7, so x = 7/13. \\boxed{7/13}"),
    Shot("Solve 2(15x - 3) = 4(2x + 1) for x.", "30x - 6 = 8x + 4, so 22x = 10 and x = 5/11. \\boxed{5/11}"),
    Shot(
        "Solve the system 10x + y = 23, 2x - y = 1 for (x, y).",
        "Adding both gives 12x = 24, so x = 2 and y = 3. \\boxed{(2, 3)}",
    ),
)


def _side(coefficients: Sequence[int], names: str = "xyz") -> str:
    """`[3, -1, 4]` -> `3x - y + 4`: one coefficient per name, and a constant where there is one more."""
    text = ""
    for value, name in zip(coefficients, (*names[: len(coefficients)], "")):
        if value:
            size = "" if name and abs(value) == 1 else str(abs(value))
            text += (" - " if value < 0 else " + ") + size + name
    text = text.removeprefix(" + ")
    return "-" + text[3:] if text.startswith(" - ") else text or "0"


def _nonzero(rng: random.Random, largest: int) -> int:
    return rng.choice((-1, 1)) * rng.randint(1, largest)


def _one_unknown(rng: random.Random, level: int) -> Sample | None:
    a, b, c, d = (_nonzero(rng, 12) for _ in range(4))
    if level == 1:
        solution = Fraction(rng.randint(-9, 9))
        left, right = _side([a, b], "x"), str(a * int(solution) + b)
    elif level == 2:
        left, right = _side([a, b], "x"), _side([c, d], "x")
        solution = Fraction(d - b, a - c) if a != c else None
    else:
        p, q = rng.randint(2, 9), rng.randint(2, 9)
        left, right = f"{p}({_side([a, b], 'x')})", f"{q}({_side([c, d], 'x')})"
        solution = Fraction(q * d - p * b, p * a - q * c) if p * a != q * c else None
    return None if solution is None else ask(f"Solve {left} = {right} for x.", id="", target=str(solution))


def _system(rng: random.Random, level: int) -> Sample | None:
    n = level - 2
    solution = [rng.randint(-9, 9) for _ in range(n)]
    rows = [[rng.randint(-9, 9) for _ in range(n)] for _ in range(n)]
    if not _determinant(rows) or any(sum(map(bool, row)) < 2 for row in rows):
        return None
    names = "xyz"[:n]
    equations = [f"{_side(row, names)} = {sum(a * x for a, x in zip(row, solution))}" for row in rows]
    unknowns = f"({', '.join(names)})"
    return ask(f"Solve the system {', '.join(equations)} for {unknowns}.", id="", target=f"({', '.join(map(str, solution))})")


def _determinant(rows: Sequence[Sequence[int]]) -> int:
    """By expansion along the first row."""
    if len(rows) == 1:
        return rows[0][0]
    minors = ([[*row[:j], *row[j + 1 :]] for row in rows[1:]] for j in range(len(rows)))
    return sum((-1) ** j * rows[0][j] * _determinant(minor) for j, minor in enumerate(minors))


def _make(rng: random.Random, level: int) -> Sample | None:
    return _one_unknown(rng, level) if level < 4 else _system(rng, level)


FAMILY = Family("linear_equations", CHANCE, _make)


@task("linear_equations", tags=("reasoning", "generated", "math"))
def linear_equations(level: int = 1, size: int = 200, seed: int = 0, split: str = "test") -> Task:
    """Linear equations and systems with exact answers. Generated; levels 1 (ax + b = c) to 5 (three unknowns)."""
    return Task(
        samples=FAMILY.questions(level, size, seed, split),
        prompt=BOXED,
        verifier=MathVerifier(),
        sampling=Sampling(temperature=1.0, max_tokens=1024),
        metrics=("avg", "pass@8", "maj@8"),
        fewshot=SHOTS,
        chance=CHANCE[level],
    )
