"""`evalsuite compare`: arguments, files, exit codes; runs of the scripted model, made once."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import evalsuite
from evalsuite.api import compare
from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.results import RunResult


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunResult]:
    """Runs by a short name, under one folder."""
    root = tmp_path_factory.mktemp("runs")

    def run(chance: float, tasks: list[str], **options) -> RunResult:
        return evalsuite.run(f"scripted:noisy:{chance}", tasks, repeats=4, output=root, progress=None, **options)

    both = ["sort_letters", "arithmetic"]
    return {
        "a": run(0.4, both),
        "b": run(0.7, both),
        "seed": run(0.4, both, seed=1),
        "one": run(0.4, ["sort_letters"]),
        "limited": run(0.4, both, limit=30),
        "other": run(0.45, both),
        "more": run(0.75, both),
        "cold": run(0.7, both, sampling={"temperature": 0.2}),
    }


@pytest.fixture
def call(runs, capsys: pytest.CaptureFixture[str]):
    """`call("a", "b", "--json", code=0)` -> stdout; names of `runs` are replaced by their paths."""

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["compare", *(runs[w].path if w in runs else w for w in words)]) == code
        out, err = capsys.readouterr()
        if code:
            assert out == "" and err.startswith("evalsuite: error: ") and "Traceback" not in err
            return err
        return out

    return run


def test_the_table(call) -> None:
    out = call("a", "b")
    assert "- A: `scripted:noisy:0.4` (" in out and "| mean of 2 tasks |" in out and "B is better than A by" in out
    assert "Questions that moved most" in out and "Checkpoint claim only" in out


def test_json_of_chosen_tasks_and_metrics(call) -> None:
    data = json.loads(call("a", "b", "--json", "--tasks", "arithmetic", "--metrics", "avg,pass@2", "--correction", "bh"))
    rows = data["contrasts"][0]["rows"]
    assert [(r["task"], r["metric"]) for r in rows] == [("arithmetic", "avg@4"), ("arithmetic", "pass@2")]
    assert data["correction"] == "bh" and len(rows[0]["moved"]) == 5


def test_runs_by_id_and_by_the_beginning_of_it(call, runs) -> None:
    root = str(Path(runs["a"].path).parent)
    out = call("scripted-noisy-0.7-", runs["a"].run_id, "-o", root, "--allow", "all", code=2)
    assert "matches several runs" in out
    assert "B is worse than A" in call(runs["b"].run_id, runs["a"].run_id, "--output_path", root)
    out = call("nothing", "a", "-o", root, code=2)
    assert "no run 'nothing'" in out


def test_a_baseline_by_its_name(call, runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["baseline", "set", "main", runs["a"].path]) == 0
    out = call("main", "b")
    assert "- A: `scripted:noisy:0.4` (`results/baselines/main`)" in out and "B is better" in out
    same = json.loads(call("main", "a", "--json"))["contrasts"][0]["rows"]
    assert all(row["difference"]["value"] == 0 and row["missing"]["share"] == 0 for row in same)


def test_files(call, tmp_path: Path) -> None:
    table, markdown = tmp_path / "q.csv", tmp_path / "new" / "c.md"
    out = call("a", "b", "one", "--csv", str(table), "--markdown", str(markdown))
    assert markdown.read_text() == out
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 400 and {row["task"] for row in rows} == {"sort_letters", "arithmetic"}
    assert all((row["C value"] == "") == (row["task"] == "arithmetic") for row in rows)
    assert "cannot be written" in call("a", "b", "--csv", str(tmp_path), code=2)


def test_other_sampling_is_exit_12_unless_allowed(call) -> None:
    out = call("b", "cold", code=12)
    assert "sort_letters: sampling: temperature 1.0 -> 0.2" in out and "--allow sampling" in out
    assert "allowed to differ between A and B: sampling: `temperature 1.0 -> 0.2`." in call("b", "cold", "--allow", "sampling")


def test_a_limited_run_is_exit_12_unless_allowed_and_then_bounded(call) -> None:
    out = call("a", "limited", code=12)
    assert "data: 30 questions are in both, 170 only in the first and 0 only in the second" in out and "--allow data" in out
    out = call("a", "limited", "--allow", "data")
    assert (
        "170 questions are only in the first run" in out
        and "whatever they were worth, the difference measured here is from -" in out
    )


def test_methods(call, runs) -> None:
    a, b, seed, cold, other = (runs[name].path for name in ("a", "b", "seed", "cold", "other"))
    out = call(f"grpo={a},{other}", f"vespo={b},{runs['more'].path}")
    assert "B (`vespo`) is better than A (`grpo`) by" in out or "no difference of B (`vespo`)" in out
    out = call(f"grpo={a},{seed}", f"vespo={b},{cold}", "--allow", "sampling")
    assert "A: runs of one and the same model, sampled again, are not two training seeds." in out
    assert "checkpoint claim only: runs of A and of B are of one model sampled again" in out and " is better than" not in out
    assert "checkpoint claim only: A (`x`) and B (`scripted:noisy:0.7`) have one training seed" in call(f"x={a}", "b")
    assert "no run after '='" in call("x=", "b", code=2)
    assert "no run 'nothing'" in call("x=nothing", "b", code=2)
    assert "two methods are called 'x'" in call(f"x={a}", f"x={b}", code=2)


def test_a_baseline_of_a_run_is_that_run(call, runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["baseline", "set", "main", runs["a"].path]) == 0
    out = call("main", "a")
    assert "B is the same run as A: nothing can differ." in out and "would have been found" not in out
    assert "is named twice" in call(f"x=main,{runs['a'].path}", "b", code=2)


def test_nothing_in_common_is_exit_12_whatever_is_allowed(call, tmp_path: Path) -> None:
    paths = []
    for name in "ab":
        rows = [{"id": str(i), "problem": f"{name}{i}?", "target": "1"} for i in range(6)]
        folder = tmp_path / name
        folder.mkdir()
        (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        found = evalsuite.run("scripted:noisy:0.4", [f"{folder}/q.jsonl:exact"], output=folder, progress=None)
        paths.append(found.path)
    assert "no question is in both runs" in call(*paths, "--allow", "all", code=12)


def test_one_row_of_avg(call) -> None:
    rows = json.loads(call("a", "b", "--json", "--tasks", "arithmetic", "--metric", "avg,avg@4,pass@1"))["contrasts"][0]["rows"]
    assert [row["metric"] for row in rows] == ["avg@4"] and rows[0]["p_adjusted"] == rows[0]["difference"]["p"]
    assert rows[0]["difference"]["mde"] > 0


def test_a_run_whose_id_holds_an_equals_sign_is_a_run(runs, tmp_path: Path) -> None:
    found = evalsuite.run("scripted:noisy:0.4", ["sort_letters@size=20"], repeats=2, output=tmp_path, progress=None)
    assert "=" in found.run_id
    assert compare(found.run_id, found, runs=tmp_path).methods == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a"], "two runs are needed"),
        (["a", "b", "--tasks", "gsm8k"], "has no task 'gsm8k'"),
        (["a", "b", "--metric", "pass@64"], "pass@64 needs 64"),
        (["a", "b", "--allow", "temperature"], "nothing called temperature can be allowed"),
        (["a", "b", "--moved", "-1"], "--moved -1: not below zero"),
        (["a", "b", "--metric", ""], "no metric was asked for"),
    ],
)
def test_usage_errors(call, words: list[str], message: str) -> None:
    assert message in call(*words, code=2)


def test_a_choice_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["compare", "a", "b", "--correction", "tukey"])
    assert exit.value.code == 2 and "invalid choice: 'tukey'" in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["compare", "--help"])
    out = capsys.readouterr().out
    assert exit.value.code == 0 and "evalsuite compare grpo=g1,g2,g3 vespo=v1,v2,v3" in out


def test_from_python(runs) -> None:
    a, b = runs["a"], runs["b"]
    found = compare(a, Path(b.path), metrics=["pass@2"], tasks=["arithmetic"], moved=1)
    (row,) = found.contrasts[0].rows
    assert row.metric == "pass@2" and len(row.moved) == 1 and "B is better" in found._repr_markdown_()
    with pytest.raises(UsageError, match="'jackknife' is not one of"):
        compare(a, b, target="jackknife")


def test_values_are_those_of_the_run(runs) -> None:
    found = compare(runs["a"], runs["b"])
    for row in found.contrasts[0].rows:
        for side, name in ((row.difference.mean_a, "a"), (row.difference.mean_b, "b")):
            assert side == pytest.approx(runs[name].tasks[row.task].metrics["avg@4"].value, abs=1e-12)
