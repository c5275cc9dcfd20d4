"""Recipes inside TRL: what the adapter computes against the stock GRPOTrainer, run beside it on the same model and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="trl is not installed: nothing to adapt to")

import torch
from trl import GRPOConfig, GRPOTrainer

import evalsuite
from evalsuite.errors import UsageError
from evalsuite.trainers.adapters import trl as adapter
from evalsuite.trainers.adapters.recipe_trainer import RecipeTrainer
from evalsuite.trainers.objectives.aggregate import Normaliser
from evalsuite.trainers.objectives.batch import Batch
from evalsuite.trainers.objectives.total import total_loss
from evalsuite.trainers.rows import Rows

from .conftest import PROMPTS, history, small_letters

SMALL = {
    "rollout.prompts": 4,
    "rollout.group": 4,
    "rollout.max_tokens": 8,
    "optim.lr": 1e-2,
    "optim.eps": 1e-3,
}  # eps: the size of a step does not hang on the rounding of a gradient near 0
SCALARS = ("loss", "grad_norm", "entropy")
CLIPPED = (*SCALARS, "clip_ratio/low_mean", "clip_ratio/high_mean")
STALE = {"rollout.updates": 2}
CASES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "grpo": ("grpo", {}, CLIPPED),
    "grpo, with KL": ("grpo", {"loss.kl": 0.1}, (*CLIPPED, "kl")),
    "grpo, two epochs": ("grpo", {"rollout.epochs": 2, "rollout.updates": 1}, CLIPPED),
    "dr_grpo": ("dr_grpo", {}, CLIPPED),
    "dapo": ("dapo", {"admit.refill": 0, "admit.drop_flat": False, "loss.dual_clip": 1.5}, CLIPPED),
    "bnpo": ("bnpo", {}, CLIPPED),
    "cispo": ("cispo", {}, (*SCALARS, "cispo_clip_ratio")),
    "gspo": ("gspo", {}, CLIPPED),
    "sapo": ("sapo", {}, SCALARS),
    "vespo": ("vespo", {}, (*SCALARS, "vespo/phi_seq_mean")),
}


def trained(trainer: Any) -> Any:
    """The trainer after its training; making one sets the seeds, so that each is trained before the next is made."""
    trainer.train()
    return trainer


def same(stock: Any, ours: Any, names: tuple[str, ...]) -> None:
    theirs, mine = torch.tensor(history(stock, *names)), torch.tensor(history(ours, *names))
    assert mine.shape == (4, len(names)) and (mine[:, 1] > 1e-2).all()
    torch.testing.assert_close(mine, theirs, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_the_stock_trainers_losses(make, common, case):
    """Two micro-batches per update; in most, two updates per generation batch, so that ratios differ from 1."""
    name, settings, scalars = CASES[case]
    recipe = adapter.load(name, {**SMALL, **STALE, **settings})
    args = adapter.config(recipe, per_device_train_batch_size=8, **common)
    assert args.gradient_accumulation_steps == 2
    stock = trained(make(GRPOTrainer, args=args))
    ours = trained(make(adapter.RecipeTrainer, recipe, args=args))
    same(stock, ours, scalars)
    if "kl" in scalars:
        assert history(ours, "kl")[-1][0] > 1e-4


def test_bnpo_is_trls_in_one_piece(make, common):
    """TRL's bnpo counts the tokens of each micro-batch; where that is the update, it is the recipe's."""
    recipe = adapter.load("bnpo", {**SMALL, "rollout.epochs": 2})
    args = adapter.config(recipe, per_device_train_batch_size=16, **common)
    assert args.gradient_accumulation_steps == 1 and args.loss_type == "dapo"
    ours = trained(make(RecipeTrainer, recipe, args=args))
    args.loss_type = "bnpo"
    stock = trained(make(GRPOTrainer, args=args))
    same(stock, ours, CLIPPED)


def test_accumulation_changes_nothing(make, common):
    """The recipe's own terms, the entropy bonus among them, which TRL averages per micro-batch."""
    recipe = adapter.load("vespo", {**SMALL, "loss.entropy": 0.05})
    whole, parts = (
        trained(make(RecipeTrainer, recipe, args=adapter.config(recipe, per_device_train_batch_size=n, **common)))
        for n in (16, 4)
    )
    same(whole, parts, ("loss", "grad_norm"))


