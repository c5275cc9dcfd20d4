"""`evalsuite train`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from evalsuite.cli import options

HELP = """Train a model on tasks with one of the recipes: the verifiers that score the benchmark are the reward.
A run is saved as it goes: kill it at any moment and the same command goes on from its newest checkpoint."""

EPILOG = """\
examples:
  evalsuite train --list
  evalsuite train dapo --show                                       the recipe's settings and their defaults
  evalsuite train dapo --model results/demo --tasks sort_letters@split=train --set optim.lr=3e-4 --set rollout.prompts=64
  evalsuite train vespo --model Qwen/Qwen3-0.6B --tasks gsm8k@split=train --set loss.k_pos=2 --lora 16 --bf16
  evalsuite train grpo --model ckpt --tasks gsm8k@split=train,mbpp@split=train --mix gsm8k@split=train=3,mbpp@split=train=1
  evalsuite train grpo --model ckpt --tasks train.jsonl:math --eval-tasks math500,aime25 --eval-every 50 --seeds 3
  accelerate launch --config_file fsdp.yaml -m evalsuite.cli train grpo --model ckpt --tasks train.jsonl:math --rollouts vllm
  tensorboard --logdir results/train                                after --report-to tensorboard
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite train`."""
    parser.epilog = EPILOG
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="a name of --list")
    parser.add_argument("--list", action="store_true", help="list the recipes: paper, formula, stages that differ from GRPO")
    parser.add_argument("--show", action="store_true", help="print the recipe's settings and end")
    what = parser.add_argument_group("what to train on")
    what.add_argument("--model", "-m", metavar="MODEL", help="a checkpoint folder or hub id")
    what.add_argument(
        "--tasks", "-t", metavar="TASKS", help="as for `evalsuite run`; NAME@split=train, FILE.jsonl:VERIFIER, ..."
    )
    what.add_argument("--mix", default="", metavar="TASK=W,...", help="draw the tasks in these proportions")
    what.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting, as loss.k_pos=2; repeatable")
    what.add_argument("--steps", type=options.positive, default=100, metavar="N", help="updates (default: %(default)s)")
    what.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the run (default: 0)")
    what.add_argument(
        "--seeds",
        type=options.positive,
        default=1,
        metavar="N",
        help="N runs, with seeds from --seed on, and a table over them",
    )
    what.add_argument("--limit", "-L", type=options.limit, metavar="N|SHARE", help="only the first N questions of each task")
    what.add_argument("--prompt", metavar="NAME", help="one of the task's other prompts")
    what.add_argument("--system-instruction", metavar="TEXT", help="system message instead of the prompt's own")
    what.add_argument("--data-dir", metavar="DIR", help="folder with benchmark files (default: $EVALSUITE_DATA)")
    what.add_argument("--offline", action="store_true", help="never touch the network")
    what.add_argument("--include-path", action="append", default=[], metavar="DIR|FILE", help="more task and recipe files")
    test = parser.add_argument_group("evaluation while training")
    test.add_argument("--eval-tasks", metavar="TASKS", help="evaluated at step 0, every --eval-every steps and at the end")
    test.add_argument("--eval-every", type=options.positive, default=0, metavar="N", help="(default: only at both ends)")
    test.add_argument("--eval-repeats", type=options.positive, metavar="N", help="samples per question")
    test.add_argument("--eval-limit", type=options.limit, metavar="N|SHARE", help="only the first N questions of each task")
    how = parser.add_argument_group("how it computes")
    how.add_argument("--dtype", default="float32", metavar="TYPE", help="of the weights (default: %(default)s)")
    how.add_argument("--bf16", action="store_true", help="compute in bfloat16 over these weights")
    how.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    how.add_argument(
        "--lora", type=options.positive, default=0, metavar="RANK", help="train adapters of this rank, not the weights"
    )
    how.add_argument("--micro-tokens", type=options.positive, default=0, metavar="N", help="padded tokens per micro-batch")
    how.add_argument("--pack", action="store_true", help="rows of a micro-batch end to end, without padding")
    how.add_argument("--attn-implementation", default="", metavar="NAME", help="of transformers: sdpa, flash_attention_2, ...")
    how.add_argument("--rollouts", default="hf", metavar="hf|vllm|vllm:URL", help="where completions come from (default: hf)")
    options.add_judge(parser)
    out = parser.add_argument_group("the run")
    out.add_argument("--output-path", "-o", default="results/train", metavar="DIR", help="(default: %(default)s)")
    out.add_argument("--save-every", type=options.positive, default=50, metavar="N", help="steps (default: %(default)s)")
    out.add_argument("--fresh", action="store_true", help="start anew; the earlier record is moved aside")
    out.add_argument(
        "--max-errors", default="5%", metavar="P%", help="share of a step that the verifier may fail on (default: 5%%)"
    )
    out.add_argument("--report-to", default="", metavar="NAME,...", help="mirror the curves: tensorboard, trackio, wandb")
    out.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options.add_unsafe(parser)


def main(args: argparse.Namespace) -> int:
    """List, show, or train; print what came of it."""
    from evalsuite.cli._recipes import listing
    from evalsuite.errors import UsageError
    from evalsuite.registry.recipes import load_recipe

    if args.list:
        print(listing(args.include_path, args.json))
        return 0
    if not args.recipe:
        raise UsageError("which recipe? `evalsuite train --list` shows them")
    chosen = _settings(args.set)
    recipe = load_recipe(args.recipe, args.include_path)
    if args.show:
        print(_show(recipe(chosen).effective(), args.json))
        return 0
    for flag, value in (("--model", args.model), ("--tasks", args.tasks)):
        if not value:
            raise UsageError(f"{flag} is missing; for example: evalsuite train {args.recipe} --model results/demo --tasks NAME")
    return _train(args, recipe, chosen)


def _train(args: argparse.Namespace, recipe: Any, chosen: dict[str, Any]) -> int:
    from evalsuite.registry.recipes import trainers

    library = trainers()
    judge = options.judge(args)
    results = []
    for seed in range(args.seed, args.seed + args.seeds):
        result = library.train(
            recipe(chosen),
            args.model,
            args.tasks,
            steps=args.steps,
            seed=seed,
            mix=options.weights(args.mix, "--mix"),
            eval_tasks=args.eval_tasks or (),
            eval_every=args.eval_every,
            eval_repeats=args.eval_repeats,
            eval_limit=args.eval_limit,
            save_every=args.save_every,
            limit=args.limit,
            prompt=args.prompt,
            system=args.system_instruction,
            data_dir=args.data_dir,
            offline=args.offline,
            include=args.include_path,
            judge=judge,
            output=args.output_path,
            fresh=args.fresh,
            max_errors=_share(args.max_errors),
            confirm_run_unsafe_code=args.confirm_run_unsafe_code,
            setup=library.Setup(
                dtype=args.dtype,
                bf16=args.bf16,
                gradient_checkpointing=args.gradient_checkpointing,
                lora=args.lora,
                micro_tokens=args.micro_tokens,
                pack=args.pack,
                attn_implementation=args.attn_implementation,
                rollouts=args.rollouts,
                report_to=tuple(options.words(args.report_to)),
            ),
        )
        results.append(result)
        if not args.json:
            print(f"{result}\n\ncheckpoint: {result.checkpoint}")
    over = library.over_seeds([r.history for r in results]) if args.seeds > 1 else {}
    if args.json:
        runs = [{"path": str(r.path), "checkpoint": str(r.checkpoint), "history": r.history} for r in results]
        print(json.dumps({"runs": runs, "over_seeds": over}))
    else:
        if over:
            print(f"\n{library.seeds_table(over, args.seeds)}\n")
        print(f"evaluate it: evalsuite run --model {results[-1].checkpoint} --tasks NAME", file=sys.stderr)
    return 0


def _show(settings: dict[str, Any], as_json: bool) -> str:
    from evalsuite.table import markdown

    if as_json:
        return json.dumps(settings)
    return markdown(["setting", "value"], [[name, str(value)] for name, value in settings.items()], right=())


def _settings(given: list[str]) -> dict[str, Any]:
    from evalsuite.models import parse_args

    return {name: value for text in given for name, value in parse_args(text, "--set").items()}


def _share(text: str) -> float:
    """`5%` or `0.05`. Raises UsageError."""
    from evalsuite.errors import UsageError

    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"--max-errors {text}: a share of a step's completions, such as 5%")
    return share
