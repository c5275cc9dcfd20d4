"""`evalsuite demo`: train the embedded default, a small real language model, and improve it by RL."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from evalsuite.demo import Progress, train
from evalsuite.errors import UsageError

HELP = "train a small real language model from scratch, improve it by RL, and compare: offline, in minutes"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `evalsuite demo`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Train a causal language model of 137,152 parameters on generated letter sorting (CPU, no network, about 10 s) and\n"
        "save it as an ordinary checkpoint directory. Then improve it with the dapo recipe on its verifier's rewards, beside\n"
        "three controls that take as many steps, and compare all of them on questions that none was trained on."
    )
    parser.epilog = (
        "examples:\n"
        "  evalsuite demo\n"
        "  evalsuite demo --out results/sorter --steps 300 --seed 1\n"
        "  evalsuite demo --rl-steps 0                                only the model\n"
        "  evalsuite run --model results/demo --tasks sort_letters,arithmetic -n 8"
    )
    parser.add_argument("--out", default="results/demo", metavar="DIR", help="checkpoint directory (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=120, metavar="N", help="optimizer steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of weights and data (default: %(default)s)")
    parser.add_argument(
        "--rl-steps",
        type=int,
        default=50,
        metavar="N",
        help="updates of RL and of each control; 0: none (default: %(default)s)",
    )
    parser.add_argument("--runs", default="results/runs", metavar="DIR", help="where evaluations go (default: %(default)s)")
    parser.add_argument(
        "--train-runs", default="results/train", metavar="DIR", help="where training runs go (default: %(default)s)"
    )


def main(args: argparse.Namespace) -> int:
    """Train, improve, compare; then say what to run next. 0 when everything is written."""
    if args.rl_steps < 0:
        raise UsageError(f"--rl-steps {args.rl_steps}: at least 0")
    with _progress(args.steps) as progress:
        made = train(args.out, steps=args.steps, seed=args.seed, progress=progress)
    print(
        f"{made['out']}: {made['parameters']:,} parameters, {made['steps']} steps in {made['seconds']:.1f} s, "
        f"loss {made['loss']:.3f}",
        flush=True,
    )
    if args.rl_steps:
        from evalsuite.showcase import showcase

        shown = showcase(Path(args.out), args.rl_steps, args.seed, runs=Path(args.runs), output=Path(args.train_runs))
        paths = {run.name: run.path for run in shown.comparison.runs}
        print(
            f"\n{shown}\n\nin full: evalsuite compare {paths['demo']} {paths['dapo']}\ncurves:  {shown.trained['dapo']}/train.jsonl"
        )
    print(f"next: evalsuite run --model {made['out']} --tasks sort_letters,arithmetic -n 8")
    return 0


@contextlib.contextmanager
def _progress(steps: int) -> Iterator[Progress]:
    """A bar on a terminal, a line at every fourth of the way elsewhere; both on stderr."""
    if not sys.stderr.isatty():
        every = max(1, steps // 4)

        def line(step: int, total: int, loss: float) -> None:
            if step % every == 0 or step == total:
                print(f"demo: step {step}/{total}, loss {loss:.3f}", file=sys.stderr, flush=True)

        yield line
        return

    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with Bars(*columns, TextColumn("loss {task.fields[loss]:.3f}"), console=Console(stderr=True)) as bars:
        bar = bars.add_task("training", total=steps, loss=float("nan"))
        yield lambda step, total, loss: bars.update(bar, completed=step, loss=loss)
