"""The append-only log and the run directory: torn tails, full disks, two writers, damaged files."""

from __future__ import annotations

import errno
import gzip
import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import IncompleteError, UsageError
from evalsuite.runlog import LogWriter, RunDir, cut_torn_tail, read_lines, slug
from evalsuite.runlog.log import decode, encode


def test_rows_come_back(tmp_path):
    writer = LogWriter(tmp_path / "a.jsonl", {"task": "t"})
    writer.append([{"id": "1", "i": 0}, {"id": "1", "i": 1}])
    writer.close()
    again = LogWriter(tmp_path / "a.jsonl", {"task": "t"})
    again.append([{"id": "2", "i": 0}])
    again.close()
    header, *rows = read_lines(tmp_path / "a.jsonl")
    assert header == {"schema": 1, "task": "t"}
    assert [(r["id"], r["i"]) for r in rows] == [("1", 0), ("1", 1), ("2", 0)]


@given(st.dictionaries(st.text(), st.text(st.characters()) | st.none() | st.integers(-9, 9) | st.floats(0, 1)))
def test_any_text_survives(row):
    line = encode(row)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode(line) == row


def test_every_torn_tail_is_cut_to_whole_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    writer = LogWriter(path, {"task": "t"})
    writer.append([{"id": str(i), "text": "x" * i} for i in range(5)])
    writer.close()
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        lines = whole[:size].count(b"\n")
        assert len(list(read_lines(path))) == lines  # a reader sees whole lines only
        assert cut_torn_tail(path) == size - len(b"".join(whole.splitlines(keepends=True)[:lines]))
        writer = LogWriter(path, {"task": "t"})
        writer.append([{"id": "new"}])
        writer.close()
        rows = list(read_lines(path))
        assert rows[0]["task"] == "t" and rows[-1] == {"id": "new"} and len(rows) == max(lines, 1) + 1


def test_torn_tail_longer_than_the_search_window(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":1}\n' + b"x" * 200_000)
    assert cut_torn_tail(path) == 200_000
    assert path.read_bytes() == b'{"a":1}\n'


def test_damaged_line_names_file_and_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"schema":1}\nnot json\n{"a":1}\n')
    with pytest.raises(UsageError, match=r"a\.jsonl:2"):
        list(read_lines(path))


