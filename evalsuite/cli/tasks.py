"""`evalsuite tasks`: list, show, test and pin."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.cli import options

if TYPE_CHECKING:
    from evalsuite.checks import CheckResult
    from evalsuite.sources import Where
    from evalsuite.words.task import Task

HELP = "List the tasks there are, show one, test whether tasks hold what they promise, and pin their data."

EPILOG = """\
examples:
  evalsuite tasks list                           every task, none of them imported
  evalsuite tasks list math 'aime*' --json       by tag, family or glob
  evalsuite tasks show aime25 --data-dir data    source, first prompt, sampling, verifier
  evalsuite tasks test gsm8k,suite:math          golds score 1, everything else 0, nothing leaks
  evalsuite tasks test --include-path mine.py    every task whose data can be found, mine too
  evalsuite tasks pin suite:math -o evalsuite.lock.json

Which TASKS: names, globs, tags, family:NAME, suite:NAME, FILE.jsonl:VERIFIER; separated by commas or spaces.
`test` exits 1 where a check fails, 2 where a task that was named has no data, and 4 where its sandbox is not there.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The four subcommands and their flags."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    texts = {
        "list": "names, families, tags and one line each",
        "show": "everything about a task",
        "test": "check every sample: golds, empty, garbage and other answers, repeatability, leaks, prompts; for code, hostile programs",
        "pin": "write the data revisions of tasks to a lock file",
    }
    for name, text in texts.items():
        action = actions.add_parser(
            name, help=text, description=text, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        some = {"list": "*", "show": "+", "test": "*", "pin": "+"}[name]
        action.add_argument(
            "tasks", nargs=some, metavar="TASKS", help="which tasks" + (" (default: all)" if some == "*" else "")
        )
        action.add_argument(
            "--include-path", action="append", default=[], metavar="DIR|FILE", help="more task files; may be repeated"
        )
        if name != "list":
            action.add_argument("--data-dir", metavar="DIR", help="folder with benchmark files (default: $EVALSUITE_DATA)")
            action.add_argument("--offline", action="store_true", help="never touch the network")
        if name in ("show", "test"):
            action.add_argument("--lock", metavar="FILE", help="lock file written by `evalsuite tasks pin`")
        if name == "test":
            options.add_unsafe(action)
        if name == "pin":
            action.add_argument(
                "-o", "--output", default="evalsuite.lock.json", metavar="FILE", help="default: evalsuite.lock.json"
            )
        else:
            action.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    """Exit code: 0; for `test` 1 where a check fails."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {"list": _list, "show": _show, "test": _test, "pin": _pin}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from evalsuite import registry

    infos = registry.index(args.include_path)
    suites = registry.suites(args.include_path)
    if args.tasks:
        chosen = registry.select(args.tasks, args.include_path)
        infos = {name: infos[name] for name in infos if name in {spec.partition("@")[0] for spec in chosen.tasks}}
        suites = dict(chosen.suites)
    if args.json:
        print(json.dumps({"tasks": [info._asdict() for info in infos.values()], "suites": suites}, indent=1))
        return 0
    rows = [(info.name, info.family or "-", ",".join(info.tags), info.doc) for info in infos.values()]
    _print_table(("task", "family", "tags", "what"), rows)
    if suites:
        print()
        _print_table(("suite", "tasks"), [(f"suite:{name}", ",".join(tasks)) for name, tasks in suites.items()])
    return 0


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; the last one is cut to a terminal's width."""
    import shutil

    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head) - 1)]
    room = shutil.get_terminal_size().columns - sum(widths) - 2 * len(widths) if sys.stdout.isatty() else 0
    for row in (head, *rows):
        last = row[-1] if room <= 20 or len(row[-1]) <= room else row[-1][: room - 1] + "…"
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), last]).rstrip())


def _show(args: argparse.Namespace) -> int:
    from evalsuite import registry

    found = [_describe(spec, args) for spec in registry.select(args.tasks, args.include_path).tasks]
    if args.json:
        print(json.dumps(found, indent=1, default=str))
        return 0
    for number, facts in enumerate(found):
        if number:
            print()
        for key, value in facts.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            print(f"{key}:\n{_indent(text)}" if "\n" in text else f"{key}: {text}")
    return 0


