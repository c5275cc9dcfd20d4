"""`evalsuite train` as a person meets it: lists, wrong words, Ctrl-C and going on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evalsuite.cli import main

FAST = ["--set", "rollout.prompts=4,rollout.group=4", "--set", "optim.lr=1e-3"]
TASK = "sort_letters@split=train:size=50"


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
    assert {path.name.split("-s")[-1][0] for path in tmp_path.iterdir()} == {"0", "1"}


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
