"""Runs that are being written: logs read on from where they were left, and who still writes them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.leaderboard.catalog import read_catalog
from evalsuite.leaderboard.data import live
from evalsuite.leaderboard.data.live import Tail, Watch, duration
from evalsuite.metrics import summarize

Page = Callable[..., Any]


def row(question: str, i: int, value: float | None = None, tokens: int | None = None, **more: Any) -> bytes:
    content: dict[str, Any] = {"id": question, "i": i, "seed": 1, **more}
    if tokens is not None:
        content["completion"] = {"text": "so", "completion_tokens": tokens}
    if value is not None or "score" in more:
        content["score"] = {"value": value, "outcome": "ok"}
    return json.dumps(content).encode() + b"\n"


HEADER = b'{"schema":1,"task":"math","run":"r"}\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    path = tmp_path / "log" / "math.0.jsonl"
    path.write_bytes(HEADER)
    return path


def add(path: Path, *lines: bytes) -> None:
    with open(path, "ab") as file:
        file.write(b"".join(lines))


def test_only_new_bytes_are_read_and_a_torn_line_waits(log: Path) -> None:
    tail = Tail(log.parent.parent, "math")
    add(log, row("a", 0, 1.0, 10), row("a", 1, 0.0, 20), row("b", 0, 1.0, 5)[:20])
    assert tail.update() and (tail.done, tail.tokens, tail.errors) == (2, 30, 0)
    damaged = log.read_bytes().replace(b'"a"', b'"X"')  # what was read is not looked at again
    log.write_bytes(damaged)
    add(log, row("b", 0, 1.0, 5)[20:])
    tail.update()
    assert (tail.done, tail.tokens) == (3, 35) and tail.so_far().value == pytest.approx(0.75)


def test_of_one_sample_the_last_row_counts(log: Path) -> None:
    tail = Tail(log.parent.parent, "math")
    add(log, row("a", 0, error="refused"), row("a", 1, tokens=7))  # a failed request, and a completion that has no score yet
    tail.update()
    assert (tail.done, tail.errors, tail.tokens) == (0, 2, 7)
    add(log, row("a", 0, 1.0, 3), row("a", 1, 0.5, 7), row("a", 1, 0.0, 7))
    tail.update()
    assert (tail.done, tail.errors, tail.tokens) == (2, 0, 10) and tail.so_far().value == 0.5


def test_a_log_that_began_anew_is_read_anew(log: Path) -> None:
    tail = Tail(log.parent.parent, "math")
    add(log, row("a", 0, 1.0, 3), row("b", 0, 1.0, 3))
    tail.update()
    log.unlink()
    log.write_bytes(HEADER + row("c", 0, 0.0, 4))
    tail.update()
    assert (tail.done, tail.tokens, tail.so_far().value) == (1, 4, 0.0)


def test_damage_is_told_and_the_rest_is_read(log: Path) -> None:
    tail = Tail(log.parent.parent, "math")
    add(log, b"not json\n", b'{"id": "a"}\n', row("b", 0, 1.0, 3))
    tail.update()
    assert "math.0.jsonl has a line that is no sample's" in tail.problem and tail.done == 1


def test_a_long_log_is_caught_up_with_in_pieces(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BLOCK", 90)
    add(log, *(row(f"q{i}", 0, 1.0, 1) for i in range(20)))
    tail = Tail(log.parent.parent, "math")
    looks = 1
    while not tail.update():
        looks += 1
    assert tail.done == 20 and looks > 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 2), st.sampled_from([None, 0.0, 0.5, 1.0]))), st.data())
def test_looks_at_any_moment_end_at_the_same_numbers(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, int, float | None]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    (folder / "log").mkdir()
    path = folder / "log" / "math.0.jsonl"
    content = HEADER + b"".join(row(q, i, v, 2) for q, i, v in cells)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    tail = Tail(folder, "math")
    for end in [*cuts, len(content)]:
        with open(path, "ab") as file:
            file.write(content[path.stat().st_size if path.exists() else 0 : end])
        tail.update()
    last = {(q, i): v for q, i, v in cells}
    known = {k: v for k, v in last.items() if v is not None}
    assert (tail.done, tail.errors, tail.tokens) == (len(known), len(last) - len(known), 2 * len(last))
    if known:
        questions = sorted({q for q, _ in known})
        expected = summarize([[known.get((q, i), float("nan")) for i in range(3)] for q in questions])
        assert tail.so_far().value == pytest.approx(expected.value)
        if expected.low == expected.low:
            assert (tail.so_far().low, tail.so_far().high) == pytest.approx((expected.low, expected.high))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A results folder with one run that is being written: 10 questions x 2 samples."""
    run = tmp_path / "results" / "runs" / "r"
    (run / "log").mkdir(parents=True)
    manifest = {
        "status": "running", "started": "2026-01-01T00:00:00Z", "model": {"name": "m"}, "environment": {"host": platform.node()},
        "tasks": {"math": {"label": "math", "n_questions": 10, "repeats": 2, "full_size": 10}},
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(manifest))
    (run / "log" / "math.0.jsonl").write_bytes(HEADER + b"".join(row(f"q{i}", 0, i % 2, 100) for i in range(6)))
    return tmp_path / "results"


