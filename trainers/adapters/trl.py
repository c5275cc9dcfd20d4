"""Recipes in TRL 1.16: `RecipeTrainer` is TRL's GRPOTrainer with a recipe's rewards, credit and loss.

    recipe = load("gr3", {"shape.alpha": 0.1})
    trainer = RecipeTrainer(recipe, model, evalsuite.reward("gsm8k"), config(recipe, output_dir="out"), train_dataset=prompts)

What recipe and GRPOConfig both have is said by the recipe: `config` makes a GRPOConfig that agrees with it, and RecipeTrainer
refuses one that does not. TRL is imported when `config` is called or `RecipeTrainer` is named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evalsuite.errors import UsageError
from evalsuite.registry.recipes import load_recipe

from ..base import Recipe
from ..recipes.cispo import CISPO
from ..recipes.gspo import GSPO
from ..recipes.sapo import SAPO
from ..recipes.vespo import VESPO
from .shared import reason_against

if TYPE_CHECKING:
    from trl import GRPOConfig

    from .recipe_trainer import RecipeTrainer as RecipeTrainer

# Setting of a recipe -> argument of GRPOConfig with the same meaning; others need a word and are in `arguments`.
SAME = {
    "rollout.group": "num_generations",
    "rollout.epochs": "num_iterations",
    "rollout.temperature": "temperature",
    "credit.scale": "scale_rewards",
    "loss.clip_low": "epsilon",
    "loss.clip_high": "epsilon_high",
    "loss.kl": "beta",
    "loss.entropy": "entropy_coef",
    "loss.tau_pos": "sapo_temperature_pos",
    "loss.tau_neg": "sapo_temperature_neg",
    "loss.k_pos": "vespo_k_pos",
    "loss.lambda_pos": "vespo_lambda_pos",
    "loss.k_neg": "vespo_k_neg",
    "loss.lambda_neg": "vespo_lambda_neg",
    "optim.lr": "learning_rate",
    "optim.eps": "adam_epsilon",
    "optim.weight_decay": "weight_decay",
    "optim.warmup": "warmup_steps",
    "optim.max_norm": "max_grad_norm",
}
AGGREGATES = {"sequence_mean": "grpo", "token_mean": "dapo", "sequence_sum": "dr_grpo"}  # TRL's loss_type
NAMED = {CISPO: "cispo", SAPO: "sapo", VESPO: "vespo"}
# What TRL does on its own account, at the value where it does nothing: the policy that is trained is the one that was sampled
# from, and no other credit, mask or correction is mixed in.
NEUTRAL = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "top_entropy_quantile": 1.0,
    "off_policy_mask_threshold": None,
    "use_adaptive_entropy": False,
    "mask_truncated_completions": False,  # a recipe's admit.mask_truncated also takes them out of the baseline
    "multi_objective_aggregation": "sum_then_normalize",
    "use_bias_correction_kl": False,
    "vllm_importance_sampling_correction": False,  # a recipe's loss.importance_cap
}
GIVEN_UP = {
    "use_bias_correction_kl": "beta",
    "vllm_importance_sampling_correction": "use_vllm",
}  # matters only where this is on


def load(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe `name` with these settings, by dotted name. Raises UsageError for an unknown name or setting."""
    return load_recipe(name)(settings)


def supports(recipe: Recipe) -> str | None:
    """Why TRL's GRPOTrainer cannot run this recipe, and what to do; None where it can."""
    if reason := reason_against(recipe):
        return reason
    if recipe.settings.rollout.group < 2:
        return "rollout.group: GRPOTrainer takes groups of 2 or more"
    return None


