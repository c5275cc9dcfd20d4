"""`evalsuite reward`: dataset and serve."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.cli import options

if TYPE_CHECKING:
    from evalsuite.plan import Plan, Settings

HELP = """The verifiers of tasks as rewards for other trainers: the prompts to train on, in the form that TRL, verl and OpenRLHF
expect, and a server that scores what a policy said. In Python: evalsuite.reward("gsm8k", ...)."""

EPILOG = """\
examples:
  evalsuite reward dataset sort_letters@split=train:size=1000 --format trl --out prompts.parquet
  evalsuite reward dataset arithmetic@split=train,sort_letters@split=train --format verl --out mix.parquet \\
      --mix arithmetic@split=train=3,sort_letters@split=train=1
  evalsuite reward dataset gsm8k@split=train --data-dir data --format openrlhf --out prompts.jsonl
  evalsuite reward serve --tasks gsm8k,mbpp --weights gsm8k=2 --port 8765
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The two subcommands and their flags."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(metavar="ACTION", dest="action", required=True)
    texts = {
        "dataset": "write the prompt data set that a trainer expects",
        "serve": "score completions over HTTP until interrupted",
    }
    parsers = {
        name: actions.add_parser(
            name, help=text, description=text, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        for name, text in texts.items()
    }
    add = parsers["dataset"].add_argument
    add("tasks", metavar="TASK[,TASK]", help="as --tasks of `evalsuite run`")
    add("--format", required=True, choices=("trl", "verl", "openrlhf", "jsonl"), help="whose columns")
    add("--out", "-o", required=True, metavar="FILE", help=".parquet (trl, verl) or .jsonl (trl, openrlhf, jsonl)")
    add("--mix", default="", metavar="TASK=W,...", help="share the rows out by these weights, and shuffle them")
    add("--seed", type=int, default=0, metavar="N", help="of --mix (default: 0)")
    add("--plain", action="store_true", help="prompts as text, for models without a chat template")
    add("--num-fewshot", "-f", type=int, metavar="K", help="worked examples in the prompt (default: the task's own)")
    add("--prompt", metavar="NAME", help="one of the tasks' other prompts")
    add("--system-instruction", metavar="TEXT", help="system message instead of the prompt's own")
    add = parsers["serve"].add_argument
    add("--tasks", "-t", required=True, metavar="TASKS", help="as for `evalsuite run`")
    add("--weights", default="", metavar="TASK=W,...", help="multiply the rewards of a task (default: 1)")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: %(default)s, this machine only)")
    add("--port", type=int, default=8765, metavar="N", help="0 takes a free one (default: %(default)s)")
    add("--eos", action="append", default=[], metavar="TEXT", help="OpenRLHF: text of the model's end token; may be repeated")
    add("--deadline", type=float, metavar="SECONDS", help="for one completion, where its verifier sets none (default: 10)")
    add(
        "--batch-seconds",
        type=float,
        metavar="SECONDS",
        help="for one request: what is not scored then is null (default: none)",
    )
    options.add_unsafe(parsers["serve"])
    options.add_judge(parsers["serve"])
    for action in parsers.values():
        add = action.add_argument
        add(
            "--limit",
            "-L",
            type=options.limit,
            metavar="N|SHARE",
            help="only the first N questions of a task, or a share below 1",
        )
        add("--data-dir", metavar="DIR", help="folder with benchmark files (default: $EVALSUITE_DATA)")
        add("--offline", action="store_true", help="never touch the network")
        add("--lock", metavar="FILE", help="lock file written by `evalsuite tasks pin`")
        add("--include-path", action="append", default=[], metavar="DIR|FILE", help="more task files; may be repeated")


def main(args: argparse.Namespace) -> int:
    """Exit code 0; errors have their own."""
    return {"dataset": _dataset, "serve": _serve}[args.action](args)


def _dataset(args: argparse.Namespace) -> int:
    from evalsuite.plan import make_plans
    from evalsuite.rewards.datasets import check_form, evaluated, write_dataset

    out, mix = Path(args.out), options.weights(args.mix, "--mix")
    check_form(args.format, out, args.plain)
    settings = _settings(args, num_fewshot=args.num_fewshot, prompt=args.prompt, system=args.system_instruction)
    plans, _ = make_plans(options.task_names(args), settings)
    count = write_dataset(plans, args.format, out, plain=args.plain, mix=mix, seed=args.seed, include=settings.include)
    print(out)
    print(", ".join(f"{name}: {rows} rows" for name, rows in count.items()), file=sys.stderr)
    if names := evaluated(plans, settings.include):
        print(
            f"note: {', '.join(names)}: `evalsuite run` evaluates on these very questions, so it measures nothing for a policy "
            "that was trained on them; where a task has a training split, it is TASK@split=train",
            file=sys.stderr,
        )
    _note_stops(plans, args.format, args.plain)
    return 0


def _note_stops(plans: Sequence[Plan], form: str, plain: bool) -> None:
    """Where `evalsuite run` ends completions, as the setting that makes a trainer end them there too."""
    from evalsuite.rewards.datasets import stops

    found = stops(plans, plain)
    if not any(found):
        return
    for ends, names in found.items():
        where = json.dumps(ends) if ends else "their end token alone"
        print(
            f"note: {', '.join(names)}: `evalsuite run` ends completions at {where}; let the trainer do so too", file=sys.stderr
        )
    if len(found) > 1:
        print("note: a trainer has one list of stop strings for all tasks: train these apart", file=sys.stderr)
        return
    text = json.dumps(next(iter(found)))
    setting = {
        "trl": f'generation_kwargs={{"stop": {text}}} with vLLM; without it generation_kwargs={{"stop_strings": {text}}} and '
        "model.generate = functools.partial(model.generate, tokenizer=tokenizer)",
        "verl": "verl 0.9 has no setting for it: the reward reads what follows as well",
        "openrlhf": "OpenRLHF 0.11 has no setting for it: the reward reads what follows as well",
        "jsonl": f"stop={text} in vLLM",
    }
    print(f"note: {setting[form]}", file=sys.stderr)


def _serve(args: argparse.Namespace) -> int:
    from evalsuite.plan import make_plans
    from evalsuite.rewards.core import Reward
    from evalsuite.rewards.server import serve

    options.unsafe(args)
    plans, _ = make_plans(options.task_names(args), _settings(args))
    made = Reward(
        plans,
        weights=options.weights(args.weights, "--weights"),
        judge=options.judge(args),
        deadline=args.deadline,
        batch_seconds=args.batch_seconds,
    )
    serve(made, host=args.host, port=args.port, eos=args.eos, on_ready=lambda url: print(url, flush=True))
    return 0


def _settings(args: argparse.Namespace, **changes: object) -> Settings:
    from evalsuite.plan import Settings
    from evalsuite.sources import Where

    lock = Path(args.lock) if args.lock else None
    where = Where(data_dir=options.folder(args.data_dir), offline=args.offline, lock=lock)
    return Settings(limit=args.limit, where=where, include=tuple(args.include_path), **changes)  # type: ignore[arg-type]