def test_full_disk_leaves_whole_lines_and_says_so(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    writer = LogWriter(path, {"task": "t"})
    writer.append([{"id": "safe"}])
    real = os.write

    def full(file, data):
        if len(data) > 10:
            return real(file, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(IncompleteError, match=r"No space left.*free some space"):
        writer.append([{"id": "lost", "text": "12345"}])
    monkeypatch.setattr(os, "write", real)
    assert [r.get("id") for r in read_lines(path)] == [None, "safe"]
    writer.append([{"id": "later"}])
    writer.close()
    assert [r.get("id") for r in read_lines(path)] == [None, "safe", "later"]


def test_killed_writer_loses_no_acknowledged_line(tmp_path):
    code = """
import sys
from pathlib import Path
from evalsuite.runlog import LogWriter
writer = LogWriter(Path(sys.argv[1]), {"task": "t"})
i = 0
while True:
    writer.append([{"i": i, "text": "y" * 500}])
    print(i, flush=True)
    i += 1
"""
    path = tmp_path / "a.jsonl"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    acknowledged = [int(child.stdout.readline()) for _ in range(200)][-1]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    last = int(rest[-1]) if rest else acknowledged
    assert [r["i"] for r in list(read_lines(path))[1:]][: last + 1] == list(range(last + 1))


def test_two_processes_cannot_write_one_run(tmp_path):
    run = RunDir(tmp_path / "r")
    run.lock()
    code = f"from pathlib import Path; from evalsuite.runlog import RunDir; RunDir(Path({str(tmp_path / 'r')!r})).lock()"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode and f"is being written by process {os.getpid()}" in out.stderr
    run.unlock()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_manifest_is_replaced_whole(tmp_path):
    run = RunDir(tmp_path / "r")
    assert run.manifest() == {}
    run.write_manifest({"status": "running"})
    run.write_manifest({"status": "done", "tasks": {"a": {}, "b": {}}})
    assert run.manifest()["status"] == "done" and run.tasks() == ["a", "b"]
    assert [p.name for p in (tmp_path / "r").iterdir()] == ["run.json"]
    (tmp_path / "r" / "run.json").write_text('{"status": ')
    with pytest.raises(UsageError, match="is damaged"):
        run.manifest()


def test_run_is_found_by_path_id_and_prefix(tmp_path):
    for name in ("abc-1", "abd-2"):
        RunDir(tmp_path / name).write_manifest({"run_id": name})
    assert RunDir.find(tmp_path / "abc-1", tmp_path).path.name == "abc-1"
    assert RunDir.find("abd", tmp_path).path.name == "abd-2"
    with pytest.raises(UsageError, match="several runs: abc-1, abd-2"):
        RunDir.find("ab", tmp_path)
    with pytest.raises(UsageError, match="no run 'x'"):
        RunDir.find("x", tmp_path)


@given(st.text(min_size=1), st.text(min_size=1))
def test_slugs_do_not_meet(a, b):
    assert (slug(a) == slug(b)) == (a == b)
    assert "/" not in slug(a) and slug(a) not in ("", ".", "..")


def test_task_rows_are_kept_apart(tmp_path):
    run = RunDir(tmp_path / "r")
    for task in ("a:b", "a-b", "a/b"):
        writer = run.writer(task)
        writer.append([{"id": task, "i": 0}])
        writer.close()
    assert [r["id"] for r in run.rows("a:b")] == ["a:b"]
    assert [r["id"] for r in run.rows("a-b")] == ["a-b"]
    assert json.dumps(list(run.rows("a"))) == "[]"


def packed(rows):
    return gzip.compress(b"".join(json.dumps(r).encode() + b"\n" for r in rows), mtime=0)


def test_gzipped_logs_are_read_beside_plain_ones(tmp_path):
    run = RunDir(tmp_path / "r")
    (run.path / "log").mkdir(parents=True)
    (run.path / "log" / "t.0.jsonl.gz").write_bytes(
        packed([{"schema": 1, "task": "t"}, {"id": "a", "i": 0, "text": "é\ud800"}])
    )
    (run.path / "log" / "t2.0.jsonl.gz").write_bytes(packed([{"schema": 1, "task": "t2"}, {"id": "other"}]))
    assert list(run.rows("t")) == [{"id": "a", "i": 0, "text": "é\ud800"}]
    writer = run.writer("t", "1")
    writer.append([{"id": "b", "i": 0}])
    writer.close()
    assert [r["id"] for r in run.rows("t")] == ["a", "b"]


def test_a_gzipped_log_that_is_cut_off_or_damaged_is_named(tmp_path):
    path = tmp_path / "t.0.jsonl.gz"
    whole = packed([{"task": "t"}, *({"id": str(i), "text": "x" * i} for i in range(50))])
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(UsageError, match=r"t\.0\.jsonl\.gz .*restore it"):
            list(read_lines(path))
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            assert len(list(read_lines(path))) == 51  # a byte of the header that says nothing, such as the time
        except UsageError as error:
            assert "t.0.jsonl.gz" in str(error)
    for contents in (b"version https://git-lfs.github.com/spec/v1\n", gzip.compress(b'{"task": "t"}\n{"id": "a"}')):
        path.write_bytes(contents)
        with pytest.raises(UsageError, match="restore it"):
            list(read_lines(path))
    path.write_bytes(gzip.compress(b'{"task": "t"}\nnot json\n'))
    with pytest.raises(UsageError, match=r"jsonl\.gz:2"):
        list(read_lines(path))