class Recording(RecipeTrainer):
    """Keeps what a generation batch became, and every part of the loss."""

    def _generate_and_score_completions(self, inputs):
        out = super()._generate_and_score_completions(inputs)
        self.batches = [*getattr(self, "batches", []), (self._rows, out)]
        return out

    def _compute_loss(self, model, inputs):
        loss = super()._compute_loss(model, inputs)
        self.parts = [*getattr(self, "parts", []), loss.item()]
        return loss

    def _get_per_token_logps_and_entropies(self, model, *args, **kwargs):
        found = super()._get_per_token_logps_and_entropies(model, *args, **kwargs)
        self.scored = [*getattr(self, "scored", []), found[0].detach()]
        return found


def test_gr3_in_trl(make, common):
    """Lengths, shaped rewards, saturated groups and advantages are those of the recipe on what TRL sampled and scored."""
    said: list[tuple[list[int], float]] = []

    def short_is_right(completions, completion_ids, **_):
        values = [float(len(ids) < 8 or text[:1].islower()) for text, ids in zip(completions, completion_ids)]
        said.extend(zip(completion_ids, values))
        return values

    recipe = adapter.load("gr3", SMALL)
    common |= {"max_steps": 3, "log_completions": True, "num_completions_to_print": 0}
    trainer = trained(make(Recording, recipe, args=adapter.config(recipe, **common), reward=short_is_right))
    dropped = 0
    for step, (rows, out) in enumerate(trainer.batches):
        own = said[16 * step : 16 * step + 16]
        score = torch.tensor([value for _, value in own])
        plain = Rows(
            rollouts=(),
            group=torch.tensor([0, 1, 2, 3]).repeat_interleave(4),
            score=score,
            reward=score,
            length=torch.tensor([len(ids) for ids, _ in own]),
            truncated=torch.tensor([ids[-1] not in (0, 1) for ids, _ in own]),
            keep=torch.ones(16, dtype=torch.bool),
        )
        assert torch.equal(rows.length, plain.length) and torch.equal(rows.truncated, plain.truncated)
        plain = plain.replace(reward=recipe.shape(plain))
        plain = plain.replace(keep=recipe.admit(plain))
        assert torch.equal(out["advantages"], recipe.credit(plain)) and torch.equal(out["keep"], plain.keep)
        assert out["advantages"].abs().max() > 0
        dropped += int((~plain.keep).sum())
    assert list(trainer._logs["advantages"]) == trainer.batches[-1][1]["advantages"].tolist()
    assert len({int(n) for n in rows.length}) > 1 and history(trainer, "gr3/alpha") == [(0.33,)] * 3
    assert (dropped > 0) == any(share < 1 for (share,) in history(trainer, "frac_admitted"))


def test_rows_that_are_left_out_count_for_nothing(make, common):
    """Flat groups and rows without a reward: the parts of the loss sum to the loss of the other rows in one piece."""

    def two_values(completions, **_):
        values = [float(text[:1].islower()) for text in completions]
        return [1.0] * 4 + [None, *values[5:]]

    recipe = adapter.load("bnpo", {**SMALL, "admit.drop_flat": True, "credit.baseline": "none"})
    trainer = trained(
        make(
            Recording,
            recipe,
            args=adapter.config(recipe, per_device_train_batch_size=4, **common | {"max_steps": 1}),
            reward=two_values,
        )
    )
    ((rows, out),) = trainer.batches
    assert rows.keep[:5].tolist() == [False] * 5 and 0 < int(rows.keep.sum()) < 12 and rows.score[4].isnan()
    assert int(out["num_items_in_batch"]) == int(rows.length[rows.keep].sum())
    assert len(trainer.parts) == 4 and history(trainer, "frac_unscorable") == [(1 / 16,)]
    # At the first update every ratio is 1: the loss is minus the token mean of the advantages, over the rows that are kept.
    kept = rows.length * rows.keep
    wanted = -(out["advantages"] * kept).sum() / kept.sum()
    assert sum(trainer.parts) == pytest.approx(float(wanted), rel=1e-5) and abs(float(wanted)) > 1e-4


