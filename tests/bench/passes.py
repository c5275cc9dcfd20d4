"""A task whose answers are worth thinking about: bubble sort written out, one pass per line, the last line being the answer.

`sort dbca=` -> `bcad`, `bcad`, ... Three passes sort any four letters and fewer sort some, so an answer can be right at many lengths,
from 5 tokens to the 40 there is room for, and a shorter one costs either nothing or the answer.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

from experiments import TRAIN, demo_model, fit

from evalsuite import Prompt, Sampling, Task
from evalsuite.demo import bubble_pass
from evalsuite.plan import Settings, make_plans
from evalsuite.registry import load_task

COUNTS = range(1, 7)  # passes after which the teacher stops, in order or not
COLD = {
    "optim.lr": 2e-3,
    "optim.betas": [0.9, 0.95],
    "optim.warmup": 5,
    "optim.schedule": "linear",
    "rollout.prompts": 128,
    "rollout.verify": False,
}


def passes(spec: str) -> Task:
    """The questions of a sort_letters task, to be answered in lines of which the last one counts."""
    prompt = Prompt(name="passes", user="{problem}", plain="{problem}", gap="")
    sampling = Sampling(temperature=1.0, max_tokens=40)
    return replace(load_task(spec), name="passes", prompt=prompt, sampling=sampling, metrics=("avg",))


def teacher(letters: str, count: int) -> str:
    """So many passes."""
    lines = []
    for _ in range(count):
        letters = bubble_pass(letters)
        lines.append(letters)
    return "\n".join(lines)


def thinker(work: Path, seed: int, steps: int) -> Path:
    """The demo model of this seed after `steps` updates of imitation: of every question, three demonstrations of unlike length."""
    model = demo_model(work, seed)
    task = passes(TRAIN)
    (plan,), _ = make_plans([task], Settings())
    rng = random.Random(seed)
    rows = [
        {"id": sample.id, "text": teacher(sample.problem.removeprefix("sort ").removesuffix("="), count)}
        for sample in plan.samples
        for count in rng.sample(COUNTS, 3)
    ]
    demos = model / "passes.jsonl"
    demos.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = COLD | {"rollout.demos": str(demos)}
    return fit(f"sft, seed {seed}", "sft", model, task, settings=settings, steps=steps, seed=seed, work=work)[0]
