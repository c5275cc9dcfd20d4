"""The append-only JSONL log: one writer per file, a line is real only when it ends in a newline.

Measured alternatives (SQLite, DuckDB, Parquet, Arrow IPC) lose rows, lock readers out or are unreadable after SIGKILL;
foreign JSONL readers turn a torn last line into a phantom row. So appending and reading are ours.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import IncompleteError, UsageError

SCHEMA = 1
_SYNC_SECONDS = 1.0


def encode(row: Mapping[str, Any]) -> bytes:
    """One line. Lone surrogates, which UTF-8 cannot carry, are written as JSON escapes."""
    import orjson

    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        return json.dumps(row, ensure_ascii=True).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Inverse of `encode`. Raises ValueError for anything but one JSON object."""
    import orjson

    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"a log line holds {type(row).__name__}, not an object")
    return row


class LogWriter:
    """Appends whole lines to one file.

    Lines reach the kernel before `append` returns, so `kill -9` loses none; they are forced to disk once a second and at
    `close`, so a power cut loses at most a second. A full disk raises IncompleteError and leaves no torn line.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_torn_tail(path)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._synced = time.monotonic()
        if os.fstat(self._file).st_size == 0:
            self.append([{"schema": SCHEMA, **header}])

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write these rows, or none of them. Raises IncompleteError when the disk takes no more."""
        block = b"".join(map(encode, rows))
        end = os.fstat(self._file).st_size
        written = 0
        try:
            while written < len(block):
                written += os.write(self._file, block[written:])
        except OSError as error:
            os.ftruncate(self._file, end)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise IncompleteError(
                f"cannot write {self.path}: {error.strerror}. Every line before this one is safe; "
                "free some space and run the same command again to go on"
            ) from None
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file)
            self._synced = time.monotonic()

    def close(self) -> None:
        """Force everything to disk and release the file."""
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1


def cut_torn_tail(path: Path) -> int:
    """Remove what follows the last newline of `path` (a write that was cut short). Returns the bytes removed."""
    if not path.exists():
        return 0
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end, step = size, 1 << 16
        while end > 0:
            start = max(0, end - step)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)
    return size - end


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line of a log file, header included; an unfinished last line is left out. `.gz` is decompressed.

    Raises UsageError, naming file and line, where a whole line is not a JSON object, and naming the file where a gzipped one
    is cut off or damaged: it was written in one piece, so nothing of it is to be trusted.
    """
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decode(line)
            except ValueError as error:
                raise UsageError(f"{path}:{number}: not a log line ({error}). The file was edited or damaged") from None


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a file as bytes."""
    if path.suffix != ".gz":
        with open(path, "rb") as file:
            yield file
        return
    with gzip.open(path, "rb") as packed:
        yield _unpacked(packed, path)


def _unpacked(file: gzip.GzipFile, path: Path) -> Iterator[bytes]:
    line = b""
    try:
        for line in file:
            if not line.endswith(b"\n"):
                break
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path} cannot be decompressed ({error}): it is cut off or damaged; restore it") from None
    if not line.endswith(b"\n"):  # gzip reads an empty file as empty contents
        raise UsageError(f"{path} is empty or cut off; restore it")
