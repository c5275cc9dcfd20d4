"""Recipes in verl 0.9: advantage estimators and policy losses in its registries, all named `evalsuite_RECIPE`.

verl imports `verl_plugin.py` by the entry-point group `verl.plugins`, in the driver and in every worker, so that nothing is to be
called: `algorithm.adv_estimator=evalsuite_gr3`. `overrides` lists all of verl's settings that make a run the recipe's. Settings
of a recipe that verl has no place for come with a registration of one's own, in a module that VERL_USE_EXTERNAL_MODULES names:

    from evalsuite.trainers.adapters import verl
    verl.register("gr3", {"shape.alpha": 0.1}, name="gr3_short")

An estimator sees rewards, masks and prompts, and no cause of an end; a loss sees log-probabilities and advantages (TensorDict
fields that verl selects). KL, entropy bonus and rollout corrections are verl's own terms, set there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from evalsuite.errors import UsageError
from evalsuite.registry.recipes import load_recipe, recipes

from ..base import Recipe
from .shared import reason_against, staged

if TYPE_CHECKING:
    from torch import Tensor

AGGREGATES = {
    "sequence_mean": "seq-mean-token-mean",
    "token_mean": "token-mean",
    "sequence_sum": "seq-mean-token-sum-norm",
}
# Setting of a recipe -> setting of verl's actor that its own losses read for the same.
ACTOR = {
    "loss.clip_low": "clip_ratio_low",
    "loss.clip_high": "clip_ratio_high",
    "loss.tau_pos": "tau_pos",
    "loss.tau_neg": "tau_neg",
}
ACTOR_PATH = "actor_rollout_ref.actor."
UNBOUNDED = 1e9  # clip_ratio_c that bounds nothing; verl's default is 3


def supports(recipe: Recipe) -> str | None:
    """Why verl's registries cannot carry this recipe, and what to do; None where they can."""
    if reason := reason_against(recipe):
        return reason
    have = recipe.effective()
    if have.get("admit.mask_truncated"):
        return "admit.mask_truncated: an estimator is not told which answers were cut off; set it to False"
    if have.get("shape.calibrate"):
        return "shape.calibrate: verl's checkpoints do not keep what the first steps found; set shape.alpha"
    for setting, theirs in (
        ("loss.kl", "use_kl_loss and kl_loss_coef"),
        ("loss.entropy", "entropy_coeff"),
        ("loss.importance_cap", "algorithm.rollout_correction"),
    ):
        if have.get(setting):
            return f"{setting}: verl adds this term itself; leave it at 0 and set {theirs}"
    return None


def own_loss(recipe: Recipe) -> bool:
    """Whether the recipe has another loss than PPO's clip, which is verl's `vanilla`."""
    return type(recipe).loss is not Recipe.loss


def overrides(recipe: Recipe | str, name: str = "") -> dict[str, Any]:
    """verl's settings, by dotted name, that make a run the recipe's: `{f"{k}={v}" for k, v in overrides("dapo").items()}`.

    `name` is that of the registration, evalsuite_RECIPE if not given. Raises UsageError where verl cannot run it.
    """
    recipe = _checked(recipe)
    name, have, s = name or f"evalsuite_{recipe.name}", recipe.effective(), recipe.settings
    values = {
        "algorithm.adv_estimator": name,
        "actor_rollout_ref.rollout.n": s.rollout.group,
        "actor_rollout_ref.rollout.temperature": s.rollout.temperature,
        f"{ACTOR_PATH}policy_loss.loss_mode": name if own_loss(recipe) else "vanilla",
        f"{ACTOR_PATH}loss_agg_mode": AGGREGATES[s.loss.aggregate],
    }
    values |= {ACTOR_PATH + theirs: have[setting] for setting, theirs in ACTOR.items() if setting in have}
    if not own_loss(recipe):
        values[f"{ACTOR_PATH}clip_ratio_c"] = s.loss.dual_clip or UNBOUNDED
    if s.loss.aggregate == "sequence_sum":
        # Without it verl divides by the longest answer of each micro-batch.
        values[f"{ACTOR_PATH}loss_scale_factor"] = s.rollout.max_tokens or "${data.max_response_length}"
    return values


def register(recipe: Recipe | str, settings: Mapping[str, Any] | None = None, name: str = "") -> None:
    """Register the recipe's estimator, and its loss where it has one of its own, under `name` (evalsuite_RECIPE if not given).

    Raises UsageError for a name that is taken, and where verl cannot run the recipe.
    """
    from verl.trainer.ppo import core_algos

    recipe = _checked(recipe, settings)
    name = name or f"evalsuite_{recipe.name}"
    if name in core_algos.ADV_ESTIMATOR_REGISTRY or name in core_algos.POLICY_LOSS_REGISTRY:
        raise UsageError(f"{name} is registered in verl already; give another name")
    core_algos.register_adv_est(name)(estimator(recipe))
    if own_loss(recipe):
        core_algos.register_policy_loss(name)(policy_loss(recipe))


