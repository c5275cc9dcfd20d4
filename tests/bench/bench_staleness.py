"""Stale samples: N = 1, 4, 16, 64 updates per rollout batch, under VESPO, the token clip, raw importance sampling and nothing.

    python tests/bench/bench_staleness.py [--out results/experiments/staleness] [--work DIR] [--quick]

Every run is 256 updates of 8 questions x 8 samples from the demo model of its seed, so the N = 64 runs sample 4 times
with a policy that is up to 63 updates behind. All methods have GRPO's advantages and the mean over tokens, and differ in the
coefficient c of c A grad log pi alone:

vespo        phi(W), W the product of w over the answer's tokens, phi the gamma kernel at its defaults
clip         w per token, 0 where it is clipped at .2/.2 (GRPO)
importance   W, whatever its size
none         1: stale samples as if they were fresh

Held-out score: `sort_letters`, 200 questions x 4 samples at temperature 1. Intervals are Student's t over three seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments import OPTIM, TEST, TRAIN, curve, demo_model, fit, gain, mean_interval, options, report

from evalsuite.table import markdown
from evalsuite.trainers import Recipe, recipe
from evalsuite.trainers.objectives.ratios import reinforce, sequence_log_ratio
from evalsuite.trainers.recipes.grpo import GRPO
from evalsuite.trainers.recipes.vespo import VESPO

if TYPE_CHECKING:
    from torch import Tensor

    from evalsuite.trainers import Batch

STALENESS = (1, 4, 16, 64)
SETTINGS = {**OPTIM, "rollout.prompts": 8, "rollout.group": 8, "loss.aggregate": "token_mean"}
EVERY = 64  # updates between evaluations
HELD_OUT = f"eval/{TEST}/avg@4"
SCALARS = {
    "train": "score",
    "held_out": HELD_OUT,
    "entropy": "entropy",
    "outside": "ratio/outside",
    "effective_share": "ratio/effective_share",
    "grad_norm": "grad_norm",
    "length": "completions/mean_length",
}


@recipe("importance", paper="textbook", formula="-sg(W) A log pi, W = prod w; mean over tokens", changes=("loss",))
class Importance(Recipe):
    """Unbiased for stale samples, without bound on the variance."""

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """W A log pi; W is at most e^20, far beyond what a run survives."""
        weight = sequence_log_ratio(batch.log_ratio, batch.mask).detach().clamp(max=20.0).exp()
        return -weight * batch.advantages * batch.logp, {}


@recipe("stale", paper="textbook", formula="-A log pi; mean over tokens", changes=("loss",))
class Stale(Recipe):
    """REINFORCE's gradient on samples of an older policy."""

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """A log pi."""
        return reinforce(batch.logp, batch.advantages)


METHODS: dict[str, type[Recipe]] = {"vespo": VESPO, "clip": GRPO, "importance": Importance, "none": Stale}


def main() -> None:
    """Run, print, write."""
    with options(__doc__, steps=256, quick=64) as run:
        rows: list[dict[str, object]] = []
        final: dict[tuple[str, int], list[float]] = {}
        best: dict[tuple[str, int], list[float]] = {}
        start: list[float] = []
        for seed in run.seeds:
            model = demo_model(run.work, seed)
            for updates in STALENESS[::-1]:
                for name, method in METHODS.items():
                    _, history = fit(
                        f"{name}, N = {updates}, seed {seed}",
                        method(SETTINGS | {"rollout.updates": updates}),
                        model,
                        TRAIN,
                        steps=run.steps,
                        seed=seed,
                        eval_tasks=TEST,
                        eval_every=EVERY,
                        eval_repeats=4,
                        work=run.work,
                    )
                    held_out = [line[HELD_OUT] for line in history if HELD_OUT in line]
                    final.setdefault((name, updates), []).append(held_out[-1])
                    best.setdefault((name, updates), []).append(max(held_out))
                    rows += [{"method": name, "N": updates, "seed": seed, **row} for row in curve(history, SCALARS, 16)]
            start.append(held_out[0])
        lines = [
            [
                str(updates),
                name,
                mean_interval(final[name, updates]),
                mean_interval(best[name, updates]),
                "" if name == "vespo" else gain(final[name, updates], final["vespo", updates]),
            ]
            for updates in STALENESS
            for name in METHODS
        ]
        head = f"Held-out score before: {mean_interval(start)}; after {run.steps} updates, mean and 95 % interval over "
        columns = ["N", "method", "last", "best of the evaluations", "vespo less this one, last, paired by seed"]
        report(run.out, f"{head}{len(run.seeds)} seeds:\n\n{markdown(columns, lines)}", rows)


if __name__ == "__main__":
    main()
