"""Every snippet of the documents runs as it is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("CONTRIBUTING.md", "docs/ci.md", "docs/rewards.md", "docs/training.md")


class Snippet(NamedTuple):
    """A fenced block: its language, and its text."""

    language: str
    text: str


def snippets(document: str) -> list[Snippet]:
    """The fenced blocks of a document, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [Snippet(*block) for block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_snippets_run_in_order(document: str, tmp_path: Path) -> None:
    """Python and shell blocks run, those that begin with a file's name are saved under it, and they run beside these files."""
    scripts = sysconfig.get_path("scripts")
    env = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    ran = 0
    for language, text in snippets(document):
        if "make " in text:
            continue
        if named := re.match(r"# ([\w.]+\.(?:py|yaml|sh))\n", text):
            (tmp_path / named[1]).write_text(text)
        if language == "yaml":
            continue
        command = {"python": [sys.executable, "-c"], "sh": ["bash", "-euo", "pipefail", "-c"]}[language]
        result = subprocess.run([*command, text], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{text}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
        ran += 1
    assert ran >= 4


def test_make_targets_exist() -> None:
    document = "CONTRIBUTING.md"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / document).read_text(encoding="utf-8")))
    assert named
    assert named <= targets


def test_the_workflow_for_github_is_yaml_and_its_commands_exist() -> None:
    import yaml

    from evalsuite.cli import COMMANDS

    text = (ROOT / "docs/github-actions.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if step.get("run", "").startswith("evalsuite ")]
    assert len(commands) == 3 and {command.split()[1] for command in commands} <= COMMANDS.keys()
    helps = {
        c: subprocess.run([sys.executable, "-m", "evalsuite.cli", c, "--help"], capture_output=True, text=True).stdout
        for c in ("gate", "score")
    }
    for command in commands:
        words = command.split()
        assert all(word in helps[words[1]] for word in words if word.startswith("--")), command


def test_a_task_takes_fifteen_lines() -> None:
    task = next(s.text for s in snippets("CONTRIBUTING.md") if "@task(" in s.text)
    lines = task[task.index("@task(") :].strip().splitlines()
    assert len(lines) <= 15
    assert max(map(len, task.splitlines())) <= 128
