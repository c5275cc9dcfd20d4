"""The command line: one file per command. Parsing and printing, nothing else."""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import shlex
import sys
from collections.abc import Sequence

# Command -> one line of help. The module evalsuite.cli.<command> is imported only when its command is called.
COMMANDS = {
    "run": "evaluate a model on tasks",
    "score": "verify recorded completions again, without a model",
    "compare": "is the difference between runs real? paired by question",
    "power": "how many questions and samples find a difference of a given size",
    "baseline": "keep a run as a small baseline that can be committed",
    "train": "train a model with a recipe: verifiers as rewards",
    "leaderboard": "evaluations, comparisons, samples and training curves in a browser",
    "gate": "pass, fail or inconclusive: a regression gate for CI",
    "tasks": "list, show, test and pin tasks",
    "reward": "verifiers as rewards for TRL, verl and OpenRLHF: prompt data sets, and a server",
    "export": "write a run as lm-eval, CSV or Parquet files",
    "import": "results of lm-eval, inspect, TRL and TensorBoard as ordinary runs",
    "convert": "turn recorded completions into rows that --model replay:FILE reads",
    "demo": "train a small language model to try everything with, offline",
}

EPILOG = """\
examples:
  evalsuite demo                                              train a small model in seconds
  evalsuite run --model results/demo --tasks sort_letters -n 8
  evalsuite run --model Qwen/Qwen3-4B --tasks aime25,math500 -n 16
  evalsuite run --model openai:gpt-4.1-mini --tasks suite:math --limit 20
  evalsuite tasks list

exit codes: 0 complete, 2 usage, 3 incomplete, 4 backend not available, 130 interrupted (the same command goes on),
            10 verdicts changed (score --diff) or a regression (gate), 12 not comparable (compare, gate),
            gate also 11 inconclusive, 13 infrastructure errors, 14 budget spent; 1 a bug of ours
"""


class Parser(argparse.ArgumentParser):
    """argparse that suggests the nearest flag or command for a wrong one."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Print the message with the nearest names and exit 2."""
        flags = [s for a in self._actions for s in a.option_strings if s.startswith("--")]
        for word in message.split():
            near = difflib.get_close_matches(word.strip("'\","), flags, n=1) if word.startswith("--") else []
            if near and near[0] != word and "unrecognized" in message:
                message += f" (did you mean {near[0]}?)"
        self.exit(2, f"evalsuite: error: {message}\nTry '{self.prog} --help'.\n")

    def refuse_unknown(self, words: Sequence[str]) -> None:
        """A misspelt flag is named before argparse misses the one it was meant to be."""
        known = self._option_string_actions
        if any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            return  # the flags are those of its own commands
        for flag in (word.partition("=")[0] for word in words):
            if flag.startswith("--") and flag != "--" and not any(option.startswith(flag) for option in known):
                self.error(f"unrecognized arguments: {flag}")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `evalsuite`. Returns the exit code."""
    words = [_dashes(w) for w in (sys.argv[1:] if argv is None else argv)]
    parser = Parser(
        prog="evalsuite",
        description="One task definition is a benchmark and a reward.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", parser_class=Parser)
    name = words[0] if words else ""
    for command, text in COMMANDS.items():
        sub = commands.add_parser(command, help=text, formatter_class=argparse.RawDescriptionHelpFormatter)
        if command == name:
            module = importlib.import_module(f"evalsuite.cli.{command}")
            sub.description = module.HELP
            module.configure(sub)
    if name and not name.startswith("-") and name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        parser.error(
            f"no command {name!r}" + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(COMMANDS)}")
        )
    if name in COMMANDS:
        commands.choices[name].refuse_unknown(words[1:])
    args, unknown = parser.parse_known_args(words)
    if unknown:
        commands.choices.get(name, parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    if args.version:
        from evalsuite import __version__

        print(f"evalsuite {__version__}")
        return 0
    if not args.command:
        parser.print_help()
        return 2
    return _call(importlib.import_module(f"evalsuite.cli.{args.command}").main, args, words)


def _call(command, args: argparse.Namespace, words: Sequence[str]) -> int:  # type: ignore[no-untyped-def]
    import signal
    import threading

    from evalsuite.errors import EvalsuiteError

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends a command as Ctrl-C does
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character must not cost the table
    try:
        return int(command(args) or 0)
    except EvalsuiteError as error:
        print(f"evalsuite: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        again = shlex.join(["evalsuite", *(w for w in words if w != "--fresh")])
        print(f"\nevalsuite: interrupted. What is finished is saved; to go on:\n  {again}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; nothing to say at exit
        return 0


def _dashes(word: str) -> str:
    """`--model_args` is `--model-args`: both spellings of a flag are accepted, its value is left alone."""
    if not word.startswith("--"):
        return word
    flag, equals, value = word.partition("=")
    return flag.replace("_", "-") + equals + value
