"""Curves for those who watch elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import small

from evalsuite.trainers import Setup, train
from evalsuite.trainers.recipes.grpo import GRPO
from evalsuite.trainers.watch import Silent


def test_tensorboard_has_the_scalars_of_the_journal(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = GRPO({"rollout.prompts": 2, "rollout.group": 4})
    result = train(
        recipe,
        str(tiny),
        small(),
        steps=3,
        output=tmp_path,
        watch=Silent(),
        setup=Setup(report_to=("tensorboard",)),
        eval_tasks=small(),
    )
    (events,) = {path.parent for path in result.path.rglob("events.out.tfevents*") if path.parent.name == "evalsuite"}
    board = EventAccumulator(str(events))
    board.Reload()
    mine = [row["reward"] for row in result.history if "reward" in row]
    assert [event.value for event in board.Scalars("reward")] == pytest.approx(mine)
    assert [event.step for event in board.Scalars("eval/small/avg")] == [0, 3]
