"""`evalsuite import`: what is found, what is said, and that nothing half is ever seen."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.imports import KINDS, evaluations, find, import_run
from evalsuite.imports.aside import written_aside
from evalsuite.runlog import RunDir

DATA = Path(__file__).parent / "data"


def test_kinds_are_found_out_and_a_broken_file_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "old"
    shutil.copytree(DATA, source)
    (source / "broken.eval").write_bytes(b"PK\x03\x04 and no more")
    arguments = ["import", str(source), "--results", str(tmp_path / "results")]
    assert main(arguments) == 3
    out, err = capsys.readouterr()
    folders = [Path(line) for line in out.split()]
    assert sorted(f.parent.name for f in folders) == ["runs", "runs", "train"] and all(
        (f / "run.json").is_file() for f in folders
    )
    assert "evalsuite: not imported: " in err and "broken.eval" in err and "3 imported, 1 not" in err
    (source / "broken.eval").unlink()
    assert main(arguments) == 0  # again: nothing new
    assert capsys.readouterr().out.count("(was there already)") == 3
    assert sorted(p for p in (tmp_path / "results").glob("*/*")) == sorted(folders)


def test_a_copy_elsewhere_is_the_same_run(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    shutil.copy(DATA / "sums.eval", tmp_path / "deep" / "renamed.eval")
    runs = [import_run(*next(find(path)), tmp_path / "r") for path in (DATA / "sums.eval", tmp_path / "deep")]
    assert [run.before for run in runs] == [False, True] and runs[0].folder == runs[1].folder


def test_a_name_of_ones_own(tmp_path: Path) -> None:
    assert main(["import", str(DATA / "sums.eval"), "--results", str(tmp_path), "--name", "org/my model"]) == 0
    [folder] = (tmp_path / "runs").iterdir()
    assert RunDir(folder).manifest()["model"]["name"] == "org/my model" and folder.name.startswith("my-model-")


def test_nothing_to_import_says_what_was_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.json").write_text('{"results": "mine"}')
    assert main(["import", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("results_*.json", "*.eval", "trainer_state.json", "tfevents"))
    assert main(["import", str(tmp_path), "--as", "inspect"]) == 2
    said = capsys.readouterr().err
    assert "*.eval" in said and "tfevents" not in said
    assert main(["import", str(tmp_path / "none")]) == 2 and "is not there" in capsys.readouterr().err
    assert main(["import", str(tmp_path), str(DATA / "sums.eval"), "--results", str(tmp_path / "r")]) == 3


def test_our_own_runs_are_left_alone(tmp_path: Path) -> None:
    import_run(*next(find(DATA / "sums.eval")), tmp_path)
    with pytest.raises(UsageError, match="nothing to import"):
        list(find(tmp_path))


def test_a_run_is_there_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        assert [p.name[0] for p in (tmp_path / "runs").iterdir()] == ["."]  # hidden while it is written
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluations, "write_results", interrupted)
    assert main(["import", str(DATA / "sums.eval"), "--results", str(tmp_path)]) == 130
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_a_killed_import_left_is_removed(tmp_path: Path) -> None:
    dead, ours = tmp_path / ".run.999999999", tmp_path / f".run.{os.getppid()}"
    for folder in (dead, ours):
        folder.mkdir()
    with written_aside(tmp_path / "run") as beside:
        (beside / "run.json").write_text("{}")
        assert not dead.exists() and ours.exists()
    assert (tmp_path / "run" / "run.json").exists() and not beside.exists()


def test_two_imports_at_once_leave_one(tmp_path: Path) -> None:
    with written_aside(tmp_path / "run") as beside:
        (beside / "run.json").write_text("mine")
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "run.json").write_text("theirs")
    assert (tmp_path / "run" / "run.json").read_text() == "theirs" and not beside.exists()


def test_a_results_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["import", str(DATA / "sums.eval"), "--results", str(tmp_path / "file")]) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_an_imported_run_has_no_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = import_run(*next(find(DATA / "sums.eval")), tmp_path)
    for command in (["score", str(run.folder)], ["baseline", "set", "main", str(run.folder), "--dir", str(tmp_path / "b")]):
        assert main(command) == 2
        assert "was imported from inspect: it has no log" in capsys.readouterr().err


def test_the_flags_name_every_kind() -> None:
    import importlib

    assert set(importlib.import_module("evalsuite.cli.import")._KINDS) == KINDS.keys()