def test_advantages_per_token(make, common):
    """A recipe whose credit is float (B, T): each token gets its own."""

    class Fading(type(adapter.load("grpo"))):
        def credit(self, rows):
            return super().credit(rows)[:, None] * 0.5 ** torch.arange(int(rows.length.max()))

    recipe = Fading({**SMALL, "loss.aggregate": "token_mean", "credit.baseline": "none"})
    trainer = trained(make(Recording, recipe, args=adapter.config(recipe, **common | {"max_steps": 1})))
    ((_, out),) = trainer.batches
    advantages, mask = out["advantages"], out["completion_mask"].bool()
    assert advantages.shape == mask.shape and torch.equal(advantages[:, 1] * 2, advantages[:, 0])
    logp = torch.zeros(mask.shape)
    whole, _ = total_loss(recipe, Batch(logp=logp, old_logp=logp, advantages=advantages, mask=mask), Normaliser.of(mask))
    assert sum(trainer.parts) == pytest.approx(float(whole), rel=1e-5) and abs(float(whole)) > 1e-4


def test_state_is_saved_and_resumed(make, common):
    """gr3's calibration goes on where a checkpoint left it; the card says what trained the model."""
    recipe = adapter.load("gr3", {**SMALL, "shape.calibrate": 3})
    common |= {"save_strategy": "steps", "save_steps": 2}
    trained(make(RecipeTrainer, recipe, args=adapter.config(recipe, **common)))
    assert recipe.state["groups"] > 0 and "alpha" in recipe.state
    resumed = adapter.load("gr3", {**SMALL, "shape.calibrate": 3})
    trainer = make(RecipeTrainer, resumed, args=adapter.config(resumed, **common))
    trainer.train(resume_from_checkpoint=f"{common['output_dir']}/checkpoint-2")
    assert resumed.state == recipe.state
    assert "evalsuite recipe gr3 (arXiv:2603.10535)" in Path(common["output_dir"], "README.md").read_text()


def test_trls_own_evaluation(make, common):
    """Groups of another size, and more rows than a generation batch: neither accumulated nor a share of anything."""
    from datasets import Dataset

    recipe = adapter.load("grpo", SMALL)
    args = adapter.config(recipe, **common | {"max_steps": 1}, num_generations_eval=2, per_device_eval_batch_size=24)
    trainer = trained(make(Recording, recipe, args=args, eval_dataset=Dataset.from_dict({"prompt": PROMPTS})))
    values = trainer.evaluate()
    advantages = trainer.batches[-1][1]["advantages"].view(12, 2)
    torch.testing.assert_close(advantages.sum(1), torch.zeros(12))
    assert 0 < values["eval_reward"] < 1 and values["eval_frac_admitted"] == 1 and advantages.abs().max() > 0.5
    assert len(trainer._logs["advantages"]) == 16 and trainer._logs["advantages"][-1] == advantages[-1, -1]


def test_a_tasks_verifier_is_the_reward(make, common):
    """`evalsuite.reward` of a task, rows named by their question."""
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from small import small

    task = small(max_tokens=8)
    rows = {
        "prompt": [s.problem for s in task.samples],
        "task": [task.name] * len(task.samples),
        "id": [s.id for s in task.samples],
    }
    recipe = adapter.load("twyn", {**SMALL, "optim.lr": 3e-2})
    args = adapter.config(recipe, **common | {"max_steps": 6})
    trainer = trained(make(RecipeTrainer, recipe, args=args, reward=evalsuite.reward(task), prompts=rows))
    rewards = [value for (value,) in history(trainer, "rewards/small/mean")]
    assert len(set(rewards)) > 1 and all(0 <= value <= 1 for value in rewards)
    assert history(trainer, "rewards/small/unscorable") == [(0.0,)] * 6
    assert all(norm > 0 for (norm,) in history(trainer, "grad_norm"))


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("sft", {}, "changes source"),
        ("dapo", {}, "set admit.refill=0"),
        ("reinforce_pp", {"rollout.group": 1}, "groups of 2 or more"),
    ],
)
def test_what_trl_cannot_run(name, settings, words):
    recipe = adapter.load(name, settings)
    with pytest.raises(UsageError, match=f"recipe {name} does not run in TRL: .*{words}"):
        adapter.config(recipe, output_dir="out", use_cpu=True, bf16=False)


