"""The demo's gain: RL on verifier rewards beside its controls, over training seeds.

    python tests/bench/bench_demo.py [--out results/experiments/demo] [--work DIR] [--quick]

What `evalsuite demo` does for one seed (`evalsuite.showcase`), for three, each with a demo model of its own: 50 updates of the
dapo recipe; 50 updates on more of the same flawed demonstrations; on right answers; and of dapo on coin tosses. 200 questions
that no run was trained on, 8 samples each at temperature 1. A seed of all arms starts from the same model, so differences
are paired by seed; intervals are Student's t over them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from experiments import curve, demo_model, gain, mean_interval, options, report

from evalsuite.comparison.compare import Recorded
from evalsuite.metrics.reduce import parse_metric
from evalsuite.runlog import RunDir
from evalsuite.showcase import TEST, showcase
from evalsuite.table import markdown
from evalsuite.trainers.journal import read_scalars
from evalsuite.trainers.watch import Silent

METRICS = ("avg", "pass@8")
SCALARS = {"train": "score", "entropy": "entropy", "length": "completions/mean_length", "flat": "frac_reward_zero_std"}
IMITATED = ("flawed", "labels")  # their rows are demonstrations: they have no score of their own


def main() -> None:
    """Run, print, write."""
    with options(__doc__, steps=50, quick=3) as run:
        rows: list[dict[str, object]] = []
        values: dict[tuple[str, str], list[float]] = {}
        says = {"demo": "the model"}
        for seed in run.seeds:
            model = demo_model(run.work, seed)
            shown = showcase(model, run.steps, seed, runs=run.work / "evals", output=run.work / "runs", watch=Silent())
            says |= {arm.name: arm.says for arm in shown.arms}
            for one in shown.comparison.runs:
                recorded = Recorded(RunDir(Path(one.path)))
                for metric in METRICS:
                    found = recorded.values(TEST, parse_metric(metric))[0]
                    values.setdefault((one.name, metric), []).append(float(np.mean(found)))
            for arm, folder in shown.trained.items():
                names = {ours: theirs for ours, theirs in SCALARS.items() if arm not in IMITATED or ours == "entropy"}
                rows += [{"arm": arm, "seed": seed, **row} for row in curve(read_scalars(folder), names, min(5, run.steps))]
        lines = [
            [
                name,
                *(mean_interval(values[name, metric]) for metric in METRICS),
                *("" if name == "demo" else gain(values["demo", metric], values[name, metric]) for metric in METRICS),
                what,
            ]
            for name, what in says.items()
        ]
        columns = ["run", "avg@8", "pass@8", "avg@8 less the model's", "pass@8 less the model's", "what it is"]
        beside = [
            [name, gain(values[name, "avg"], values["dapo", "avg"]), gain(values[name, "pass@8"], values["dapo", "pass@8"])]
            for name in says
            if name not in ("demo", "dapo")
        ]
        report(
            run.out,
            f"After {run.steps} updates, mean and 95 % interval over {len(run.seeds)} seeds, differences paired by seed:\n\n"
            f"{markdown(columns, lines)}\n\n{markdown(['dapo less', 'avg@8', 'pass@8'], beside)}",
            rows,
        )


if __name__ == "__main__":
    main()
