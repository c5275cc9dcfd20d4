"""The credit stage of the recipes that change it, from rows of scored rollouts."""

from __future__ import annotations

import pytest
import torch

from evalsuite import Completion, Sample, Score
from evalsuite.trainers.base import STAGES
from evalsuite.trainers.recipes.bnpo import BNPO
from evalsuite.trainers.recipes.cispo import CISPO
from evalsuite.trainers.recipes.dr_grpo import DrGRPO
from evalsuite.trainers.recipes.grpo import GRPO
from evalsuite.trainers.recipes.gspo import GSPO
from evalsuite.trainers.recipes.reinforce_pp import ReinforcePP
from evalsuite.trainers.recipes.rloo import RLOO
from evalsuite.trainers.recipes.sapo import SAPO
from evalsuite.trainers.recipes.vespo import VESPO
from evalsuite.trainers.rows import Rollout, Rows

HERE = [DrGRPO, BNPO, GSPO, CISPO, SAPO, VESPO, RLOO, ReinforcePP]


@pytest.fixture
def rows() -> Rows:
    """Two prompts: 1, 0, 0 in 2, 2, 4 tokens, and 1, a failed score, 1 in 1, 9, 3."""
    table = [(0, 1.0, 2), (0, 0.0, 2), (0, 0.0, 4), (1, 1.0, 1), (1, None, 9), (1, 1.0, 3)]
    rollouts = [
        Rollout(
            task="t",
            sample=Sample(id=str(group), messages=()),
            group=group,
            index=i,
            prompt_ids=(1,),
            completion=Completion(text="", token_ids=(7,) * length, finish_reason="stop"),
            score=Score(value=value, outcome="ok" if value is not None else "error"),
        )
        for i, (group, value, length) in enumerate(table)
    ]
    return Rows.of(rollouts)


def test_by_hand(rows):
    std = (1 / 3) ** 0.5
    grpo = [2 / 3 / (std + 1e-4), -1 / 3 / (std + 1e-4), -1 / 3 / (std + 1e-4), 0, 0, 0]
    for kind in (GRPO, BNPO, GSPO, CISPO, SAPO, VESPO):
        assert kind().credit(rows).tolist() == pytest.approx(grpo), kind.name
    assert DrGRPO().credit(rows).tolist() == pytest.approx([2 / 3, -1 / 3, -1 / 3, 0, 0, 0])
    assert RLOO().credit(rows).tolist() == pytest.approx([1, -0.5, -0.5, 0, 0, 0])


def test_reinforce_pp(rows):
    """Twelve tokens: six of reward 1, six of 0, variance 12 x .25 / 11. With the baseline: 2 of 2/3, 6 of -1/3, 4 of 0."""
    a = 0.5 / (12 * 0.25 / 11) ** 0.5
    assert ReinforcePP().credit(rows).tolist() == pytest.approx([a, -a, -a, a, 0, a])
    values, counts = torch.tensor([2 / 3, -1 / 3, 0.0]), torch.tensor([2, 6, 4])
    tokens = values.repeat_interleave(counts)
    high, low, zero = ((values - tokens.mean()) / tokens.std()).tolist()
    assert ReinforcePP({"credit.baseline": "mean"}).credit(rows).tolist() == pytest.approx(
        [high, low, low, zero, 0, zero], rel=1e-5
    )


@pytest.mark.parametrize("kind", HERE)
def test_what_a_recipe_says_it_changes(kind):
    """Stages whose method or settings differ from GRPO's are the declared ones."""
    own = {stage for stage in STAGES if getattr(kind, stage, None) is not getattr(GRPO, stage, None)}
    mine, base = kind.defaults(), GRPO.defaults()
    own |= {name.partition(".")[0] for name in mine.keys() | base.keys() if mine.get(name, "-") != base.get(name, "-")}
    assert own == set(kind.changes) and kind.paper and kind.formula and kind.name != "grpo"
