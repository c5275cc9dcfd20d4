"""Length: GR3 beside plain GRPO and additive length terms, on a model that thinks longer than it needs to.

    python tests/bench/bench_length.py [--out results/experiments/length] [--work DIR] [--quick]

The model writes bubble sort out, one pass per line, and its last line is the answer (passes.py). It learnt that, by sft from the demo
model, of a teacher that stops after 1 to 6 passes, in order or not: longer answers are right more often, and from three passes on always.
Then 100 updates of 16 questions x 8 samples with

grpo               the score
gr3                the score x 1 / (1 + .33 l / mean l), groups that are right throughout left out
additive .01 .1 1  the score + that weight x the same length factor
mixed              the same, groups that are right or wrong throughout left out

Held out: the 200 questions of `sort_letters`, 4 samples each at temperature 1. Intervals are Student's t over three seeds; a
seed of all arms starts from the same model, so differences are paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import OPTIM, TEST, TRAIN, curve, fit, gain, mean_interval, options, report
from passes import passes, thinker

from evalsuite import run
from evalsuite.models import load
from evalsuite.table import markdown
from evalsuite.trainers import Recipe, recipe
from evalsuite.trainers.objectives.lengths import additive
from evalsuite.trainers.recipes.gr3 import GR3
from evalsuite.trainers.recipes.grpo import GRPO

if TYPE_CHECKING:
    from torch import Tensor

    from evalsuite.trainers import Rows

ALPHA = 0.33
SETTINGS = {**OPTIM, "rollout.prompts": 16, "rollout.group": 8}
SCALARS = {"train": "score", "length": "completions/mean_length", "entropy": "entropy", "flat": "frac_reward_zero_std"}


@recipe("additive", paper="arXiv:2603.10535", formula="R = r + weight / (1 + alpha l / mean l)", changes=("shape", "admit"))
class Additive(Recipe):
    """The shaping that GR3 is compared with: length counts whatever the score."""

    @dataclass(frozen=True, kw_only=True)
    class Shape:
        """Strength."""

        alpha: float = ALPHA
        weight: float = 0.1

    def shape(self, rows: Rows) -> Tensor:
        """Score and length factor, added."""
        s = self.settings.shape
        return additive(rows.score, rows.length, rows.group, rows.keep, s.alpha, s.weight)

    def admit(self, rows: Rows) -> Tensor:
        """With `drop_flat`, flat is a group of equal scores."""
        return super().admit(rows.replace(reward=rows.score))


ARMS: dict[str, tuple[type[Recipe], dict[str, object]]] = {
    "grpo": (GRPO, {}),
    "gr3": (GR3, {"shape.alpha": ALPHA}),
    **{f"additive {weight:g}": (Additive, {"shape.weight": weight}) for weight in (0.01, 0.1, 1.0)},
    **{f"additive {weight:g}, mixed": (Additive, {"shape.weight": weight, "admit.drop_flat": True}) for weight in (0.1, 1.0)},
}


def held_out(checkpoint: Path, name: str, work: Path) -> tuple[float, float]:
    """Score and tokens per answer."""
    model = load(str(checkpoint))
    model.name = name
    (result,) = run(model, passes(TEST), repeats=4, output=work / "evals").tasks.values()
    return result.metrics["avg@4"].value, float(result.mean_tokens or 0.0)


def main() -> None:
    """Run, print, write."""
    with options(__doc__, steps=100, quick=5) as o:
        rows: list[dict[str, object]] = []
        scores: dict[str, list[float]] = {}
        tokens: dict[str, list[float]] = {}
        for seed in o.seeds:
            model = thinker(o.work, seed, 5 if o.quick else 200)
            found = {"before": held_out(model, f"before-s{seed}", o.work)}
            for name, (method, changes) in ARMS.items():
                checkpoint, history = fit(
                    f"{name}, seed {seed}",
                    method(SETTINGS | changes),
                    model,
                    passes(TRAIN),
                    steps=o.steps,
                    seed=seed,
                    work=o.work,
                )
                found[name] = held_out(checkpoint, f"{name}-s{seed}", o.work)
                rows += [{"arm": name, "seed": seed, **row} for row in curve(history, SCALARS, 5)]
                rows[-1] |= dict(zip(("held_out", "tokens"), found[name], strict=True))
            for name, (score, length) in found.items():
                scores.setdefault(name, []).append(score)
                tokens.setdefault(name, []).append(length)
        lines = [
            [
                name,
                mean_interval(scores[name]),
                mean_interval(tokens[name], 1),
                "" if name == "grpo" else gain(scores["grpo"], scores[name]),
                "" if name == "grpo" else gain(tokens["grpo"], tokens[name], 1),
                "" if name == "before" else gain(tokens["before"], tokens[name], 1),
            ]
            for name in scores
        ]
        columns = ["arm", "score", "tokens", "score less grpo's", "tokens less grpo's", "tokens less before"]
        head = (
            f"Held out, after {o.steps} updates, mean and 95 % interval over {len(o.seeds)} seeds, differences paired by seed:"
        )
        report(o.out, f"{head}\n\n{markdown(columns, lines)}", rows)


if __name__ == "__main__":
    main()
