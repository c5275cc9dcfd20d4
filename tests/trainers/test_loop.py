"""The loop end to end on a tiny untrained model: it learns, resumes exactly, and stops where it must."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from small import Broken, small

from evalsuite.errors import IncompleteError, UsageError
from evalsuite.registry.recipes import load_recipe
from evalsuite.trainers import Setup, train
from evalsuite.trainers.doubts import Doubts
from evalsuite.trainers.journal import read_scalars
from evalsuite.trainers.recipes.grpo import GRPO
from evalsuite.trainers.watch import Silent

FAST = {"rollout.prompts": 4, "rollout.group": 4, "optim.lr": 1e-2}
CLOCKS = ("step_time", "time/rollout")


def go(tiny: Path, out: Path, steps: int = 4, settings: Mapping[str, Any] | None = None, **arguments: Any) -> Any:
    recipe = arguments.pop("recipe", GRPO)({**FAST, **(settings or {})})
    tasks = arguments.pop("tasks", None) or small()
    return train(recipe, str(tiny), tasks, steps=steps, output=out, watch=Silent(), **arguments)


def curve(path: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in read_scalars(path)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_the_reward_rises_and_everything_is_on_disk(tiny: Path, tmp_path: Path) -> None:
    result = go(tiny, tmp_path, steps=12, settings={"rollout.prompts": 8, "rollout.group": 8}, eval_tasks=small(), eval_every=6)
    steps = [row for row in result.history if "loss" in row]
    assert steps[-1]["reward"] > steps[0]["reward"] + 0.1
    for name in (
        "reward_std",
        "frac_reward_zero_std",
        "completions/mean_length",
        "clip_ratio/region_mean",
        "entropy",
        "grad_norm",
    ):
        assert name in steps[0]
    assert steps[0]["ratio/p50"] == pytest.approx(1, abs=1e-4) and steps[0]["sampling/sampling_logp_difference/max"] < 1e-4
    assert [row["step"] for row in result.history if "eval/small/avg@1" in row or "eval/small/avg" in row] == [0, 6, 12]
    manifest = json.loads((result.path / "run.json").read_text())
    assert (manifest["status"], manifest["step"], manifest["settings"]["optim.lr"]) == ("done", 12, 1e-2)
    assert len((result.path / "prompts.jsonl").read_text().splitlines()) == 12
    samples = [json.loads(line) for line in (result.path / "samples.jsonl").read_text().splitlines()][1:]
    assert len(samples) == 12 * 64
    assert all(s["reward"] == s["score"]["value"] for s in samples)
    from evalsuite import run

    evaluated = run(str(result.checkpoint), small(), output=tmp_path / "runs")
    assert evaluated.tasks["small"].coverage == 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rollout.updates": 3, "loss.kl": 0.1, "loss.entropy": 0.01},
        {"rollout.epochs": 2, "admit.drop_flat": True, "admit.refill": 2},
    ],
    ids=["grpo", "stale-kl-entropy", "epochs-refill"],
)
def test_a_resumed_run_is_the_uninterrupted_one_step_by_step(tiny: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    whole = go(tiny, tmp_path / "whole", steps=7, settings=settings, save_every=2)
    go(tiny, tmp_path / "parts", steps=4, settings=settings, save_every=2)
    parts = go(tiny, tmp_path / "parts", steps=7, settings=settings, save_every=2)
    assert curve(parts.path) == curve(whole.path)
    assert (parts.path / "samples.jsonl").read_text().count("\n") == (whole.path / "samples.jsonl").read_text().count("\n")
    ours, theirs = weights(parts.checkpoint), weights(whole.checkpoint)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_lines_past_the_checkpoint_are_dropped_when_a_killed_run_goes_on(tiny: Path, tmp_path: Path) -> None:
    whole = go(tiny, tmp_path / "whole", steps=6, save_every=2)
    killed = go(tiny, tmp_path / "killed", steps=4, save_every=4)
    with (killed.path / "train.jsonl").open("ab") as file:  # steps 5 and half of 6, whose checkpoint was never written
        file.write(b'{"step":5,"loss":123.0}\n{"step":6,"lo')
    resumed = go(tiny, tmp_path / "killed", steps=6, save_every=4)
    assert curve(resumed.path) == curve(whole.path)


@pytest.mark.parametrize("budget", [16, 64])
def test_the_update_does_not_depend_on_micro_batches(tiny: Path, tmp_path: Path, budget: int) -> None:
    one = go(tiny, tmp_path / "one", steps=3, settings={"loss.kl": 0.05, "loss.entropy": 0.01})
    many = go(
        tiny, tmp_path / "many", steps=3, settings={"loss.kl": 0.05, "loss.entropy": 0.01}, setup=Setup(micro_tokens=budget)
    )
    for a, b in zip(curve(one.path), curve(many.path), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4, abs=1e-6)
        assert a["grad_norm"] == pytest.approx(b["grad_norm"], rel=1e-4)


def test_a_verifier_that_fails_stops_the_run_with_the_reason(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"\d+ of 16 completions .* have no score .*the answer key is on fire"):
        go(tiny, tmp_path, tasks=small(Broken()))
    (folder,) = tmp_path.iterdir()
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest["status"] == "failed" and "on fire" in manifest["stopped"]
    assert curve(folder) == []


def test_what_could_not_be_scored_teaches_nothing(tiny: Path, tmp_path: Path) -> None:
    result = go(tiny, tmp_path, steps=2, tasks=small(Broken(letters="e")), max_errors=1.0)
    samples = [json.loads(line) for line in (result.path / "samples.jsonl").read_text().splitlines()][1:]
    broken = [s for s in samples if s["score"]["value"] is None]
    assert broken and all(s["reward"] is None and s["advantage"] == 0 and not s["kept"] for s in broken)
    groups: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for s in samples:
        if s["kept"]:
            groups.setdefault((s["step"], s["group"]), []).append(s)
    for members in groups.values():
        assert sum(s["advantage"] for s in members) == pytest.approx(0, abs=1e-4)


class Flat(GRPO):
    """Rewards that are all equal."""

    def shape(self, rows: Any) -> torch.Tensor:
        return torch.ones_like(rows.score)


def test_a_batch_without_signal_changes_nothing(tiny: Path, tmp_path: Path) -> None:
    result = go(tiny, tmp_path, steps=2, recipe=Flat, settings={"admit.drop_flat": True, "admit.refill": 1})
    assert [row["frac_skipped"] for row in result.history] == [1, 1]
    before, after = weights(tiny), weights(result.checkpoint)
    assert all(torch.equal(before[name], after[name]) for name in before)


class Poisoned(GRPO):
    """A loss that is NaN."""

    def loss(self, batch: Any) -> Any:
        per_token, metrics = super().loss(batch)
        return per_token * math.nan, metrics


def test_a_loss_that_is_not_finite_changes_nothing_and_ends_the_run(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="not finite in 3 updates in a row, the last at step 3"):
        go(tiny, tmp_path, steps=9, recipe=Poisoned)


def test_another_seed_is_another_run_and_the_same_command_the_same(tiny: Path, tmp_path: Path) -> None:
    first, again, other = go(tiny, tmp_path, steps=1), go(tiny, tmp_path, steps=1), go(tiny, tmp_path, steps=1, seed=1)
    assert first.path == again.path != other.path
    assert curve(first.path) != curve(other.path)


def test_settings_that_do_not_exist_or_fit_are_named() -> None:
    with pytest.raises(UsageError, match=r"no setting 'loss.clip_hihg'; did you mean loss.clip_high"):
        GRPO({"loss.clip_hihg": 0.3})
    with pytest.raises(UsageError, match=r"loss.clip_high='a': float is wanted"):
        GRPO({"loss.clip_high": "a"})
    with pytest.raises(UsageError, match=r"loss.aggregate='median': one of sequence_mean, token_mean, sequence_sum"):
        load_recipe("dapo")({"loss.aggregate": "median"})
    assert load_recipe("passk")({"credit.baseline": "subsets"}).settings.credit.baseline == "subsets"
    with pytest.raises(UsageError, match=r"rollout\.group is at least 1"):
        GRPO({"rollout.group": 0})


def test_lora_trains_adapters_and_leaves_the_base_alone(tiny: Path, tmp_path: Path) -> None:
    result = go(tiny, tmp_path, steps=3, setup=Setup(lora=4), settings={"loss.kl": 0.1})
    assert (result.checkpoint / "adapter_model.safetensors").is_file() and not (
        result.checkpoint / "model.safetensors"
    ).exists()
    assert result.history[0]["kl"] == pytest.approx(0, abs=1e-6) and result.history[-1]["kl"] > 0
    again = go(tiny, tmp_path, steps=4, setup=Setup(lora=4), settings={"loss.kl": 0.1})
    assert again.path == result.path and again.steps == 4


def test_what_the_numbers_depend_on_makes_another_run(tiny: Path, tmp_path: Path) -> None:
    plain = go(tiny, tmp_path, steps=1)
    again = go(tiny, tmp_path, steps=2)
    mixed, narrow = (
        go(tiny, tmp_path, steps=1, setup=Setup(bf16=True)),
        go(tiny, tmp_path, steps=1, setup=Setup(dtype="bfloat16")),
    )
    after = go(tiny, tmp_path / "after", steps=1)
    assert plain.path == again.path and len({plain.path, mixed.path, narrow.path}) == 3
    assert curve(after.path) == curve(plain.path)[:1]  # no precision of an earlier call stays
    calls = json.loads((plain.path / "run.json").read_text())["calls"]
    assert [call["from_step"] for call in calls] == [0, 1]


def test_fewer_steps_than_there_are_take_nothing_back(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(tiny, tmp_path, steps=3)
    shorter = train(GRPO(FAST), str(tiny), small(), steps=2, output=tmp_path)
    assert shorter.steps == 3 and shorter.checkpoint.name == "step-000003" and shorter.checkpoint.is_dir()
    assert "3 steps already" in capsys.readouterr().err


def test_half_an_evaluation_is_no_number_on_the_curve(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match=r"evaluation at step 0 is incomplete .*on fire"):
        go(tiny, tmp_path, steps=1, eval_tasks=small(Broken()))
    (folder,) = tmp_path.iterdir()
    assert not any(name.startswith("eval/") for row in curve(folder) for name in row)


def test_a_question_that_cannot_be_asked_counts_as_our_failure(tiny: Path, tmp_path: Path) -> None:
    from evalsuite import ask

    task = small()
    long = ask("say " + "a" * 200, id="long", target="a")  # beyond the 128 positions
    mixed = dataclasses.replace(task, samples=(*task.samples, long))
    with pytest.raises(IncompleteError, match="the request failed: the prompt has"):
        go(tiny, tmp_path / "strict", steps=8, tasks=mixed)
    result = go(tiny, tmp_path / "lax", steps=4, tasks=mixed, max_errors=0.5)
    assert sum(row["frac_unscorable"] > 0 for row in result.history) >= 1


def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(tiny: Path, tmp_path: Path) -> None:
    whole = go(tiny, tmp_path / "whole", steps=6, save_every=2)
    broken = go(tiny, tmp_path / "broken", steps=4, save_every=2)
    os.truncate(broken.checkpoint / "trainer/state-0.pt", 100)
    with pytest.raises(UsageError, match=r"step-000004 is damaged .*delete it to go on from the one before"):
        go(tiny, tmp_path / "broken", steps=6, save_every=2)
    shutil.rmtree(broken.checkpoint)
    assert curve(go(tiny, tmp_path / "broken", steps=6, save_every=2).path) == curve(whole.path)


def test_tokens_are_counted_as_trl_counts_them(tiny: Path, tmp_path: Path) -> None:
    result = go(tiny, tmp_path, steps=2, settings={"admit.drop_flat": True})
    samples = [json.loads(line) for line in (result.path / "samples.jsonl").read_text().splitlines()][1:]
    prompts = {s["id"]: len(f"say {'abcdefghijklmnop'[int(s['id'])] * (1 + int(s['id']) % 3)}=") for s in samples}
    assert result.history[-1]["num_tokens"] == sum(s["tokens"] + prompts[s["id"]] for s in samples)


def test_a_run_that_learns_nothing_says_so_once() -> None:
    doubts = Doubts()
    flat = {"frac_reward_zero_std": 1.0, "grad_norm": 0.0}
    said = [len(list(doubts.about(flat))) for _ in range(25)]
    assert sum(said) == 1 and said[9] == 1
    assert [len(list(doubts.about({"sampling/sampling_logp_difference/mean": 0.3}))) for _ in range(2)] == [1, 0]
