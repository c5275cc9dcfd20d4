"""What tests of the whole gate share: a baseline made here, a configuration, one call of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import evalsuite
from evalsuite.baseline import set_baseline
from evalsuite.cli import main
from evalsuite.runlog import RunDir

TASK = "sort_letters@size=400"
BASELINES = Path("results/baselines")


def baseline(name: str, model: str, tasks: str = TASK, n: int = 8, **options: Any) -> Path:
    result = evalsuite.run(model, tasks, repeats=n, output="made", **options)
    return set_baseline(name, RunDir(Path(result.path)), root=BASELINES)


def config(**sections: Any) -> None:
    """evalsuite.ci.yaml: YAML is a superset of JSON."""
    Path("evalsuite.ci.yaml").write_text(json.dumps({"baseline": "main", "profiles": {"pr": {}}, **sections}))


def gate(*words: str, code: int) -> dict[str, Any]:
    assert main(["gate", *words]) == code
    found: dict[str, Any] = json.loads(Path("results/gate/gate.json").read_text())
    assert found["exit_code"] == code
    assert ElementTree.parse("results/gate/junit.xml").getroot().tag == "testsuites"
    return found


def only(found: dict[str, Any]) -> dict[str, Any]:
    [task] = found["tasks"].values()
    return task
