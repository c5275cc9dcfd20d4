"""`run`: models x tasks -> results on disk and in hand. What the command line does, callable from Python."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite import __version__
from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.loop import Runner, TaskState, run_async
from evalsuite.models import load as load_model
from evalsuite.models.base import Model
from evalsuite.plan import Plan, Settings, make_plans
from evalsuite.progress import Progress, make_progress
from evalsuite.results import RunResult, suite_results, task_result, write_results
from evalsuite.runlog import RunDir, slug
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
    progress: Progress | None = None,
) -> RunResult:
    """Evaluate one model on tasks; the same call goes on where an earlier one stopped.

    `model` and `tasks` are spelled as on the command line, or are objects. `repeats` samples per question; `sampling`
    overrides fields of `Sampling`; `limit` takes the first n questions, or a share below 1. Results are under `output`.

    Returns a RunResult whose `str()` is the table. Its `exit_code` is 0, or 3 where samples are missing beyond
    `max_errors` (a count, or a share such as "5%"). Raises UsageError for wrong names, files or columns,
    UnavailableError where a backend or judge is not there.
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
        where=Where(data_dir=Path(data_dir).expanduser() if data_dir else None, offline=offline),
        include=tuple(include),
    )
    if isinstance(model, str):
        model = load_model(model, model_args)
    wanted = [tasks] if isinstance(tasks, Task) else tasks.split(",") if isinstance(tasks, str) else list(tasks)
    plans, suites = make_plans(wanted, settings)
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
    _need_judge(plans, judge)
    identity = _identity(model, plans, judge)
    run_dir = RunDir(output / _run_id(model, plans, identity))
    run_dir.lock()
    pool = default_pool()
    try:
        if fresh:
            _move_aside(run_dir)
        plans, notes = _never_shrink(plans, run_dir.manifest())
        manifest = _manifest(run_dir, model, plans, settings, identity)
        run_dir.write_manifest(manifest)
        if on_open is not None:
            on_open(run_dir)
        states = [TaskState(plan, run_dir) for plan in plans]
        replies = ReplyCache(run_dir.path / "judge.jsonl") if judge is not None else None
        runner = Runner(model, states, pool, progress or make_progress(), judge, replies)
        stopped = _drive(runner, run_dir, manifest)
        numbers = [task_result(state.plan, state.cells, pool, target) for state in states]
        tasks = {state.plan.name: task for state, (task, _) in zip(states, numbers)}
        errors, wanted = sum(t.errors for t in tasks.values()), sum(t.n_questions * t.repeats for t in tasks.values())
        incomplete = errors > _allowed(max_errors, wanted)
        result = RunResult(
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
        for state, (_, rollup) in zip(states, numbers):
            compact(run_dir, state.plan, rollup)
        write_results(run_dir, result, manifest)
        run_dir.write_manifest(manifest | {"status": result.status, "stopped": result.stopped, "finished": _now()})
        return result
    finally:
        run_dir.unlock()


def _drive(runner: Runner, run_dir: RunDir, manifest: dict[str, Any]) -> EvalsuiteError | None:
    """Run the loop; the manifest says how it ended. Returns the reason for stopping early, if there was one."""

    async def main() -> None:
        try:
            await runner.go()
        finally:
            await runner.model.close()
            if runner.judge is not None:
                await runner.judge.close()

    try:
        run_async(main())
    except EvalsuiteError as error:
        return error
    except KeyboardInterrupt:
        run_dir.write_manifest(manifest | {"status": "interrupted", "finished": _now()})
        runner.pool.close()
        raise
    except BaseException:
        run_dir.write_manifest(manifest | {"status": "failed", "finished": _now()})
        raise
    finally:
        runner.progress.close()
    return None


def _need_judge(plans: Sequence[Plan], judge: Model | None) -> None:
    if judge is None:
        names = [p.name for p in plans if isinstance(p.task.verifier, ModelVerifier)]
        if names:
            raise UsageError(
                f"{', '.join(names)}: scored by a judge model, and none was given. "
                "Add --judge MODEL, for example --judge openai:gpt-4.1 or --judge openai:NAME --judge-base-url http://host:8000/v1"
            )


def _identity(model: Model, plans: Sequence[Plan], judge: Model | None) -> dict[str, Any]:
    """Everything that the numbers depend on. Two runs with the same identity are the same run."""
    judged = any(isinstance(p.task.verifier, ModelVerifier) for p in plans)
    return {
        "model": dict(model.identity()),
        "tasks": {p.name: p.identity() for p in plans},
        "judge": dict(judge.identity()) if judge is not None and judged else None,
    }


def _run_id(model: Model, plans: Sequence[Plan], identity: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:10]
    return f"{slug(model.name.rstrip('/').rsplit('/', 1)[-1], 40)}-{slug('+'.join(p.name for p in plans), 40)}-{digest}"


def _never_shrink(plans: Sequence[Plan], old: Mapping[str, Any]) -> tuple[list[Plan], tuple[str, ...]]:
    """A run that holds 32 samples per question stays a run of 32 when 8 are asked for."""
    out, notes = [], []
    for plan in plans:
        held = old.get("tasks", {}).get(plan.name, {}).get("repeats", 0)
        if held > plan.sampling.repeats:
            notes.append(
                f"{plan.label}: this run already has {held} samples per question, so all {held} count (--fresh starts anew)."
            )
            plan = dataclasses.replace(plan, sampling=dataclasses.replace(plan.sampling, repeats=held))
        out.append(plan)
    return out, tuple(notes)


def _manifest(
    run_dir: RunDir, model: Model, plans: Sequence[Plan], settings: Settings, identity: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "schema": 1,
        "run_id": run_dir.path.name,
        "kind": "eval",
        "status": "running",
        "started": _now(),
        "command": sys.argv,
        "identity": identity,
        "model": {"name": model.name, **model.identity()},
        "environment": {**_environment(), **model.environment()},
        "settings": _plain(settings),
        "tasks": {
            p.name: {
                "label": p.label,
                "identity": p.identity(),
                "repeats": p.sampling.repeats,
                "metrics": list(p.metrics),
                "n_questions": len(p.samples),
                "full_size": p.loaded.size,
                "source": {"kind": p.loaded.kind, "location": p.loaded.location, "revision": p.loaded.revision},
            }
            for p in plans
        },
    }


def _environment() -> dict[str, Any]:
    """What a number should not depend on, recorded in case it does."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    packages = {"evalsuite": __version__}
    for name in (
        "numpy",
        "sympy",
        "math-verify",
        "latex2sympy2_extended",
        "antlr4-python3-runtime",
        "torch",
        "transformers",
        "vllm",
    ):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "platform": platform.platform(), "host": platform.node(), "packages": packages}


def _move_aside(run_dir: RunDir) -> None:
    """`--fresh` hides the old record; it does not destroy it."""
    old = run_dir.path.parent / ".old" / f"{run_dir.path.name}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    for entry in list(run_dir.path.iterdir()):
        if entry.name != ".lock":
            old.mkdir(parents=True, exist_ok=True)
            os.replace(entry, old / entry.name)


def _allowed(max_errors: str | int, wanted: int) -> float:
    """`--max-errors 5` or `--max-errors 2%`, as a number of samples."""
    text = str(max_errors).strip()
    try:
        allowed = float(text[:-1]) / 100 * wanted if text.endswith("%") else float(int(text))
    except ValueError:
        raise UsageError(f"--max-errors {max_errors}: a count such as 5, or a share such as 2%") from None
    if allowed < 0:
        raise UsageError(f"--max-errors {max_errors}: not below zero")
    return allowed


def _plain(settings: Settings) -> dict[str, Any]:
    row = dataclasses.asdict(settings)
    row["where"] = {k: None if v is None else v if isinstance(v, bool) else str(v) for k, v in row["where"].items()}
    return row


def settings_from(manifest: Mapping[str, Any]) -> Settings:
    """The Settings that a run was made with."""
    row = dict(manifest["settings"])
    where = row.pop("where")
    paths = {k: Path(where[k]) if where.get(k) else None for k in ("data_dir", "lock")}
    row["metrics"] = tuple(row["metrics"]) if row["metrics"] is not None else None
    row["extra_metrics"] = tuple(row["extra_metrics"])
    row["sampling"] = {k: tuple(v) if isinstance(v, list) else v for k, v in row["sampling"].items()}
    return Settings(**row | {"where": Where(offline=where["offline"], **paths), "include": tuple(row["include"])})


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
