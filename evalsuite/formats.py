"""Reads a data file into records: JSON in its three shapes, JSONL, TSV and CSV, each plain or gzipped, and Parquet."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from evalsuite.errors import UsageError

SUFFIXES = (".jsonl", ".json", ".tsv", ".csv", ".jsonl.gz", ".json.gz", ".tsv.gz", ".csv.gz", ".parquet")
KEY = "_key"  # where a dict of records keeps its keys
_BOM = b"\xef\xbb\xbf"
_HEAD = 1 << 16


def is_data_file(path: str | Path) -> bool:
    """Whether the name ends like a file that `read_records` can read."""
    return str(path).lower().endswith(SUFFIXES)


def read_records(path: str | Path) -> Iterator[dict[str, Any]]:
    """The records of one file, in order, read as they are asked for.

    What the file is follows from its content, and from its suffix only for `.tsv` and `.csv`: Parquet and gzip by their
    magic bytes; JSON lines; a JSON array of objects; a JSON object of objects (each record gains its key as `_key`); an
    object with exactly one list of objects in it (that list); any other single object (one record). A `.json` file that
    holds JSON lines is read as such. A byte order mark is dropped.

    Raises UsageError, naming the file and where possible the line, for a file that is missing, unreadable, empty, cut
    off, not UTF-8, or malformed.
    """
    path = Path(path)
    with _named(path), open(path, "rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic == b"PAR1":
            yield from _parquet(path)
            return
        name = path.name.lower()
        if magic[:2] == b"\x1f\x8b":
            name = name.removesuffix(".gz")
            file: IO[bytes] = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]  # reads as IO[bytes] does
        else:
            file = raw
        if name.endswith((".tsv", ".csv")):
            yield from _table(path, file, "\t" if name.endswith(".tsv") else ",")
        else:
            yield from _json(path, io.BufferedReader(file, _HEAD), name.endswith(".jsonl"))  # type: ignore[arg-type]


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turns what reading can raise into a UsageError that names the file."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{path}: the gzip stream is damaged or cut off ({error}); fetch the file again") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start}: {error.reason}); convert it to UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _json(path: Path, file: io.BufferedReader, lines: bool) -> Iterator[dict[str, Any]]:
    """JSON lines, or one JSON document; `lines` says that the suffix promises the former, which is then read lazily."""
    start = file.peek(_HEAD).removeprefix(_BOM).lstrip()[:1]
    if lines and start == b"{":
        yield from _lines(path, file)
        return
    data = file.read().removeprefix(_BOM)
    start = data.lstrip()[:1]
    if not start:
        raise UsageError(f"{path}: the file is empty")
    if start not in b"{[":
        raise UsageError(f"{path}: starts with {data[:20]!r}, which is no JSON; known formats: {', '.join(SUFFIXES)}")
    if start == b"{" and (lines or _first_line_is_whole(data.lstrip())):
        yield from _lines(path, io.BytesIO(data))
    else:
        yield from _document(path, data)


def _first_line_is_whole(data: bytes) -> bool:
    """Whether the first line is a JSON object by itself and another line follows: JSON lines despite the name."""
    line, _, rest = data.partition(b"\n")
    if not rest.strip():
        return False
    try:
        return isinstance(_loads(line), dict)
    except ValueError:
        return False


def _lines(path: Path, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        line = line.removeprefix(_BOM) if number == 1 else line
        if not line.strip():
            continue
        try:
            record = _loads(line)
        except ValueError as error:
            tail = "" if line.endswith(b"\n") else " (the last line has no newline: the file may be cut off)"
            raise UsageError(f"{path}:{number}: not valid JSON: {error}{tail}") from None
        if not isinstance(record, dict):
            raise UsageError(f"{path}:{number}: expected one JSON object per line, found {type(record).__name__}")
        yield record


def _document(path: Path, data: bytes) -> Iterator[dict[str, Any]]:
    try:
        value = _loads(data)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise UsageError(f"{path}{f':{line}' if line else ''}: not valid JSON: {error}") from None
    if isinstance(value, dict):
        lists = [v for v in value.values() if isinstance(v, list) and v and all(isinstance(r, dict) for r in v)]
        if value and all(isinstance(v, dict) for v in value.values()):
            yield from ({KEY: key, **record} for key, record in value.items())
            return
        value = lists[0] if len(lists) == 1 else [value]
    for number, record in enumerate(value):
        if not isinstance(record, Mapping):
            raise UsageError(f"{path}: entry {number} of the array is {type(record).__name__}, expected an object")
        yield dict(record)


def _loads(data: bytes) -> Any:
    """One JSON text, by the standard library: orjson would round integers beyond 64 bits, and an answer may be one."""
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _table(path: Path, file: IO[bytes], delimiter: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # base64 images exceed the default of 128 KiB
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise UsageError(f"{path}: the file is empty")
        if len(set(header)) < len(header):
            raise UsageError(f"{path}:1: two columns have the same name: {', '.join(header)}")
        for row in reader:
            if len(row) != len(header):
                if not row:
                    continue
                raise UsageError(f"{path}:{reader.line_num}: {len(row)} fields where the header has {len(header)}")
            yield dict(zip(header, row))
    except csv.Error as error:
        raise UsageError(f"{path}:{reader.line_num}: {error}") from None


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(os.fspath(path)) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise UsageError(f"{path}: not a readable Parquet file: {error}") from None
