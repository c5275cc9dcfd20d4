"""`EvalCallback`: evaluations inside a training by TRL or transformers, the same as `evalsuite.run`'s."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback

from evalsuite.errors import UsageError
from evalsuite.models import load as load_model
from evalsuite.models.base import Model
from evalsuite.plan import Settings, make_plans, prepare
from evalsuite.progress import make_progress
from evalsuite.words.task import Task

from ..evals import Evals


class EvalCallback(TrainerCallback):
    """Evaluates the model that is trained on tasks: at the start, every `every` steps and at the end.

    `trainer.add_callback(EvalCallback(trainer, "gsm8k", every=50, limit=100))`. Nothing is loaded or copied: the weights are
    those of that step. Each evaluation is a run of its own under `output` (`evals` in the trainer's output folder), where
    `compare`, `gate` and the leaderboard find it, and its scalars `eval/TASK/METRIC`, with `/low` and `/high` for the 95 %
    interval, are logged by the trainer at the same step. Training is not changed by it, and waits: the main process evaluates.

    `settings` are those of `evalsuite.plan.Settings` (limit, repeats, prompt, seed, ...). Raises UsageError for wrong names, and
    where the weights are sharded (FSDP, DeepSpeed ZeRO-3): there `evalsuite run --watch` evaluates the saved checkpoints.
    """

    def __init__(
        self,
        trainer: Trainer,
        tasks: str | Task | Sequence[str | Task],
        *,
        every: int = 0,
        judge: str | Model | None = None,
        output: str | Path | None = None,
        **settings: Any,
    ) -> None:
        if trainer.is_fsdp_enabled or (
            trainer.is_deepspeed_enabled and trainer.accelerator.state.deepspeed_plugin.zero_stage == 3
        ):
            raise UsageError(
                "the weights are sharded over processes, and no process has a model to evaluate; save checkpoints, and evaluate "
                f"them beside the training: evalsuite run --watch --model {trainer.args.output_dir} --tasks ..."
            )
        chosen = Settings(**settings)
        plans, _ = make_plans(
            tasks.split(",") if isinstance(tasks, str) else [tasks] if isinstance(tasks, Task) else tasks, chosen
        )
        prepare(plans)
        self.trainer = trainer
        # In fingerprints, for the weights: another training into the same folder takes up nothing of this one's results.
        self.label = f"{Path(trainer.args.output_dir).name}-{uuid.uuid4().hex[:8]}"
        self.evals = Evals(
            plans=plans,
            settings=chosen,
            every=every,
            folder=Path(output) if output is not None else Path(trainer.args.output_dir) / "evals",
            progress=make_progress(),
            judge=load_model(judge) if isinstance(judge, str) else judge,
        )

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tokenizer and configuration to where the model that is trained is read as one; the evaluation before the first step."""
        trainer = self.trainer
        if trainer.is_world_process_zero():
            model = trainer.accelerator.unwrap_model(trainer.model)
            for part in filter(None, (trainer.processing_class, model.config, model.generation_config)):
                part.save_pretrained(self._reading)
        if state.global_step == 0:
            self._evaluate(state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The evaluation of this step, if it is one to evaluate at."""
        self._evaluate(state, control)

    @property
    def _reading(self) -> Path:
        return self.evals.folder / "model"

    def _evaluate(self, state: Any, control: Any) -> None:
        if not self.evals.due(state.global_step, state.max_steps):
            return
        trainer = self.trainer
        if trainer.is_world_process_zero():
            module = trainer.accelerator.unwrap_model(trainer.model)
            values = self.evals.run(module, self._reading, self.label, state.global_step)
            log = control.should_log
            Trainer.log(trainer, values)  # TRL's own would also close its means of the training so far
            control.should_log = log  # the training's own line of this step is still to come
        trainer.accelerator.wait_for_everyone()
