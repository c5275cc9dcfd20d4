"""`RecipeTrainer`: see `trl.py`, through which it is imported once it is used."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from ..base import Recipe
from ..objectives.aggregate import Normaliser
from ..objectives.batch import Batch
from ..objectives.total import total_loss
from ..rows import Rows
from . import trl as adapter
from .shared import staged

STATE = "recipe.pt"  # in a checkpoint: the recipe's memory


class RecipeTrainer(GRPOTrainer):
    """TRL's GRPOTrainer with the stages shape, admit, credit, loss and after of a recipe in place of its own.

    Sampling, rewards (`reward_funcs`: `evalsuite.reward(...)` or any), distribution, checkpoints and logs are TRL's. The score
    of a row is the weighted sum of its rewards, NaN where no function gave one. Stages see all rows of the generation batch on
    every rank; `rows.rollouts` is empty. Rows that are not admitted keep their place in TRL's batch and count for nothing. The
    loss is that of the whole update, whatever the accumulation and the number of ranks; where a generation batch serves several
    updates, each is normalised by its share of the whole, as TRL does.

    `recipe` is a Recipe or a name; without `args` they are `config(recipe)`; `others` are GRPOTrainer's arguments. Raises
    UsageError where TRL cannot run the recipe, or `args` contradict it.
    """

    def __init__(
        self, recipe: Recipe | str, model: Any, reward_funcs: Any, args: GRPOConfig | None = None, **others: Any
    ) -> None:
        self.recipe = adapter.load(recipe) if isinstance(recipe, str) else recipe
        args = args if args is not None else adapter.config(self.recipe)
        adapter.check(self.recipe, args)
        self._name, self._paper = f"evalsuite recipe {self.recipe.name} ({self.recipe.paper})", {}  # for the model card
        self._tag_names = ["trl", "evalsuite", self.recipe.name]
        self._rows: Rows | None = None
        super().__init__(model, reward_funcs, args, **others)
        self.add_callback(_After(self))

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Tensor:
        self._rewards = super()._calculate_rewards(*args, **kwargs)  # gathered: of all ranks
        return self._rewards

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        out = super()._generate_and_score_completions(inputs)
        rows, advantages = staged(self.recipe, **self._columns(out))
        mine = slice(self.accelerator.process_index * len(inputs), (self.accelerator.process_index + 1) * len(inputs))
        device, kept = self.accelerator.device, rows.length * rows.keep
        own = advantages[mine].to(device)
        if own.dim() == 2:  # as wide as the longest answer of all ranks
            own = torch.nn.functional.pad(own, (0, out["completion_ids"].shape[1] - own.shape[1]))
        out["advantages"] = own
        out["keep"] = rows.keep[mine].to(device)
        out["num_items_in_batch"], out["num_sequences_in_batch"] = kept.sum().to(device), rows.keep.sum().to(device)
        # The table of completions is to show what is learnt from, not the advantages that TRL has computed.
        shown = self._logs["advantages"]
        for _ in range(min(len(advantages), len(shown))):
            shown.pop()
        shown.extend((advantages if advantages.dim() == 1 else advantages.mean(1)).tolist())
        mode = "train" if self.model.training else "eval"
        self._metrics[mode]["frac_admitted"].append(rows.keep.float().mean().item())
        self._metrics[mode]["frac_unscorable"].append(rows.score.isnan().float().mean().item())
        if mode == "train":
            self._rows = rows
        return out

    def _columns(self, out: dict[str, Any]) -> dict[str, Tensor]:
        """The rows of all ranks, on the CPU, in the order of the rewards: the columns of `Rows`."""
        mask = _mask(out)
        last = out["completion_mask"].sum(1).clamp(min=1) - 1  # tool results are part of what was said, not of its length
        ends = torch.tensor([*self.eos_token_ids, self._tokenizer.pad_token_id], device=mask.device)
        truncated = ~torch.isin(out["completion_ids"].gather(1, last[:, None])[:, 0], ends)
        length, truncated = self.accelerator.gather(mask.sum(1)).cpu(), self.accelerator.gather(truncated).cpu()
        rewards = self._rewards
        score = (rewards * self.reward_weights.to(rewards.device)).nansum(1)
        score = score.masked_fill(rewards.isnan().all(1), torch.nan).cpu()
        size = self.num_generations if self.model.training else self.num_generations_eval
        group = torch.arange(len(score)) // size
        return {"group": group, "score": score, "length": length, "truncated": truncated}

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        width = inputs["completion_ids"].shape[1]
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
        attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
        score = self._get_per_token_logps_and_entropies
        images = {name: inputs[name] for name in inspect.signature(score).parameters if name in inputs}
        logp, entropy, auxiliary = score(
            model, ids, attention, width, compute_entropy=True, compute_aux_loss=self.aux_loss_enabled, **images
        )
        advantages, old = inputs["advantages"], inputs.get("old_per_token_logps")
        batch = Batch(
            logp=logp,
            old_logp=logp.detach() if old is None else old,
            advantages=advantages[:, None] if advantages.dim() == 1 else advantages,
            mask=_mask(inputs) & inputs["keep"][:, None],
            entropy=entropy,
            ref_logp=inputs.get("ref_per_token_logps"),
            behaviour_logp=inputs.get("sampling_per_token_logps"),
        )
        training, accumulated = self.model.training, self.current_gradient_accumulation_steps
        share = accumulated / self.args.steps_per_generation if training else 1.0  # of the generation batch, in this update
        normaliser = Normaliser(
            sequences=float(inputs["num_sequences_in_batch"]) * share,
            tokens=float(inputs["num_items_in_batch"]) * share,
            max_tokens=self.max_completion_length,
        )
        loss, measured = total_loss(self.recipe, batch, normaliser)
        loss = loss * self.accelerator.num_processes  # ranks average their gradients
        if self.aux_loss_enabled:
            loss = loss + self.router_aux_loss_coef * auxiliary / (accumulated if training else 1)
        self._record(measured, "train" if training else "eval")
        return loss

    def _record(self, measured: dict[str, tuple[float, float]], mode: str) -> None:
        """Means over all ranks, into TRL's metrics."""
        sums = torch.tensor(list(measured.values()), dtype=torch.float32, device=self.accelerator.device)
        for name, (value, count) in zip(measured, self.accelerator.reduce(sums, reduction="sum").tolist(), strict=True):
            if count:
                self._metrics[mode][name].append(value / count)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            torch.save(self.recipe.state, Path(self._get_output_dir(trial), f"checkpoint-{self.state.global_step}", STATE))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            self.recipe.state = torch.load(Path(checkpoint, STATE), weights_only=True)


class _After(TrainerCallback):
    """Stage after, once per update."""

    def __init__(self, trainer: RecipeTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        assert self.trainer._rows is not None
        for name, value in self.trainer.recipe.after(self.trainer._rows, state.global_step).items():
            self.trainer._metrics["train"][name].append(value)


def _mask(out: dict[str, Any]) -> Tensor:
    """Tokens that the policy wrote, bool (B, T)."""
    return (out["completion_mask"] * out["tool_mask"] if "tool_mask" in out else out["completion_mask"]).bool()
