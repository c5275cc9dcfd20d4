"""`run`: models x tasks -> results on disk and in hand. What the command line does, callable from Python."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from evalsuite.errors import EvalsuiteError, IncompleteError, UsageError
from evalsuite.loop import Runner, TaskState, run_async
from evalsuite.manifest import identity, manifest, now, run_id
from evalsuite.metrics.aggregate import Target
from evalsuite.models import load as load_model
from evalsuite.models.base import Model
from evalsuite.plan import Plan, Settings, confirm_unsafe_code, make_plans, prepare
from evalsuite.progress import Progress, make_progress
from evalsuite.results import RunResult, suite_results, task_result, write_results
from evalsuite.runlog import RunDir
from evalsuite.runlog.compact import compact
from evalsuite.sources import Where
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.judging import ReplyCache
from evalsuite.verifiers.pool import default_pool
from evalsuite.words.task import Task

RUNS = Path("results/runs")


def run(
    model: str | Model,
    tasks: str | Task | Sequence[str | Task],
    *,
    repeats: int | None = None,
    limit: int | float | None = None,
    num_fewshot: int | None = None,
    metrics: Sequence[str] | None = None,
    sampling: Mapping[str, Any] | None = None,
    prompt: str | None = None,
    system: str | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
    offline: bool = False,
    include: Sequence[str] = (),
    judge: str | Model | None = None,
    model_args: Mapping[str, Any] | None = None,
    judge_args: Mapping[str, Any] | None = None,
    output: str | Path = RUNS,
    fresh: bool = False,
    max_errors: str | int = 0,
    target: str = "population",
    confirm_run_unsafe_code: bool = False,
    progress: Progress | None = None,
) -> RunResult:
    """Evaluate one model on tasks; the same call goes on where an earlier one stopped.

    `model` and `tasks` are spelled as on the command line, or are objects. `repeats` samples per question; `sampling`
    overrides fields of `Sampling`; `limit` takes the first n questions, or a share below 1. Results are under `output`.
    `confirm_run_unsafe_code` lets programs of the model run where the sandbox cannot isolate them fully, for the rest of
    this process: they could then read, change and send whatever this user can.

    Returns a RunResult whose `str()` is the table. Its `exit_code` is 0, or 3 where samples are missing beyond
    `max_errors` (a count, or a share such as "5%"). Raises UsageError for wrong names, files or columns,
    UnavailableError where a backend, a judge or a sandbox is not there.
    """
    settings = Settings(
        repeats=repeats,
        limit=limit,
        num_fewshot=num_fewshot,
        metrics=tuple(metrics) if metrics is not None else None,
        sampling=dict(sampling or {}),
        prompt=prompt,
        system=system,
        seed=seed,
        where=Where(data_dir=Path(os.path.expanduser(data_dir)) if data_dir else None, offline=offline),
        include=tuple(include),
    )
    if confirm_run_unsafe_code:
        confirm_unsafe_code()
    wanted = [tasks] if isinstance(tasks, Task) else tasks.split(",") if isinstance(tasks, str) else list(tasks)
    plans, suites = make_plans(wanted, settings)
    prepare(plans)
    if isinstance(model, str):
        model = load_model(model, model_args)
    judge_model = load_model(judge, judge_args) if isinstance(judge, str) else judge
    return evaluate(
        model,
        plans,
        suites=suites,
        settings=settings,
        judge=judge_model,
        output=Path(output),
        fresh=fresh,
        max_errors=max_errors,
        target=target,
        progress=progress,
    )


def evaluate(
    model: Model,
    plans: Sequence[Plan],
    *,
    suites: Mapping[str, tuple[str, ...]],
    settings: Settings,
    judge: Model | None = None,
    output: Path = RUNS,
    fresh: bool = False,
    max_errors: str | int = 0,
    target: str = "population",
    progress: Progress | None = None,
    on_open: Callable[[RunDir], None] | None = None,
) -> RunResult:
    """Run one model over resolved plans in one run directory, going on from what is there."""
    allowed = _allowed(max_errors, sum(len(p.samples) * p.sampling.repeats for p in plans))
    if target not in get_args(Target):
        raise UsageError(f"target {target!r} is not one of {', '.join(get_args(Target))}")
    need_judge(plans, judge)
    what = identity(model, plans, judge)
    run_dir = RunDir(output / run_id(model, plans, what))
    run_dir.lock()
    try:
        if fresh:
            run_dir.move_aside()
        states = [TaskState(plan, run_dir) for plan in plans]
        notes = tuple(note for state in states if (note := state.never_shrink()))
        record = manifest(run_dir, model, [state.plan for state in states], settings, what)
        record["reused"] = sum(
            len(s.cells) + len(s.unscored) for s in states
        )  # samples of earlier calls: `started` is this one's
        record["suites"] = {name: list(members) for name, members in suites.items()}
        run_dir.write_manifest(record)
        if on_open is not None:
            on_open(run_dir)
        try:
            stopped = _drive(model, states, run_dir, progress or make_progress(), judge)
            return _finish(model, states, run_dir, record, suites, target, allowed, stopped, notes)
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            with contextlib.suppress(OSError, UsageError):  # a full disk must not hide why the run ended
                run_dir.write_manifest(record | {"status": status, "finished": now()})
            default_pool().close()
            raise
    finally:
        run_dir.unlock()


def _drive(
    model: Model, states: list[TaskState], run_dir: RunDir, progress: Progress, judge: Model | None
) -> EvalsuiteError | None:
    """Run the loop. Returns the reason for stopping early, if there was one."""
    replies = ReplyCache(run_dir.path / "judge.jsonl") if judge is not None else None

    async def main() -> None:
        try:
            await Runner(model, states, default_pool(), progress, judge, replies).go()
        finally:
            await model.close()
            if judge is not None:
                await judge.close()

    try:
        run_async(main())
    except EvalsuiteError as error:
        return error
    finally:
        progress.close()
    return None


def _finish(
    model: Model,
    states: Sequence[TaskState],
    run_dir: RunDir,
    record: dict[str, Any],
    suites: Mapping[str, tuple[str, ...]],
    target: str,
    allowed: float,
    stopped: EvalsuiteError | None,
    notes: tuple[str, ...],
) -> RunResult:
    """Numbers, Parquet, results.json and the final manifest."""
    numbers = [task_result(state.plan, state.cells, default_pool(), target) for state in states]
    tasks = {state.plan.name: task for state, (task, _) in zip(states, numbers)}
    incomplete = sum(t.errors for t in tasks.values()) > allowed

    def result() -> RunResult:
        return RunResult(
            model=model.name,
            run_id=run_dir.path.name,
            path=str(run_dir.path),
            status="failed" if stopped or incomplete else "done",
            tasks=tasks,
            suites=suite_results(suites, tasks),
            target=target,
            notes=notes,
            stopped=str(stopped) if stopped else "",
            exit_code=stopped.exit_code if stopped else 3 if incomplete else 0,
        )

    try:
        for state, (_, rollup) in zip(states, numbers):
            compact(run_dir, state.plan, rollup)
        write_results(run_dir, result(), record)
        spent = {
            name: {key: getattr(t, key) for key in ("prompt_tokens", "completion_tokens", "cost", "judge_tokens", "judge_cost")}
            for name, t in tasks.items()
        }
        ended = {"status": result().status, "stopped": result().stopped, "finished": now(), "spent": spent}
        run_dir.write_manifest(record | ended)
    except (OSError, UsageError) as error:  # a disk that is full by now costs files, not the numbers
        reason = error if isinstance(error, UsageError) else f"{run_dir.path}: {error.strerror or error}"
        stopped = stopped or IncompleteError(f"the results cannot be written ({reason}); the log is safe")
    return result()


def need_judge(plans: Sequence[Plan], judge: Model | None) -> None:
    """Raises UsageError where a verifier of these plans asks a model and there is none."""
    if judge is None:
        names = [p.name for p in plans if isinstance(p.task.verifier, ModelVerifier)]
        if names:
            raise UsageError(
                f"{', '.join(names)}: scored by a judge model, and none was given. "
                "Add --judge MODEL, for example --judge openai:gpt-4.1 or --judge openai:NAME --judge-base-url http://host:8000/v1"
            )


def _allowed(max_errors: str | int, wanted: int) -> float:
    """`--max-errors 5` or `--max-errors 2%`, as a number of samples."""
    text = str(max_errors).strip()
    try:
        allowed = float(text[:-1]) / 100 * wanted if text.endswith("%") else float(int(text))
        if not math.isfinite(allowed):
            raise ValueError(text)
    except ValueError:
        raise UsageError(f"--max-errors {max_errors}: a count such as 5, or a share such as 2%") from None
    if allowed < 0:
        raise UsageError(f"--max-errors {max_errors}: not below zero")
    return allowed
