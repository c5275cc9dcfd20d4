"""`evalsuite score`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from evalsuite.cli import options

HELP = """Verify recorded completions again: no model, nothing is generated, no recorded score is changed.
With --diff it lists the verdicts that changed and exits 10 if there are any."""

EPILOG = """\
examples:
  evalsuite score results/runs/demo-sort_letters-1a2b3c4d5e --diff     did a change to a verifier flip anything?
  evalsuite score recorded.jsonl --task gsm8k --data-dir data          rows {"id" or "index", "completions": [...]}
  evalsuite score answers.jsonl --verifier math                        rows {"target", "completions": [...]}

A run with new verdicts on disk: evalsuite run --model replay:RUN --tasks TASKS
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite score`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "what", metavar="RUN|FILE", help="a run directory, a run id, a baseline, or a JSONL file of completions"
    )
    parser.add_argument("--task", metavar="TASKS", help="score against these tasks (default for a run: all of its tasks)")
    parser.add_argument("--verifier", metavar="NAME", help="score a file whose rows have a target: math, choice, text, ...")
    parser.add_argument("--diff", action="store_true", help="list verdicts that changed; exit 10 if any did")
    parser.add_argument(
        "--repeats", "-n", type=options.positive, metavar="N", help="samples per question (default: as recorded)"
    )
    parser.add_argument("--limit", "-L", type=float, metavar="N|SHARE", help="only the first N questions")
    parser.add_argument("--data-dir", metavar="DIR", help="folder with benchmark files (default: $EVALSUITE_DATA)")
    parser.add_argument("--offline", action="store_true", help="never touch the network")
    parser.add_argument("--include-path", action="append", default=[], metavar="DIR|FILE", help="more task files")
    parser.add_argument("--output-path", "-o", default="results/runs", metavar="DIR", help="where run ids are looked up")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options.add_unsafe(parser)
    options.add_judge(parser)


def main(args: argparse.Namespace) -> int:
    """Score, print, and with --diff list what changed."""
    from evalsuite.baseline import find_run
    from evalsuite.errors import UsageError
    from evalsuite.plan import Settings
    from evalsuite.rescore import rescore_file, rescore_run, score_rows
    from evalsuite.sources import Where

    options.unsafe(args)
    path = Path(args.what)
    folder = options.folder(args.data_dir)
    judge = options.judge(args)
    tasks = [t.strip() for t in (args.task or "").split(",") if t.strip()]
    if path.is_file():
        if bool(tasks) == bool(args.verifier):
            raise UsageError(f"{path} is a file: say --task TASK (gold from the task) or --verifier NAME (gold in the file)")
        if args.verifier:
            _refuse(args, ("data_dir", "include_path", "limit", "repeats"), "--verifier reads gold and completions from FILE")
            result, changes = score_rows(path, args.verifier, judge)
        else:
            where = Where(data_dir=folder, offline=args.offline)
            settings = Settings(repeats=args.repeats, limit=args.limit, where=where, include=tuple(args.include_path))
            result, changes = rescore_file(path, tasks, settings, judge)
    else:
        if args.verifier:
            raise UsageError("--verifier goes with a file; a run is scored by its tasks' own verifiers")
        _refuse(args, ("limit", "repeats"), "a run is scored as it was recorded")
        run = find_run(args.what, Path(args.output_path), Path("results/baselines"))
        result, changes = rescore_run(run, tasks, judge, data_dir=folder, offline=args.offline, include=args.include_path)
    if args.json:
        print(json.dumps(result.to_dict() | {"changed": [str(c) for c in changes]}, indent=1))
    else:
        print(result.table())
    if args.diff:
        for change in changes:
            print(change, file=sys.stderr if args.json else sys.stdout)
        print(f"{len(changes)} verdicts changed", file=sys.stderr)
        if changes:
            return 10
    return result.exit_code


def _refuse(args: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    """Raises UsageError for a flag that would be without effect here."""
    from evalsuite.errors import UsageError

    for name in names:
        if getattr(args, name):
            raise UsageError(f"--{name.replace('_', '-')} does not apply: {why}")