def _describe(spec: str, args: argparse.Namespace) -> dict[str, Any]:
    """What `show` prints of one task, in order. A task without data still shows, with the reason."""
    from evalsuite import registry
    from evalsuite.errors import UsageError
    from evalsuite.sources import Source, load, load_shots

    task, where = registry.load_task(spec, args.include_path), _where(args)
    info = registry.index(args.include_path).get(spec.partition("@")[0])
    facts: dict[str, Any] = {"task": task.name}
    if info is not None:
        facts |= {"defined": f"{info.path}:{info.line}", "family": info.family or "-", "tags": list(info.tags)}
        facts |= {"arguments": list(info.parameters)} if info.parameters else {}
        facts |= {"description": _docstring(spec, args.include_path)}
    if isinstance(task.samples, Source):
        names = ("local", "hub", "config", "split", "revision", "files", "size")
        facts["source"] = {n: getattr(task.samples, n) for n in names if getattr(task.samples, n) not in (None, (), "")}
    facts |= {
        "verifier": task.verifier.describe(),
        "sampling": task.sampling.to_dict(),
        "metrics": list(task.metrics),
        "version": task.version,
        "few-shot": task.num_fewshot,
        "prompts": list(dict.fromkeys(p.name for p in (task.prompt, *task.prompts))),
    }
    facts |= {"chance": task.chance} if task.chance is not None else {}
    facts |= {"exempt": dict(task.exempt)} if task.exempt else {}
    try:
        loaded = load(task, where)
        shots = load_shots(task, where, task.num_fewshot)
    except UsageError as error:
        return facts | {"data": str(error)}
    first = loaded.samples[0]
    rendered = task.prompt.render(first, shots)
    return facts | {
        "data": f"{loaded.label(task.name)}, {len(loaded.samples)} samples, {loaded.kind} {loaded.location}",
        "revision": loaded.revision,
        "first id": first.id,
        "first target": first.target,
        "first prompt": "\n".join(f"[{m.role}] {m.text}" for m in rendered.messages),
        "first prompt as text": rendered.plain,
    }


def _docstring(spec: str, include: Sequence[str]) -> str:
    import inspect

    from evalsuite import registry

    return inspect.getdoc(registry.find(spec.partition("@")[0], include)) or ""


def _indent(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.split("\n"))


def _test(args: argparse.Namespace) -> int:
    from evalsuite import registry
    from evalsuite.checks import check_task
    from evalsuite.errors import UnavailableError, UsageError
    from evalsuite.sources import load, load_shots
    from evalsuite.verifiers.pool import default_pool

    options.unsafe(args)
    where = _where(args)
    names = registry.select(args.tasks, args.include_path).tasks if args.tasks else tuple(registry.index(args.include_path))
    report: dict[str, Any] = {}
    failed = False
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {name}", file=sys.stderr, flush=True)
        task = registry.load_task(name, args.include_path)
        name = task.name
        try:
            task.verifier.prepare()
            loaded = load(task, where)
            shots = load_shots(task, where, task.num_fewshot)
        except (UsageError, UnavailableError) as error:
            if args.tasks:
                raise
            report[name] = {"skipped": str(error)}
        else:
            results = check_task(task, loaded, default_pool(), shots)
            failed |= not all(result.passed for result in results)
            report[name] = {"label": loaded.label(name), "samples": len(loaded.samples), "checks": results}
        if not args.json:
            _print_report(name, report[name])
    if args.json:
        print(json.dumps(report, indent=1, default=_as_dict))
    else:
        _print_summary(report)
    return int(failed)


def _print_report(name: str, row: dict[str, Any]) -> None:
    """One line per task, then one per failure, exemption or remark."""
    if "skipped" in row:
        print(f"{name}: skipped, {row['skipped']}", flush=True)
        return
    results: list[CheckResult] = row["checks"]
    verdict = "ok" if all(r.passed for r in results) else "FAILED"
    counts = ", ".join(f"{r.name} {r.n}" for r in results if r.exempt_reason is None)
    print(f"{row['label']}: {verdict}, {row['samples']} samples; {counts}")
    for r in results:
        if not r.passed:
            print(f"  {r.name} FAILED: {r.detail}")
        elif r.exempt_reason is not None:
            print(f"  {r.name} exempt: {r.exempt_reason}")
        elif r.detail:
            print(f"  {r.name}: {r.detail}")
    sys.stdout.flush()


def _print_summary(report: dict[str, Any]) -> None:
    skipped = sum("skipped" in row for row in report.values())
    failed = [name for name, row in report.items() if not all(r.passed for r in row.get("checks", ()))]
    tested = len(report) - skipped
    print(
        f"{tested - len(failed)} of {tested} tasks ok"
        + (f", {skipped} skipped" if skipped else "")
        + (f"; FAILED: {', '.join(failed)}" if failed else "")
    )


def _as_dict(value: Any) -> Any:
    import dataclasses

    return dataclasses.asdict(value)


def _pin(args: argparse.Namespace) -> int:
    from pathlib import Path

    from evalsuite import registry
    from evalsuite.files import write_atomically
    from evalsuite.sources import pin
    from evalsuite.sources.locate import read_lock

    path = Path(args.output)
    lock = read_lock(path) if path.exists() else {}
    where = _where(args)
    tasks: list[Task] = [
        registry.load_task(spec, args.include_path) for spec in registry.select(args.tasks, args.include_path).tasks
    ]
    for task in tasks:
        entries = pin(task, where)
        lock |= entries
        for name, entry in entries.items():
            place = entry.get("local") or entry.get("hub") or "generated"
            print(f"{name}: {place} {entry.get('revision') or entry.get('sha256')}")
    write_atomically(path, json.dumps(dict(sorted(lock.items())), indent=1).encode() + b"\n")
    print(f"{len(tasks)} tasks pinned in {path}; use it with --lock {path}", file=sys.stderr)
    return 0


def _where(args: argparse.Namespace) -> Where:
    from pathlib import Path

    from evalsuite.sources import Where

    lock = Path(args.lock) if getattr(args, "lock", None) else None
    return Where(options.folder(args.data_dir), args.offline, lock)
