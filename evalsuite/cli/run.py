"""`evalsuite run`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.cli import options

if TYPE_CHECKING:
    from evalsuite.models.base import Model
    from evalsuite.plan import Plan
    from evalsuite.results import RunResult

HELP = """Evaluate one or more models on tasks. Prints a table with intervals; everything else goes to stderr.
A run is saved as it goes: kill it at any moment and the same command goes on where it stopped."""

EPILOG = """\
examples:
  evalsuite run --model results/demo --tasks sort_letters,arithmetic -n 8
  evalsuite run --model out/checkpoint-* --tasks math500 --limit 100
  evalsuite run --model out --watch --tasks aime25 -n 16            evaluate checkpoints as they appear
  evalsuite run --model hf --model_args pretrained=Qwen/Qwen3-0.6B,dtype=bfloat16 --tasks gsm8k --num_fewshot 4
  evalsuite run --model openai:my-model --base-url http://localhost:8000/v1 --tasks suite:math -n 4
  evalsuite run --model replay:recorded.jsonl --tasks gsm8k --data-dir data
  evalsuite run --model openai:my-model --tasks questions.jsonl:math
  evalsuite run --model openai:my-model --tasks simpleqa --judge openai:gpt-4.1
  evalsuite run --model my-model --tasks aime25 -n 32               adds 24 samples to an earlier -n 8
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Flags of `evalsuite run`; lm-eval's names where the meaning is the same."""
    parser.epilog = EPILOG
    options.add_model(parser)
    options.add_tasks(parser)
    options.add_judge(parser)
    out = parser.add_argument_group("the run")
    out.add_argument("--output-path", "-o", default="results/runs", metavar="DIR", help="where runs go (default: %(default)s)")
    out.add_argument("--fresh", action="store_true", help="start anew; the earlier record is moved aside")
    out.add_argument(
        "--max-errors", default="0", metavar="N|P%", help="samples that may lack a value before exit 3 (default: 0)"
    )
    out.add_argument(
        "--target",
        choices=("population", "benchmark"),
        default="population",
        help="what intervals are about: new questions of this kind, or these very questions (default: %(default)s)",
    )
    out.add_argument("--json", action="store_true", help="print JSON instead of the table (a list for several models)")
    out.add_argument("--dry-run", action="store_true", help="show prompts, counts and detectable difference; ask nothing")
    out.add_argument("--watch", action="store_true", help="keep looking for new checkpoints under --model until Ctrl-C")
    out.add_argument("--log-samples", action="store_true", help="accepted for lm-eval's sake: samples are always logged")
    options.add_unsafe(parser)


def main(args: argparse.Namespace) -> int:
    """Evaluate; print the table or JSON; return the worst exit code."""
    from evalsuite.errors import EvalsuiteError
    from evalsuite.plan import make_plans, prepare

    options.unsafe(args)
    settings = options.settings(args)
    tasks = options.task_names(args)
    if args.watch and not args.dry_run:
        return _watch(args)
    refs = options.model_refs(args)
    settings = options.default_repeats(settings, refs)
    plans, suites = make_plans(tasks, settings)
    if args.dry_run:
        _dry_run(plans, len(refs), args.json)
    prepare(plans)  # a dry run shows what it can, and then ends as the run would
    if args.dry_run:
        return 0
    judge = options.judge(args)
    results, codes = [], []
    for ref in refs:
        try:
            results.append(_evaluate(ref.open(), plans, suites, settings, judge, args))
            codes.append(results[-1].exit_code)
        except EvalsuiteError as error:  # the other models' numbers are not lost with this one
            if len(refs) == 1:
                raise
            print(f"evalsuite: error: {ref.name}: {error}", file=sys.stderr)
            codes.append(error.exit_code)
    shown = [r for r in results if not r.stopped or any(t.coverage for t in r.tasks.values())]
    if shown:
        _print(shown, args.json)
    return max(codes)


def _evaluate(
    model: Model, plans: list[Plan], suites: Any, settings: Any, judge: Model | None, args: argparse.Namespace
) -> RunResult:
    from evalsuite.evaluate import evaluate

    result = evaluate(
        model,
        plans,
        suites=suites,
        settings=settings,
        judge=judge,
        output=Path(args.output_path),
        fresh=args.fresh,
        max_errors=args.max_errors,
        target=args.target,
        on_open=lambda run_dir: print(f"run: {run_dir.path}", file=sys.stderr),
    )
    if result.stopped:
        again = "" if result.exit_code == 2 else "\nThe same command goes on from here."
        print(f"evalsuite: stopped early: {result.stopped}{again}", file=sys.stderr)
    elif result.exit_code:
        print(
            f"evalsuite: incomplete: {sum(t.errors for t in result.tasks.values())} samples have no value "
            f"(--max-errors {args.max_errors}){_first_error(result)}\nThe same command tries them again.",
            file=sys.stderr,
        )
    return result


def _first_error(result: RunResult) -> str:
    first = next((e for t in result.tasks.values() for e in t.first_errors), "")
    return f"; the first: {first}" if first else ""


def _print(results: list[RunResult], as_json: bool) -> None:
    if as_json:
        rows = [r.to_dict() for r in results]
        print(json.dumps(rows[0] if len(rows) == 1 else rows, indent=1))
    else:
        from evalsuite.table import render

        print(render(results))


def _watch(args: argparse.Namespace) -> int:
    """Evaluate every checkpoint under `--model` once, then wait for more. Ends with Ctrl-C."""
    import time

    from evalsuite.errors import EvalsuiteError
    from evalsuite.plan import make_plans, prepare

    settings = options.settings(args)
    plans, suites = make_plans(options.task_names(args), settings)
    prepare(plans)
    judge = options.judge(args)
    seen: set[Any] = set()
    while True:
        for ref in options.ready_checkpoints(args, seen):
            seen.add(ref)
            try:
                _print([_evaluate(ref.open(), plans, suites, settings, judge, args)], args.json)
                sys.stdout.flush()
            except EvalsuiteError as error:
                print(f"evalsuite: error: {ref.name}: {error}", file=sys.stderr)
        time.sleep(options.WATCH_SECONDS)


def _dry_run(plans: list[Plan], models: int, as_json: bool) -> None:
    from evalsuite.metrics.power import smallest_difference

    rows: list[dict[str, Any]] = []
    for plan in plans:
        n, k = len(plan.samples), plan.sampling.repeats
        prompt_tokens = sum(len(plan.render(s).plain) for s in plan.samples) // 4
        rows.append(
            {
                "task": plan.label,
                "questions": n,
                "samples": n * k * models,
                "prompt_tokens": prompt_tokens * k * models,
                "max_new_tokens": n * k * plan.sampling.max_tokens * models,
                "smallest_difference": smallest_difference(n, k),
                "prompts": [[[m.role, m.text] for m in plan.render(s).messages] for s in plan.samples[:2]],
                "plain": plan.render(plan.samples[0]).plain,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"== {row['task']}: {row['questions']} questions, {row['samples']} samples")
        for i, prompt in enumerate(row["prompts"]):
            print(f"-- prompt {i + 1}")
            for role, text in prompt:
                print(f"[{role}] {text}")
        print(f"-- prompt 1 for a model without a chat template\n{row['plain']}")
        print(
            f"-- about {row['prompt_tokens']:,} prompt tokens (4 characters each), at most {row['max_new_tokens']:,} new ones; "
            f"smallest difference two such runs could detect (80 % power, 5 % level): {100 * row['smallest_difference']:.1f} points\n"
        )
