"""`Session`: what one process holds while it trains, from the newest checkpoint to the last step."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import IncompleteError
from evalsuite.manifest import now
from evalsuite.models.base import Model
from evalsuite.models.loading import Checkpoint
from evalsuite.plan import Plan
from evalsuite.registry import is_evaluated
from evalsuite.rewards._judge import JudgeThread
from evalsuite.runlog import RunDir
from evalsuite.verifiers.pool import default_pool

from . import checkpoint, rundir
from .base import Recipe
from .collect import Collector
from .demonstrated import Demonstrated
from .doubts import Doubts
from .evals import Evals
from .journal import Journal, read_scalars
from .loop import Limits, Trainer
from .policy import Policy
from .prompts import Prompts
from .sampled import Sampled
from .setup import Setup, need_whole_weights
from .signals import Stop, patient
from .watch import Watch

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """Where a run is, its newest checkpoint, and its scalars: one mapping per step."""

    path: Path
    checkpoint: Path
    steps: int
    history: Sequence[Mapping[str, float]] = field(repr=False)

    def __str__(self) -> str:
        from .summary import summary

        return summary(self.history)


class Session:
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
        mix: Mapping[str, float] | None = None,
    ) -> None:
        from accelerate.utils import set_seed

        logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)  # tied weights are saved once, as they should be
        self.method, self.folder, self.run, self.steps = method, folder, run, steps
        self.accelerator = accelerator
        set_seed(seed, device_specific=True)
        self.source = Checkpoint(folder=folder)
        self.notes = [_same_questions(plan) for plan in plans if is_evaluated(plan.name)]
        self.module = module = setup.module(folder, accelerator.device)
        loss = method.settings.loss
        policy = Policy(
            module,
            method.settings.rollout.temperature,
            entropy_gradient=bool(loss.entropy),
            share=not setup.gradient_checkpointing,
            pack=setup.pack,
            vision=self.source.vision,
        )
        self.sampler = setup.sampler(module, folder, run.path.name, accelerator)
        self.judge = JudgeThread(judge) if judge is not None else None
        self.questions = Prompts(plans, seed, mix)
        vocabulary = module.get_input_embeddings().weight.shape[0]
        self.trainer = Trainer(
            method,
            policy,
            self._demonstrated(plans, seed) if method.source == "demonstrations" else self._sampled(),
            accelerator,
            Limits(steps=steps, micro_tokens=setup.budget(vocabulary), pack=setup.pack, max_errors=max_errors),
            pad=self.source.tokenizer.pad_token_id or 0,
            max_tokens=max(plan.sampling.max_tokens for plan in plans),
            reference=setup.reference(module, folder, policy) if loss.kl else None,
        )

    def __enter__(self) -> Session:
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
        self.saved = trainer.step if last is not None else -1
        evaluated = evals.done([row for row in read_scalars(run) if row["step"] == trainer.step])
        self.accelerator.wait_for_everyone()  # all ranks have read it before one of them goes on writing
        if main:
            self.run.write_manifest(record)
            rundir.write_prompts(run, self.questions.questions)
        journal = Journal(run, trainer.step) if main else None
        watch.start(run, trainer.step, self.steps)
        if trainer.step > self.steps:
            self.notes.append(f"note: this run has {trainer.step} steps already; --steps {self.steps} takes none of them back")
        for note in self.notes:
            watch.note(note)
        self._begin_mirrors(run.name, record["settings"])
        if evals.plans:
            need_whole_weights(self.accelerator, "--eval-tasks", "evaluate the checkpoints with `evalsuite run --watch`")
        ended: dict[str, Any] = {"status": "failed"}
        doubts = Doubts()
        try:
            with patient() as stop:
                if not evaluated:
                    self._evaluate(evals, journal, stop)  # the first one, or one that was cut off after its checkpoint
                while trainer.step < self.steps:
                    metrics, collected = trainer.advance(watch.rollouts)
                    if journal is not None:
                        journal.scalars(trainer.step, metrics)
                        if collected is not None:
                            journal.samples(trainer.step, collected.rows, collected.advantages)
                    self.accelerator.log(metrics, step=trainer.step)
                    watch.step(trainer.step, metrics)
                    for remark in doubts.about(metrics):
                        watch.note(remark)
                    stopping = self._anyone(stop.asked)
                    if trainer.step % save_every == 0 or trainer.step == self.steps or stopping:
                        self._save()
                    if stopping:
                        raise KeyboardInterrupt
                    self._evaluate(evals, journal, stop)
                self._save()
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

    def _save(self) -> None:
        """A checkpoint of this step, unless there is one."""
        step = self.trainer.step
        if self.saved != step:
            checkpoint.save(
                self.run.path, step, self.accelerator, self.trainer.policy, self.source.readers, self.trainer.state()
            )
            self.saved = step

    def _anyone(self, asked: bool) -> bool:
        """Whether any process was asked to stop: all of them stop at the same step."""
        if self.accelerator.num_processes == 1:
            return asked
        from accelerate.utils import gather_object

        return any(gather_object([asked]))

    def _begin_mirrors(self, name: str, settings: Mapping[str, Any]) -> None:
        if self.accelerator.log_with:
            named = {"name": name}
            self.accelerator.init_trackers(
                "evalsuite", config=rundir.flat(settings), init_kwargs={"wandb": named, "trackio": named}
            )

    def _evaluate(self, evals: Evals, journal: Journal | None, stop: Stop) -> None:
        """The evaluation of this step, if it is one to evaluate at. Ctrl-C ends it at once: it is taken up where it was."""
        step = self.trainer.step
        if not evals.due(step, self.steps):
            return
        interrupted = False
        if journal is not None:
            try:
                with stop.at_once():
                    values = evals.run(self.module, self.folder, self.run.path.name, step)
            except KeyboardInterrupt:
                interrupted = True
            else:
                journal.scalars(step, values)
                self.accelerator.log(values, step=step)
        self.accelerator.wait_for_everyone()
        if self._anyone(interrupted):
            self._save()
            raise KeyboardInterrupt

    def _sampled(self) -> Sampled:
        collector = Collector(self.sampler, default_pool(), self.judge)
        return Sampled(self.questions, collector, self.method.settings.rollout.group, self.accelerator, self._export)

    def _demonstrated(self, plans: Sequence[Plan], seed: int) -> Demonstrated:
        """What the first process found and verified, for all: a deadline that only one of them misses must not part them."""
        from accelerate.utils import broadcast_object_list

        from .demos import demonstrations

        s = self.method.settings.rollout
        found: list[Any] = [None]
        if self.accelerator.is_main_process:
            found = [demonstrations(plans, s.demos, per_prompt=s.per_prompt, seed=seed, verify=s.verify)]
        (found,) = broadcast_object_list(found)
        self.notes.append(str(found))
        source = Demonstrated(found.demos, plans, self.sampler, self.source, seed)
        self.notes += [source.note] * bool(source.note)
        return source

    def _export(self) -> Path:
        """The present weights, for a sampler in another process or engine."""
        folder = self.run.path / "rollout-weights"
        checkpoint.export(folder, self.accelerator, self.trainer.policy, self.source.readers, merged=True)
        return folder


def _same_questions(plan: Plan) -> str:
    return f"note: {plan.name}: these are the questions that `evalsuite run` scores; what they say after this is no benchmark"
