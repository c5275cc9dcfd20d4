"""Timeouts of programs that got no CPU: tried once more in the same run, alone, and never twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

import evalsuite
from evalsuite import Prompt, Sampling, Score, Task, Verifier, ask
from evalsuite.rescore import score_rows
from evalsuite.runlog import RunDir, read_rows
from evalsuite.runlog.compact import last_rows

STARVED = Score(0.0, "timeout", parts={"starved": 1.0, "cpu_seconds": 0.1})


@dataclass(frozen=True)
class Starving(Verifier):
    """Does what the answer says; `diary` gets a line when a verification begins and one when it ends."""

    name = "starving"
    diary: str
    keyed: bool = False

    def key(self, sample, completion):
        return completion.text if self.keyed else None

    def verify(self, sample, completion):
        order = completion.text.split()[0]
        seen = self._write("begin", completion.text)
        time.sleep(0.02)
        score = getattr(self, order)(seen)
        self._write("end", completion.text)
        return score

    def _write(self, what, text):
        """Returns how often the same was written before."""
        with open(self.diary, "a+") as file:
            file.seek(0)
            before = file.read().splitlines().count(f"{what} {text}")
            file.write(f"{what} {text}\n")
        return before

    def fine(self, seen):
        return Score(1.0)

    def slow(self, seen):
        return Score(0.0, "timeout", parts={"starved": 0.0})  # had its CPU time

    def once(self, seen):
        return Score(1.0, parts={"passed": 1.0}) if seen else STARVED

    def always(self, seen):
        return STARVED

    def bug(self, seen):
        if seen == 1:
            raise RuntimeError("boom")
        return Score(1.0) if seen else STARVED

    def stuck(self, seen):
        if seen == 1:
            time.sleep(3600)
        return Score(1.0) if seen else STARVED


@pytest.fixture
def go(tmp_path):
    def run(*orders, repeats=1, keyed=False, **options):
        verifier = Starving(str(tmp_path / "diary"), keyed)
        task = Task(
            name="toy",
            samples=tuple(ask(f"question {i}", id=f"q{i}", target=order) for i, order in enumerate(orders)),
            prompt=Prompt(name="bare"),
            verifier=verifier,
            sampling=Sampling(repeats=repeats),
        )
        return evalsuite.run("scripted:oracle", task, output=tmp_path / "runs", **options)

    return run


@pytest.fixture
def diary(tmp_path):
    """What was verified, in the order in which it began."""
    (tmp_path / "diary").touch()
    return lambda: [line[6:] for line in (tmp_path / "diary").read_text().splitlines() if line.startswith("begin ")]


def scores(result):
    """Last logged Score by sample id, and how many rows each has."""
    run = RunDir(Path(result.path))
    rows = Counter(row["id"] for row in read_rows(result.path, "toy"))
    return {row["id"]: Score.from_dict(row["score"]) for row in last_rows(run, "toy")}, rows


def test_a_starved_timeout_is_tried_again_alone_and_a_timeout_is_not(go, tmp_path, capsys):
    result = go("once 0", "slow 1", "fine 2", "once 3", *(f"fine {i}" for i in range(4, 40)))
    last, rows = scores(result)
    assert {q: n for q, n in rows.items() if n > 1} == {"q0": 2, "q3": 2}
    assert (last["q0"].value, last["q0"].parts) == (1.0, {"passed": 1.0, "retried": 1.0})
    assert (last["q1"].outcome, last["q1"].parts) == ("timeout", {"starved": 0.0})
    assert result.tasks["toy"].metrics["avg"].value == 39 / 40 and result.tasks["toy"].timeouts == 1 / 40
    assert "2 starved timeouts tried again, alone\n" in capsys.readouterr().err
    assert (tmp_path / "diary").read_text().splitlines()[-4:] == ["begin once 0", "end once 0", "begin once 3", "end once 3"]


def test_the_tables_hold_the_second_try(go):
    import pyarrow.parquet as pq

    result = go("once 0", "always 1")
    rows = {r["id"]: r for r in pq.read_table(f"{result.path}/samples/toy.parquet").to_pylist()}
    assert {q: (r["value"], r["outcome"], dict(r["parts"])["retried"]) for q, r in rows.items()} == {
        "q0": (1.0, "ok", 1.0),
        "q1": (0.0, "timeout", 1.0),
    }
    questions = {q["id"]: q for q in pq.read_table(f"{result.path}/questions/toy.parquet").to_pylist()}
    assert [(questions[q]["n"], questions[q]["c"]) for q in ("q0", "q1")] == [(1, 1), (1, 0)]


def test_starved_twice_is_a_timeout_for_good(go, diary, capsys):
    first, again = go("always 0", "fine 1"), go("always 0", "fine 1")
    assert (first.exit_code, first.table()) == (0, again.table())
    assert Counter(diary()) == {"always 0": 2, "fine 1": 1}
    last, rows = scores(again)
    assert last["q0"].parts == {"starved": 1.0, "cpu_seconds": 0.1, "retried": 1.0} and rows == {"q0": 2, "q1": 1}
    assert capsys.readouterr().err.count("1 starved timeout tried again, alone\n") == 1


def test_more_samples_do_not_bring_old_ones_back(go, diary):
    go("always 0")
    result = go("always 0", repeats=2)
    assert len(diary()) == 4  # two tries each
    assert result.tasks["toy"].timeouts == 1.0


def test_a_remembered_answer_is_no_second_try(go, diary):
    result = go("once 0", "always 1", "slow 2", repeats=3, keyed=True)
    found = Counter(diary())
    assert found["always 1"] == 6 and found["once 0"] >= 2
    last, _ = scores(result)
    assert (last["q0"].value, last["q1"].value) == (1.0, 0.0)


def test_our_failure_on_the_second_try_is_missing_and_tried_by_the_next_run(go, diary):
    broken = go("bug 0", "fine 1")
    assert broken.exit_code == 3 and "boom" in broken.tasks["toy"].first_errors[0]
    assert go("bug 0", "fine 1").tasks["toy"].metrics["avg"].value == 1.0
    assert Counter(diary()) == {"bug 0": 3, "fine 1": 1}


def test_ctrl_c_in_between_loses_nothing(go, diary):
    def interrupt():
        while diary().count("stuck 1") < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    orders = ("once 0", "stuck 1", "once 2", "fine 3")
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        go(*orders)
    assert Counter(diary()) == {"once 0": 2, "stuck 1": 2, "once 2": 1, "fine 3": 1}
    result = go(*orders)
    assert result.exit_code == 0 and result.tasks["toy"].metrics["avg"].value == 1.0
    assert Counter(diary()) == {"once 0": 2, "stuck 1": 3, "once 2": 2, "fine 3": 1}
    last, rows = scores(result)
    assert rows == {"q0": 2, "q1": 2, "q2": 2, "q3": 1}
    assert [q for q, s in last.items() if s.parts.get("retried")] == ["q0", "q1", "q2"]


def test_score_never_tries_again(tmp_path, diary, monkeypatch):
    monkeypatch.setattr("evalsuite.rescore.make", lambda name: Starving(str(tmp_path / "diary")))
    (tmp_path / "rows.jsonl").write_text('{"target": "x", "completions": ["once 0"]}\n')
    result, _ = score_rows(tmp_path / "rows.jsonl", "starving")
    assert result.tasks["rows.jsonl"].timeouts == 1.0 and diary() == ["once 0"]
