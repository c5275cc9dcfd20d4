"""`EvalOnSave`: evaluations inside a verl training, after each checkpoint, through the hook of verl 0.9's v1 trainer.

    trainer.checkpoint_callback_class=evalsuite.trainers.adapters.verl_eval.EvalOnSave
    +trainer.evalsuite.tasks=[gsm8k] +trainer.evalsuite.limit=100
    actor_rollout_ref.actor.checkpoint.save_contents=[model,optimizer,extra,hf_model]

The hook runs in the driver, which verl starts without a GPU, and training waits for it: it is for small models.
`evalsuite run --watch --model FOLDER` evaluates the same checkpoints beside the training, on a GPU of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from verl.trainer.ppo.checkpoint_callback import CheckpointCallback

import evalsuite
from evalsuite.errors import UsageError
from evalsuite.models import load as load_model

from ..evals import scalars

ACTOR = "actor_rollout_ref.actor.checkpoint"


class EvalOnSave(CheckpointCallback):
    """Evaluates each saved checkpoint with `evalsuite.run(folder, **trainer.evalsuite)`; logs `eval/TASK/METRIC` at its step.

    Runs are under `evals` in `trainer.default_local_dir`, unless `trainer.evalsuite.output` says where. Raises UsageError, before
    training starts, where no tasks are named or checkpoints have no Hugging Face weights.
    """

    def __init__(self, config: Any = None) -> None:
        from omegaconf import OmegaConf

        super().__init__(config)
        asked = config.trainer.get("evalsuite")
        self.arguments: dict[str, Any] = dict(OmegaConf.to_container(asked, resolve=True)) if asked else {}  # type: ignore[call-overload]
        self.model_args = self.arguments.pop("model_args", None)
        if not self.arguments.get("tasks"):
            raise UsageError("EvalOnSave has no tasks: add +trainer.evalsuite.tasks=[NAME,...]")
        self.arguments.setdefault("output", str(Path(config.trainer.default_local_dir) / "evals"))
        saved = config.actor_rollout_ref.actor.checkpoint
        if "hf_model" not in saved.save_contents or saved.get("async_save"):
            raise UsageError(
                f"EvalOnSave reads Hugging Face weights when a checkpoint is saved: add hf_model to {ACTOR}.save_contents="
                f"{list(saved.save_contents)}, and leave {ACTOR}.async_save off"
            )

    def on_save(self, trainer: Any, global_step: int, checkpoint_dir: str, async_save: bool = False, **_: Any) -> None:
        """The evaluation of this checkpoint."""
        model = load_model(str(Path(checkpoint_dir, "actor", "huggingface")), self.model_args)
        model.name = Path(checkpoint_dir).name
        result = evalsuite.run(model, **self.arguments)
        trainer.logger.log(data=scalars(result), step=global_step)
