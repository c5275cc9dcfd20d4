"""`evalsuite train` as a person meets it: lists, wrong words, Ctrl-C and going on."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from evalsuite.cli import main
from evalsuite.trainers import over_seeds, seeds_table

FAST = ["--set", "rollout.prompts=4,rollout.group=4", "--set", "optim.lr=1e-3"]
TASK = "sort_letters@split=train:size=50"
TWO = f"{TASK},arithmetic@split=train:size=50"


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_the_list_has_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list", "--json"]) == 0
    names = {row["name"] for row in json.loads(capsys.readouterr().out)}
    asked_for = "sft grpo dr_grpo bnpo dapo gspo rloo cispo sapo reinforce_pp vespo gr3 twyn passk"
    assert names >= set(asked_for.split())


def test_a_recipe_shows_its_settings_as_they_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "vespo", "--show", "--set", "loss.k_pos=2.5", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["loss.k_pos"], shown["loss.lambda_pos"], shown["rollout.group"]) == (2.5, 3.0, 8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vespa", "--model", "m", "--tasks", "t"], "vespo"),
        ([], "which recipe"),
        (["grpo", "--tasks", "sort_letters"], "--model is missing"),
        (["grpo", "--model", "./nowhere", "--tasks", TASK], "no such folder"),
        (["grpo", "--model", "MODEL", "--tasks", "sort_leters"], "sort_letters"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--set", "loss.clip=1"], "loss.clip_"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--set", "optim.schedule=stair"], "one of constant, linear, cosine"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--set", "loss.aggregate=median"], "token_mean"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--set", "loss.kl=0.1,loss.kl_estimator=k9"], "k3"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--max-errors", "lots"], "a share"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--rollouts", "sglang"], "vllm"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--mix", "sort_letters=1"], f"one weight above 0 for each of {TASK}"),
        (["grpo", "--model", "MODEL", "--tasks", TWO, "--mix", f"{TASK}=1"], "arithmetic@split=train:size=50"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--mix", f"{TASK}=0"], "=0: one weight above 0"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--mix", f"{TASK}=lots"], "TASK=NUMBER is expected"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--mix", f"{TASK}=1,{TASK}=2"], "is there twice"),
        (["sft", "--model", "MODEL", "--tasks", TASK, "--mix", f"{TASK}=1"], "sft learns from demonstrations"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--report-to", "fax"], "tensorboard"),
        (["grpo", "--model", "MODEL", "--tasks", TASK, "--dtype", "int4"], "bfloat16"),
        (["grpo", "--model", "MODEL", "--tasks", "simpleqa", "--offline"], ""),
    ],
)
def test_wrong_words_are_named_before_anything_is_trained(
    words: list[str], said: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["train", *(str(tiny) if w == "MODEL" else w for w in words), "-o", str(tmp_path)])
    error = capsys.readouterr().err
    assert code == 2 and said in error and "Traceback" not in error
    assert not list(tmp_path.glob("*/train.jsonl"))


def test_seeds_are_runs_of_their_own(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "grpo", "--model", str(tiny), "--tasks", TASK, "--steps", "1", "--seeds", "2", "-o", str(tmp_path), *FAST]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed.count("checkpoint: ") == 2 and "| loss" in printed
    assert "last, over 2 seeds" in printed
    assert {path.name.split("-s")[-1][0] for path in tmp_path.iterdir()} == {"0", "1"}
    assert main([*words, "--eval-tasks", "sort_letters", "--eval-limit", "5", "--json"]) == 0  # finished, and evaluated now
    told = json.loads(capsys.readouterr().out)
    scores = [run["history"][0]["score"] for run in told["runs"]]
    assert len(told["runs"]) == 2 and told["over_seeds"]["score"]["mean"] == pytest.approx(sum(scores) / 2)
    assert any(name.startswith("eval/sort_letters/") for name in told["over_seeds"])


def test_tasks_are_drawn_in_the_proportions_of_the_mix(tiny: Path, tmp_path: Path) -> None:
    one, two = TWO.split(",")
    words = ["train", "grpo", "--model", str(tiny), "--tasks", TWO, "--mix", f"{one}=3,{two}=1", *FAST, "--save-every", "2"]
    assert main([*words, "--steps", "2", "-o", str(tmp_path)]) == 0
    assert main([*words, "--steps", "3", "-o", str(tmp_path)]) == 0
    (folder,) = tmp_path.iterdir()
    assert json.loads((folder / "run.json").read_text())["identity"]["mix"] == {one: 3.0, two: 1.0}
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()][1:]
    drawn = Counter((row["step"], row["task"]) for row in samples)
    assert drawn == {(step, task): n * 4 for step in (1, 2, 3) for task, n in ((one, 3), (two, 1))}
    assert len({row["id"] for row in samples if row["task"] == one}) == 9  # no question twice


def test_over_seeds_is_students_t_of_the_last_tenth() -> None:
    """Three seeds, 20 steps: the last two count. t with 2 degrees of freedom is 4.3027 at .975."""

    def history(end: float) -> list[dict[str, float]]:
        steps = [{"step": i, "loss": 0.0, "score": 0.0 if i < 19 else end + (i - 19.5), "rare": end} for i in range(1, 21)]
        evals = [
            {"step": s, "eval/t/avg@8": v, "eval/t/avg@8/low": 0.0, "eval/t/avg@8/high": 1.0} for s, v in ((0, 0.9), (20, end))
        ]
        return [evals[0], *steps, evals[1]]

    histories = [history(end) for end in (0.2, 0.3, 0.7)]
    del histories[1][-2]["rare"], histories[1][-3]["rare"]
    over = over_seeds(histories, ["loss", "score", "rare", "kl"])
    assert list(over) == ["loss", "score", "eval/t/avg@8"]
    half = 4.302653 * math.sqrt(0.07 / 3)  # variance of .2 .3 .7 over n - 1
    for name in ("score", "eval/t/avg@8"):
        assert over[name] == pytest.approx({"mean": 0.4, "low": 0.4 - half, "high": 0.4 + half})
    assert over["loss"] == {"mean": 0.0, "low": None, "high": None}
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in seeds_table(over, 3).splitlines()]
    assert rows[0] == ["last, over 3 seeds", "mean", "95 % interval"]
    assert rows[2:] == [["loss", "0", ""], ["score", "0.4", "[-0.2572, 1.057]"], ["eval/t/avg@8", "0.4", "[-0.2572, 1.057]"]]


def test_ctrl_c_saves_and_the_same_command_goes_on(tiny: Path, tmp_path: Path) -> None:
    words = ["train", "grpo", "--model", str(tiny), "--tasks", TASK, "-o", str(tmp_path), *FAST, "--save-every", "1000"]
    command = [sys.executable, "-m", "evalsuite.cli", *words, "--steps", "100000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        end = time.monotonic() + 90
        while time.monotonic() < end and process.poll() is None:
            scalars = [path for path in tmp_path.glob("*/train.jsonl") if path.read_text().count("\n") > 3]
            if scalars:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "to go on:" in errors and "Traceback" not in errors
    (folder,) = tmp_path.iterdir()
    manifest = json.loads((folder / "run.json").read_text())
    done = manifest["step"]
    assert manifest["status"] == "interrupted" and done >= 3
    assert (folder / f"checkpoints/step-{done:06d}/model.safetensors").is_file()
    assert main([*words, "--steps", str(done + 1)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    steps = [json.loads(line).get("step") for line in (folder / "train.jsonl").read_text().splitlines()]
    assert steps == [None, *range(1, done + 2)]
