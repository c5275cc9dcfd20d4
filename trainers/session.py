"""`train`: a recipe, a model, tasks -> a run on disk. What the command line does, callable from Python."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import IncompleteError, UsageError
from evalsuite.manifest import now
from evalsuite.models import load as load_model
from evalsuite.models import weights
from evalsuite.models.base import Model
from evalsuite.models.loading import Checkpoint, dtype_name
from evalsuite.plan import Plan, Settings, confirm_unsafe_code, make_plans, prepare
from evalsuite.progress import make_progress
from evalsuite.rewards._judge import JudgeThread
from evalsuite.runlog import RunDir
from evalsuite.sources import Where
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.pool import default_pool
from evalsuite.words.task import Task

from . import checkpoint, rundir
from .base import Recipe
from .collect import Collector, Sampler, training_plan
from .evals import Evals
from .hf_rollouts import LiveSampler
from .journal import Journal, check_mirrors, read_scalars
from .loop import Limits, Trainer
from .policy import Policy, load
from .prompts import Prompts
from .rows import Rollout
from .watch import Silent, Watch, make_watch

if TYPE_CHECKING:
    from accelerate import Accelerator

RUNS = Path("results/train")
MISTRUST = 0.1  # nats between sampler and trainer, above what bfloat16 explains
LOGITS = 1 << 30  # entries of the logits of one micro-batch, where --micro-tokens does not say


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How a run computes, which its curves should not depend on.

    `dtype` is that of the weights, `bf16` computes in bfloat16 over float32 weights, `lora` is the rank of adapters on all linear
    layers (0: every weight is trained), `micro_tokens` the padded tokens of a micro-batch (0: by the size of the vocabulary),
    `rollouts` is hf, vllm, or vllm:URL for a server; `report_to` mirrors the scalars to tensorboard, trackio or wandb.
    """

    dtype: str = "float32"
    bf16: bool = False
    gradient_checkpointing: bool = False
    lora: int = 0
    micro_tokens: int = 0
    rollouts: str = "hf"
    report_to: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """Where a run is, its newest checkpoint, and its scalars: one mapping per step."""

    path: Path
    checkpoint: Path
    steps: int
    history: Sequence[Mapping[str, float]] = field(repr=False)

    def __str__(self) -> str:
        from .watch import summary

        return summary(self.history)


