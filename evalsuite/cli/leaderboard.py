"""`evalsuite leaderboard`: what lies under results/, in a browser or as a folder of HTML."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from evalsuite.errors import UsageError
from evalsuite.registry.leaderboard import leaderboard

HELP = """Evaluations, comparisons, samples and training curves in a browser, live while runs are going. It reads the files of
the results folder and changes none of them."""

EPILOG = """\
examples:
  evalsuite leaderboard                                       http://127.0.0.1:8501
  evalsuite leaderboard --results /data/team/results --port 9000 --no-browser
  evalsuite leaderboard --static site                         a folder of HTML that needs no server
  ssh -L 8501:127.0.0.1:8501 gpu-box evalsuite leaderboard    from another machine, over ssh

Other tools' results appear after `evalsuite import`.
"""

DEFAULT = "results"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `evalsuite leaderboard`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = HELP, EPILOG
    add = parser.add_argument
    add("--results", default=DEFAULT, metavar="DIR", help="folder with runs/, train/ and baselines/ (default: %(default)s)")
    add(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen (default: %(default)s, this machine only; there is no password, so anyone who reaches another address reads everything)",
    )
    add("--port", type=int, metavar="N", help="(default: 8501, or the next free one)")
    add("--no-browser", action="store_true", help="do not open a browser window")
    add("--static", metavar="OUT", help="write the pages as HTML into the folder OUT instead, and end")
    add(
        "--samples",
        type=int,
        default=5,
        metavar="N",
        help="with --static: the first N questions of every run and task with all their samples (default: %(default)s)",
    )


def main(args: argparse.Namespace) -> int:
    """0 when the pages are written, or the server was stopped; 130 where writing was interrupted."""
    results = Path(args.results)
    if not results.is_dir() and args.results != DEFAULT:
        raise UsageError(f"--results {results}: {'not a folder' if results.exists() else 'not there'}")
    if args.port is not None and not 0 < args.port < 65536:
        raise UsageError(f"--port {args.port}: 1 to 65535")
    if args.samples < 0:
        raise UsageError(f"--samples {args.samples}: at least 0")
    if args.static is None:
        leaderboard("serve").serve(results, host=args.host, port=args.port, browser=not args.no_browser)
        return 0
    try:
        print(leaderboard("static").write(results, Path(args.static), samples=args.samples))
    except KeyboardInterrupt:
        print(f"interrupted: {args.static} is as it was; the same command starts again", file=sys.stderr)
        return 130
    return 0
