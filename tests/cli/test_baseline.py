"""`evalsuite baseline set | list | show | fetch`: what is printed where, and with which exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import evalsuite
from evalsuite.baseline import BASELINES
from evalsuite.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tasks = ["sort_letters", "arithmetic"]
    result = evalsuite.run("scripted:noisy:0.4", tasks, repeats=2, limit=10, output=tmp_path_factory.mktemp("runs"))
    return Path(result.path)


@pytest.fixture(autouse=True)
def _folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "results/runs" / Path(made.name))


def test_set_list_show_and_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "list"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and "no baselines under results/baselines. Make one with" in captured.err
    assert main(["baseline", "list", "--json"]) == 0 and json.loads(capsys.readouterr().out) == []
    assert main(["baseline", "set", "main", "scripted", "--note", "first"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "results/baselines/main\n" and " on disk, completions: inside" in captured.err
    assert main(["baseline", "list"]) == 0
    head, _, row = capsys.readouterr().out.strip().splitlines()
    assert [c.strip() for c in head.strip("|").split("|")][:4] == ["name", "model", "tasks", "questions"]
    cells = [c.strip() for c in row.strip("|").split("|")]
    assert cells[:4] == ["main", "scripted:noisy:0.4", "sort_letters[10/200], arithmetic[10/200]", "20 x 2"]
    assert cells[5] == "0.0 days" and cells[7:] == ["inside", ""]
    assert main(["baseline", "list", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)[0]
    assert facts["note"] == "first" and facts["bytes"] > 1000 and facts["tasks"]["arithmetic"]["samples"] == 2
    assert main(["baseline", "show", "main"]) == 0
    out = capsys.readouterr().out
    assert "name: main\n" in out and "note: first\n" in out and "| arithmetic[10/200]" in out
    assert main(["baseline", "show", "main", "--json"]) == 0
    results = json.loads(next(Path("results/runs").glob("*/results.json")).read_text())
    mean = results["results"]["arithmetic"]["avg@2,none"]
    assert json.loads(capsys.readouterr().out)["tasks"]["arithmetic"]["mean"] == pytest.approx(mean, abs=1e-12)
    shutil.rmtree("results/runs")
    assert main(["score", "results/baselines/main", "--diff"]) == 0
    assert "0 verdicts changed" in capsys.readouterr().err


def test_errors_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(words: str, *expected: str) -> None:
        assert main(["baseline", *words.split()]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and all(text in captured.err for text in expected), captured.err

    fails("set main nothing", "no run 'nothing'", "results/baselines", "results/runs")
    fails("set ../main scripted", "baseline name '../main'")
    fails("set main scripted --max-size 1k", "above --max-size 1.0 kB", "--completions-to DIR")
    fails("set main scripted --fetch https://host/x", "--completions-to DIR")
    fails("show main", "no baseline 'main'", "evalsuite baseline set NAME RUN")
    assert main(["baseline", "set", "main", "scripted", "--pin"]) == 0
    capsys.readouterr()
    fails("set main scripted", "--replace")
    fails("set main scripted --replace", "pinned", "--replace --pin")
    fails("fetch mai", "did you mean main?")
    for wrong in ("set main scripted --max-size big", "set main", "keep main", "list --jsn"):
        with pytest.raises(SystemExit) as exit:
            main(["baseline", *wrong.split()])
        assert exit.value.code == 2


def test_completions_elsewhere(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["baseline", "set", "big", "scripted", "--completions-to", "far", "--max-size", "0.1kB"]) == 0
    assert "completions: in far" in capsys.readouterr().err
    assert main(["score", "results/baselines/big"]) == 2
    assert "evalsuite baseline fetch big --dir results/baselines" in capsys.readouterr().err
    shutil.move("far", "moved")
    assert main(["baseline", "fetch", "big"]) == 2
    assert "is not there; --from DIR|URL" in capsys.readouterr().err
    assert main(["baseline", "fetch", "big", "--from", "moved"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2 and "[2/2] log/arithmetic.0.jsonl.gz" in captured.err
    assert main(["baseline", "list"]) == 0 and "fetched from far" in capsys.readouterr().out
    assert main(["score", "results/baselines/big", "--diff"]) == 0


def test_what_another_clone_will_not_find_is_said(capsys: pytest.CaptureFixture[str], tmp_path_factory) -> None:
    away = tmp_path_factory.mktemp("away")
    (away / "own.jsonl").write_text('{"id": "a", "problem": "1?", "target": "1"}\n')
    evalsuite.run("scripted:oracle", f"{away}/own.jsonl:math", data_dir=away, output="results/runs")
    assert main(["baseline", "set", "own", "scripted-oracle"]) == 0
    assert f"only this machine has, for scoring it again: --data-dir {away}, {away}/own.jsonl" in capsys.readouterr().err
    assert main(["score", str(BASELINES / "own"), "--diff"]) == 0


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["baseline"], ["baseline", "set"], ["baseline", "fetch"]):
        with pytest.raises(SystemExit) as exit:
            main([*words, "--help"])
        assert exit.value.code == 0 and "evalsuite baseline set main" in capsys.readouterr().out
