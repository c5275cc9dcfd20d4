"""What does this call return? Generated Python programs, one question each: deduction of Absolute Zero, without its proposer.

After Absolute Zero (arXiv 2505.03335), which has a model write the programs; ours come from a grammar (`_programs.py`), so
that they are unlimited, need no download and are the same for a seed everywhere. Levels 1 (one or two lines) to 5 (five or six
steps with helper functions). Protocol: the returned value as a Python literal in a block tagged `output`, equal in value and
type; nothing is run to score it. Pitfalls: 1, 1.0 and True are different answers, and a text needs its quotes; no output is
0, 1, empty or one of the arguments, as these would be good guesses. Questions about the same program share a cluster, which
is rare. Data: generated, Apache-2.0 like the code.
"""

from __future__ import annotations

import random

from evalsuite import Prompt, Sample, Sampling, Shot, Task, ask, task
from evalsuite.verifiers.code.literal import LiteralVerifier

from ..reasoning._draw import Family
from ._programs import draw_program

# Share of the most frequent answer among 6,000 draws (levels 1 and 2) to 1,200 (5): the score of the best fixed answer.
CHANCE = {1: 0.008, 2: 0.005, 3: 0.004, 4: 0.004, 5: 0.004}
PROMPT = Prompt(
    name="output",
    user="{problem}\n\nWork step by step, then give the returned value as a Python literal, in a block like this:\n"
    "```output\n[1, 'a']\n```",
    gap="\n\n",
    plain_stop=("\n```\n",),
)
SHOTS = (
    Shot(
        "```python\ndef f(numbers, k):\n    above = [n for n in numbers if n > k]\n    return sum(above) ** 2\n```\n\n"
        "What does `f([3, 8, 5, 1], 4)` return?",
        "8 and 5 are above 4. Their sum is 13, and 13 ** 2 is 169.\n\n```output\n169\n```",
    ),
    Shot(
        '```python\ndef f(words):\n    first, *others = words\n    return {first: len("".join(others))}\n```\n\n'
        "What does `f(['ant', 'bee', 'elk'])` return?",
        "`first` is 'ant'; the others are 'bee' and 'elk', 6 characters together.\n\n```output\n{'ant': 6}\n```",
    ),
)


def _make(rng: random.Random, level: int) -> Sample | None:
    program = draw_program(rng, level)
    if program is None:
        return None
    example = rng.choice(program.examples)
    question = f"```python\n{program.source}```\n\nWhat does `f({example.arguments})` return?"
    return ask(question, id="", target=repr(example.output), cluster=program.digest())


FAMILY = Family("code_output", CHANCE, _make)


@task("code_output", tags=("code", "generated", "reasoning"))
def code_output(level: int = 1, size: int = 200, seed: int = 0, split: str = "test") -> Task:
    """The value that a call of a short Python program returns. Generated; levels 1 (one or two lines) to 5 (helpers)."""
    return Task(
        samples=FAMILY.questions(level, size, seed, split),
        prompt=PROMPT,
        verifier=LiteralVerifier(),
        sampling=Sampling(temperature=1.0, max_tokens=2048),
        metrics=("avg", "pass@8", "maj@8"),
        fewshot=SHOTS,
        chance=CHANCE[level],
    )
