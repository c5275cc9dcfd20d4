"""`evalsuite gate`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.cli import options

if TYPE_CHECKING:
    from evalsuite.comparison.compare import Recorded
    from evalsuite.gate.config import Profile
    from evalsuite.gate.result import Side

REPORTS = ("gate.json", "gate.md", "junit.xml")

HELP = """A regression gate for CI: is the candidate worse than the baseline? PASS, FAIL or INCONCLUSIVE per task, at a known
false-alarm rate. The verifiers are checked first, on the baseline's completions; then a model is asked for as many samples as
a decision takes, or a run that is there is compared."""

EPILOG = """\
examples:
  evalsuite baseline set main results/runs/my-run          once: what to compare with; commit results/baselines/main
  evalsuite gate --plan                                    what the gate can see, before anything is spent
  evalsuite gate --model out/checkpoint-800                profile `pr` of evalsuite.ci.yaml
  evalsuite gate --model openai:my-model --base-url http://localhost:8000/v1 --profile nightly
  evalsuite gate results/runs/my-new-run --baseline main   compare a run that is there; no model
  evalsuite gate --aa --profile release                    how often would it fail a change that changes nothing?

exit codes: 0 pass (and inconclusive where the profile only warns), 10 regression, 11 inconclusive, 12 not comparable,
            13 infrastructure errors, 14 budget spent before a decision, 2 usage, 130 interrupted (the same command goes on)
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite gate`."""
    parser.epilog = EPILOG
    parser.add_argument("run", metavar="RUN", nargs="?", help="a finished run to compare: directory or run id")
    options.add_model(parser, required=False)
    what = parser.add_argument_group("the gate")
    what.add_argument("--config", "-c", metavar="FILE", help="default: evalsuite.ci.yaml, where it is there")
    what.add_argument("--profile", "-p", metavar="NAME", help="default: pr, or the only one")
    what.add_argument("--baseline", "-B", metavar="NAME|RUN", help="instead of the profile's")
    what.add_argument("--tasks", "-t", metavar="TASKS", help="only these of the profile's tasks")
    what.add_argument("--margin", type=options.points, metavar="3pp", help="the largest drop that counts as none")
    what.add_argument("--repeats", "-n", type=options.positive, metavar="N", help="samples per question at the first look")
    what.add_argument("--max-n", type=options.positive, metavar="N", help="samples per question at the last look")
    what.add_argument(
        "--limit", "-L", type=options.limit, metavar="N|SHARE", help="only the first N questions, or a share below 1"
    )
    what.add_argument(
        "--allow", default="", metavar="FIELD,...", help="fields that may differ: prompt, sampling, verifier, ..."
    )
    what.add_argument("--plan", action="store_true", help="print what the gate can see and what it would cost; ask nothing")
    what.add_argument(
        "--aa", action="store_true", help="simulate the baseline against itself: the false-alarm rate; ask nothing"
    )
    out = parser.add_argument_group("where from, where to")
    out.add_argument("--data-dir", metavar="DIR", help="folder with benchmark files (default: $EVALSUITE_DATA)")
    out.add_argument("--offline", action="store_true", help="never touch the network")
    out.add_argument("--include-path", action="append", default=[], metavar="DIR|FILE", help="more task files")
    out.add_argument("--output-path", "-o", default="results/runs", metavar="DIR", help="where runs go (default: %(default)s)")
    out.add_argument(
        "--report-dir", default="results/gate", metavar="DIR", help="gate.json, gate.md, junit.xml (default: %(default)s)"
    )
    out.add_argument("--fresh", action="store_true", help="start the candidate's run anew")
    out.add_argument("--json", action="store_true", help="print gate.json instead of the table")
    options.add_unsafe(parser)
    options.add_judge(parser)


def main(args: argparse.Namespace) -> int:
    """Plan, simulate, or gate and report."""
    from evalsuite.errors import UsageError
    from evalsuite.gate.candidate import Access
    from evalsuite.gate.state import Gate

    options.unsafe(args)
    reports = Path(args.report_dir)
    if reports.exists() and not reports.is_dir():
        raise UsageError(f"--report-dir {reports}: is no folder")
    for name in () if args.plan or args.aa else REPORTS:  # whatever happens now, the last gate's verdict is not this one's
        (reports / name).unlink(missing_ok=True)
    if not (args.plan or args.aa) and bool(args.run) == bool(args.model):
        raise UsageError("what is to be gated? Either a finished RUN, or --model MODEL to ask (see: evalsuite gate --help)")
    profile = _profile(args)
    access = Access(data_dir=options.folder(args.data_dir), offline=args.offline, include=tuple(args.include_path))
    gate = Gate(
        profile,
        _baseline(args, profile.baseline, profile),
        anchor=_baseline(args, profile.anchor, profile) if profile.anchor else None,
        access=access,
        tasks=options.words(args.tasks) or None,
        judge=options.judge(args),
        allow=options.words(args.allow),
    )
    if args.plan:
        from evalsuite.gate.plan import plan, plan_text

        rows = plan(gate)
        print(json.dumps(rows, indent=1) if args.json else plan_text(rows))
        return 0
    if args.aa:
        from evalsuite.gate.aa import aa, aa_text

        found = aa(gate)
        print(json.dumps(found, indent=1) if args.json else aa_text(found))
        return 0
    from evalsuite.gate.drive import run_gate

    return _report(run_gate(gate, _candidate(args)), args)


def _profile(args: argparse.Namespace) -> Profile:
    """The profile, with the flags over it."""
    import dataclasses

    from evalsuite.errors import UsageError
    from evalsuite.gate.config import TaskRule, default_config, load_config

    path = Path(args.config or "evalsuite.ci.yaml")
    if args.config and not path.is_file():
        raise UsageError(f"--config {path}: there is no such file")
    config = load_config(path, args.include_path) if path.is_file() else default_config()
    name = args.profile or ("pr" if "pr" in config.profiles else None)
    profile = config.profile(name)
    if args.repeats and args.max_n and args.repeats > args.max_n:
        raise UsageError(f"-n {args.repeats} is above --max-n {args.max_n}")
    given: dict[str, Any] = {"n": args.repeats, "max_n": args.max_n, "margin": args.margin, "limit": args.limit}
    given = {k: v for k, v in given.items() if v is not None}

    def changed(rule: Mapping[str, Any]) -> dict[str, Any]:
        """`rule` with the flags over it; of n and max_n, the one that no flag names gives way."""
        new = {**rule, **given}
        n, most = new.get("n", profile.default.n), new.get("max_n", profile.default.max_n)
        return new if n <= most else {**new, **({"max_n": n} if args.repeats else {"n": most})}

    return dataclasses.replace(
        profile,
        baseline=args.baseline or profile.baseline,
        default=TaskRule(**changed(dataclasses.asdict(profile.default))),
        tasks=tuple(TaskRule(**changed(dataclasses.asdict(rule))) for rule in profile.tasks),
        overrides={task: changed(own) for task, own in profile.overrides.items()},
        budget=dataclasses.replace(profile.budget, **({"max_n": args.max_n} if args.max_n else {})),
    )


def _baseline(args: argparse.Namespace, name: str, profile: Profile) -> Recorded:
    from evalsuite.baseline import find_baseline, find_run
    from evalsuite.comparison.compare import Recorded

    if name == args.baseline:
        return Recorded(find_run(name, Path(args.output_path), profile.baselines_dir))
    return Recorded(find_baseline(name, profile.baselines_dir))  # a name in a file is never the beginning of some run's id


def _candidate(args: argparse.Namespace) -> Side:
    from evalsuite.comparison.compare import Recorded
    from evalsuite.errors import UsageError
    from evalsuite.gate.sides import ModelCandidate, RunCandidate
    from evalsuite.runlog import RunDir

    if args.run:
        return RunCandidate(Recorded(RunDir.find(args.run, Path(args.output_path))))
    refs = options.model_refs(args)
    if len(refs) != 1:
        raise UsageError(f"--model names {len(refs)} models, and one is gated at a time")
    return ModelCandidate(refs[0], Path(args.output_path), fresh=args.fresh)


def _report(found: dict[str, Any], args: argparse.Namespace) -> int:
    """Write the reports, print one of them, and hand out the exit code that gate.json has."""
    import os

    from evalsuite.files import write_atomically
    from evalsuite.gate.junit import junit
    from evalsuite.gate.report import annotations, markdown, summary, write_step_summary

    folder = Path(args.report_dir)
    write_atomically(folder / "gate.json", json.dumps(found, indent=1).encode())
    write_atomically(folder / "gate.md", markdown(found, found["profile"]).encode("utf-8", "backslashreplace"))
    write_atomically(folder / "junit.xml", junit(found))
    write_step_summary(found)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in annotations(found):
            print(line, file=sys.stderr)
    print(json.dumps(found, indent=1) if args.json else summary(found))
    print(f"gate: {found['verdict'].replace('_', ' ')} (exit {found['exit_code']}); reports in {folder}", file=sys.stderr)
    return int(found["exit_code"])
