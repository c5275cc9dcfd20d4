"""Stale samples: N = 1, 4, 16, 64 updates per rollout batch, under VESPO, the token clip, raw importance sampling and nothing.

    python tests/bench/bench_staleness.py [--out results/experiments/staleness] [--work DIR] [--quick]

Every run is 256 updates of 8 questions x 8 samples, so that with N = 64 the policy samples 4 times and is up to 63 updates ahead of
its samples. Short answers are the demo model's, 5 tokens; long ones, about 20, are of a model that writes bubble sort out
(passes.py). All methods have GRPO's advantages and the mean over tokens, and differ in the coefficient c of c A grad log pi alone:

vespo        phi(W), W the product of w over the answer's tokens, phi the gamma kernel at its defaults
clip         w per token, 0 where it is clipped at .2/.2 (GRPO)
importance   W, however large
none         1: stale samples as if they were fresh

With N = 1 every w is 1 and all four are one and the same update, so that is one run.

Held-out score: the 200 questions of `sort_letters`, 4 samples each at temperature 1. Intervals are Student's t over three seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments import OPTIM, TEST, TRAIN, Options, curve, demo_model, fit, gain, mean_interval, options, report
from passes import passes, thinker

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
SCALARS = {
    "train": "score",
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
CASES = {
    "short": [(1, "vespo"), *((updates, name) for updates in (4, 16, 64) for name in METHODS)],
    "long": [(1, "vespo"), *((64, name) for name in ("vespo", "clip", "importance"))],
}


def main() -> None:
    """Run, print, write."""
    with options(__doc__, steps=256, quick=16) as o:
        tables, rows = [], []
        for answers, cases in CASES.items():
            held_out: dict[tuple[int, str], list[list[float]]] = {}
            for seed in o.seeds:
                if answers == "short":
                    model, train, test, metric = demo_model(o.work, seed), TRAIN, TEST, f"eval/{TEST}/avg@4"
                else:
                    model, metric = thinker(o.work, seed, 5 if o.quick else 200), "eval/passes/avg@4"
                    train, test = passes(TRAIN), passes(TEST)
                evaluated = {"eval_tasks": test, "eval_every": EVERY, "eval_repeats": 4}
                for updates, name in cases:
                    method = METHODS[name](SETTINGS | {"rollout.updates": updates})
                    what = f"{answers}, N = {updates}, {name}, seed {seed}"
                    _, history = fit(what, method, model, train, steps=o.steps, seed=seed, work=o.work, **evaluated)
                    held_out.setdefault((updates, name), []).append([line[metric] for line in history if metric in line])
                    which = {"answers": answers, "N": updates, "method": name, "seed": seed}
                    rows += [which | row for row in curve(history, {"held_out": metric} | SCALARS, 16)]
            tables.append(f"{answers.capitalize()} answers. {table(held_out, o)}")
        report(o.out, "\n\n".join(tables), rows)


def table(held_out: dict[tuple[int, str], list[list[float]]], o: Options) -> str:
    """What the evaluations of every case and seed say, as a table."""
    last = {case: [scores[-1] for scores in runs] for case, runs in held_out.items()}
    lines = [
        [
            str(updates),
            "any" if updates == 1 else name,
            " ".join(f"{sum(at) / len(at):.3f}" for at in list(zip(*runs))[1:]),
            f"{sum(map(fall, runs)) / len(runs):.3f}",
            mean_interval(last[updates, name]),
            "" if updates == 1 else gain(last[1, "vespo"], last[updates, name]),
            "" if name == "vespo" else gain(last[updates, "vespo"], last[updates, name]),
        ]
        for (updates, name), runs in held_out.items()
    ]
    start = mean_interval([scores[0] for scores in held_out[1, "vespo"]])
    columns = ["N", "method", f"every {EVERY} updates", "deepest fall", "at the end", "less N = 1", "less vespo at this N"]
    return (
        f"Held out before: {start}; in {o.steps} updates, means and 95 % intervals over {len(o.seeds)} seeds, differences paired by "
        f"seed:\n\n{markdown(columns, lines)}"
    )


def fall(scores: list[float]) -> float:
    """The most that a run has lost of what it had reached."""
    return max(max(scores[: i + 1]) - score for i, score in enumerate(scores))


if __name__ == "__main__":
    main()
