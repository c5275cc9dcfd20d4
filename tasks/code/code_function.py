"""Which function did this? Generated Python programs, one question each: induction of Absolute Zero, without its proposer.

After Absolute Zero (arXiv 2505.03335), which has a model write the programs; ours come from a grammar (`_programs.py`). Levels
as in `code_output`. Protocol: six calls with their results and a message that says roughly what the program does (as there);
the answer is a function `f` in a Python block, which has to give the right results for eight other calls. `parts` hold the
share of these (`part:passed`). Pitfalls: every call has a result of its own, so that a function that knows the six by heart
passes none of the eight; from level 3 on the calls seldom determine the program, and few answers are right. Questions about
the same program share a cluster, which is rare. Data: generated, Apache-2.0 like the code.
"""

from __future__ import annotations

import random

from evalsuite import Prompt, Sample, Sampling, Shot, Task, ask, task
from evalsuite.verifiers.code import CodeVerifier

from ..reasoning._draw import Family
from ._programs import draw_program

LEVELS = (1, 2, 3, 4, 5)
SHOWN, HIDDEN = 6, 8  # calls
PROMPT = Prompt(
    name="function",
    user="Find the Python function `f` behind these calls. It is tested on other calls.\n\n{problem}\n\nWork step by step, then "
    "give the function in one markdown code block that starts with ```python. It must be named `f`, be deterministic, and "
    "neither read nor print anything.",
    plain="{problem}",
    gap="\n\n",
    plain_stop=("\n```\n",),
)
SHOTS = (
    Shot(
        "f([3, 8, 5, 1], 4) == 169\nf([2, 9], 3) == 81\nf([7, 7, 1], 6) == 196\nf([4, 1, 10], 2) == 196\nf([5, 6, 2], 5) == 36\n"
        "f([20, 3], 9) == 400\n\nMessage: Adds up the numbers above a limit, then squares the sum.",
        "In the first call 8 and 5 are above 4, and (8 + 5) ** 2 is 169; in the fifth only 6 is above 5, and 6 ** 2 is 36.\n\n"
        "```python\ndef f(numbers, k):\n    return sum(n for n in numbers if n > k) ** 2\n```",
    ),
)


def _make(rng: random.Random, level: int) -> Sample | None:
    program = draw_program(rng, level)
    if program is None:
        return None
    different = {repr(example.output): example for example in program.examples}
    calls = list(different.values())[: SHOWN + HIDDEN]
    if len(calls) < SHOWN + HIDDEN:
        return None
    shown, hidden = calls[:SHOWN], calls[SHOWN:]
    lines = "\n".join(f"f({call.arguments}) == {call.output!r}" for call in shown)
    tests = {"inputs": [list(call.args) for call in hidden], "outputs": [call.output for call in hidden], "entry_point": "f"}
    return ask(
        f"{lines}\n\nMessage: {program.message}",
        id="",
        tests=tests,
        cluster=program.digest(),
        privileged={"reference": program.source},
    )


FAMILY = Family("code_function", LEVELS, _make)


@task("code_function", tags=("code", "generated", "reasoning"))
def code_function(level: int = 1, size: int = 200, seed: int = 0, split: str = "test") -> Task:
    """The Python function behind six calls, judged by eight others. Generated; levels 1 to 5 as `code_output`."""
    return Task(
        samples=FAMILY.questions(level, size, seed, split),
        prompt=PROMPT,
        verifier=CodeVerifier(),
        sampling=Sampling(temperature=1.0, max_tokens=2048),
        metrics=("avg", "pass@8", "part:passed"),
        fewshot=SHOTS,
        exempt={"other_gold": "two programs may compute the same function, so that another question's may be right"},
    )
