"""`evalsuite export`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Write a finished run as lm-eval results and sample logs, as CSV, or as one Parquet file."

EPILOG = """\
examples:
  evalsuite export demo-sort_letters-1a2b3c4d5e --to csv
  evalsuite export results/runs/my-run --to lm-eval -o shared/
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite export`."""
    parser.epilog = EPILOG
    parser.add_argument("run", metavar="RUN", help="a run directory, or a run id (its beginning will do)")
    parser.add_argument("--to", required=True, choices=("lm-eval", "csv", "parquet"), help="the format")
    parser.add_argument("--out", "-o", default="export", metavar="DIR", help="folder to write to (default: %(default)s)")
    parser.add_argument(
        "--runs", default="results/runs", metavar="DIR", help="where run ids are looked up (default: %(default)s)"
    )


def main(args: argparse.Namespace) -> int:
    """Write the files and print their names."""
    from evalsuite.runlog import RunDir
    from evalsuite.runlog.export import export

    for path in export(RunDir.find(args.run, Path(args.runs)), args.to, Path(args.out)):
        print(path)
    return 0
