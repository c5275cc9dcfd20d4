"""Baselines: small, the same bytes for the same run, whole after a kill, and enough for a clone that has nothing else."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import evalsuite
from evalsuite import Completion
from evalsuite.baseline import describe, fetch, find_baseline, find_run, has_completions, list_baselines, set_baseline
from evalsuite.errors import UnavailableError, UsageError
from evalsuite.rescore import rescore_run
from evalsuite.runlog import RunDir
from evalsuite.runlog.convert import convert
from evalsuite.runlog.rollup import read_rollup

LOG = Path("log/sort_letters.0.jsonl")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = evalsuite.run(
        "scripted:noisy:0.4", ["sort_letters", "arithmetic"], repeats=3, limit=20, output=tmp_path_factory.mktemp("runs")
    )
    return Path(result.path)


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A finished run in a working folder of its own; baselines go to ./results/baselines."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "results/runs" / Path(made.name))
    return RunDir("results/runs" / Path(made.name))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def edit(run: RunDir, **changes: Any) -> None:
    run.write_manifest(run.manifest() | changes)


def append(run: RunDir, row: dict[str, Any]) -> None:
    with open(run.path / LOG, "a") as file:
        file.write(json.dumps(row) + "\n")


def test_a_clone_with_nothing_else_scores_replays_and_compares(run: RunDir, tmp_path: Path, monkeypatch) -> None:
    place = set_baseline("main", run, note="why")
    assert place == Path("results/baselines/main") and sorted(contents(place)) == [
        "log/arithmetic.0.jsonl.gz",
        "log/sort_letters.0.jsonl.gz",
        "questions/arithmetic.parquet",
        "questions/sort_letters.parquet",
        "run.json",
    ]
    before = {task: read_rollup(run, task) for task in run.tasks()}
    rows = {task: list(run.rows(task)) for task in run.tasks()}
    (tmp_path / "clone").mkdir()
    shutil.move("results/baselines", "clone/baselines")
    shutil.rmtree("results")
    monkeypatch.chdir(tmp_path / "clone")
    kept = find_baseline("main", Path("baselines"))
    assert kept.tasks() == list(before) and has_completions(kept)
    for task, rollup in before.items():
        again = read_rollup(kept, task)
        assert (again.ids, again.digests, again.clusters) == (rollup.ids, rollup.digests, rollup.clusters)
        for column in ("n", "c", "sum", "sum_sq", "no_answer", "truncated", "errors", "completion_tokens"):
            assert getattr(again, column).tolist() == getattr(rollup, column).tolist()
        assert {k: v.tolist() for k, v in again.metrics.items()} == {k: v.tolist() for k, v in rollup.metrics.items()}
        assert list(kept.rows(task)) == rows[task]
    result, changes = rescore_run(kept)
    assert (result.exit_code, changes) == (0, [])
    replayed = evalsuite.run(f"replay:{kept.path}", "sort_letters,arithmetic", repeats=3, limit=20, output=tmp_path / "again")
    for task, rollup in before.items():
        assert read_rollup(RunDir(Path(replayed.path)), task).sum.tolist() == rollup.sum.tolist()


def test_the_same_run_gives_the_same_bytes_but_for_the_time(run: RunDir) -> None:
    first = contents(set_baseline("main", run))
    edit(run, command=["another"], environment=run.manifest()["environment"] | {"host": "another"})
    second = contents(set_baseline("main", run, replace=True))
    one, two = (json.loads(c.pop("run.json")) for c in (first, second))
    for manifest in (one, two):
        manifest["baseline"].pop("set_at")
    assert (first, one) == (second, two)
    assert (
        contents(set_baseline("copy", find_baseline("main")))["log/arithmetic.0.jsonl.gz"] == first["log/arithmetic.0.jsonl.gz"]
    )


def test_what_is_bulky_or_of_one_machine_is_left_out(run: RunDir, tmp_path: Path) -> None:
    row = next(iter(run.rows("sort_letters")))
    heavy = row["completion"] | {"token_ids": [1, 2], "logprobs": [-0.5, -0.25], "reasoning": "because"}
    append(run, row | {"completion": heavy})
    append(run, row | {"i": 7})  # of an earlier, larger run
    manifest = run.manifest()
    where = manifest["settings"]["where"] | {"data_dir": "/elsewhere/data", "lock": str(tmp_path / "sub/evalsuite.lock.json")}
    edit(
        run,
        model=manifest["model"] | {"name": "/home/someone/checkpoints/step-100"},
        environment=manifest["environment"] | {"host": "box", "folder": "/home/someone/checkpoints/step-100", "n": [1]},
        settings=manifest["settings"] | {"where": where, "include": ["/elsewhere/mine.py", str(tmp_path / "here.py")]},
    )
    place = set_baseline("main", run)
    kept = RunDir(place).manifest()
    assert "/home" not in json.dumps(kept) and "elsewhere" not in json.dumps(kept) and str(tmp_path) not in json.dumps(kept)
    assert not {"command", "host"} & {*kept, *kept["environment"]}
    assert kept["model"]["name"] == kept["environment"]["folder"] == "step-100"
    assert kept["settings"]["where"] == {"data_dir": None, "offline": False, "lock": "sub/evalsuite.lock.json"}
    assert kept["settings"]["include"] == ["here.py"] and kept["identity"] == manifest["identity"]
    rows = list(RunDir(place).rows("sort_letters"))
    assert len(rows) == 60 == kept["baseline"]["completions"]["sort_letters"]["samples"]
    assert rows[-1]["completion"] == row["completion"] | {"reasoning": "because"}
    columns = pq.read_schema(place / "questions/sort_letters.parquet").names
    assert not {"problem", "prompt", "target", "metadata"} & set(columns) and {"id", "digest", "n", "sum"} <= set(columns)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "-x", "a b", "ä", "x" * 101, "a\n"])
def test_names_that_are_no_folder_names(run: RunDir, name: str) -> None:
    with pytest.raises(UsageError, match="baseline name"):
        set_baseline(name, run)
    assert not Path("results/baselines").exists()


@pytest.mark.parametrize("status", ["running", "failed", "interrupted", None])
def test_only_a_run_that_is_done(run: RunDir, status: str | None) -> None:
    edit(run, status=status)
    with pytest.raises(UsageError, match=f"is {status}: only one that is done"):
        set_baseline("main", run)


def test_a_log_that_does_not_fit_the_numbers(run: RunDir) -> None:
    lines = (run.path / LOG).read_bytes().splitlines(keepends=True)
    (run.path / LOG).write_bytes(b"".join(lines[:-1]))
    with pytest.raises(UsageError, match="the log of sort_letters has 59 scored samples and the roll-up 60"):
        set_baseline("main", run)
    assert list(Path("results/baselines").iterdir()) == []


def test_what_may_be_replaced(run: RunDir) -> None:
    place = set_baseline("main", run)
    with pytest.raises(UsageError, match=r"is there, set .*--replace"):
        set_baseline("main", run)
    set_baseline("main", run, replace=True, pin=True)
    for options in ({}, {"replace": True}, {"pin": True}):
        with pytest.raises(UsageError, match="--replace"):
            set_baseline("main", run, note="new", **options)
    set_baseline("main", run, note="new", replace=True, pin=True)
    assert RunDir(place).manifest()["baseline"]["note"] == "new" and describe(RunDir(place))["pinned"] is True
    Path("results/baselines/mine").mkdir()
    with pytest.raises(UsageError, match="is no baseline"):
        set_baseline("mine", run, replace=True, pin=True)


def test_a_failure_while_writing_leaves_the_old_one(run: RunDir) -> None:
    before = contents(set_baseline("main", run))
    (run.path / "questions/arithmetic.parquet").write_bytes(b"torn")
    with pytest.raises(UsageError, match=r"arithmetic\.parquet cannot be read"):
        set_baseline("main", run, replace=True)
    assert contents(Path("results/baselines")) == {f"main/{name}": data for name, data in before.items()}


def test_a_kill_at_any_rename_leaves_the_old_one_whole(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    root, real = Path("results/baselines"), os.replace
    before = contents(set_baseline("main", run, note="old"))
    for fatal in range(1, 4):  # run.json, the old one aside, the new one in place
        calls = []

        def replace(source: Any, target: Any, fatal: int = fatal, calls: list[Any] = calls) -> None:
            calls.append(target)
            if len(calls) == fatal:
                raise KeyboardInterrupt
            real(source, target)

        monkeypatch.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            set_baseline("main", run, note="new", replace=True)
        monkeypatch.setattr(os, "replace", real)
        for found in (find_baseline("main"), find_run("main", Path("results/runs")), *list_baselines()):
            assert contents(found.path) == before and describe(found)["name"] == "main"
        assert (root / "main").exists() == (fatal < 3)
    (root / ".main.new").mkdir()
    (root / ".main.new" / "half").write_text("")  # by a writer that was killed
    assert [r.path for r in list_baselines()] == [root / ".main.old"]
    set_baseline("main", run, note="new", replace=True)
    assert [p.name for p in root.iterdir()] == ["main"]
    assert find_baseline("main").manifest()["baseline"]["note"] == "new"


def test_completions_elsewhere_and_back(run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"kB compressed, above --max-size 1\.0 kB.*--completions-to"):
        set_baseline("main", run, max_bytes=1000)
    kept = RunDir(set_baseline("main", run, completions_to=Path("big"), max_bytes=1000))
    records = kept.manifest()["baseline"]["completions"]
    assert sorted(p.name for p in Path("big").iterdir()) == sorted(f"{r['sha256']}.jsonl.gz" for r in records.values())
    assert kept.manifest()["baseline"]["fetch"] == "big" and not has_completions(kept)
    assert read_rollup(kept, "arithmetic").n.tolist() == [3] * 20  # numbers need no completions
    advice = "kept in big; bring them with: evalsuite baseline fetch main --dir results/baselines"
    for use in (rescore_run, lambda r: set_baseline("copy", r), lambda r: evalsuite.run(f"replay:{r.path}", "arithmetic")):
        with pytest.raises(UsageError, match=advice):
            use(kept)
    said: list[str] = []
    assert fetch(kept, say=said.append) == [kept.path / "log/sort_letters.0.jsonl.gz", kept.path / "log/arithmetic.0.jsonl.gz"]
    assert len(said) == 2 and has_completions(kept) and fetch(kept) == []
    assert rescore_run(kept)[1] == []
    (kept.path / LOG.with_suffix(".jsonl.gz")).write_bytes(b"torn")
    assert fetch(kept) == [kept.path / "log/sort_letters.0.jsonl.gz"]
    ignored = (kept.path / ".gitignore").read_text().split()
    assert ignored == ["/log/", "/judge.jsonl", "/.fetch/"]  # what was fetched is not committed by accident
    assert set_baseline("copy", kept).is_dir() and has_completions(find_baseline("copy"))


def test_nothing_is_written_unless_every_digest_fits(run: RunDir, tmp_path: Path) -> None:
    kept = RunDir(set_baseline("main", run, completions_to=tmp_path / "big", fetch_from=str(tmp_path / "gone")))
    before = contents(kept.path)
    with pytest.raises(UsageError, match=r"gone/.* is not there; --from"):
        fetch(kept)
    (tmp_path / "big" / f"{kept.manifest()['baseline']['completions']['arithmetic']['sha256']}.jsonl.gz").write_bytes(b"other")
    with pytest.raises(UsageError, match="is not what the baseline was made with"):
        fetch(kept, str(tmp_path / "big"))
    assert contents(kept.path) == before and not has_completions(kept)
    with pytest.raises(UsageError, match="is no baseline"):
        fetch(run)
    inside = RunDir(set_baseline("inside", run))
    shutil.rmtree(inside.path / "log")
    with pytest.raises(UsageError, match=r"lacks log/sort_letters.*--from"):
        fetch(inside)
    with pytest.raises(UsageError, match="restore its log folder"):
        list(inside.rows("arithmetic"))
    assert list(inside.rows("no such task")) == []


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "big").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "big")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_from_a_url(run: RunDir, served: str, tmp_path: Path) -> None:
    kept = RunDir(set_baseline("main", run, completions_to=tmp_path / "big", fetch_from=served + "/"))
    with pytest.raises(UnavailableError, match="404"):
        fetch(kept, served + "/other")
    with pytest.raises(UnavailableError, match="cannot be read"):
        fetch(kept, "http://127.0.0.1:9/")
    assert not has_completions(kept)
    assert len(fetch(kept)) == 2 and rescore_run(kept)[1] == []


def test_which_run_a_word_means(run: RunDir) -> None:
    runs, baselines, name = Path("results/runs"), Path("results/baselines"), run.path.name
    set_baseline("main", run)
    assert find_run(str(run.path), runs).path == find_run(name, runs).path == find_run(name[:9], runs).path == run.path
    assert find_run("main", runs).path == find_run(baselines / "main", runs).path == baselines / "main"
    assert find_baseline(run.path).path == run.path
    shutil.copytree(run.path, runs / f"{name}2")
    assert find_run(name, runs).path == run.path  # an exact name goes before a beginning
    with pytest.raises(UsageError, match=f"matches several runs: {name}, {name}2"):
        find_run(name[:9], runs)
    shutil.copytree(run.path, runs / "main-2")
    assert find_run("main", runs).path == baselines / "main"
    shutil.copytree(run.path, runs / "main")
    with pytest.raises(UsageError, match="both a baseline and a run"):
        find_run("main", runs)
    for word in ("mian", ""):
        with pytest.raises(UsageError, match=rf"no run '{word}': .*main"):
            find_run(word, runs)
    with pytest.raises(UsageError, match=r"no baseline 'mains'.*did you mean main.*evalsuite baseline set"):
        find_baseline("mains")
    with pytest.raises(UsageError, match=r"no run 'x'.*where there is none"):
        find_run("x", Path("nowhere"), Path("nowhere"))


def test_describe(run: RunDir) -> None:
    kept = RunDir(set_baseline("main", run, pin=True))
    facts = describe(kept)
    assert list(facts) == ["name", "run_id", "model", "path", "set_at", "age_days", "pinned"]
    assert facts["name"] == "main" and facts["run_id"] == run.path.name and facts["pinned"] is True
    assert facts["path"] == "results/baselines/main" and 0 <= facts["age_days"] < 0.1
    kept.write_manifest(kept.manifest() | {"baseline": kept.manifest()["baseline"] | {"set_at": "2020-01-01T00:00:00Z"}})
    assert describe(kept)["age_days"] > 365
    plain = describe(run)
    assert plain["name"] == plain["run_id"] and plain["set_at"] == run.manifest()["finished"] and plain["pinned"] is False
    assert has_completions(run)
    shutil.rmtree(run.path / "log")
    assert not has_completions(run)


class Judge:
    """Says yes, and counts."""

    name, concurrency, one_by_one = "judge", 4, True
    asked = 0

    def identity(self) -> dict[str, Any]:
        return {"backend": "fake"}

    def environment(self) -> dict[str, Any]:
        return {}

    def prepare(self, task: object, samples: object) -> None:
        pass

    async def generate(self, request: Any) -> list[Completion]:
        self.asked += 1
        return [Completion("Verdict: yes", finish_reason="stop")]

    async def close(self) -> None:
        pass


def test_judged_tasks_over_a_file_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge's replies come along, and a data file below the working folder is found in another clone."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    monkeypatch.chdir(here)
    rows = [{"id": f"q{i}", "problem": f"{i}?", "target": f"the number {i}"} for i in range(4)]
    Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("said.jsonl").write_text("".join(json.dumps({"id": f"q{i}", "completions": ["it"]}) + "\n" for i in range(4)))
    judge = Judge()
    result = evalsuite.run("replay:said.jsonl", "own.jsonl:judge", judge=judge, output="runs")
    assert result.exit_code == 0 and judge.asked == 4
    for options in ({}, {"completions_to": Path("big"), "replace": True}):
        kept = RunDir(set_baseline("main", RunDir(Path(result.path)), **options))
        if options:
            assert not (kept.path / "judge.jsonl").exists() and len(list(Path("big").glob("*"))) == 2
            assert len(fetch(kept)) == 2
        assert kept.manifest()["tasks"]["own.jsonl:judge"]["source"]["location"] == "own.jsonl"
        shutil.copytree(here, there)
        shutil.rmtree(there / "runs")
        monkeypatch.chdir(there)
        again = Judge()
        result_again, changes = rescore_run(RunDir(kept.path), judge=again)
        assert (result_again.exit_code, changes, again.asked) == (0, [], 0)
        monkeypatch.chdir(here)
        shutil.rmtree(there)


def test_a_folder_that_cannot_be_written(run: RunDir) -> None:
    Path("file").write_text("")
    with pytest.raises(UsageError, match=r"baseline main: .*cannot be written"):
        set_baseline("main", run, root=Path("file/baselines"))


def test_recorded_gsm8k(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Solutions of a real model: about 130 bytes of baseline per sample, and every verdict the same again."""
    monkeypatch.chdir(tmp_path)
    with open(data_dir / "gsm8k/example_model_solutions.jsonl") as file:
        rows = list(convert(map(json.loads, file), completions="6b_verification.solution"))
    Path("said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:300]))
    result = evalsuite.run("replay:said.jsonl", "gsm8k", limit=300, data_dir=data_dir, output="runs")
    kept = RunDir(set_baseline("gsm8k", RunDir(Path(result.path))))
    shutil.rmtree("runs")
    assert sum(map(len, contents(kept.path).values())) < 300 * 250
    assert str(data_dir) not in (kept.path / "run.json").read_text()
    again, changes = rescore_run(kept, data_dir=data_dir)
    assert (again.exit_code, changes) == (0, [])
    assert again.tasks["gsm8k"].metrics["avg"].value == result.tasks["gsm8k"].metrics["avg"].value