@pytest.mark.parametrize(
    ("name", "others", "words"),
    [
        ("grpo", {"num_generations": 4, "gradient_accumulation_steps": 8}, "num_generations=4 where rollout.group asks for 8"),
        ("grpo", {"temperature": 0.7}, "temperature=0.7 where rollout.temperature asks for 1.0"),
        ("grpo", {"beta": 0.04}, "beta=0.04 where loss.kl asks for 0.0"),
        ("gspo", {"epsilon": 0.2}, "epsilon=0.2 where loss.clip_low asks for 0.0003"),
        ("cispo", {"epsilon_high": 4.0}, "epsilon_high=4.0 where loss.clip_high asks for 5.0"),
        ("vespo", {"loss_type": "dapo"}, "loss_type='dapo' where it needs 'vespo'"),
        ("dr_grpo", {"scale_rewards": "group"}, "scale_rewards='group' where credit.scale asks for 'none'"),
        ("grpo", {"lr_scheduler_type": "cosine"}, "lr_scheduler_type='cosine' where it needs 'constant'"),
        ("grpo", {"top_p": 0.9}, "top_p=0.9"),
        ("grpo", {"mask_truncated_completions": True}, "mask_truncated_completions=True"),
        ("grpo", {"gradient_accumulation_steps": 2}, "= 16 rows per update where rollout.prompts=8 x rollout.group=8 = 64"),
        ("grpo", {"steps_per_generation": 4}, "steps_per_generation=4"),
        ("grpo", {"per_device_train_batch_size": 48}, "48 rows per update"),
    ],
)
def test_settings_that_contradict(name, others, words):
    import re

    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        adapter.config(name, output_dir="out", use_cpu=True, bf16=False, **others)
    assert f"GRPOConfig contradicts recipe {name}" in str(caught.value)


def test_longest_answer_and_correction_of_kl():
    recipe = adapter.load("grpo", {"rollout.max_tokens": 100, "loss.kl": 0.1})
    plain = {"output_dir": "out", "use_cpu": True, "bf16": False}
    with pytest.raises(UsageError, match=r"max_completion_length=50 where it needs 100.*use_bias_correction_kl=True"):
        adapter.config(recipe, max_completion_length=50, use_bias_correction_kl=True, **plain)
    assert adapter.config("grpo", max_completion_length=50, **plain).max_completion_length == 50  # the recipe leaves it open
    adapter.check(adapter.load("grpo"), adapter.config("grpo", use_bias_correction_kl=True, **plain))  # there is no KL


def test_a_plain_config_is_refused(make, common):
    """GRPOConfig's defaults are DAPO's loss and a falling learning rate."""
    with pytest.raises(UsageError, match=r"loss_type='dapo' where it needs 'grpo'.*lr_scheduler_type='linear'"):
        make(RecipeTrainer, "grpo", args=GRPOConfig(**common, gradient_accumulation_steps=8))


def test_trl_is_imported_when_it_is_used():
    import subprocess
    import sys

    code = "import sys, evalsuite.trainers.adapters.trl as a; a.supports(a.load('gr3')); print('trl' in sys.modules, 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_unknown_names():
    with pytest.raises(UsageError, match="did you mean grpo"):
        adapter.load("grop")
    assert small_letters(["aB1", "abcdE"]) == [0.25, 1.0] and len(PROMPTS) == 12
