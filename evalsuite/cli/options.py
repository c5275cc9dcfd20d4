"""Flags that several commands share, and what they mean."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.models import ModelRef
    from evalsuite.models.base import Model
    from evalsuite.plan import Settings

WATCH_SECONDS = 10.0

# --gen_kwargs spellings of lm-eval and of engines -> fields of Sampling.
_SAMPLING = {
    "max_gen_toks": "max_tokens",
    "max_new_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "until": "stop",
    "reasoning_effort": "effort",
    "enable_thinking": "thinking",
}


def add_model(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """--model and what belongs to it."""
    group = parser.add_argument_group("the model")
    group.add_argument(
        "--model",
        "-m",
        required=required,
        metavar="MODEL",
        nargs="+",
        help="a checkpoint path, hub id, glob or folder of checkpoints; BACKEND:TARGET with hf, vllm, openai, replay or "
        "scripted; or a backend name with --model_args pretrained=...",
    )
    group.add_argument("--model-args", "-a", default="", metavar="K=V,...", help="arguments of the backend")
    group.add_argument("--base-url", metavar="URL", help="openai: the server, for example http://localhost:8000/v1")
    group.add_argument("--concurrency", type=int, metavar="N", help="openai: requests in flight (default: 64)")
    group.add_argument("--max-tokens-total", type=int, metavar="N", help="openai: stop when this many tokens are used")
    group.add_argument("--max-cost", type=float, metavar="USD", help="openai: stop when this much is spent (needs prices)")
    group.add_argument(
        "--batch-size", "-b", type=_batch_size, metavar="N|auto", help="hf: rows per batch (default: by token budget)"
    )
    group.add_argument("--replicas", type=int, metavar="N", help="hf: copies of the model, one per GPU")
    group.add_argument("--device", metavar="DEVICE", help="hf: cpu, cuda, cuda:1, ... (default: a GPU where there is one)")
    group.add_argument(
        "--apply-chat-template",
        nargs="?",
        const="true",
        default=None,
        choices=("true", "false", "auto"),
        help="hf, vllm: chat or plain prompts (default: chat where the tokenizer has a template)",
    )


def add_tasks(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """--tasks and how they are asked."""
    group = parser.add_argument_group("the tasks")
    group.add_argument(
        "--tasks",
        "-t",
        required=required,
        metavar="TASKS",
        help="names, globs, tags, family:NAME, suite:NAME, FILE.jsonl:VERIFIER (a path without commas); comma separated",
    )
    group.add_argument("--repeats", "-n", type=positive, metavar="N", help="samples per question (default: the task's own)")
    group.add_argument("--k", metavar="K,...", help="report pass@K for these K as well")
    group.add_argument("--metrics", metavar="M,...", help="report these: avg, pass@8, maj@8, pass^4, g_pass@8_0.5, mg_pass@8")
    group.add_argument("--limit", "-L", type=float, metavar="N|SHARE", help="only the first N questions, or a share below 1")
    group.add_argument("--num-fewshot", "-f", type=_not_negative, metavar="K", help="worked examples in the prompt")
    group.add_argument("--prompt", metavar="NAME", help="one of the task's other prompts (see: evalsuite tasks show)")
    group.add_argument("--system-instruction", metavar="TEXT", help="system message instead of the prompt's own")
    group.add_argument(
        "--gen-kwargs", default="", metavar="K=V,...", help="temperature, top_p, top_k, min_p, max_tokens, stop, ..."
    )
    group.add_argument("--thinking", action=argparse.BooleanOptionalAction, default=None, help="ask the chat template for it")
    group.add_argument("--effort", metavar="LEVEL", help="reasoning effort, where the model has levels")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the run (default: 0)")
    group.add_argument("--data-dir", metavar="DIR", help="folder with benchmark files (default: $EVALSUITE_DATA)")
    group.add_argument("--offline", action="store_true", help="never touch the network")
    group.add_argument("--lock", metavar="FILE", help="lock file written by `evalsuite tasks pin`")
    group.add_argument(
        "--include-path", action="append", default=[], metavar="DIR|FILE", help="more task files; may be repeated"
    )


def add_judge(parser: argparse.ArgumentParser) -> None:
    """--judge, for tasks whose verifier asks a model."""
    group = parser.add_argument_group("the judge")
    group.add_argument("--judge", metavar="MODEL", help="the model that judges, spelled as --model is")
    group.add_argument("--judge-base-url", metavar="URL", help="its server")
    group.add_argument("--judge-args", default="", metavar="K=V,...", help="arguments of its backend")


def add_unsafe(parser: argparse.ArgumentParser) -> None:
    """--confirm-run-unsafe-code, for tasks whose verifier runs programs."""
    parser.add_argument(
        "--confirm-run-unsafe-code",
        action="store_true",
        help="run a model's programs even where the sandbox cannot isolate them fully: they may then read, change and send "
        "whatever you can (without it: exit 4, saying what is missing)",
    )


def unsafe(args: argparse.Namespace) -> None:
    """Act on --confirm-run-unsafe-code. Before anything starts a worker."""
    if args.confirm_run_unsafe_code:
        from evalsuite.plan import confirm_unsafe_code

        confirm_unsafe_code()


def settings(args: argparse.Namespace) -> Settings:
    """What the flags change about the tasks."""
    from evalsuite.models import parse_args
    from evalsuite.plan import Settings
    from evalsuite.sources import Where

    metrics = tuple(words(args.metrics)) if args.metrics else None
    return Settings(
        repeats=args.repeats,
        limit=args.limit,
        num_fewshot=args.num_fewshot,
        sampling=_sampling(parse_args(args.gen_kwargs, "--gen_kwargs"), args),
        metrics=metrics,
        extra_metrics=tuple(f"pass@{k}" for k in words(args.k)),
        prompt=args.prompt,
        system=args.system_instruction,
        seed=args.seed,
        where=Where(
            data_dir=folder(args.data_dir),
            offline=args.offline,
            lock=Path(args.lock) if args.lock else None,
        ),
        include=tuple(args.include_path),
    )


def task_names(args: argparse.Namespace) -> list[str]:
    """The words of --tasks."""
    return words(args.tasks)


def folder(given: str | None) -> Path | None:
    """The folder that a flag names, `~` expanded; None without one."""
    return Path(os.path.expanduser(given)) if given else None


def model_refs(args: argparse.Namespace, waiting: bool = False) -> list[ModelRef]:
    """What --model names, in order, without opening anything; `waiting` as in `models.resolve`."""
    from evalsuite.models import parse_args, resolve

    given = parse_args(args.model_args) | _backend_args(args)
    refs = [ref for spec in args.model for ref in resolve(spec, given, waiting=waiting)]
    return list(dict.fromkeys(refs))


def default_repeats(chosen: Settings, refs: list[ModelRef]) -> Settings:
    """A replayed file brings its own number of samples per question, unless -n says otherwise."""
    if chosen.repeats is None and refs and all(ref.backend == "replay" for ref in refs):
        recorded = min(ref.open().recorded() for ref in refs)  # type: ignore[attr-defined]
        return dataclasses.replace(chosen, repeats=recorded)
    return chosen


def judge(args: argparse.Namespace) -> Model | None:
    """The judge model, opened; None where none was asked for."""
    if not args.judge:
        return None
    from evalsuite.errors import UsageError
    from evalsuite.models import parse_args, resolve

    given = parse_args(args.judge_args, "--judge-args") | ({"base_url": args.judge_base_url} if args.judge_base_url else {})
    refs = resolve(args.judge, given)
    if len(refs) != 1:
        raise UsageError(f"--judge {args.judge}: names {len(refs)} models, one is needed")
    return refs[0].open()


def ready_checkpoints(args: argparse.Namespace, seen: set[ModelRef]) -> list[ModelRef]:
    """Checkpoints under --model that are not in `seen` and whose files have not changed for a while."""
    quiet = time.time() - 2 * WATCH_SECONDS
    return [r for r in model_refs(args, waiting=True) if r not in seen and _newest(Path(r.target)) < quiet]


def _newest(checkpoint: Path) -> float:
    try:
        return max((f.stat().st_mtime for f in checkpoint.rglob("*") if f.is_file()), default=float("inf"))
    except FileNotFoundError:  # training is deleting it
        return float("inf")


def _backend_args(args: argparse.Namespace) -> dict[str, Any]:
    given = {
        "base_url": args.base_url,
        "concurrency": args.concurrency,
        "max_tokens_total": args.max_tokens_total,
        "max_cost": args.max_cost,
        "batch_size": args.batch_size,
        "replicas": args.replicas,
        "device": args.device,
        "chat": {None: None, "true": True, "false": False, "auto": None}[args.apply_chat_template],
    }
    return {k: v for k, v in given.items() if v is not None}


def _sampling(given: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Fields of Sampling from --gen_kwargs and the flags; what is not a field goes to the engine as it is."""
    from evalsuite.errors import UsageError
    from evalsuite.words.completion import Sampling

    if "repeats" in given:
        raise UsageError("--gen_kwargs repeats: the number of samples per question is -n N")
    sample = given.pop("do_sample", True)
    if not isinstance(sample, bool):
        raise UsageError(f"--gen_kwargs do_sample={sample}: true or false")
    known = {f.name for f in dataclasses.fields(Sampling)} - {"extra"}
    out: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in given.items():
        key = _SAMPLING.get(key, key)
        if key == "stop":
            out["stop"] = tuple(value) if isinstance(value, list) else (value,)
        elif key in known:
            out[key] = value
        else:
            extra[key] = value
    if not sample:
        out["temperature"] = 0.0  # greedy, whatever temperature stands beside it
    if extra:
        out["extra"] = extra
    if args.thinking is not None:
        out["thinking"] = args.thinking
    if args.effort is not None:
        out["effort"] = args.effort
    return out