def arguments(recipe: Recipe) -> dict[str, Any]:
    """What GRPOConfig must say so that it agrees with the recipe, batch sizes aside.

    A maximum length of 0 leaves `max_completion_length` open, and a warm-up is TRL's: it starts at a learning rate of 0.
    """
    have, s = recipe.effective(), recipe.settings
    values = {argument: have[setting] for setting, argument in SAME.items() if setting in have}
    if isinstance(recipe, CISPO):
        del values["epsilon"]  # TRL's has no lower bound
        values["epsilon_high"] += 1  # the bound itself
    if "loss.dual_clip" in have:
        values["delta"] = have["loss.dual_clip"] or None
    if s.rollout.max_tokens:
        values["max_completion_length"] = s.rollout.max_tokens
    named = [name for kind, name in NAMED.items() if isinstance(recipe, kind)]
    values["loss_type"] = named[0] if named else AGGREGATES[s.loss.aggregate]
    values["importance_sampling_level"] = "sequence" if isinstance(recipe, GSPO) else "token"
    values["adam_beta1"], values["adam_beta2"] = s.optim.betas
    warm = s.optim.schedule == "constant" and s.optim.warmup
    values["lr_scheduler_type"] = "constant_with_warmup" if warm else s.optim.schedule
    return {**values, **NEUTRAL}


def config(recipe: Recipe | str, **others: Any) -> GRPOConfig:
    """A GRPOConfig that agrees with the recipe; `others` are GRPOConfig's own arguments (output_dir, max_steps, bf16, ...).

    `gradient_accumulation_steps` follows from `rollout.prompts` x `rollout.group` and `per_device_train_batch_size` (8 if not
    given), `steps_per_generation` from `rollout.updates`. Raises UsageError where `others` contradict the recipe.
    """
    from trl import GRPOConfig

    recipe = load(recipe) if isinstance(recipe, str) else recipe
    _refuse(recipe)
    rows = recipe.settings.rollout.prompts * recipe.settings.rollout.group
    at_once = others.get("per_device_train_batch_size", 8) * int(os.environ.get("WORLD_SIZE", "1"))
    accumulation = others.get("gradient_accumulation_steps", max(1, rows // at_once))
    sizes = {
        "gradient_accumulation_steps": accumulation,
        "steps_per_generation": accumulation * recipe.settings.rollout.updates,
    }
    made = GRPOConfig(**{**arguments(recipe), **sizes, **others})
    check(recipe, made)
    return made


def check(recipe: Recipe, args: GRPOConfig) -> None:
    """Raises UsageError where TRL cannot run the recipe, or `args` say something else than it, naming both."""
    _refuse(recipe)
    settings = {argument: setting for setting, argument in SAME.items()}
    wrong = []
    for argument, mine in arguments(recipe).items():
        theirs = getattr(args, argument)
        if argument == "epsilon_high" and theirs is None:
            theirs = args.epsilon
        if argument in GIVEN_UP and not getattr(args, GIVEN_UP[argument]):
            continue
        if mine != theirs:
            source = settings.get(argument, "")
            wrong.append(f"{argument}={_plain(theirs)} where {f'{source} asks for' if source else 'it needs'} {mine!r}")
    rollout, world = recipe.settings.rollout, args.world_size
    rows = args.per_device_train_batch_size * args.gradient_accumulation_steps * world
    if rows != rollout.prompts * rollout.group:
        wrong.append(
            f"per_device_train_batch_size={args.per_device_train_batch_size} x gradient_accumulation_steps="
            f"{args.gradient_accumulation_steps} x {world} processes = {rows} rows per update where rollout.prompts="
            f"{rollout.prompts} x rollout.group={rollout.group} = {rollout.prompts * rollout.group}"
        )
    if args.steps_per_generation != args.gradient_accumulation_steps * rollout.updates:
        wrong.append(
            f"steps_per_generation={args.steps_per_generation} where gradient_accumulation_steps x rollout.updates="
            f"{args.gradient_accumulation_steps * rollout.updates}"
        )
    if wrong:
        raise UsageError(
            f"GRPOConfig contradicts recipe {recipe.name}: {'; '.join(wrong)}. Set it on the recipe, and make the GRPOConfig "
            "with evalsuite.trainers.adapters.trl.config(recipe, ...)"
        )


def _refuse(recipe: Recipe) -> None:
    if reason := supports(recipe):
        raise UsageError(f"recipe {recipe.name} does not run in TRL: {reason}")


def _plain(value: Any) -> str:
    """Enumerations as their value."""
    return repr(getattr(value, "value", value))


def __getattr__(name: str) -> Any:
    if name == "RecipeTrainer":
        from .recipe_trainer import RecipeTrainer

        return RecipeTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
