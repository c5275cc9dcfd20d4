"""The demo's second half: the small model improved by RL on its verifier's rewards, beside three controls.

Every run takes the same steps from the same checkpoint: 64 questions of the train split x 8 rows, AdamW at 3e-4. The controls are
imitation of the flawed teacher (what the model was made from, continued), imitation of right answers, and coin tosses as reward.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite import demo
from evalsuite.comparison.compare import Row
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
LOOKS = 5  # evaluations on the way, for the curves; no number of the comparison depends on them
OPTIM = {"optim.lr": 3e-4, "optim.betas": [0.9, 0.95], "optim.warmup": 5}
SAMPLED = {**OPTIM, "rollout.prompts": QUESTIONS, "rollout.group": GROUP, "admit.refill": 0}
IMITATED = {**OPTIM, "rollout.prompts": QUESTIONS * GROUP}
NO_VERIFIER = ("flawed", "coin")  # controls that know of no answer whether it is right
ALPHA = 0.05


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


class Gap(NamedTuple):
    """A paired difference in shares, its 95 % interval, and its p-value corrected for all that were tested with it."""

    value: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        return f"{100 * self.value:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"

    @property
    def sign(self) -> int:
        """1 or -1 where the difference is significant after correction, else 0."""
        return (self.value > 0) - (self.value < 0) if self.p <= ALPHA else 0

    def __neg__(self) -> Gap:
        return Gap(0.0 - self.value, 0.0 - self.high, 0.0 - self.low, self.p)  # no -0.0


def verdict(steps: int, gain: Gap, above: Mapping[str, Gap], labels: Gap) -> str:
    """What the paired differences show, and no more.

    `gain` is RL less the model that it started from, `above` RL less each control that needs no verifier, by name, and `labels`
    RL less imitation of right answers.
    """
    called = {1: "a gain", 0: "not to be told from none", -1: "a loss"}
    placed = {1: "above", 0: "not told apart", -1: "below"}
    beside = "; ".join(f"`{name}` {gap}, {placed[gap.sign]}" for name, gap in [*above.items(), ("labels", labels)])
    short = [f"`{name}`" for name, gap in above.items() if gap.sign < 1]
    if short:
        whose = f"RL is not shown to be above {' and '.join(short)}: that a gain comes from the verifier is not shown."
    elif gain.sign < 1:
        whose = "RL is above the controls that need no verifier, and not shown to be above the model."
    else:
        whose = "RL is above the model and above every control that needs no verifier."
    right = {
        1: "Right answers to imitate do worse than RL.",
        0: "Right answers to imitate and RL cannot be told apart.",
        -1: "Right answers to imitate do better than RL.",
    }
    return (
        f"{steps} step{'s' * (steps > 1)} of RL on the verifier's rewards: {gain} points against the model, {called[gain.sign]}. Less its controls, "
        f"question by question: {beside}. {whose} {right[labels.sign]} Intervals are 95 %; gain, loss, above and below hold at "
        f"{100 * ALPHA:.0f} % after Holm's correction, on questions that no run was trained on. One seed and one small model: how large "
        "such a gain is elsewhere is not shown here."
    )


@dataclass(frozen=True)
class Showcase:
    """The model and what became of it.

    `comparison` has the model first and the arms in order, `beside` the arms alone, RL first; `trained` are their folders.
    """

    comparison: Comparison
    beside: Comparison
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
        """The value of a run, and its difference to the model, both in points."""
        row = _row(self.comparison, max(run, 1), metric)
        if run == 0:
            return f"{100 * row.difference.mean_a:.1f}", ""
        return f"{100 * row.difference.mean_b:.1f}", str(_gap(row))

    def verdict(self) -> str:
        """`verdict` of this comparison."""
        less = {arm.name: -_gap(_row(self.beside, i, "avg")) for i, arm in enumerate(self.arms) if i}  # rows are others less RL
        above = {name: less[name] for name in NO_VERIFIER}
        return verdict(self.steps, _gap(_row(self.comparison, 1, "avg")), above, less["labels"])


def _row(comparison: Comparison, run: int, metric: str) -> Row:
    (found,) = (row for row in comparison.contrasts[run - 1].rows if row.metric.startswith(metric))
    return found


def _gap(row: Row) -> Gap:
    return Gap(row.difference.value, row.difference.low, row.difference.high, row.p_adjusted)


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
            eval_tasks=TEST,
            eval_every=max(1, steps // LOOKS),
            eval_repeats=4,
            eval_limit=100,
            output=output,
            watch=watch,
        )
        trained[arm.name] = made.path
        found.append(_evaluate(made.checkpoint, arm.name, seed, runs))
    comparison = compare(*found, metrics=("avg", "pass@8"), tasks=[TEST], moved=0)
    beside = compare(*found[1:], metrics=("avg",), tasks=[TEST], moved=0)
    return Showcase(comparison, beside, chosen, trained, steps)


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
