"""A sandbox that is not there: exit 4 with a message before anything is spent, unless running unsafe code is confirmed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# Its verifier stands for one that runs programs: it needs a sandbox, which this machine lacks.
TASKS = (
    """
import os
from dataclasses import dataclass
from evalsuite import Prompt, Score, Task, Verifier, ask, task
from evalsuite.errors import UnavailableError
from evalsuite.verifiers.exact import ExactVerifier

@dataclass(frozen=True)
class Jailed(ExactVerifier):
    name = "jailed"

    def prepare(self):
        if os.environ.get("EVALSUITE_UNSAFE_CODE") != "1":
            raise UnavailableError("the sandbox lacks user namespaces; --confirm_run_unsafe_code runs programs without")

    def verify(self, sample, completion):
        score = super().verify(sample, completion)
        return score if os.environ.get("EVALSUITE_UNSAFE_CODE") == "1" else Score(None, "error", feedback="not confirmed")

samples = [ask(f"say w{i}", id=str(i), target=f"word{i}") for i in range(4)]

@task("jailed")
def jailed() -> Task:
    """
    + '"""Programs."""'
    + """
    return Task(samples=samples, prompt=Prompt(name="bare"), verifier=Jailed())

@task("free")
def free() -> Task:
    """
    + '"""No programs."""'
    + """
    return Task(samples=samples, prompt=Prompt(name="bare"), verifier=ExactVerifier())
"""
)
NEEDS = "the sandbox lacks user namespaces; --confirm_run_unsafe_code runs programs without"
FLAG = "--confirm_run_unsafe_code"
RUN = ["run", "--model", "scripted:oracle", "--tasks", "free,jailed", "--include_path", "mine.py"]


@pytest.fixture
def evalsuite(tmp_path):
    (tmp_path / "mine.py").write_text(TASKS)
    env = {k: v for k, v in os.environ.items() if k not in ("EVALSUITE_UNSAFE_CODE", "EVALSUITE_DATA")}
    env |= {"XDG_CACHE_HOME": str(tmp_path / "cache")}

    def call(*words):
        command = [sys.executable, "-m", "evalsuite.cli", *map(str, words)]
        out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=env)
        assert "Traceback" not in out.stderr
        return out

    return call


def test_run_and_score(evalsuite, tmp_path):
    refused = evalsuite(*RUN)
    assert (refused.returncode, refused.stdout) == (4, "") and f"evalsuite: error: jailed: {NEEDS}\n" in refused.stderr
    assert not (tmp_path / "results").exists()
    done = evalsuite(*RUN, FLAG)
    assert done.returncode == 0 and "| jailed" in done.stdout
    (run,) = (tmp_path / "results" / "runs").glob("[!.]*")
    assert json.loads((run / "run.json").read_text())["environment"]["unsafe_code"] is True
    refused = evalsuite("score", run)
    assert (refused.returncode, refused.stdout) == (4, "") and NEEDS in refused.stderr
    again = evalsuite("score", run, "--diff", FLAG.replace("_", "-"))
    assert again.returncode == 0 and "0 verdicts changed" in again.stderr
    (tmp_path / "said.jsonl").write_text(
        "".join(f'{{"id": "{i}", "completions": ["word{i}"]}}\n' for i in range(4)),
    )
    file = ["score", "said.jsonl", "--task", "jailed", "--include-path", "mine.py"]
    assert NEEDS in evalsuite(*file).stderr and evalsuite(*file, FLAG).returncode == 0


def test_a_dry_run_shows_what_it_can_and_ends_as_the_run_would(evalsuite, tmp_path):
    out = evalsuite(*RUN, "--dry-run")
    assert out.returncode == 4 and out.stdout.count("== ") == 2 and NEEDS in out.stderr
    assert evalsuite(*RUN, "--dry-run", FLAG).returncode == 0 and not (tmp_path / "results").exists()


def test_tasks_test(evalsuite):
    words = ["tasks", "test", "free", "jailed", "--include-path", "mine.py"]
    refused = evalsuite(*words)
    assert refused.returncode == 4 and NEEDS in refused.stderr and "free: ok" in refused.stdout
    confirmed = evalsuite(*words, FLAG)
    assert confirmed.returncode == 0 and "2 of 2 tasks ok" in confirmed.stdout
