"""`evalsuite baseline`: set, list, show and fetch."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.runlog import RunDir

HELP = """Keep a run as a small baseline that can be committed. A fresh clone compares, scores again, replays and gates with it:
it is itself a run directory, with the numbers of every question, and the completions or a digest of where to fetch them."""

EPILOG = """\
examples:
  evalsuite baseline set main results/runs/my-run-1a2b3c4d5e --note "after the tokenizer fix"
  evalsuite baseline set main my-run-1a --replace                a run id, or the beginning of one
  evalsuite baseline set release-2.0 my-run-1a --pin             an anchor against slow drift: not replaced by --replace alone
  evalsuite baseline set nightly my-run-1a --completions-to big/ --fetch https://host/big
  evalsuite baseline list
  evalsuite baseline show main
  evalsuite baseline fetch nightly                               what is kept elsewhere, checked against its sha256
then:
  evalsuite compare main CANDIDATE
  evalsuite score results/baselines/main --diff
  evalsuite run --model replay:results/baselines/main --tasks gsm8k

Set a baseline from the top of the repository: folders below it are recorded relative to it, others are left out.
"""

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def configure(parser: argparse.ArgumentParser) -> None:
    """The four subcommands and their flags."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    texts = {
        "set": "keep a finished run as a baseline",
        "list": "all baselines: model, tasks, age, size",
        "show": "everything about a baseline",
        "fetch": "bring completions that are kept elsewhere, and check them",
    }
    parsers = {
        name: actions.add_parser(
            name, help=text, description=text, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        for name, text in texts.items()
    }
    for name in ("set", "show", "fetch"):
        parsers[name].add_argument("name", metavar="NAME", help="of the baseline: letters, digits, dots, dashes, underscores")
    for action in parsers.values():
        action.add_argument(
            "--dir", default="results/baselines", metavar="DIR", help="where baselines are (default: %(default)s)"
        )
    for name in ("list", "show"):
        parsers[name].add_argument("--json", action="store_true", help="print JSON")
    add = parsers["set"].add_argument
    add("run", metavar="RUN", help="a run directory, a run id (its beginning will do), or another baseline")
    add("--note", default="", metavar="TEXT", help="why this run")
    add("--completions-to", metavar="DIR", help="write the completions there, by their sha256, and not into the baseline")
    add("--fetch", metavar="URL|DIR", help="where others find them (default: the folder of --completions-to)")
    add("--max-size", type=_size, default="20MB", metavar="SIZE", help="of completions in the baseline (default: %(default)s)")
    add("--replace", action="store_true", help="replace the baseline of this name")
    add("--pin", action="store_true", help="only --replace together with --pin may replace it")
    add("--runs", default="results/runs", metavar="DIR", help="where run ids are looked up (default: %(default)s)")
    parsers["fetch"].add_argument("--from", dest="source", metavar="DIR|URL", help="instead of the recorded place")


def main(args: argparse.Namespace) -> int:
    """Exit code 0; errors have their own."""
    actions: dict[str, Callable[[argparse.Namespace], None]] = {"set": _set, "list": _list, "show": _show, "fetch": _fetch}
    actions[args.action](args)
    return 0


def _set(args: argparse.Namespace) -> None:
    from evalsuite.baseline import find_run, set_baseline
    from evalsuite.errors import UsageError
    from evalsuite.runlog import RunDir

    if args.fetch and not args.completions_to:
        raise UsageError("--fetch says where completions of --completions-to DIR are found: add that")
    run, root = find_run(args.run, Path(args.runs), Path(args.dir)), Path(args.dir)
    path = set_baseline(
        args.name,
        run,
        root=root,
        note=args.note,
        completions_to=Path(args.completions_to) if args.completions_to else None,
        fetch_from=args.fetch,
        max_bytes=args.max_size,
        replace=args.replace,
        pin=args.pin,
    )
    print(path)
    facts = _facts(RunDir(path))
    print(f"{facts['size']} on disk, completions: {facts['completions']}", file=sys.stderr)
    lost = _lost(run.manifest(), RunDir(path).manifest())
    if lost:
        print(f"only this machine has, for scoring it again: {', '.join(lost)}", file=sys.stderr)


def _lost(run: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """What the run was made with and another clone does not find: folders and files outside the working folder."""
    given, kept = run["settings"], baseline["settings"]
    lost = [f"--data-dir {given['where']['data_dir']}"] if given["where"]["data_dir"] and not kept["where"]["data_dir"] else []
    if len(kept["include"]) < len(given["include"]):
        lost.append("--include-path " + " ".join(given["include"]))
    places = (task["source"]["location"] for task in baseline["tasks"].values())
    return lost + [place for place in places if Path(place).is_absolute()]


def _list(args: argparse.Namespace) -> None:
    from evalsuite.baseline import list_baselines
    from evalsuite.table import markdown

    rows = [_facts(run) for run in list_baselines(Path(args.dir))]
    if args.json:
        print(json.dumps(rows, indent=1))
    elif rows:
        names = ("name", "model", "tasks", "questions", "set", "age", "size", "completions", "pinned")
        print(markdown(names, [_row(facts) for facts in rows]))
    else:
        print(f"no baselines under {args.dir}. Make one with: evalsuite baseline set NAME RUN", file=sys.stderr)


def _row(facts: dict[str, Any]) -> list[str]:
    tasks = facts["tasks"]
    names = ", ".join(t["label"] for t in tasks.values()) if len(tasks) <= 3 else f"{len(tasks)} tasks"
    samples = sorted({t["samples"] for t in tasks.values()})
    several = f"{samples[0]}-{samples[-1]}" if len(samples) > 1 else str(samples[0])
    return [
        facts["name"],
        str(facts["model"]),
        names,
        f"{sum(t['questions'] for t in tasks.values())} x {several}",
        facts["set_at"],
        f"{facts['age_days']:.1f} days",
        facts["size"],
        facts["completions"],
        "yes" if facts["pinned"] else "",
    ]


def _show(args: argparse.Namespace) -> None:
    from evalsuite.baseline import find_baseline
    from evalsuite.table import markdown

    run = find_baseline(args.name, Path(args.dir))
    facts = _facts(run)
    for name, task in facts["tasks"].items():
        task["mean"] = _mean(run, name)
    if args.json:
        print(json.dumps(facts, indent=1))
        return
    for key, value in facts.items():
        if key != "tasks" and value != "":
            print(f"{key.replace('_', ' ')}: {value}")
    rows = [
        [t["label"], t["questions"], t["samples"], "-" if t["mean"] is None else f"{t['mean']:.4f}", t["revision"][:12]]
        for t in facts["tasks"].values()
    ]
    print("\n" + markdown(("task", "questions", "n", "value", "data"), rows))


def _fetch(args: argparse.Namespace) -> None:
    from evalsuite.baseline import fetch, find_baseline

    for path in fetch(find_baseline(args.name, Path(args.dir)), args.source, lambda note: print(note, file=sys.stderr)):
        print(path)
    print("all completions are there, as recorded", file=sys.stderr)


def _facts(run: RunDir) -> dict[str, Any]:
    """What `list` and `show` print of a baseline, in order."""
    from evalsuite.baseline import describe, has_completions
    from evalsuite.baseline.layout import human_size

    manifest = run.manifest()
    place = manifest.get("baseline", {}).get("fetch")
    size = sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    return {
        **describe(run),
        "note": manifest.get("baseline", {}).get("note", ""),
        "size": human_size(size),
        "bytes": size,
        "completions": (f"fetched from {place}" if has_completions(run) else f"in {place}") if place else "inside",
        "tasks": {
            name: {
                "label": task["label"],
                "questions": task["n_questions"],
                "samples": task["repeats"],
                "revision": task["source"]["revision"],
            }
            for name, task in manifest["tasks"].items()
        },
    }


def _mean(run: RunDir, task: str) -> float | None:
    """Mean over questions of the mean over their samples; None where no sample has a value."""
    from evalsuite.runlog.rollup import read_rollup

    rollup = read_rollup(run, task)
    scored = rollup.n > 0
    return float((rollup.sum[scored] / rollup.n[scored]).mean()) if scored.any() else None


def _size(text: str) -> int:
    """`20MB`, `1.5 GB`, `500k` as bytes. For argparse."""
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([kmg]?)b?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 20MB or 1.5GB")
    return int(float(match[1]) * _UNITS[match[2].lower()])
