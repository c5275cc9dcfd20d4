"""Stale samples: N = 1, 4, 16, 64 updates per rollout batch, under VESPO, the token clip, raw importance sampling and nothing.

    python tests/bench/bench_staleness.py [--out results/experiments/staleness] [--work DIR] [--quick]

Every run is 256 updates of 8 questions x 8 samples from the demo model of its seed, so the N = 64 runs sample 4 times
with a policy that is up to 63 updates behind. All methods have GRPO's advantages and the mean over tokens, and differ in the
coefficient c of c A grad log pi alone:

vespo        phi(W), W the product of w over the answer's tokens, phi the gamma kernel at its defaults
clip         w per token, 0 where it is clipped at .2/.2 (GRPO)
importance   W, whatever its size
none         1: stale samples as if they were fresh

With N = 1 every w is 1 and all four are one and the same update, so that is one run.

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
CASES = [(1, "vespo"), *((updates, name) for updates in (4, 16, 64) for name in METHODS)]


def main() -> None:
    """Run, print, write."""
    with options(__doc__, steps=256, quick=64) as o:
        rows: list[dict[str, object]] = []
        held_out: dict[tuple[int, str], list[list[float]]] = {}
        for seed in o.seeds:
            model = demo_model(o.work, seed)
            for updates, name in CASES:
                method = METHODS[name](SETTINGS | {"rollout.updates": updates})
                evaluated = {"eval_tasks": TEST, "eval_every": EVERY, "eval_repeats": 4}
                what = f"N = {updates}, {name}, seed {seed}"
                _, history = fit(what, method, model, TRAIN, steps=o.steps, seed=seed, work=o.work, **evaluated)
                held_out.setdefault((updates, name), []).append([line[HELD_OUT] for line in history if HELD_OUT in line])
                rows += [{"N": updates, "method": name, "seed": seed, **row} for row in curve(history, SCALARS, 16)]
        last = {case: [scores[-1] for scores in runs] for case, runs in held_out.items()}
        fall = {case: [max(scores) - scores[-1] for scores in runs] for case, runs in held_out.items()}
        fresh = last[1, "vespo"]
        lines = [
            [
                str(updates),
                "any" if updates == 1 else name,
                mean_interval(last[updates, name]),
                "" if updates == 1 else gain(fresh, last[updates, name]),
                "" if name == "vespo" else gain(last[updates, "vespo"], last[updates, name]),
                f"{sum(fall[updates, name]) / len(o.seeds):.3f}",
            ]
            for updates, name in CASES
        ]
        start = mean_interval([scores[0] for scores in held_out[CASES[0]]])
        columns = ["N", "method", "held out, last", "less N = 1", "less vespo at this N", "below its best"]
        head = (
            f"Held-out score before: {start}; after {o.steps} updates, mean and 95 % interval over {len(o.seeds)} seeds, "
            "differences paired by seed:"
        )
        report(o.out, f"{head}\n\n{markdown(columns, lines)}", rows)


if __name__ == "__main__":
    main()