@pytest.fixture
def writer(folder: Path) -> Iterator[int]:
    """A living process whose id is in the run's `.lock`."""
    process = subprocess.Popen(["sleep", "60"])
    (folder / "runs" / "r" / ".lock").write_text(str(process.pid))
    yield process.pid
    process.kill()
    process.wait()


def test_progress_rate_and_time_left(folder: Path, writer: int) -> None:
    watch, catalog = Watch(), read_catalog(folder)
    now = time.time()
    first = watch.frame(catalog, now).iloc[0]
    assert (first["name"], first["task"], first["samples"]) == ("m", "math", "6 / 20")
    assert first["alive"] and first["progress"] == pytest.approx(0.3) and first["value"] == 0.5 and first["tokens"] == 600
    assert first["low"] < 0.5 < first["high"]
    assert first["left"] is None and first["rate"] is None  # nothing to tell a rate by yet
    add(folder / "runs" / "r" / "log" / "math.0.jsonl", *(row(f"q{i}", 0, 1.0, 100) for i in range(6, 10)))
    second = watch.frame(catalog, now + 2).iloc[0]
    assert second["rate"] == pytest.approx(2) and second["token_rate"] == pytest.approx(200)
    assert second["left"] == pytest.approx(5) and second["samples"] == "10 / 20"
    assert watch.frame(catalog, now + 100).iloc[0]["rate"] == pytest.approx(0)  # over the last minute, nothing came


def test_alive_and_dead(folder: Path, writer: int) -> None:
    run = read_catalog(folder).runs["runs/r"]
    now = time.time()
    assert live.pulse(run, now - 5, now) == (True, f"alive (process {writer}), last line 5 s ago")
    (run.path / ".lock").write_text("999999999")
    alive, said = live.pulse(run, now - 7200, now)
    assert not alive and said.startswith("stopped: its process is gone, last line 2 h 00 min ago")
    (run.path / ".lock").unlink()
    assert not live.pulse(run, 0, now)[0]


def test_on_another_machine_the_last_line_tells(folder: Path) -> None:
    path = folder / "runs" / "r" / "run.json"
    path.write_text(path.read_text().replace(json.dumps(platform.node()), '"far-away"'))
    os.utime(path, (1, 1))
    run = read_catalog(folder).runs["runs/r"]
    assert live.pulse(run, 1000.0, 1010.0) == (True, "alive on far-away, last line 10 s ago")
    assert live.pulse(run, 1000.0, 5000.0) == (False, "silent: last line 67 min ago, on another machine")


@pytest.mark.parametrize(("seconds", "said"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (7500, "2 h 05 min"), (200_000, "2 d")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_nothing_is_watched_where_nothing_runs(tree: Path) -> None:
    catalog = read_catalog(tree)
    assert live.running(catalog) == [] and Watch().frame(catalog, 0.0).empty


def test_the_page_shows_what_runs_and_notices_its_end(folder: Path, writer: int, page: Page) -> None:
    app = page("leaderboard", folder)
    assert not app.exception and app.subheader[0].value == "Running"
    (shown,) = [d.value for d in app.dataframe if "progress" in d.value.columns]
    assert shown["samples"].tolist() == ["6 / 20"] and shown["avg so far"][0].startswith("50.0 [")
    board = next(d.value for d in app.dataframe if "rank" in d.value.columns)
    assert board.iloc[0, 2] == "running" and board["remarks"][0] == "running: no result yet"
    path = folder / "runs" / "r" / "run.json"
    path.write_text(path.read_text().replace('"running"', '"interrupted"'))
    app.run()
    assert not app.subheader and next(iter(app.dataframe)).value["status"][0] == "interrupted"


def test_a_dead_run_is_told_once_and_not_watched(broken: Path, page: Page) -> None:
    app = page("leaderboard", broken)
    (shown,) = [d.value for d in app.dataframe if "progress" in d.value.columns]
    assert (shown["state"] == "stopped").all() and shown["details"].str.startswith("stopped: its process is gone").all()
    assert (shown["progress"] < 1).all() and (shown["samples/s"].isna()).all()


def test_details_are_of_those_that_do_not_just_go_on() -> None:
    from streamlit.testing.v1 import AppTest

    def table(*states: str) -> None:
        import pandas as pd

        from evalsuite.leaderboard.running import live_table

        row = dict.fromkeys(("name", "task", "samples", "run"), "x") | dict.fromkeys(("errors", "tokens"), 0)
        numbers = dict.fromkeys(("progress", "value", "low", "high", "rate", "token_rate", "left"), 0.5)
        live_table(pd.DataFrame([{**row, **numbers, "alive": s.startswith("alive"), "state": s} for s in states]))

    alive, stopped = "alive (process 7), last line 2 s ago", "stopped: its process is gone"
    assert "details" not in AppTest.from_function(table, args=(alive, alive)).run().dataframe[0].value
    assert AppTest.from_function(table, args=(alive, stopped)).run().dataframe[0].value["details"].tolist() == ["", stopped]