def register_all() -> None:
    """Every recipe that verl can run, with its defaults (dapo without refill), unless its name is taken."""
    from verl.trainer.ppo import core_algos

    for name in recipes():
        recipe = default(name)
        if supports(recipe) is None and f"evalsuite_{name}" not in core_algos.ADV_ESTIMATOR_REGISTRY:
            register(recipe)


def default(name: str) -> Recipe:
    """The recipe as its registration has it: with its defaults, and without further prompts for groups that are left out."""
    kind = load_recipe(name)
    return kind({"admit.refill": 0} if kind.defaults().get("admit.refill") else None)


def estimator(recipe: Recipe) -> Callable[..., tuple[Tensor, Tensor]]:
    """Stages shape, admit and credit as one of verl's advantage estimators.

    The score of a row is the sum of its token rewards. Rows that are not admitted get 0 and stay in verl's counts of tokens
    and sequences.
    """

    def advantages(
        token_level_rewards: Tensor, response_mask: Tensor, index: Any = None, config: Any = None, **_: Any
    ) -> tuple[Tensor, Tensor]:
        """Advantages and returns, float (B, T) each; `index` (B,) names the prompt of each row."""
        import torch

        if index is None:
            raise UsageError(
                f"recipe {recipe.name} compares the answers of a prompt, and verl gave no prompt of each row (uid)"
            )
        mask, score = response_mask.bool(), token_level_rewards.sum(-1)
        numbers = {key: i for i, key in enumerate(dict.fromkeys(list(index)))}
        group = torch.tensor([numbers[key] for key in index], device=score.device)
        with torch.no_grad():
            _, credit = staged(
                recipe, group=group, score=score, length=mask.sum(-1), truncated=torch.zeros_like(score, dtype=torch.bool)
            )
        credit = torch.where(mask, credit if credit.dim() == 2 else credit[:, None], 0.0)
        return credit, credit

    return advantages


def policy_loss(recipe: Recipe) -> Callable[..., tuple[Tensor, dict[str, float]]]:
    """Stage loss as one of verl's policy losses, aggregated by verl. It refuses an actor that is set to something else."""

    def loss(
        old_log_prob: Tensor,
        log_prob: Tensor,
        advantages: Tensor,
        response_mask: Tensor,
        loss_agg_mode: str = "token-mean",
        config: Any = None,
        rollout_is_weights: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of this micro-batch, a scalar with gradient, and metrics; tensors are (B, T)."""
        from verl.trainer.ppo.core_algos import agg_loss

        from ..objectives.batch import Batch
        from ..objectives.total import sums

        _agree(recipe, config, loss_agg_mode)
        if rollout_is_weights is not None and recipe.corrects_behaviour:
            raise UsageError(
                f"recipe {recipe.name} corrects for the sampler in its own coefficient, and verl's rollout_is_weights would "
                "multiply it once more; set algorithm.rollout_correction.rollout_is=null"
            )
        mask = response_mask.bool()
        batch = Batch(logp=log_prob, old_logp=old_log_prob, advantages=advantages, mask=mask)
        per_token, measured = recipe.loss(batch)
        if rollout_is_weights is not None:
            per_token = per_token * rollout_is_weights
        total = agg_loss(loss_mat=per_token, loss_mask=mask, loss_agg_mode=loss_agg_mode, **config.global_batch_info)
        counted = sums({**measured, "ppo_kl": -batch.log_ratio}, mask)
        return total, {f"actor/{name}": value / max(1.0, count) for name, (value, count) in counted.items()}

    return loss


def _agree(recipe: Recipe, config: Any, loss_agg_mode: str) -> None:
    """Raises UsageError where verl's actor says something else than the recipe, naming both."""
    have = recipe.effective()
    found = {"loss_agg_mode": loss_agg_mode} | {theirs: config.get(theirs) for theirs in ACTOR.values()}
    wanted = {"loss_agg_mode": AGGREGATES[have["loss.aggregate"]]}
    wanted |= {theirs: have[setting] for setting, theirs in ACTOR.items() if setting in have}
    wrong = [f"{ACTOR_PATH}{key}={found[key]} where it needs {value}" for key, value in wanted.items() if found[key] != value]
    if have["loss.aggregate"] == "sequence_sum" and not config.get("loss_scale_factor"):
        wrong.append(
            f"{ACTOR_PATH}loss_scale_factor is not set, and verl would divide by the longest answer of each micro-batch"
        )
    if wrong:
        raise UsageError(
            f"verl's actor contradicts recipe {recipe.name}: {'; '.join(wrong)}. Set what the recipe needs "
            "(evalsuite.trainers.adapters.verl.overrides), or register the recipe with other settings"
        )


def _checked(recipe: Recipe | str, settings: Mapping[str, Any] | None = None) -> Recipe:
    if isinstance(recipe, str):
        recipe = load_recipe(recipe)(settings) if settings else default(recipe)
    if reason := supports(recipe):
        raise UsageError(f"recipe {recipe.name} does not run in verl: {reason}")
    return recipe
