"""TRL's output folders as training runs; Parquet files are made by pandas, as TRL makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evalsuite.errors import UsageError
from evalsuite.imports import Imported, find, import_run

EVENTS = Path(__file__).parent / "data" / "events.out.tfevents.2.torch"
HISTORY = [
    {"step": 2, "epoch": 0.5, "loss": 0.25, "reward": 1.0, "rewards/starts/mean": 0.5, "rewards/length/mean": 0.5},
    {"step": 2, "epoch": 0.5, "eval_reward": 0.75, "eval_note": "text", "grad_norm": float("nan")},
    {"step": 4, "epoch": 1.0, "loss": 0.125, "reward": 1.5, "step_time": 2.0},
    {"step": 4, "train_runtime": 12.5, "train_loss": 0.2},
]


def state(path: Path, history: list[dict[str, Any]] = HISTORY) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"global_step": history[-1]["step"], "max_steps": 10, "log_history": history}))


def completions(path: Path, step: int, prompts: list[Any], said: list[Any], **columns: list[Any]) -> None:
    """As GRPOTrainer.log writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"step": [step] * len(prompts), "prompt": prompts, "completion": said, **columns})
    frame.to_parquet(path / f"completions_{step:05d}.parquet" if path.is_dir() else path)


def bring(source: Path, results: Path) -> Imported:
    [(kind, found)] = find(source)
    assert kind == "trl"
    return import_run(kind, found, results)


def lines(run: Imported, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder / name).read_text().splitlines()][1:]


def test_state_and_completions(tmp_path: Path) -> None:
    out = tmp_path / "my-grpo"
    state(out / "checkpoint-2" / "trainer_state.json", HISTORY[:2])
    state(out / "checkpoint-10" / "trainer_state.json")  # by number, not by name
    completions(
        out / "completions" / "completions_00002.parquet", 2, ["p", "p", "q", "q"], ["a", "b", "c", "d"],
        starts=[1.0, 0.0, float("nan"), 1.0], length=[0.0, 0.5, float("nan"), 1.0], weight=[9.0] * 4, advantage=[0.5, -0.5, 0.0, 1.0],
    )  # fmt: skip
    run = bring(tmp_path, tmp_path / "results")
    manifest = json.loads((run.folder / "run.json").read_text())
    assert run.folder.parent == tmp_path / "results" / "train" and run.folder.name.startswith("my-grpo-")
    assert (manifest["kind"], manifest["recipe"]["name"], manifest["steps"], manifest["step"]) == ("train", "my-grpo", 10, 4)
    assert manifest["imported"]["files"] == ["checkpoint-10/trainer_state.json", "completions/completions_00002.parquet"]
    first, last = lines(run, "train.jsonl")
    assert first == {
        "step": 2,
        "epoch": 0.5,
        "loss": 0.25,
        "reward": 1.0,
        "rewards/starts/mean": 0.5,
        "rewards/length/mean": 0.5,
        "eval_reward": 0.75,
    }
    assert last == {
        "step": 4,
        "epoch": 1.0,
        "loss": 0.125,
        "reward": 1.5,
        "step_time": 2.0,
        "train_runtime": 12.5,
        "train_loss": 0.2,
    }
    samples = lines(run, "samples.jsonl")
    assert [(s["step"], s["group"], s["i"], s["text"], s["reward"], s["advantage"]) for s in samples] == [
        (2, 0, 0, "a", 1.0, 0.5), (2, 0, 1, "b", 0.5, -0.5), (2, 1, 0, "c", None, 0.0), (2, 1, 1, "d", 2.0, 1.0),
    ]  # fmt: skip
    assert samples[0]["id"] == samples[1]["id"] != samples[2]["id"]
    assert samples[0]["score"] == {"value": 1.0, "outcome": "ok", "feedback": "", "parts": {"starts": 1.0, "length": 0.0}}
    assert [s["score"]["outcome"] for s in samples] == ["ok", "ok", "error", "ok"]
    assert samples[2]["score"]["feedback"] == "no reward"
    assert samples[3]["score"]["value"] == 2.0  # rewards are no shares, and stay as they are


def test_conversations(tmp_path: Path) -> None:
    prompt = [{"role": "system", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "1+1?"}]}]
    said = [
        {"role": "assistant", "content": "let me see"},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "content": "It is 2"},
    ]
    state(tmp_path / "run" / "trainer_state.json")
    # pandas cannot mix texts and lists in a column: TRL's own conversations have texts
    prompt[1]["content"] = "1+1?"
    completions(
        tmp_path / "run" / "completions" / "completions_00001.parquet", 1, [prompt], [said], right=[1.0], advantage=[0.0]
    )
    [sample] = lines(bring(tmp_path / "run", tmp_path / "results"), "samples.jsonl")
    assert (sample["prompt"], sample["text"], sample["score"]["parts"]) == ("be brief\n\n1+1?", "It is 2", {"right": 1.0})


def test_a_run_that_saved_no_state_has_the_curves_of_its_events(tmp_path: Path) -> None:
    out = tmp_path / "out"
    completions(out / "completions" / "completions_00001.parquet", 1, ["p"], ["a"], right=[1.0], advantage=[0.0])
    (out / "runs" / "Jan01").mkdir(parents=True)
    (out / "runs" / "Jan01" / EVENTS.name).write_bytes(EVENTS.read_bytes())
    run = bring(out, tmp_path / "results")
    assert [row["reward"] for row in lines(run, "train.jsonl")] == [0.25, 0.5, 0.75]
    assert len(lines(run, "samples.jsonl")) == 1


def test_events_below_a_trl_run_are_no_run_of_their_own(tmp_path: Path) -> None:
    state(tmp_path / "out" / "trainer_state.json")
    for folder in ("out/runs/x", "other"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / EVENTS.name).write_bytes(EVENTS.read_bytes())
    assert [(kind, found.main.name) for kind, found in find(tmp_path)] == [("trl", "out"), ("tensorboard", "other")]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log_history": [{"loss": 1}]}', '{"log_history": 3}'])
def test_a_damaged_state_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "trainer_state.json").write_text(text)
    with pytest.raises(UsageError, match=r"trainer_state.json: not the state of a trainer"):
        bring(tmp_path, tmp_path / "results")


def test_damaged_completions_are_named(tmp_path: Path) -> None:
    state(tmp_path / "trainer_state.json")
    path = tmp_path / "completions" / "completions_00001.parquet"
    completions(path, 1, ["p"], ["a"], right=[1.0])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match=r"completions_00001.parquet"):
        bring(tmp_path, tmp_path / "results")
    assert list((tmp_path / "results" / "train").iterdir()) == []
    pd.DataFrame({"step": [1], "text": ["a"]}).to_parquet(path)
    with pytest.raises(UsageError, match=r"completions_00001.parquet has no column 'prompt'"):
        bring(tmp_path, tmp_path / "results")
