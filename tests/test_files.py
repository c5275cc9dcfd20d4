"""Writing files: whole or not at all, and never over a device."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from evalsuite.errors import UsageError
from evalsuite.files import write_atomically


def test_a_file_is_replaced_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    for data in (b"one", b"two"):
        write_atomically(path, data)
        assert path.read_bytes() == data
    assert os.listdir(path.parent) == ["b.json"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    link, path = tmp_path / "link", tmp_path / "file"
    path.write_bytes(b"old")
    link.symlink_to(path)
    write_atomically(link, b"new")
    assert link.is_symlink() and path.read_bytes() == b"new"


def test_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    write_atomically(Path("/dev/null"), b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    if Path("/dev/full").exists():
        with pytest.raises(UsageError, match=r"/dev/full: cannot be written: No space left"):
            write_atomically(Path("/dev/full"), b"x")
        assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, reason in (
        (tmp_path, "Is a directory"),
        (Path("/"), "Is a directory"),
        (tmp_path / "file" / "x", "Not a directory|File exists"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(UsageError, match=f"cannot be written: ({reason})"):
            write_atomically(path, b"x")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="new: cannot be written: No space left"):
        write_atomically(tmp_path / "new", b"x")
    assert os.listdir(tmp_path) == ["file"]
