"""Integer arithmetic: generated expressions over +, -, *, // (division rounded down) and mod.

A level is the number of operations (1 to 5); operands have at most 2 digits at levels 1 and 2, then 3. Precedence is that
of Python, with `mod` binding like `*`; operands of // and mod are positive, so that every convention of rounding agrees,
and the left one is the larger, as trivial results would make 0 a good guess; nothing is multiplied by 0; no intermediate
value exceeds a million. Brackets are printed where they are needed and nowhere else. Protocol: the last number of the answer, compared as an integer; our own definition. Pitfall: 64 new
tokens suffice for a direct answer, not for a model that thinks (raise max_tokens). The questions are drawn independently:
no clusters. Data: generated, Apache-2.0 like the code.
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

from evalsuite import Prompt, Sample, Sampling, Shot, Task, ask, task
from evalsuite.errors import UsageError
from evalsuite.verifiers.math import MathVerifier

from ._draw import Family

OPERATIONS = ("+", "-", "*", "//", "mod")
LARGEST = 10**6
# Share of the most frequent answer among 200,000 draws per level, all operations: the score of the best fixed answer.
CHANCE = {1: 0.075, 2: 0.037, 3: 0.028, 4: 0.024, 5: 0.022}
# At most two operations, with an operand of 3 digits: no question of any level.
SHOTS = (Shot("120 + 35", "155"), Shot("3 * (111 - 104)", "21"), Shot("117 // 5", "23"), Shot("117 mod 5 - 9", "-7"))
DIRECT = Prompt(
    name="direct",
    user="Compute the value of the expression, where // is division rounded down and mod is the remainder. "
    "Answer with the integer only.\n\n{problem}",
    plain="{problem} =",
    plain_stop=("\n",),
)
BOXED = Prompt(
    name="boxed",
    user="Compute the value of the expression, where // is division rounded down and mod is the remainder. "
    "Work step by step, then give the integer in \\boxed{}.\n\n{problem}",
    plain="{problem} =",
    plain_stop=("\n",),
)


class Term(NamedTuple):
    """A printed expression, its value, and how tightly it binds: 0 sum, 1 product, 2 number or brackets."""

    text: str
    value: int
    binds: int


def _join(op: str, left: Term, right: Term) -> Term | None:
    """`left op right` with the brackets it needs; None where a value is out of range."""
    binds = 0 if op in "+-" else 1
    a, b = left.value, right.value
    if (op in ("//", "mod") and not a > b > 1) or (op == "*" and not a * b):
        return None
    value = {"+": a + b, "-": a - b, "*": a * b}.get(op)
    if value is None:
        value = a // b if op == "//" else a % b
    if abs(value) > LARGEST:
        return None
    # All five are left-associative: an equal right operand needs brackets, an equal left one does not.
    first = left.text if left.binds >= binds else f"({left.text})"
    second = right.text if right.binds > binds else f"({right.text})"
    return Term(f"{first} {op} {second}", value, binds)


def _term(rng: random.Random, operations: int, largest: int, ops: tuple[str, ...]) -> Term | None:
    if not operations:
        number = rng.randint(1, largest)
        return Term(str(number), number, 2)
    split = rng.randrange(operations)
    left, right = (_term(rng, n, largest, ops) for n in (split, operations - 1 - split))
    return None if left is None or right is None else _join(rng.choice(ops), left, right)


def _make(rng: random.Random, level: int, ops: tuple[str, ...]) -> Sample | None:
    term = _term(rng, level, 99 if level < 3 else 999, ops)
    return None if term is None else ask(term.text, id="", target=str(term.value))


def _operations(ops: str) -> tuple[str, ...]:
    """`+-*//` -> `+`, `-`, `*`, `//`. Raises UsageError for anything else in it."""
    chosen = tuple(op for op in OPERATIONS if op in re.findall(r"//|mod|[-+*]", ops))
    if not chosen or re.sub(r"//|mod|[-+*]", "", ops):
        raise UsageError(f"arithmetic: ops {ops!r} must be some of {' '.join(OPERATIONS)}, written together as in '+-*'")
    return chosen


FAMILY = Family("arithmetic", CHANCE, _make, options={"ops": OPERATIONS})


@task("arithmetic", tags=("reasoning", "generated", "math"))
def arithmetic(level: int = 1, size: int = 200, seed: int = 0, ops: str = "+-*//mod", split: str = "test") -> Task:
    """Integer expressions, `12 + 7 * 3` -> `33`. Generated; level = number of operations (1 to 5); `ops` picks some."""
    chosen = _operations(ops)
    return Task(
        samples=FAMILY.questions(level, size, seed, split, ops=chosen),
        prompt=DIRECT,
        prompts=(BOXED,),
        verifier=MathVerifier(integer=True),
        sampling=Sampling(temperature=1.0, max_tokens=64),
        metrics=("avg", "pass@8", "maj@8"),
        fewshot=SHOTS,
        chance=CHANCE[level] if chosen == OPERATIONS else None,
    )