def words(text: str | None) -> list[str]:
    """The parts of a comma separated flag."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def weights(text: str, flag: str) -> dict[str, float]:
    """`gsm8k=3,mbpp=1`. The name is what stands before the last `=`: arguments of a task have one too."""
    from evalsuite.errors import UsageError

    weights: dict[str, float] = {}
    for word in words(text):
        name, _, number = word.rpartition("=")
        if name in weights:
            raise UsageError(f"{flag} {text}: {name} is there twice")
        try:
            weights[name] = float(number)
        except ValueError:
            raise UsageError(f"{flag} {word}: TASK=NUMBER is expected") from None
    return weights


def positive(text: str) -> int:
    """An argument that is a whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def points(text: str) -> float:
    """An argument that is a difference of scores, in (0, 1]: `3pp`, `3%` or `0.03`."""
    match = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(pp|%)?", text.strip(), re.ASCII | re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a difference such as 3pp, 3% or 0.03")
    value = float(match[1]) / (100 if match[2] else 1)
    if not match[2] and value > 1:
        raise argparse.ArgumentTypeError(
            f"{text!r}: say {text.strip()}pp for percentage points; a bare number is a share such as 0.03"
        )
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0 and at most 100pp")
    return value


def limit(text: str) -> float:
    """An argument that is a count of questions, or a share of them below 1."""
    value = float(text)
    if not (0 < value < 1 or (1 <= value < 1e12 and value == int(value))):
        raise argparse.ArgumentTypeError(f"{text}: a count of at least 1, or a share between 0 and 1")
    return value


def _not_negative(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _batch_size(text: str) -> int | str:
    """A number of rows, or lm-eval's `auto` and `auto:N`."""
    return "auto" if text.split(":")[0] == "auto" else positive(text)
