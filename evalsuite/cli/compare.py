"""`evalsuite compare`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = """Is the difference between runs real? Questions are paired by content, and every other run is compared with the first:
difference with its 95 % interval, p-value, questions won and lost, and the smallest difference that would have been found."""

EPILOG = """\
examples:
  evalsuite compare main my-run-1a                             a baseline and a run, by the beginning of its id
  evalsuite compare results/runs/A results/runs/B --tasks gsm8k --metric avg,pass@8
  evalsuite compare A B --target benchmark                     these very questions, sampled again: did anything change?
  evalsuite compare A B C --correction bh --json               ranks that can be told apart, too
  evalsuite compare grpo=g1,g2,g3 vespo=v1,v2,v3               training methods: the unit is the training seed
  evalsuite compare A B --allow sampling                       differ on purpose in temperature, top_p, ...
  evalsuite compare A B --csv questions.csv --markdown compare.md

A RUN is a directory, a baseline's name, or a run id or its unique beginning. Values are shares, differences are in points.
Exit codes: 0 compared, whatever the outcome (a verdict is `evalsuite gate`), 2 usage, 12 not comparable.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite compare`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "runs", nargs="+", metavar="RUN|NAME=RUN,RUN,...", help="two or more; or methods with their seeds' runs"
    )
    parser.add_argument("--tasks", "-t", metavar="T,...", help="only these tasks (default: those that both runs have)")
    parser.add_argument(
        "--metric", "--metrics", default="avg", metavar="M,...", help="avg, pass@8, maj@8, ... (default: %(default)s)"
    )
    parser.add_argument(
        "--target",
        choices=("population", "benchmark"),
        default="population",
        help="what the interval is for: new questions of this kind, or these very questions (default: %(default)s)",
    )
    parser.add_argument(
        "--correction",
        choices=("holm", "bh", "none"),
        default="holm",
        help="of p-values, for the number of comparisons (default: %(default)s)",
    )
    parser.add_argument(
        "--allow",
        metavar="FIELDS",
        help="may differ: version, data, prompt, sampling, verifier, judge, or all; comma separated",
    )
    parser.add_argument(
        "--moved", type=int, default=5, metavar="N", help="questions listed per task that moved most (default: %(default)s)"
    )
    parser.add_argument("--output-path", "-o", default="results/runs", metavar="DIR", help="where run ids are looked up")
    out = parser.add_argument_group("what is written")
    out.add_argument("--json", action="store_true", help="print JSON instead of the table")
    out.add_argument("--csv", metavar="FILE", help="write every question with its values in all runs")
    out.add_argument("--markdown", metavar="FILE", help="write the table as well, for a pull request")


def main(args: argparse.Namespace) -> int:
    """Compare, write, print."""
    from evalsuite.api import compare
    from evalsuite.files import write_atomically

    found = compare(
        *args.runs,
        metrics=_words(args.metric),
        target=args.target,
        allow=_words(args.allow),
        correction=args.correction,
        tasks=None if args.tasks is None else _words(args.tasks),
        moved=args.moved,
        runs=args.output_path,
    )
    if args.csv:
        write_atomically(Path(args.csv), found.csv().encode("utf-8", "backslashreplace"))
    if args.markdown:
        write_atomically(Path(args.markdown), f"{found.table()}\n".encode("utf-8", "backslashreplace"))
    print(json.dumps(found.to_dict(), indent=1) if args.json else found.table())
    return 0


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
