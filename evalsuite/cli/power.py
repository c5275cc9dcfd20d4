"""`evalsuite power`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.cli import options

if TYPE_CHECKING:
    from evalsuite.power import Option, TaskPower

_HEADER = ("task", "n", "needed", "questions", "detectable", "samples", "tokens", "prompt tokens", "time", "cost", "")

HELP = """How many questions, and samples of each, find a true difference of a given size? From the variances of a run that exists,
before anything is spent on another. Differences are of avg, in a comparison paired by question (evalsuite compare, target: population)."""

EPILOG = """\
examples:
  evalsuite power --baseline main --mde 3pp                        every task of a baseline or run
  evalsuite power gsm8k,math500 --baseline my-run-1a --mde 2pp
  evalsuite power gsm8k --baseline RUN_A --candidate RUN_B --mde 3pp      variances of the differences of two real runs
  evalsuite power gsm8k --baseline my-run-1a --mde 0.03 --one-sided --power .9 --json

One row per number of samples n: `needed` questions find the difference; `detectable` is the smallest that all the baseline's
questions find. Tokens, time and cost are of one run over the needed questions, or over all where those are not enough.
The baseline keeps the samples that it has and n is the candidate's; with --both, both runs have n.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite power`."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add("tasks", nargs="?", metavar="TASKS", help="tasks of the baseline, comma separated (default: all of them)")
    add(
        "--baseline",
        required=True,
        metavar="RUN",
        help="a run directory, a run id (its beginning will do) or a baseline's name",
    )
    add("--mde", required=True, type=options.points, metavar="X", help="the difference to be found: 3pp, 3%% or 0.03")
    add("--candidate", metavar="RUN", help="a second run: take the variances of the differences from the pairs of both")
    add("--both", action="store_true", help="both runs have n samples, not only the candidate")
    add("--power", type=_share, default=0.8, metavar="P", help="chance of finding it (default: %(default)s)")
    add("--alpha", type=_share, default=0.05, metavar="P", help="chance of a false alarm (default: %(default)s)")
    add("--one-sided", action="store_true", help="look in one direction only: for a drop, say")
    add("--output-path", "-o", default="results/runs", metavar="DIR", help="where run ids are looked up (default: %(default)s)")
    add("--json", action="store_true", help="print JSON instead of the table")


def main(args: argparse.Namespace) -> int:
    """Print the options."""
    from evalsuite.baseline import find_run
    from evalsuite.errors import UsageError
    from evalsuite.metrics.student import LEAST_ALPHA
    from evalsuite.power import power_options

    if not LEAST_ALPHA <= args.alpha < min(args.power, 0.5):
        raise UsageError(f"--alpha {args.alpha} must be at least {LEAST_ALPHA:g}, below 0.5 and below --power {args.power}")
    names = options.words(args.tasks)
    if args.tasks is not None and not names:
        raise UsageError("no task was asked for: evalsuite power NAME[,NAME...], or no name for all tasks of the baseline")
    root = Path(args.output_path)
    baseline = find_run(args.baseline, root)
    candidate = find_run(args.candidate, root) if args.candidate else None
    tasks = power_options(
        baseline,
        args.mde,
        tasks=names,
        candidate=candidate,
        both=args.both,
        target_power=args.power,
        alpha=args.alpha,
        one_sided=args.one_sided,
    )
    if args.json:
        head = {
            "baseline": baseline.path.name,
            "candidate": candidate.path.name if candidate else None,
            "mde": args.mde,
            "power": args.power,
            "alpha": args.alpha,
            "one_sided": args.one_sided,
            "both": args.both,
        }
        print(json.dumps(head | {"tasks": {task.task: dataclasses.asdict(task) for task in tasks}}, indent=1))
    else:
        print(_table(tasks, args))
    return 0


def _share(text: str) -> float:
    """A probability strictly between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value


def _table(tasks: Sequence[TaskPower], args: argparse.Namespace) -> str:
    from evalsuite.table import markdown

    rows = [[task.label, *_cells(task, option)] for task in tasks for option in task.options]
    unknown = [i for i, name in enumerate(_HEADER) if name in ("prompt tokens", "cost") and all(row[i] == "-" for row in rows)]
    kept = [i for i in range(len(_HEADER)) if i not in unknown]
    sides = "one-sided" if args.one_sided else "two-sided"
    notes = [
        f"To find a true difference of {_points(args.mde)} with {_percent(args.power)} power at {sides} {_percent(args.alpha)}; "
        + ("both runs have n samples per question." if args.both else "the baseline as it is, n samples of the candidate.")
    ]
    for task in tasks:
        if not any(option.enough for option in task.options):
            best = min((o.detectable for o in task.options if o.detectable is not None), default=None)
            least = (
                f"the smallest difference that its questions find is {_points(best)}" if best else "it has too few questions"
            )
            notes.append(f"{task.label}: no option is enough; {least}.")
    shared = [note for note in tasks[0].notes if len(tasks) > 1 and all(note in task.notes for task in tasks)]
    notes += [f"{task.label}: {note}." for task in tasks for note in task.notes if note not in shared]
    notes += [f"All tasks: {note}." for note in shared]
    table = markdown([_HEADER[i] for i in kept], [[row[i] for i in kept] for row in rows], right=_HEADER[1:-1])
    return table + "\n\n" + "\n".join(notes)


def _cells(task: TaskPower, option: Option) -> list[str]:
    if option.enough:
        mark = "cheapest" if option.cheapest else ""
    else:
        more = option.needed is not None and task.full_size is not None and option.needed <= task.full_size
        mark = "more than the baseline has" if more else "too few questions"
    return [
        str(option.samples),
        "-" if option.needed is None else f"{option.needed:,}",
        f"{task.questions:,}",
        "-" if option.detectable is None else _points(option.detectable),
        f"{option.total_samples:,}",
        *("-" if n is None else f"{n:,.0f}" for n in (option.completion_tokens, option.prompt_tokens)),
        "-" if option.seconds is None else _duration(option.seconds),
        "-" if option.cost is None else f"${option.cost:,.2f}",
        mark,
    ]


def _percent(share: float) -> str:
    """All digits of it: a power of .999999 is not 100 %."""
    return f"{(100 * Decimal(repr(share))).normalize():f} %"


def _points(share: float) -> str:
    return f"{100 * share:.2g} pp" if share < 0.001 else f"{100 * share:.1f} pp"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
