"""The recipes that change rewards and advantages: dapo, gr3, twyn, passk. Their null settings are in test_null_settings.py."""

import json
import math

import pytest
import torch

from evalsuite.errors import UsageError
from evalsuite.registry.recipes import load_recipe
from evalsuite.trainers.rows import Rows


def table(score, length, group):
    score, length = torch.tensor(score), torch.tensor(length)
    truncated = torch.zeros(len(score), dtype=torch.bool)
    return Rows(
        rollouts=(),
        group=torch.tensor(group),
        score=score,
        reward=score,
        length=length,
        truncated=truncated,
        keep=~score.isnan(),
    )


def staged(recipe, rows):
    """The rows after shape and admit, and their advantages."""
    rows = rows.replace(reward=recipe.shape(rows))
    rows = rows.replace(keep=recipe.admit(rows))
    return rows, recipe.credit(rows)


# Group 0: right ones short and long; 1: all right, unequal; 2: all right, equal; 3: all wrong.
ROWS = table(
    [1.0, 1.0, 0.0, math.nan, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0], [2, 6, 4, 90, 3, 5, 7, 7, 1, 9], [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
)


def test_dapo_punishes_the_last_tokens_and_leaves_flat_groups_out():
    recipe = load_recipe("dapo")({"rollout.max_tokens": 9, "shape.buffer": 4})
    rows, _ = staged(recipe, ROWS)
    want = torch.tensor([1.0, 0.75, 0.0, math.nan, 1.0, 1.0, 0.5, 0.5, 0.0, -1.0])
    torch.testing.assert_close(rows.reward, want, equal_nan=True)
    assert rows.keep.tolist() == [True] * 3 + [False] * 7  # a punishment is no signal
    plain, _ = staged(load_recipe("dapo")({}), ROWS)
    assert torch.equal(plain.reward[plain.keep], ROWS.score[plain.keep]) and plain.keep.tolist() == [True] * 3 + [False] * 7


@pytest.mark.parametrize("settings", [{"shape.buffer": 4}, {"shape.buffer": 9, "rollout.max_tokens": 8}, {"shape.buffer": -1}])
def test_dapo_buffer_lies_within_the_answer(settings):
    with pytest.raises(UsageError, match=r"shape\.buffer"):
        load_recipe("dapo")(settings)


def test_gr3_shapes_and_leaves_groups_out_where_only_length_differs():
    rows, credit = staged(load_recipe("gr3")({"shape.alpha": 0.5}), ROWS)
    torch.testing.assert_close(rows.reward[:3], torch.tensor([1 / 1.25, 1 / 1.75, 0.0]))
    assert rows.keep.tolist() == [True] * 3 + [False] * 3 + [True] * 4
    assert credit[0] > credit[1] > 0 > credit[2] and credit[3:].tolist() == [0.0] * 7


def test_gr3_calibration():
    """Three steps of GRPO, then the greatest alpha that was safe in all groups. The counts survive a checkpoint."""
    recipe = load_recipe("gr3")({"shape.calibrate": 3})
    hard = table([1.0, 1.0, 1.0, 0.0], [1, 1, 1, 17], [0] * 4)  # .667 < .75 / 1.1 at alpha = .5, .752 > .75 / 1.066 at .33
    for step, rows in enumerate((ROWS, hard, ROWS), 1):
        shaped, _ = staged(recipe, rows)
        assert torch.equal(shaped.reward.nan_to_num(-1), rows.score.nan_to_num(-1)) and torch.equal(shaped.keep, rows.keep)
        logged = recipe.after(shaped, step)
        resumed = load_recipe("gr3")({"shape.calibrate": 3})
        resumed.state = json.loads(json.dumps(recipe.state))
        recipe = resumed
    # ROWS has three groups that are counted (the saturated one is not) and no failure up to 1.5; `hard` fails at .5, 1 and 1.5.
    assert recipe.state["groups"] == 7 and recipe.state["met"] == [7, 7, 7, 7, 6, 6, 6]
    assert logged == {"gr3/alpha": 0.33} and recipe.after(ROWS, 4) == {"gr3/alpha": 0.33} and recipe.state["groups"] == 7
    assert float(recipe.shape(ROWS)[0]) == pytest.approx(1 / (1 + 0.33 / 2))


def test_gr3_calibration_counts_a_rollout_batch_once():
    """Four updates of one batch and two of the next, interrupted in between: as one update of each."""
    other = table([1.0, 1.0, 1.0, 0.0], [1, 1, 1, 17], [4] * 4)
    once, often = load_recipe("gr3")({"shape.calibrate": 2}), load_recipe("gr3")({"shape.calibrate": 6})
    for step, rows in enumerate((ROWS, other), 1):
        once.after(rows, step)
    for step, rows in enumerate((ROWS, ROWS, ROWS, ROWS, other, other), 1):
        often.after(rows.replace(reward=rows.reward.clone()), step)  # what a checkpoint gives back is another object
        often.state = json.loads(json.dumps(often.state))
    assert often.state == once.state and often.state["groups"] == 4 and often.alpha == once.alpha == 0.33


def test_gr3_tells_equal_scores_of_other_prompts_apart():
    """Groups are numbered through the run: the same scores and lengths again are another batch."""
    recipe = load_recipe("gr3")({"shape.calibrate": 9})
    for step in (1, 2):
        recipe.after(ROWS.replace(group=ROWS.group + 4 * step), step)
    assert recipe.state["groups"] == 6


def test_gr3_refuses_what_would_reward_length():
    with pytest.raises(UsageError, match="below 0"):
        load_recipe("gr3")({"shape.alpha": -0.1})
    with pytest.raises(ValueError, match="at 0 or above"):
        load_recipe("gr3")({}).shape(ROWS.replace(score=ROWS.score - 0.5))


def test_twyn_teaches_from_flat_groups_too():
    _, credit = staged(load_recipe("twyn")({}), ROWS)
    assert credit[0] > credit[1] > 0 > credit[2] and credit[3] == 0
    assert credit[4] > credit[5] > 0 and credit[6] == credit[7] > 0 and credit[8] == credit[9] < 0


def test_passk_pays_what_a_sample_adds():
    """k = 2. Group 0: a right one beats the other two in half of the pairs (the wrong one); group 3 and flat ones have nothing."""
    rows, credit = staged(load_recipe("passk")({"shape.k": 2}), ROWS)
    assert rows.reward[:3].tolist() == [1.0, 1.0, 1.0] and rows.reward[3].isnan() and rows.keep.sum() == 9
    assert credit.tolist() == [0.5, 0.5] + [0.0] * 8
    rows, credit = staged(load_recipe("passk")({"shape.k": 3}), ROWS)
    assert rows.keep.tolist() == [True] * 3 + [False] * 7  # too few elsewhere
    assert credit.tolist() == [0.0] * 10  # any two hold a right one already


def test_passk_baselines():
    rows = table([1.0, 0.0, 0.0, 0.0], [1, 2, 3, 4], [0] * 4)
    paid = staged(load_recipe("passk")({"shape.k": 2}), rows)[1]
    assert paid.tolist() == [1.0, 0.0, 0.0, 0.0]
    subsets = staged(load_recipe("passk")({"shape.k": 2, "credit.baseline": "subsets", "credit.eps": 0.0}), rows)[1]
    torch.testing.assert_close(subsets, torch.tensor([1.0, -1 / 3, -1 / 3, -1 / 3]))  # pass@2 = sigma = 1/2, R = 1 and 1/3
    centred = staged(load_recipe("passk")({"shape.k": 2, "credit.baseline": "mean"}), rows)[1]
    torch.testing.assert_close(centred, torch.tensor([1 / 2, -1 / 6, -1 / 6, -1 / 6]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"shape.k": 9}, "at most rollout.group=8"), ({"shape.k": 0}, "at least 1"), ({"shape.k": 1}, "leave_one_out")],
)
def test_passk_impossible_settings(settings, words):
    with pytest.raises(UsageError, match=words):
        load_recipe("passk")(settings)
