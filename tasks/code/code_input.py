"""Which input gives this output? Generated Python programs, one question each: abduction of Absolute Zero, without its
proposer.

After Absolute Zero (arXiv 2505.03335), which has a model write the programs; ours come from a grammar (`_programs.py`). Levels
as in `code_output`. Protocol: arguments as Python literals in a block tagged `input`; the program is run on them in the
sandbox, and any arguments for which it returns the output, of the same types, are right. Pitfalls: there is no single answer,
so that no majority vote is reported; easy guesses (zeros, ones, empty and one-element values, the output itself) are wrong by
construction; an input on which the program never ends is worth 0. Questions about the same program share a cluster, which is
rare. Data: generated, Apache-2.0 like the code.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

from evalsuite import Prompt, Sample, Sampling, Shot, Task, ask, task
from evalsuite.verifiers.code.preimage import PreimageVerifier

from ..reasoning._draw import Family
from ._programs import Program, draw_program

# Score of inputs of other questions whose program takes the same types, among 2,000 draws (levels 1 and 2) to 400 (5).
CHANCE = {1: 0.005, 2: 0.005, 3: 0.006, 4: 0.008, 5: 0.009}
EASY: dict[str, tuple[Any, ...]] = {
    "int": (0, 1, 2, 10),
    "count": (0, 1, 2, 10),
    "phrase": ("", "a", "a b", "hello world"),
    "ints": ([], [0], [1], [1, 2, 3]),
    "words": ([], [""], ["a"], ["a", "b", "c"]),
    "table": ({}, {"a": 1}, {"a": 1, "b": 2}),
    "rows": ([], [[]], [[0]], [[1, 2], [3, 4]]),
}
PROMPT = Prompt(
    name="input",
    user="{problem} Any arguments that give exactly this value are right.\n\nWork step by step, then give the arguments as "
    "Python literals, separated by commas, in a block like this:\n```input\n[1, 2], 'a'\n```",
    gap="\n\n",
    plain_stop=("\n```\n",),
)
SHOTS = (
    Shot(
        "```python\ndef f(numbers, k):\n    above = [n for n in numbers if n > k]\n    return sum(above) ** 2\n```\n\n"
        "Find arguments for which `f` returns `169`.",
        "The sum must be 13 or -13. With k = 4 the numbers 8 and 5 are above k, and 8 + 5 = 13.\n\n```input\n[8, 5], 4\n```",
    ),
    Shot(
        '```python\ndef f(words):\n    first, *others = words\n    return {first: len("".join(others))}\n```\n\n'
        "Find arguments for which `f` returns `{'ant': 6}`.",
        "The first word is 'ant', and the others have 6 characters together.\n\n```input\n['ant', 'kitten']\n```",
    ),
)


def _make(rng: random.Random, level: int) -> Sample | None:
    program = draw_program(rng, level)
    if program is None:
        return None
    counts = Counter(repr(example.output) for example in program.examples)
    example = rng.choice(program.examples)
    if counts[repr(example.output)] > 1 or _easy(program, example.output):
        return None
    question = f"```python\n{program.source}```\n\nFind arguments for which `f` returns `{example.output!r}`."
    tests = {"program": program.source, "entry_point": "f", "output": repr(example.output)}
    return ask(question, id="", target=example.arguments, tests=tests, cluster=program.digest())


def _easy(program: Program, output: Any) -> bool:
    """Whether a guess that needs no look at the program gives the output."""
    function = program.function()
    guesses = itertools.product(*((1, 2, 3) if p.small else EASY[p.kind] for p in program.params))
    for arguments in (*guesses, (output,)):
        try:
            if function(*arguments) == output:
                return True
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            continue  # no input of this program
    return False


FAMILY = Family("code_input", CHANCE, _make)


@task("code_input", tags=("code", "generated", "reasoning"))
def code_input(level: int = 1, size: int = 200, seed: int = 0, split: str = "test") -> Task:
    """Any input for which a short Python program returns a given output. Generated; levels 1 to 5 as `code_output`."""
    return Task(
        samples=FAMILY.questions(level, size, seed, split),
        prompt=PROMPT,
        verifier=PreimageVerifier(),
        sampling=Sampling(temperature=1.0, max_tokens=2048),
        metrics=("avg", "pass@8"),
        fewshot=SHOTS,
        chance=CHANCE[level],
        exempt={"other_gold": "any input that gives the output is right, so that another question's may be"},
    )
