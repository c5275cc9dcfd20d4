"""Runs in other tools' shapes: what may be exported, and that it can be read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import evalsuite
from evalsuite import Prompt, Sampling, Task, ask
from evalsuite.errors import RequestError, UsageError
from evalsuite.models.scripted import ScriptedModel
from evalsuite.runlog import RunDir
from evalsuite.runlog.convert import convert_lm_eval
from evalsuite.runlog.export import FORMATS, export
from evalsuite.verifiers import make

TASK = Task(
    name="toy",
    samples=tuple(ask(f"{i}?", id=f"q{i}", target=str(i)) for i in range(4)),
    prompt=Prompt(name="bare"),
    verifier=make("exact"),
    sampling=Sampling(repeats=2),
)


class Gaps(ScriptedModel):
    """Has no answer to q1, and one of two to q2."""

    one_by_one = True

    async def generate(self, request: Any) -> Any:
        if request.sample_id == "q1" or (request.sample_id == "q2" and 1 in request.indices):
            raise RequestError("gone")
        return await super().generate(request)


def done(tmp_path: Path, model: ScriptedModel | None = None) -> RunDir:
    return RunDir(Path(evalsuite.run(model or ScriptedModel("oracle"), TASK, output=tmp_path / "runs").path))


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_tables_older_than_the_log_are_not_exported(tmp_path: Path, status: str) -> None:
    run = done(tmp_path)
    run.write_manifest(run.manifest() | {"status": status})
    with pytest.raises(UsageError, match=f"is {status}: only one that has ended can be exported"):
        export(run, "csv", tmp_path / "out")


def test_an_incomplete_run_is_exported_without_what_is_missing(tmp_path: Path) -> None:
    run = done(tmp_path, Gaps("oracle"))
    assert run.manifest()["status"] == "failed"
    _, log = export(run, "lm-eval", tmp_path / "out")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(r["doc_id"], r["resps"]) for r in rows] == [(0, [["0", "0"]]), (2, [["2"]]), (3, [["3", "3"]])]
    back = list(convert_lm_eval(rows))
    assert [(r["index"], r["completions"]) for r in back] == [(0, ["0", "0"]), (2, ["2"]), (3, ["3", "3"])]


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_that_cannot_be_written(tmp_path: Path, form: str) -> None:
    run = done(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be exported to .*file"):
        export(run, form, tmp_path / "file")


def test_a_run_goes_nowhere_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", Path("/dev/null"), Path("/proc/x")):
        with pytest.raises(UsageError, match=f"--output_path: {folder}/.* cannot be written"):
            evalsuite.run("scripted:oracle", TASK, output=folder)
