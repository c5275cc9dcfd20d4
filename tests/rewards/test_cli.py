"""`evalsuite reward`: what it writes, prints and refuses, and the server as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from evalsuite.cli import main


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_training_split_is_written_without_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "prompts.jsonl"
    assert main(["reward", "dataset", "sort_letters@split=train", "--format", "trl", "--out", str(out), "-L", "3"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n" and printed.err == "sort_letters@split=train: 3 rows\n"
    assert len(lines(out)) == 3


def test_evaluation_questions_are_written_with_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "reward",
        "dataset",
        "sort_letters,arithmetic@split=train",
        "--format",
        "jsonl",
        "--out",
        str(tmp_path / "a.jsonl"),
    ]
    assert main([*words, "-L", "2"]) == 0
    note = capsys.readouterr().err.splitlines()[1]
    assert note.startswith("note: sort_letters: ") and "evalsuite run" in note and "arithmetic" not in note


def test_a_mix_names_tasks_with_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["reward", "dataset", "sort_letters@split=train,arithmetic@split=train", "--format", "openrlhf"]
    mix = ["--mix", "sort_letters@split=train=3,arithmetic@split=train=1", "--seed", "5"]
    for name in ("a.jsonl", "b.jsonl"):
        assert main([*words, *mix, "-L", "8", "-o", str(tmp_path / name)]) == 0
    assert "sort_letters@split=train: 12 rows, arithmetic@split=train: 4 rows" in capsys.readouterr().err
    assert lines(tmp_path / "a.jsonl") == lines(tmp_path / "b.jsonl")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dataset", "sort_letters", "--format", "trl", "-o", "a.jsonl", "--mix", "sort_letters"], "TASK=NUMBER"),
        (["dataset", "sort_letters", "--format", "verl", "-o", "a.jsonl"], "a data set for verl is a .parquet file"),
        (["dataset", "no_such", "--format", "trl", "-o", "a.jsonl"], "no_such"),
        (["serve", "--tasks", "sort_letters", "--weights", "arithmetic=2"], "weights for arithmetic"),
        (["serve", "--tasks", "sort_letters", "--deadline", "-1"], "deadline -1"),
        (["serve", "--tasks", "sort_letters", "--batch-seconds", "0"], "batch_seconds 0"),
        (["serve", "--tasks", "sort_letters", "--weights", "sort_letters=1e999"], "weight of sort_letters: inf: a finite"),
        (["serve", "--tasks", "sort_letters", "--weights", "sort_letters=1,sort_letters=2"], "sort_letters is there twice"),
        (["serve", "--tasks", "sort_letters", "--port", "70000"], "port 70000: 0 to 65535"),
        (["serve", "--tasks", "sort_letters", "--eos", ""], "eos '': the text of an end token"),
        (["dataset", "arithmetic", "--format", "trl", "-o", "a.jsonl", "--mix", "arithmetic=nan"], "mix arithmetic=nan: one"),
        (["dataset", "no_such", "--format", "trl", "-o", "a.csv"], "a.csv: a data set for trl"),
        (["dataset", "no_such", "--format", "verl", "-o", "a.parquet", "--plain"], "no plain prompts"),
    ],
)
def test_what_cannot_be_is_refused(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reward", *words]) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("trl", ['generation_kwargs={"stop": ["\\n"]} with vLLM', '{"stop_strings": ["\\n"]}', "tokenizer=tokenizer)"]),
        ("jsonl", ['stop=["\\n"] in vLLM']),
        ("openrlhf", ["OpenRLHF 0.11 has no setting for it"]),
    ],
)
def test_plain_prompts_come_with_the_stop_strings_of_evaluation(
    form: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reward", "dataset", "sort_letters@split=train", "--format", form, "-o", str(tmp_path / "a.jsonl"), "-L", "3"]
    assert main([*words, "--plain"]) == 0
    first, note, setting = capsys.readouterr().err.splitlines()
    assert "3 rows" in first
    assert note.startswith('note: sort_letters@split=train: `evalsuite run` ends completions at ["\\n"];')
    assert all(text in setting for text in said)
    own = tmp_path / "own.jsonl"
    own.write_text('{"id": "0", "problem": "1+1?", "target": "2"}\n')
    words[2] += f",{own}:math"
    assert main([*words, "--plain"]) == 0
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 4 and '["\\nProblem:"]' in printed[2] and printed[3].endswith("train these apart")


def test_the_server_scores_until_it_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evalsuite.cli", "reward", "serve", "--tasks", "sort_letters", "--port", "0"]
    command += ["--weights", "sort_letters=2"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        items = [{"key": k, "task": "sort_letters", "id": "l1-s0-0000", "text": t} for k, t in (("a", "bdgj"), ("b", "jgdb"))]
        request = urllib.request.Request(f"{url}/score", json.dumps({"items": items}).encode())
        with urllib.request.urlopen(request, timeout=60) as reply:
            scores = json.load(reply)["scores"]
        assert {score["key"]: score["reward"] for score in scores} == {"a": 2.0, "b": 0.0}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("action", ["dataset", "serve"])
def test_help_has_examples(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["reward", action, "--help"])
    assert left.value.code == 0
    assert f"evalsuite reward {action} " in capsys.readouterr().out.split("examples:")[1]