def train(
    recipe: str | Recipe,
    model: str,
    tasks: str | Task | Sequence[str | Task],
    *,
    settings: Mapping[str, Any] | None = None,
    steps: int = 100,
    seed: int = 0,
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

    `settings` are the recipe's, by dotted name (`{"loss.k_pos": 2.0, "optim.lr": 1e-5}`); `steps` counts updates. `eval_tasks` are
    evaluated at step 0, every `eval_every` steps and at the end. A checkpoint is written every `save_every` steps, on Ctrl-C and at
    the end. `max_errors` is the share of a step's completions that the verifier may fail on. Results are under `output`.

    Raises UsageError for wrong names and settings, UnavailableError for what is missing, IncompleteError where the verifier fails
    or the gradient is not finite. Ctrl-C finishes the step, saves, and raises KeyboardInterrupt; a second one does not wait.
    """
    setup = setup or Setup()
    if steps < 1 or save_every < 1:
        raise UsageError(f"steps ({steps}) and save_every ({save_every}) are at least 1")
    check_mirrors(setup.report_to)
    if setup.rollouts.partition(":")[0] not in ("hf", "vllm"):
        raise UsageError(f"rollouts by {setup.rollouts}: hf, vllm, or vllm:URL for a running server")
    dtype_name(setup.dtype)
    if confirm_run_unsafe_code:
        confirm_unsafe_code()
    from accelerate import Accelerator

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
    prepare([*plans, *tested])
    judge_model = load_model(judge, judge_args) if isinstance(judge, str) else judge
    _need_judge([*plans, *tested], judge_model)
    folder, adapter = weights.place(model)
    if adapter is not None:
        raise UsageError(f"{model} is an adapter; merge it into its base model, or train the base with --lora")
    what = rundir.identity(method, folder, plans, seed, steps, setup.lora)
    run = RunDir(Path(output) / rundir.run_id(method, model, plans, seed, what))
    accelerator = Accelerator(
        mixed_precision="bf16" if setup.bf16 else None, log_with=list(setup.report_to) or None, project_dir=str(run.path)
    )
    main = accelerator.is_main_process
    if main:
        run.lock()
    try:
        if fresh and main:
            rundir.move_aside(run)
        accelerator.wait_for_everyone()
        record = rundir.manifest(run, method, model, plans, what, setup, steps)
        evals = Evals(
            plans=tested,
            settings=eval_settings,
            every=eval_every,
            folder=run.path / "evals",
            progress=make_progress(),
            judge=judge_model,
        )
        with _Session(accelerator, method, plans, folder, run, setup, steps, seed, max_errors, judge_model) as session:
            return session.drive(record, evals, save_every, watch or (make_watch() if main else Silent()))
    finally:
        run.unlock()


class _Session:
    """What one process holds while it trains, and gives back at the end."""

    def __init__(
        self,
        accelerator: Accelerator,
        method: Recipe,
        plans: Sequence[Plan],
        folder: Path,
        run: RunDir,
        setup: Setup,
        steps: int,
        seed: int,
        max_errors: float,
        judge: Model | None,
    ) -> None:
        from accelerate.utils import set_seed

        logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)  # tied weights are saved once, as they should be
        self.method, self.folder, self.run, self.steps = method, folder, run, steps
        self.accelerator = accelerator
        set_seed(seed, device_specific=True)
        self.source = Checkpoint(folder=folder)
        self.mistrusted = False
        self.notes = [_same_questions(plan) for plan in plans if _is_evaluated(plan)]
        module = load(folder, dtype=setup.dtype, lora=setup.lora, gradient_checkpointing=setup.gradient_checkpointing)
        module.to(self.accelerator.device).train()
        self.module = module
        loss = method.settings.loss
        policy = Policy(
            module,
            method.settings.rollout.temperature,
            entropy_gradient=bool(loss.entropy),
            share=not setup.gradient_checkpointing,
        )
        self.sampler = self._sampler(setup)
        self.judge = JudgeThread(judge) if judge is not None else None
        prompts = Prompts(plans, seed)
        demonstrated = method.source == "demonstrations"
        vocabulary = module.get_input_embeddings().weight.shape[0]
        self.trainer = Trainer(
            method,
            policy,
            prompts,
            None if demonstrated else Collector(self.sampler, default_pool(), self.judge),
            self.accelerator,
            Limits(steps=steps, micro_tokens=setup.micro_tokens or max(1024, LOGITS // vocabulary), max_errors=max_errors),
            pad=self.source.tokenizer.pad_token_id or 0,
            max_tokens=max(plan.sampling.max_tokens for plan in plans),
            demonstrations=self._demonstrations(plans, seed) if demonstrated else None,
            reference=self._reference(setup, policy) if loss.kl else None,
            export=self._export,
        )

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.sampler.close()
        if self.judge is not None:
            self.judge.close()
        for tracker in self.accelerator.trackers:  # end_training would also end the process group, which the next seed needs
            tracker.finish()

    def drive(self, record: dict[str, Any], evals: Evals, save_every: int, watch: Watch) -> TrainResult:
        """Steps, evaluations, checkpoints and log lines, from the newest checkpoint to the last step."""
        trainer, run, main = self.trainer, self.run.path, self.accelerator.is_main_process
        last = checkpoint.latest(run)
        if last is not None:
            trainer.load_state(checkpoint.restore(last, self.accelerator))
        if main:
            self.run.write_manifest(record)
            rundir.write_prompts(run, trainer.prompts.questions)
        journal = Journal(run, trainer.step) if main else None
        watch.start(run, trainer.step, self.steps)
        for note in self.notes:
            watch.note(note)
        if self.accelerator.log_with:
            self.accelerator.init_trackers("evalsuite", config=rundir.flat(record["settings"]))
        saved = trainer.step if last is not None else -1

        def save() -> None:
            nonlocal saved
            if saved != trainer.step:
                checkpoint.save(run, trainer.step, self.accelerator, trainer.policy, self.source.tokenizer, trainer.state())
                saved = trainer.step

        ended = {"status": "failed"}
        try:
            with _patient() as stop:
                if trainer.step == 0:
                    self._evaluate(evals, journal)
                while trainer.step < self.steps:
                    metrics, collected = trainer.advance(watch.rollouts)
                    if journal is not None:
                        journal.scalars(trainer.step, metrics)
                        if collected is not None:
                            journal.samples(trainer.step, collected.rows, collected.advantages)
                    self.accelerator.log(metrics, step=trainer.step)
                    watch.step(trainer.step, metrics)
                    self._mistrust(metrics, watch)
                    if trainer.step % save_every == 0 or trainer.step == self.steps or stop.is_set():
                        save()
                    self._evaluate(evals, journal)
                    if stop.is_set():
                        raise KeyboardInterrupt
                save()
            ended = {"status": "done"}
        except KeyboardInterrupt:
            ended = {"status": "interrupted"}
            default_pool().close()
            raise
        except IncompleteError as error:
            ended["stopped"] = str(error)
            raise
        finally:
            watch.close()
            if journal is not None:
                journal.close()
                with contextlib.suppress(OSError):  # a full disk must not hide why the run ended
                    self.run.write_manifest(record | ended | {"finished": now(), "step": trainer.step})
        return TrainResult(
            path=run,
            checkpoint=run / checkpoint.FOLDER / checkpoint.name(trainer.step),
            steps=trainer.step,
            history=read_scalars(run),
        )

    def _mistrust(self, metrics: Mapping[str, float], watch: Watch) -> None:
        """Say it once where the sampler is not the policy: wrong weights, another temperature, a template that differs."""
        off = metrics.get("sampling/sampling_logp_difference/mean", 0.0)
        if off > MISTRUST and not self.mistrusted:
            self.mistrusted = True
            watch.note(
                f"warning: sampler and trainer differ by {off:.2g} nats per token on the same tokens; numbers that come of it are "
                "off-policy. Look at the sampler's weights, number format and temperature (loss.importance_cap corrects small gaps)"
            )

    def _evaluate(self, evals: Evals, journal: Journal | None) -> None:
        step = self.trainer.step
        if evals.due(step, self.steps):
            if journal is not None:
                values = evals.run(self.module, self.folder, self.run.path.name, step)
                journal.scalars(step, values)
                self.accelerator.log(values, step=step)
            self.accelerator.wait_for_everyone()

    def _sampler(self, setup: Setup) -> Sampler:
        kind, _, url = setup.rollouts.partition(":")
        if kind == "hf":
            return LiveSampler(self.module, self.folder, label=f"{self.run.path.name}")
        if url and self.accelerator.num_processes > 1:
            raise UsageError(
                f"--rollouts {setup.rollouts} with {self.accelerator.num_processes} processes: each would load its "
                "weights into the one server; use --rollouts vllm, an engine per process"
            )
        from .vllm_rollouts import make_sampler

        return make_sampler(kind, url, self.folder, setup.dtype)

    def _demonstrations(self, plans: Sequence[Plan], seed: int) -> Callable[[int, int], list[Rollout]]:
        """What the first process found and verified, for all: a deadline that only one of them misses must not part them."""
        from accelerate.utils import broadcast_object_list

        from .demonstrated import Demonstrated
        from .demos import demonstrations

        s = self.method.settings.rollout
        found: list[Any] = [None]
        if self.accelerator.is_main_process:
            found = [demonstrations(plans, s.demos, per_prompt=s.per_prompt, seed=seed, verify=s.verify)]
        (found,) = broadcast_object_list(found)
        self.notes.append(str(found))
        return Demonstrated(found.demos, plans, self.sampler, self.source, seed).rollouts

    def _export(self) -> Path:
        """The present weights, for a sampler in another process or engine."""
        folder = self.run.path / "rollout-weights"
        checkpoint.export(folder, self.accelerator, self.trainer.policy, self.source.tokenizer, merged=True)
        return folder

    def _reference(self, setup: Setup, policy: Policy) -> Callable[[Any], Any]:
        """The model as it was before training: without its adapters, or a second copy of it."""
        if setup.lora:

            def without_adapters(micro: Any) -> Any:
                with self.module.disable_adapter():
                    return policy(micro)

            return without_adapters
        frozen = load(self.folder, dtype=setup.dtype).to(self.accelerator.device).eval().requires_grad_(False)
        return Policy(frozen, policy.temperature)


@contextlib.contextmanager
def _patient() -> Iterator[threading.Event]:
    """The first Ctrl-C (or SIGTERM) sets the event, the second raises KeyboardInterrupt at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listed(tasks: str | Task | Sequence[str | Task]) -> list[str | Task]:
    if isinstance(tasks, Task):
        return [tasks]
    return [word.strip() for word in tasks.split(",") if word.strip()] if isinstance(tasks, str) else list(tasks)


def _need_judge(plans: Sequence[Plan], judge: Model | None) -> None:
    names = [plan.name for plan in plans if isinstance(plan.task.verifier, ModelVerifier)]
    if names and judge is None:
        raise UsageError(f"{', '.join(names)}: scored by a judge model, and none was given. Add --judge MODEL")


def _is_evaluated(plan: Plan) -> bool:
    """Whether these are the questions that `evalsuite run` scores; a file of the user's own is nobody's benchmark."""
    from evalsuite.registry import index, is_train
    from evalsuite.registry.filetask import is_file_spec

    known = not is_file_spec(plan.name) and plan.name.partition("@")[0] in index()
    return known and not is_train(plan.name)


def _same_questions(plan: Plan) -> str:
    return f"note: {plan.name}: these are the questions that `evalsuite run` scores; what they say after this is no benchmark"
