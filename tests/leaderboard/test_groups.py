"""Groups of a training run, and the rule that watches the reward."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

pytest.importorskip("streamlit")

from evalsuite.leaderboard.catalog import read_catalog
from evalsuite.leaderboard.data import groups, hacking
from evalsuite.leaderboard.data.hacking import Held, watch
from evalsuite.leaderboard.data.series import Groups, Scalars
from evalsuite.leaderboard.plots import groups as plots


def read(path: Path, rows: list[dict[str, Any]]) -> Groups:
    """A samples.jsonl of these rows, read."""
    path.write_text('{"schema": 1, "kind": "samples"}\n' + "".join(json.dumps(row) + "\n" for row in rows))
    found = Groups(path)
    found.refresh()
    return found


def sample(step: int, group: int, value: float | None, reward: float | None = None) -> dict[str, Any]:
    return {"step": step, "task": "t", "id": "q", "group": group, "text": "...", "score": {"value": value}, "reward": value if reward is None else reward}  # fmt: skip


def test_groups_are_added_up(tmp_path: Path) -> None:
    rows = [
        sample(1, 0, 1.0),
        sample(1, 0, 0.0),
        sample(1, 1, 1.0),
        sample(1, 1, 1.0, 0.5),
        sample(2, 0, 0.0),
        sample(2, 1, None),
    ]
    table = read(tmp_path / "samples.jsonl", rows).table()
    assert table["step"].tolist() == [1, 1, 2, 2]
    assert table["reward"][:3].tolist() == [0.5, 0.75, 0.0] and math.isnan(table["reward"][3])
    assert table["scored"].tolist() == [2, 2, 1, 0] and table["right"].tolist() == [1, 2, 0, 0]
    assert table["wrong"].tolist() == [1, 0, 1, 0]


def test_groups_grow_with_their_file(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    found = read(path, [sample(1, 0, 1.0)])
    with open(path, "a") as file:
        file.write(json.dumps(sample(1, 0, 0.0)) + "\n" + json.dumps(sample(2, 0, 0.0))[:20])
    found.refresh()
    assert found.table()["reward"].tolist() == [0.5]


def test_the_histogram_has_a_row_per_value_or_equal_bins() -> None:
    few = {"step": np.array([1.0, 1, 1, 2]), "reward": np.array([0.0, 0.5, 0.5, 1.0])}
    starts, values, share = groups.histogram(few)
    assert starts.tolist() == [1, 2] and values.tolist() == [0, 0.5, 1]
    assert share.tolist() == [[pytest.approx(1 / 3), 0], [pytest.approx(2 / 3), 0], [0, 1]]
    many = {"step": np.ones(101), "reward": np.linspace(0, 1, 101)}
    starts, values, share = groups.histogram(many)
    assert len(values) == groups.BINS and values[0] == pytest.approx(0.025) and share.sum() == pytest.approx(1)
    assert share[-1, 0] == pytest.approx(6 / 101)  # .95 to 1, both ends
    assert groups.histogram({"step": np.array([1.0]), "reward": np.array([math.nan])})[2].size == 0


def test_neighbouring_batches_are_counted_together() -> None:
    steps = np.arange(1.0, 401)
    starts, _, share = groups.histogram({"step": steps, "reward": steps % 2})
    assert len(starts) <= groups.COLUMNS and starts[1] - starts[0] == 3  # ceil(400 / 160)
    assert share.sum(axis=0) == pytest.approx(1)


def test_shares_of_groups() -> None:
    table = {"step": np.array([1.0, 1, 1, 1, 2]), "scored": np.array([2.0, 2, 2, 0, 4]), "right": np.array([2.0, 1, 0, 0, 0]), "wrong": np.array([0.0, 1, 2, 0, 4])}  # fmt: skip
    frame = groups.shares(table)
    assert frame["groups"].tolist() == [3, 1]
    assert frame.loc[0, ["right", "mixed", "wrong"]].tolist() == pytest.approx([1 / 3] * 3)
    assert frame.loc[1, ["right", "mixed", "wrong"]].tolist() == [0, 0, 1]
    fig = plots.outcomes(frame)
    assert [t.name for t in fig.data] == ["all wrong", "mixed: a signal", "all right"]
    assert {t.fillpattern.shape for t in fig.data} == {"/", "", "."}


STEPS = np.arange(1.0, 41)


def noisy(start: float, end: float, scale: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    return STEPS, np.linspace(start, end, 40) + scale * np.cos(STEPS * 2)


FLAT = noisy(100, 100, 1)


def test_reward_up_and_held_out_down_is_an_alarm() -> None:
    held = [Held(0, 0.4, 0.35, 0.45), Held(20, 0.6, 0.55, 0.65), Held(40, 0.4, 0.35, 0.45)]
    (sentence,) = watch(noisy(0.2, 0.9), FLAT, held).alarms
    assert "steps 20 and 40" in sentence and "from 0.6 to 0.4" in sentence
    # Within its interval: none. Reward falling as well: none.
    assert watch(noisy(0.2, 0.9), FLAT, [held[0], held[1], Held(40, 0.52, 0.47, 0.57)]).alarms == ()
    assert watch(noisy(0.9, 0.2), FLAT, held).alarms == ()


def test_what_cannot_be_judged_says_so() -> None:
    held = [Held(38, 0.6, 0.55, 0.65), Held(40, 0.4, 0.35, 0.45)]
    seen = watch(noisy(0.2, 0.9), FLAT, held)
    assert seen.alarms == () and "too few steps" in seen.unknown[0]
    assert "two evaluations" in watch(noisy(0.2, 0.9), FLAT, []).unknown[0]
    assert "two evaluations" in watch(noisy(0.2, 0.9), FLAT, [Held(0, 0.5, math.nan, math.nan), held[1]]).unknown[0]
    short = (STEPS[:4], np.zeros(4))
    assert len(watch(short, short, []).unknown) == 2


@pytest.mark.parametrize(
    ("reward", "length", "word"),
    [
        (noisy(0.2, 0.9), noisy(100, 50, 1), "shrank"),
        (noisy(0.9, 0.2), noisy(50, 100, 1), "grew"),
        (noisy(0.2, 0.9), noisy(50, 100, 1), ""),  # longer and better
        (noisy(0.2, 0.9), noisy(100, 90, 1), ""),  # less than a fifth
        (noisy(0.5, 0.5), noisy(50, 100, 1), ""),  # the reward stays
    ],
)
def test_length_and_reward_that_part(reward: Any, length: Any, word: str) -> None:
    alarms = watch(reward, length, []).alarms
    assert bool(alarms) == bool(word) and all(word in sentence for sentence in alarms)


def test_the_rule_reads_a_run_under_either_name(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    held = {0: 0.6, 40: 0.3}
    rows = [{"step": 0, "eval/t/avg": 0.6, "eval/t/avg/low": 0.55, "eval/t/avg/high": 0.65}]
    rows += [{"step": int(s), "train/reward": v, "train/completions/mean_length": 9.0} for s, v in zip(*noisy(0.2, 0.9))]
    rows += [{"step": 40, "eval/t/avg": held[40], "eval/t/avg/low": 0.25, "eval/t/avg/high": 0.35}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scalars = Scalars(path)
    scalars.refresh()
    assert len(hacking.of_run(scalars, "eval/t/avg").alarms) == 1
    assert hacking.of_run(scalars, "").unknown[0].startswith("held-out alarm")


def test_the_page_raises_the_alarm_and_links_to_samples(copy: Path, page: Callable[..., Any]) -> None:
    run = read_catalog(copy).trainings[next(iter(read_catalog(copy).trainings))]
    rows = [{"step": 0, "eval/t/avg": 0.6, "eval/t/avg/low": 0.55, "eval/t/avg/high": 0.65}]
    rows += [{"step": int(s), "reward": v, "completions/mean_length": 9.0} for s, v in zip(*noisy(0.2, 0.9))]
    rows += [{"step": 40, "eval/t/avg": 0.3, "eval/t/avg/low": 0.25, "eval/t/avg/high": 0.35}]
    (run.path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = page("training", copy, trainings=[run.key], at_step="3")
    assert not app.exception
    assert len(app.warning) == 1 and "fell from 0.6 to 0.3" in app.warning[0].value
    assert app.number_input(key="at_step").value == 3
    (link,) = app.get("page_link")
    assert "Samples of step" in link.proto.label
    assert parse_qs(link.proto.query_string) == {"run": [run.key], "step": ["3"]}
