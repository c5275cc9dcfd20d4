"""The demo's second half: the small model improved by RL on its verifier's rewards, beside three controls.

Every run takes the same steps from the same checkpoint: 64 questions of the train split x 8 rows, AdamW at 3e-4. The controls are
imitation of the flawed teacher (what the model was made from, continued), imitation of right answers, and coin tosses as reward.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite import demo
from evalsuite.comparison.many import Comparison
from evalsuite.evaluate import RUNS, run
from evalsuite.files import write_atomically
from evalsuite.models import load
from evalsuite.plan import Settings, make_plans
from evalsuite.registry.recipes import trainers

TRAIN = "sort_letters@split=train:size=3000"
TEST = "sort_letters"
QUESTIONS = 64
GROUP = 8
REPEATS = 8
OPTIM = {"optim.lr": 3e-4, "optim.betas": [0.9, 0.95], "optim.warmup": 5}
SAMPLED = {**OPTIM, "rollout.prompts": QUESTIONS, "rollout.group": GROUP, "admit.refill": 0}
IMITATED = {**OPTIM, "rollout.prompts": QUESTIONS * GROUP}


@dataclass(frozen=True)
class Arm:
    """One way to spend the steps: the `recipe` that trains, its settings, and what it stands for."""

    name: str
    recipe: str
    settings: Mapping[str, Any]
    says: str


def arms(flawed: Path) -> tuple[Arm, ...]:
    """RL and its controls; `flawed` holds the flawed teacher's answers."""
    return (
        Arm("dapo", "dapo", SAMPLED, "RL: reward 1 where the verifier finds the answer right, else 0"),
        Arm("flawed", "sft", {**IMITATED, "rollout.demos": str(flawed), "rollout.verify": False}, "more of the same flawed teacher"),
        Arm("labels", "sft", {**IMITATED, "rollout.demos": "solutions"}, "right answers to imitate"),
        Arm("coin", "random_reward", SAMPLED, "RL on coin tosses"),
    )


def showcase(model: Path, steps: int = 50, seed: int = 0, runs: Path = RUNS, output: Path | None = None) -> Comparison:
    """Train every arm from `model`, evaluate all, and compare them with the model question by question.

    The same call goes on where an earlier one stopped. Raises as `evalsuite.trainers.train` and `evalsuite.run` do.
    """
    from evalsuite.api import compare

    library = trainers()
    flawed = _flawed_answers(model, seed)
    found = [_evaluate(model, "demo", seed, runs)]
    for arm in arms(flawed):
        trained = library.train(
            arm.recipe,
            str(model),
            TRAIN,
            settings=arm.settings,
            steps=steps,
            seed=seed,
            save_every=steps,
            **({"output": output} if output else {}),
        )
        found.append(_evaluate(trained.checkpoint, arm.name, seed, runs))
    return compare(*found, metrics=("avg", "pass@8"), tasks=[TEST], moved=0)


def _evaluate(checkpoint: Path, name: str, seed: int, runs: Path) -> Path:
    model = load(str(checkpoint))
    model.name = name
    result = run(model, TEST, repeats=REPEATS, seed=seed, output=runs)
    if result.exit_code:
        from evalsuite.errors import IncompleteError

        raise IncompleteError(f"the evaluation of {name} is incomplete: {result.stopped or result.path}")
    return Path(result.path)


def _flawed_answers(model: Path, seed: int) -> Path:
    """The teacher's answers to the train split, as it gave them before: `FLAWED` of them stop after one bubble pass."""
    import random

    (plan,), _ = make_plans([TRAIN], Settings())
    rng = random.Random(seed)
    rows = []
    for sample in plan.samples:
        letters = sample.problem.removeprefix("sort ").removesuffix("=")
        text = demo.bubble_pass(letters) if rng.random() < demo.FLAWED else sample.target
        rows.append(json.dumps({"task": plan.name, "id": sample.id, "text": text}) + "\n")
    path = model / "flawed.jsonl"
    write_atomically(path, "".join(rows).encode())
    return path
