"""What is past a checkpoint is cut from a log, in place and without reading it into memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from evalsuite.errors import UsageError
from evalsuite.trainers.journal import SAMPLES, SCALARS, Journal, _cut, read_scalars

HEAD = b'{"schema":1,"kind":"train"}\n'


def lines(*steps: int) -> bytes:
    return b"".join(b'{"step":%d,"text":"\xc3\xa9"}\n' % step for step in steps)


@pytest.mark.parametrize(
    ("steps", "tail", "step", "left"),
    [
        ((1, 1, 2, 3, 3), b"", 2, (1, 1, 2)),
        ((1, 2, 3), b'{"step":4,"te', 3, (1, 2, 3)),
        ((1, 2, 3), b'{"step":4,"te', 1, (1,)),
        ((1, 3), b"", 0, ()),
        ((1, 2), b"", 9, (1, 2)),
        ((), b"", 0, ()),
    ],
)
def test_lines_of_later_steps(tmp_path: Path, steps: tuple[int, ...], tail: bytes, step: int, left: tuple[int, ...]) -> None:
    path = tmp_path / SAMPLES
    path.write_bytes(HEAD + lines(*steps) + tail)
    inode = path.stat().st_ino
    _cut(path, step)
    kept = path.read_bytes()
    assert kept.removesuffix(tail) == HEAD + lines(*left) and path.stat().st_ino == inode
    Journal(tmp_path, step).close()
    assert path.read_bytes() == HEAD + lines(*left)  # and what was cut short goes with the writer
    assert read_scalars(tmp_path) == []


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / SCALARS
    path.write_bytes(HEAD + b"oops\n" + lines(2))
    with pytest.raises(UsageError, match=r"train\.jsonl:2: not a log line"):
        _cut(path, 1)
    assert path.read_bytes() == HEAD + b"oops\n" + lines(2)


def test_a_large_log_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / SAMPLES
    line = b'{"step":%d,"text":"' + b"x" * 4000 + b'"}\n'
    with path.open("wb") as file:
        file.writelines(line % (i // 100) for i in range(5000))
    tracemalloc.start()
    _cut(path, 39)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size == sum(len(line % (i // 100)) for i in range(4000)) and peak < 1 << 20
