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
from evalsuite.errors import IncompleteError
from evalsuite.evaluate import RUNS, run
from evalsuite.files import write_atomically
from evalsuite.models import load
from evalsuite.plan import Settings, make_plans
from evalsuite.registry.recipes import trainers
from evalsuite.table import markdown

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
        Arm(
            "flawed",
            "sft",
            {**IMITATED, "rollout.demos": str(flawed), "rollout.verify": False},
            "more of the same flawed teacher",
        ),
        Arm("labels", "sft", {**IMITATED, "rollout.demos": "solutions"}, "right answers to imitate"),
        Arm("coin", "random_reward", SAMPLED, "RL on coin tosses"),
    )


@dataclass(frozen=True)
class Showcase:
    """The model and what became of it: `comparison` has the model first and the arms in order; `trained` are their folders."""

    comparison: Comparison
    arms: tuple[Arm, ...]
    trained: Mapping[str, Path]
    steps: int

    def __str__(self) -> str:
        rows = []
        for i, (name, says) in enumerate([("demo", "the model"), *((arm.name, arm.says) for arm in self.arms)]):
            avg, best = self._shown(i, "avg"), self._shown(i, "pass@8")
            rows.append([f"`{name}`", *avg, best[0], says])
        table = markdown(
            ["run", "avg@8", "against `demo`", "pass@8", "what it is"], rows, right=("avg@8", "against `demo`", "pass@8")
        )
        return f"{table}\n\n{self.verdict()}"

    def _shown(self, run: int, metric: str) -> tuple[str, str]:
        """The value of a run, and its difference to the model with a 95 % interval, both in points."""
        difference = self._difference(max(run, 1), metric)
        if run == 0:
            return f"{100 * difference.mean_a:.1f}", ""
        low, high = 100 * difference.low, 100 * difference.high
        return f"{100 * difference.mean_b:.1f}", f"{100 * difference.value:+.1f} [{low:+.1f}, {high:+.1f}]"

    def _difference(self, run: int, metric: str) -> Any:
        (found,) = (row for row in self.comparison.contrasts[run - 1].rows if row.metric.startswith(metric))
        return found.difference

    def verdict(self) -> str:
        """What the comparison shows, and no more."""
        gain, sharper = self._difference(1, "avg"), self._difference(2, "avg")
        real = "a real gain" if gain.low > 0 else "no gain that can be told from chance" if gain.high > 0 else "a real loss"
        part = max(0.0, sharper.value) / gain.value if gain.value > 0 else 0.0
        return (
            f"{self.steps} steps of RL on the verifier's rewards: {100 * gain.value:+.1f} points, {real} on questions that no run was "
            f"trained on. Imitating the flawed teacher for as many steps gives {100 * sharper.value:+.1f} points ({part:.0%} of it): "
            "that part needs no verifier. One seed and one small model: how large such a gain is elsewhere is not shown here."
        )


def showcase(
    model: Path, steps: int = 50, seed: int = 0, runs: Path = RUNS, output: Path | None = None, watch: Any = None
) -> Showcase:
    """Train every arm from `model`, evaluate all, and compare them with the model question by question.

    The same call goes on where an earlier one stopped. `output` is where training runs go, `watch` what they report to. Raises as
    `evalsuite.trainers.train` and `evalsuite.run` do.
    """
    with demo.one_thread():
        return _showcase(model, steps, seed, runs, output or trainers().RUNS, watch)


def _showcase(model: Path, steps: int, seed: int, runs: Path, output: Path, watch: Any) -> Showcase:
    from evalsuite.api import compare

    chosen = arms(_flawed_answers(model, seed))
    found = [_evaluate(model, "demo", seed, runs)]
    trained = {}
    for arm in chosen:
        made = trainers().train(
            arm.recipe,
            str(model),
            TRAIN,
            settings=arm.settings,
            steps=steps,
            seed=seed,
            save_every=steps,
            output=output,
            watch=watch,
        )
        trained[arm.name] = made.path
        found.append(_evaluate(made.checkpoint, arm.name, seed, runs))
    comparison = compare(*found, metrics=("avg", "pass@8"), tasks=[TEST], moved=0)
    return Showcase(comparison, chosen, trained, steps)


def _evaluate(checkpoint: Path, name: str, seed: int, runs: Path) -> Path:
    model = load(str(checkpoint))
    model.name = name
    result = run(model, TEST, repeats=REPEATS, seed=seed, output=runs)
    if result.exit_code:
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
