"""What the training experiments share: the models they start from, runs that go on where they stopped, curves, intervals."""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from evalsuite.metrics.seeds import SeedDifference, seeds
from evalsuite.metrics.student import t_quantile

TRAIN = "sort_letters@split=train:size=3000"
TEST = "sort_letters"
OPTIM = {"optim.lr": 3e-4, "optim.betas": [0.9, 0.95], "optim.warmup": 5}  # the demo's


@dataclass(frozen=True)
class Options:
    """`out` gets the curves and the table, `work` the models and runs; each of `seeds` is run for `steps` updates."""

    out: Path | None
    work: Path
    seeds: range
    steps: int
    quick: bool


@contextlib.contextmanager
def options(doc: str | None, steps: int, quick: int) -> Iterator[Options]:
    """The command line of an experiment of `steps` updates per run, or `quick` with --quick. One thread."""
    import torch

    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for curves.csv and table.md, as results/experiments/NAME")
    parser.add_argument(
        "--work", type=Path, help="folder for models and runs, to go on after an interruption (default: temporary)"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"one seed and {quick} updates: whether it runs, not what it shows"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        yield Options(
            out=args.out,
            work=args.work or Path(temporary),
            seeds=range(1 if args.quick else 3),
            steps=quick if args.quick else steps,
            quick=args.quick,
        )


def demo_model(work: Path, seed: int) -> Path:
    """The demo model of this seed, trained where it is not there yet."""
    from evalsuite import demo

    folder = work / "models" / f"demo-s{seed}"
    if not (folder / "tokenizer.json").is_file():  # written last
        demo.train(folder, seed=seed)
    return folder


def fit(what: str, recipe: Any, model: Path, tasks: Any, *, work: Path, **how: Any) -> tuple[Path, list[Mapping[str, float]]]:
    """`evalsuite.trainers.train` in silence but for one line at its end. Returns the checkpoint and the scalars."""
    from evalsuite.trainers import train
    from evalsuite.trainers.watch import Silent

    started = time.perf_counter()
    done = train(recipe, str(model), tasks, save_every=how["steps"], output=work / "runs", watch=Silent(), **how)
    print(f"{what}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return done.checkpoint, [dict(row) for row in done.history]


def curve(history: Sequence[Mapping[str, float]], names: Mapping[str, str], every: int) -> list[dict[str, float]]:
    """A row per `every` updates: means over them of the scalars `names` (ours -> the trainer's), beside what an evaluation at that
    step found; evaluations at other steps are rows of their own."""
    rows: dict[float, dict[str, float]] = {}
    part: list[Mapping[str, float]] = []
    for line in history:
        if "loss" in line:
            part.append(line)
            if len(part) < every:
                continue
            lines, part = part, []
        else:
            lines = [line]
        means = {
            ours: sum(one[theirs] for one in lines) / len(lines)
            for ours, theirs in names.items()
            if all(theirs in one for one in lines)
        }
        rows.setdefault(line["step"], {}).update(means)
    return [{"step": step} | rows[step] for step in sorted(rows)]


def mean_interval(values: Sequence[float], digits: int = 3) -> str:
    """`mean [low, high]`: the 95 % interval of Student's t over seeds; the mean alone for one seed."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    half = t_quantile(0.975, len(values) - 1) * (variance / len(values)) ** 0.5
    return f"{mean:.{digits}f} [{mean - half:.{digits}f}, {mean + half:.{digits}f}]"


def gain(a: Sequence[float], b: Sequence[float], digits: int = 3) -> str:
    """`b - a [low, high]`, paired by seed; without the interval where there is none."""
    found: SeedDifference = seeds(a, b, paired=True)
    text = f"{found.value:+.{digits}f}"
    return text if found.note else f"{text} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"


def report(out: Path | None, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the table; with `out`, leave it and the curves there."""
    print(table, flush=True)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "table.md").write_text(table + "\n")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (out / "curves.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
