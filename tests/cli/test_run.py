"""The real command line, as a process: output, exit codes, kills, Ctrl-C, resume."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "evalsuite.cli"]
TASK = "sort_letters@size=60"


def evalsuite(*words, cwd, env=None, timeout=120):
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
    )


def run_words(*more, model="scripted:noisy:0.4", tasks=TASK):
    return ["run", "--model", model, "--tasks", tasks, "-n", "4", *more]


def test_table_on_stdout_everything_else_on_stderr(tmp_path):
    out = evalsuite(*run_words("--k", "2", "--metrics", "avg,maj@4"), cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    lines = out.stdout.splitlines()
    assert (
        lines[0].startswith("| task")
        and [w in lines[0] for w in ("95 % CI", "coverage", "no answer", "truncated")] == [True] * 4
    )
    assert [line.split("|")[4].strip() for line in lines[2:5]] == ["avg@4", "maj@4", "pass@2"]
    assert "run: results/runs/" in out.stderr and "240/240" in out.stderr
    assert "Traceback" not in out.stderr


def test_json(tmp_path):
    out = evalsuite(*run_words("--json"), cwd=tmp_path)
    document = json.loads(out.stdout)
    avg = document["tasks"][TASK]["metrics"]["avg@4"]
    assert document["exit_code"] == 0 and avg["low"] < avg["value"] < avg["high"]


def test_both_spellings_of_flags(tmp_path):
    a = evalsuite(*run_words("--gen_kwargs", "temperature=0.5", "--output_path=out_dir"), cwd=tmp_path)
    b = evalsuite(*run_words("--gen-kwargs", "temperature=0.5", "--output-path=out_dir"), cwd=tmp_path)
    assert a.returncode == b.returncode == 0 and a.stdout == b.stdout
    assert len([p for p in (tmp_path / "out_dir").iterdir() if not p.name.startswith(".")]) == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["rum"], 2, "did you mean 'run'"),
        (run_words("--repeat", "2"), None, None),
        (run_words("--repaets", "2"), 2, "did you mean --repeats"),
        (["run", "--model", "scripted:oracle", "--taks", TASK], 2, "did you mean --tasks"),
        (run_words(tasks="sort_leters"), 2, "did you mean sort_letters"),
        (run_words(model="skripted:oracle"), 2, "scripted"),
        (run_words(model="no/such/path"), 2, "no/such/path"),
        (run_words("-n", "0"), 2, "at least 1"),
        (run_words("--metrics", "pass@"), 2, "no metric"),
        (run_words("--metrics", "pass@8"), 2, "add -n 8"),
        (run_words("--max-errors", "many"), 2, "--max-errors"),
        (run_words("--limit", "-1"), 2, "--limit"),
        (run_words("--prompt", "fancy"), 2, "it has"),
        (run_words("--gen-kwargs", "temperature=-1"), 2, "temperature"),
        (run_words("--data-dir", "nowhere", "--offline", tasks="gsm8k"), 2, "nowhere"),
        (run_words(tasks="missing.jsonl:math"), 2, "missing.jsonl"),
        (run_words("--model-args", "what=1"), 2, "no argument 'what'"),
        (["score", "nothing"], 2, "no run 'nothing'"),
        (["export", "nothing", "--to", "csv"], 2, "no run 'nothing'"),
        (run_words(tasks="simpleqa"), 2, None),
    ],
)
def test_user_errors_have_a_message_and_no_traceback(tmp_path, words, code, message):
    out = evalsuite(*words, cwd=tmp_path, env={"EVALSUITE_DATA": str(tmp_path)})
    assert "Traceback" not in out.stderr
    if code is not None:
        assert out.returncode == code, out.stderr + out.stdout
    if message is not None:
        assert message in out.stderr + out.stdout


def test_model_path_without_weights(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    out = evalsuite(*run_words(model="./empty"), cwd=tmp_path)
    assert out.returncode == 2 and "no weights" in out.stderr and "Traceback" not in out.stderr


def test_missing_samples_are_exit_3_and_say_so(tmp_path):
    rows = [{"index": i, "completions": ["abcd"]} for i in range(50)]
    (tmp_path / "part.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    out = evalsuite("run", "--model", "replay:part.jsonl", "--tasks", TASK, cwd=tmp_path)
    assert out.returncode == 3
    assert "incomplete: 10 samples have no value" in out.stderr and "10 samples have no value" in out.stdout
    assert (
        evalsuite("run", "--model", "replay:part.jsonl", "--tasks", TASK, "--max-errors", "20%", cwd=tmp_path).returncode == 0
    )


def test_ctrl_c_says_how_to_go_on_and_resume_gives_the_same_table(tmp_path):
    words = run_words("--model-args", "latency=0.02,concurrency=2")
    child = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = _wait_for_lines(tmp_path, 20)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=30)
    assert child.returncode == 130 and "to go on:\n  evalsuite run" in stderr and "Traceback" not in stderr
    assert json.loads((log.parent.parent / "run.json").read_text())["status"] == "interrupted"
    saved = sum(
        '"score"' in line for line in log.read_text().splitlines()
    )  # the rest was said and not yet verified: nothing is asked again
    again = evalsuite(*words, cwd=tmp_path)
    assert again.returncode == 0 and f"{saved} of 240 samples are there from before" in again.stderr
    assert again.stdout == evalsuite(*words, "-o", "other", cwd=tmp_path).stdout


def _wait_for_lines(folder: Path, n: int) -> Path:
    for _ in range(3000):
        for log in folder.glob("results/runs/*/log/*.jsonl"):
            if log.read_bytes().count(b"\n") > n:
                return log
        time.sleep(0.01)
    raise AssertionError("the run never wrote its log")


def _killed_and_resumed(tmp_path, kills, rng):
    words = run_words("--k", "2", "--metrics", "avg,maj@4", "--model-args", "latency=0.01,concurrency=2")
    whole = evalsuite(*words, "-o", "whole", cwd=tmp_path)
    start = time.monotonic()
    assert evalsuite(*words, "-o", "timed", cwd=tmp_path).stdout == whole.stdout
    span = time.monotonic() - start
    for number in range(kills):
        out = ["-o", f"killed{number}"]
        child = subprocess.Popen([*COMMAND, *words, *out], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.0, span))
        child.send_signal(signal.SIGKILL)
        child.wait()
        logs = list((tmp_path / f"killed{number}").glob("*/log/*.jsonl"))
        before = [line for log in logs for line in log.read_bytes().split(b"\n")[:-1]]
        resumed = evalsuite(*words, *out, cwd=tmp_path)
        assert resumed.returncode == 0, resumed.stderr
        assert resumed.stdout == whole.stdout
        after = [line for log in logs for line in log.read_bytes().split(b"\n")[:-1]]
        assert after[: len(before)] == before  # nothing that was written was touched, nothing was asked twice
        assert len(after) in (0, 241)


def test_killed_at_random_points_and_resumed(tmp_path):
    _killed_and_resumed(tmp_path, 3, random.Random(1))


@pytest.mark.slow
def test_killed_at_twenty_random_points_and_resumed(tmp_path):
    _killed_and_resumed(tmp_path, 20, random.Random(2))


def test_extension_adds_samples(tmp_path):
    assert evalsuite(*run_words(), cwd=tmp_path).returncode == 0
    more = evalsuite(*run_words("-n", "6"), cwd=tmp_path)
    assert "240 of 360 samples are there from before" in more.stderr and "avg@6" in more.stdout


def test_several_models_in_one_table(tmp_path):
    out = evalsuite("run", "--model", "scripted:oracle", "scripted:constant:x", "--tasks", TASK, cwd=tmp_path)
    assert out.returncode == 0 and out.stdout.startswith("| model")
    assert "scripted:oracle" in out.stdout and "scripted:constant:x" in out.stdout


def test_one_model_that_cannot_be_opened_costs_only_its_own_numbers(tmp_path):
    out = evalsuite("run", "--model", "scripted:oracle", "replay:nope.jsonl", "--tasks", TASK, "-n", "1", cwd=tmp_path)
    assert out.returncode == 2 and "nope.jsonl" in out.stderr and "| sort_letters" in out.stdout


def test_sigterm_ends_a_run_as_ctrl_c_does(tmp_path):
    words = run_words("--model-args", "latency=0.05,concurrency=2")
    child = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    log = _wait_for_lines(tmp_path, 4)
    child.send_signal(signal.SIGTERM)
    assert "to go on:" in child.communicate(timeout=30)[1] and child.returncode == 130
    assert json.loads((log.parent.parent / "run.json").read_text())["status"] == "interrupted"


def test_a_terminal_that_cannot_show_a_character(tmp_path):
    (tmp_path / "q.jsonl").write_text('{"id": "1", "problem": "\\u4f60 \\ud83d\\ude00?", "target": "5"}\n')
    words = ["run", "--model", "scripted:oracle", "--tasks", "q.jsonl:math", "--dry-run"]
    out = evalsuite(*words, cwd=tmp_path, env={"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert out.returncode == 0 and "\\u4f60" in out.stdout


def test_dry_run_asks_nothing(tmp_path):
    out = evalsuite(*run_words("--dry-run"), cwd=tmp_path)
    assert out.returncode == 0 and out.stdout.count("-- prompt") == 3 and "smallest difference" in out.stdout
    assert not (tmp_path / "results").exists()


def test_score_finds_no_change_and_then_a_change(tmp_path):
    evalsuite(*run_words(), cwd=tmp_path)
    (run,) = (tmp_path / "results" / "runs").glob("[!.]*")
    same = evalsuite("score", run, "--diff", cwd=tmp_path)
    assert same.returncode == 0 and "0 verdicts changed" in same.stderr
    (log,) = run.glob("log/*.jsonl")
    lines = log.read_text().splitlines(keepends=True)
    flipped = json.loads(lines[1])
    flipped["score"]["value"] = 1.0 - flipped["score"]["value"]
    log.write_text("".join([lines[0], json.dumps(flipped) + "\n", *lines[2:]]))
    changed = evalsuite("score", run.name[:20], "--diff", cwd=tmp_path)
    assert changed.returncode == 10 and "1 verdicts changed" in changed.stderr and flipped["id"] in changed.stdout


def test_score_a_file_with_its_own_gold(tmp_path):
    rows = [
        {"id": "a", "target": "1/2", "completions": ["\\boxed{0.5}", "\\boxed{2}"], "scores": [1, 0]},
        {"id": "b", "target": "3", "completions": ["\\boxed{3}", "no idea"], "scores": [1, 1]},
    ]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    out = evalsuite("score", "f.jsonl", "--verifier", "math", "--diff", cwd=tmp_path)
    assert out.returncode == 10 and "f.jsonl b #1: 1 -> 0" in out.stdout
    assert evalsuite("score", "f.jsonl", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize("form", ["csv", "parquet", "lm-eval"])
def test_export(tmp_path, form):
    evalsuite(*run_words(), cwd=tmp_path)
    (run,) = (tmp_path / "results" / "runs").glob("[!.]*")
    out = evalsuite("export", run.name, "--to", form, "-o", "out", cwd=tmp_path)
    files = [tmp_path / line for line in out.stdout.split()]
    assert out.returncode == 0 and all(f.is_file() for f in files)
    if form == "csv":
        import csv

        rows = list(csv.DictReader(files[0].read_text().splitlines()))
        assert len(rows) == 240 and {r["value"] for r in rows} == {"0.0", "1.0"}
    elif form == "parquet":
        import pyarrow.parquet as pq

        assert pq.read_table(files[0]).num_rows == 240
    else:
        results = json.loads(files[0].read_text())
        assert results["results"][TASK]["avg@4,none"] == results["evalsuite"]["tasks"][TASK]["metrics"]["avg@4"]["value"]
        rows = [json.loads(line) for line in files[1].read_text().splitlines()]
        assert len(rows) == 60 and all(len(r["resps"][0]) == 4 for r in rows)


def test_replay_of_a_run_gives_the_same_numbers(tmp_path):
    first = evalsuite(*run_words(), cwd=tmp_path)
    (run,) = (tmp_path / "results" / "runs").glob("[!.]*")
    again = evalsuite("run", "--model", f"replay:{run}", "--tasks", TASK, "-o", "replayed", cwd=tmp_path)
    assert again.returncode == 0 and again.stdout == first.stdout
