"""`train`: a recipe, a model, tasks -> a run on disk. What the command line does, callable from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.evaluate import need_judge
from evalsuite.models import load as load_model
from evalsuite.models import weights
from evalsuite.models.base import Model
from evalsuite.models.loading import Checkpoint
from evalsuite.plan import Settings, confirm_unsafe_code, make_plans, prepare
from evalsuite.progress import make_progress
from evalsuite.rewards.datasets import check_mix
from evalsuite.runlog import RunDir
from evalsuite.sources import Where
from evalsuite.words.task import Task

from . import rundir
from .base import Recipe
from .collect import training_plan
from .evals import Evals
from .session import Session, TrainResult
from .setup import Setup
from .watch import Silent, Watch, make_watch

RUNS = Path("results/train")
PATIENCE = timedelta(hours=24)


def train(
    recipe: str | Recipe,
    model: str,
    tasks: str | Task | Sequence[str | Task],
    *,
    settings: Mapping[str, Any] | None = None,
    steps: int = 100,
    seed: int = 0,
    mix: Mapping[str, float] | None = None,
    eval_tasks: str | Task | Sequence[str | Task] = (),
    eval_every: int = 0,
    eval_repeats: int | None = None,
    eval_limit: int | float | None = None,
    save_every: int = 50,
    limit: int | float | None = None,
    prompt: str | None = None,
    system: str | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    include: Sequence[str] = (),
    judge: str | Model | None = None,
    judge_args: Mapping[str, Any] | None = None,
    output: str | Path = RUNS,
    fresh: bool = False,
    max_errors: float = 0.05,
    setup: Setup | None = None,
    confirm_run_unsafe_code: bool = False,
    watch: Watch | None = None,
) -> TrainResult:
    """Train `model` on `tasks` with a recipe; the same call goes on where an earlier one stopped.

    `settings` are the recipe's, by dotted name (`{"loss.k_pos": 2.0, "optim.lr": 1e-5}`); `steps` counts updates. `mix` has a weight
    for each task, by name, and questions are drawn in these proportions. `eval_tasks` are evaluated at step 0, every `eval_every`
    steps and at the end. A checkpoint is written every `save_every` steps, on Ctrl-C and at the end. `max_errors` is the share of
    a step's completions that the verifier may fail on. Results are under `output`.

    Raises UsageError for wrong names and settings, UnavailableError for what is missing, IncompleteError where the verifier fails
    or the gradient is not finite. Ctrl-C finishes the step, saves, and raises KeyboardInterrupt; a second one does not wait.
    """
    setup = setup or Setup()
    if steps < 1 or save_every < 1:
        raise UsageError(f"steps ({steps}) and save_every ({save_every}) are at least 1")
    setup.check()
    if confirm_run_unsafe_code:
        confirm_unsafe_code()
    from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
    from accelerate.state import AcceleratorState

    from evalsuite.registry.recipes import load_recipe

    method = load_recipe(recipe, include)(settings) if isinstance(recipe, str) else recipe
    where = Where(data_dir=Path(data_dir).expanduser() if data_dir else None, offline=offline)
    common = Settings(limit=limit, prompt=prompt, system=system, seed=seed, where=where, include=tuple(include))
    asked, _ = make_plans(_listed(tasks), common)
    rollout = method.settings.rollout
    plans = [training_plan(plan, rollout.temperature, rollout.max_tokens) for plan in asked]
    tested, eval_settings = [], replace(common, limit=eval_limit, repeats=eval_repeats, seed=0)
    if wanted := _listed(eval_tasks):
        tested, _ = make_plans(wanted, eval_settings)
    if mix:
        check_mix(plans, mix)
        if method.source == "demonstrations":
            raise UsageError(f"mix: {method.name} learns from demonstrations, of which each comes equally often; leave it out")
    prepare([*plans, *tested])
    judge_model = load_model(judge, judge_args) if isinstance(judge, str) else judge
    need_judge([*plans, *tested], judge_model)
    folder, adapter = weights.place(model)
    if adapter is not None:
        raise UsageError(f"{model} is an adapter; merge it into its base model, or train the base with --lora")
    AcceleratorState._reset_state()  # an earlier call's precision would silently stay
    accelerator = Accelerator(
        mixed_precision="bf16" if setup.bf16 else None,
        log_with=list(setup.report_to) or None,
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=PATIENCE),  # ranks wait while one of them evaluates
            DistributedDataParallelKwargs(find_unused_parameters=Checkpoint(folder=folder).image_text),  # text needs no eyes
        ],
    )
    what = rundir.identity(method, folder, plans, seed, steps, setup, accelerator.mixed_precision, judge_model, mix)
    run = RunDir(Path(output) / rundir.run_id(method, model, plans, seed, what))
    accelerator.project_configuration.set_directories(str(run.path))
    main = accelerator.is_main_process
    if main:
        run.lock()
    try:
        if fresh and main:
            run.move_aside()
        accelerator.wait_for_everyone()
        record = rundir.manifest(run, method, model, plans, what, setup, steps)
        evals = Evals(
            plans=tested,
            settings=eval_settings,
            every=eval_every,
            folder=run.path / "evals",
            progress=make_progress(),
            judge=judge_model,
            max_errors=max_errors,
        )
        with Session(accelerator, method, plans, folder, run, setup, steps, seed, max_errors, judge_model, mix) as session:
            return session.drive(record, evals, save_every, watch or (make_watch() if main else Silent()))
    finally:
        run.unlock()


def _listed(tasks: str | Task | Sequence[str | Task]) -> list[str | Task]:
    if isinstance(tasks, Task):
        return [tasks]
    return [word.strip() for word in tasks.split(",") if word.strip()] if isinstance(tasks, str) else list(tasks)
