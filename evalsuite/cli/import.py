"""`evalsuite import`. The file has the command's name, as the others have: it is only ever imported by that."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = """Bring other tools' results in: they become ordinary runs under the results folder, for `evalsuite leaderboard` and
`evalsuite compare`. Values and intervals are computed anew from the single questions."""

EPILOG = """\
examples:
  evalsuite import lm_eval_out/                                  all of lm-eval's --output_path, model by model
  evalsuite import logs/2026-05-01_gsm8k.eval logs/more/         inspect logs
  evalsuite import runs/ --as tensorboard                        a training run for every folder with event files
  evalsuite import checkpoints/grpo-run --name "grpo, lr 1e-6"   a TRL trainer's output folder
  evalsuite import export/                                       what `evalsuite export --to lm-eval` wrote, unchanged
then:
  evalsuite compare RUN RUN
  evalsuite leaderboard

Importing the same files again changes nothing. docs/importing.md says what each import keeps and loses.
Exit codes: 0 imported, 2 usage, 3 some of the runs could not be imported (each is named).
"""

_KINDS = ("lm-eval", "inspect", "trl", "tensorboard")


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite import`."""
    parser.epilog = EPILOG
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a file, or a folder with any number of runs")
    parser.add_argument("--as", dest="kind", choices=_KINDS, help="what SOURCE is (default: found out from the files)")
    parser.add_argument(
        "--results", default="results", metavar="DIR", help="results folder to import into (default: %(default)s)"
    )
    parser.add_argument("--name", metavar="NAME", help="name of the model, or of the training run, in place of the source's")


def main(args: argparse.Namespace) -> int:
    """Import run by run; the folders go to stdout, what a reader must know of them to stderr."""
    from evalsuite.errors import EvalsuiteError
    from evalsuite.imports import find, import_run

    imported = failed = 0
    for source in args.sources:
        try:
            for kind, found in find(Path(source), args.kind):
                try:
                    run = import_run(kind, found, Path(args.results), args.name)
                except EvalsuiteError as error:
                    failed += 1
                    print(f"evalsuite: not imported: {error}", file=sys.stderr)
                    continue
                imported += 1
                print(f"{run.folder}{' (was there already)' if run.before else ''}", flush=True)
                for note in run.notes:
                    print(f"  {note}", file=sys.stderr)
        except EvalsuiteError as error:
            if len(args.sources) == 1:
                raise
            failed += 1
            print(f"evalsuite: {error}", file=sys.stderr)
    if failed:
        print(f"{imported} imported, {failed} not", file=sys.stderr)
    return 3 if failed else 0
