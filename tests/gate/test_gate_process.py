"""`evalsuite gate` as a process: a candidate that was killed, a gate that was interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "evalsuite.cli"]
TASK = "sort_letters@size=60"
SLOW = ["--model-args", "latency=0.02,concurrency=2"]


def evalsuite(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def baseline(cwd: Path) -> None:
    made = evalsuite("run", "--model", "scripted:noisy:0.5", "--tasks", TASK, "-n", "4", "-o", "made", cwd=cwd)
    assert made.returncode == 0, made.stderr
    [run] = (p.name for p in (cwd / "made").iterdir() if not p.name.startswith("."))
    kept = evalsuite("baseline", "set", "main", f"made/{run}", cwd=cwd)
    assert kept.returncode == 0, kept.stderr


def wait_for_lines(folder: Path, n: int) -> Path:
    for _ in range(3000):
        for log in folder.glob("results/runs/*/log/*.jsonl"):
            if log.read_bytes().count(b"\n") > n:
                return log.parent.parent
        time.sleep(0.01)
    raise AssertionError("the run never wrote its log")


def test_a_candidate_that_was_killed_is_exit_13_until_it_is_finished(tmp_path: Path) -> None:
    baseline(tmp_path)
    words = ["run", "--model", "scripted:noisy:0.5", "--tasks", TASK, "-n", "4", *SLOW]
    child = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = wait_for_lines(tmp_path, 20)
    child.kill()
    child.wait()
    crashed = evalsuite("gate", run.name, cwd=tmp_path)
    assert crashed.returncode == 13 and "is running" in crashed.stdout and "Traceback" not in crashed.stderr
    found = json.loads((tmp_path / "results/gate/gate.json").read_text())
    assert found["verdict"] == "error" and found["tasks"][TASK]["value"] is None
    assert evalsuite(*words, cwd=tmp_path).returncode == 0
    assert evalsuite("gate", run.name, cwd=tmp_path).returncode == 0


def test_ctrl_c_says_how_to_go_on_and_the_same_command_goes_on(tmp_path: Path) -> None:
    baseline(tmp_path)
    words = ["gate", "--model", "scripted:noisy:0.5", "-n", "4", "--max-n", "4", *SLOW]
    child = subprocess.Popen([*COMMAND, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_lines(tmp_path, 20)
    child.send_signal(signal.SIGINT)
    out, stderr = child.communicate(timeout=30)
    assert child.returncode == 130 and "to go on:\n  evalsuite gate" in stderr and "Traceback" not in stderr and not out
    assert not (tmp_path / "results/gate/gate.json").exists()
    again = evalsuite(*words, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "of 240 samples are there from before" in again.stderr
