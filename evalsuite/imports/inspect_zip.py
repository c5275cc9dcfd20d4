"""Reads inspect's logs without inspect: `.eval` files are zips of JSON, compressed with deflate or zstd; `.json` logs are one object.

An `.eval` file has `header.json` (or, of a run that never ended, `_journal/start.json`) and for each sample either
`samples/<id>_epoch_<n>.json` or, where samples are huge, a folder of that name with `sample.json` and chunks of messages and
attachments (inspect_ai/log/_recorders/eval.py, chunked/format.py; log versions 1 and 2).
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.runlog.log import decode

_SAMPLE = re.compile(r"samples/(.*)_epoch_(\d+)(\.json|/sample\.json)", re.DOTALL)
_ZSTD = 93  # APPNOTE 4.4.5
_LOCAL = struct.Struct("<26xHH")  # of a local header: lengths of name and extra field, which the directory has differently
_MOST = 1 << 28  # bytes of one entry; inspect writes larger samples in chunks


class EvalFile:
    """An `.eval` file. Raises UsageError, naming the file, for one that is cut off or damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115  # closed by __exit__
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
        try:
            self._entries = {info.filename: info for info in zipfile.ZipFile(self._file).infolist()}
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            self._file.close()
            raise UsageError(f"{path}: not a whole .eval file ({error}); `inspect log recover` may bring it back") from None

    def __enter__(self) -> EvalFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def header(self) -> dict[str, Any]:
        """Everything but the samples; of a log that was never finished what is known from its start."""
        if "header.json" in self._entries:
            return self.read("header.json")
        if "_journal/start.json" in self._entries:
            return {"status": "started", **self.read("_journal/start.json")}
        raise UsageError(f"{self.path}: a zip file without header.json: no log of inspect")

    def samples(self) -> list[tuple[str, int, str]]:
        """(id, epoch, entry) of each sample, in the file's order; the last one where one was written again."""
        found = {}
        for name in self._entries:
            if match := _SAMPLE.fullmatch(name):
                found[match[1], int(match[2])] = name
        return [(id, epoch, name) for (id, epoch), name in found.items()]

    def sample(self, name: str) -> dict[str, Any]:
        """One sample, its messages and attachments in place."""
        sample = self.read(name)
        if not name.endswith("/sample.json"):
            return sample
        folder = name.removesuffix("sample.json")
        pool = self._chunks(f"{folder}messages/")
        sample["messages"] = [m for first, end in sample.get("message_refs", ()) for m in pool[first:end]]
        sample["attachments"] = {str(i): text for i, text in enumerate(self._chunks(f"{folder}attachments/"))}
        if f"{folder}metadata.json" in self._entries:
            sample["metadata"] = self.read(f"{folder}metadata.json")
        return sample

    def _chunks(self, folder: str) -> list[Any]:
        starts = sorted(
            int(match[1])
            for name in self._entries
            if name.startswith(folder) and (match := re.fullmatch(r"([0-9]+)\.json", name[len(folder) :]))
        )
        return [item for start in starts for item in self._json(f"{folder}{start}.json", list)]

    def read(self, name: str) -> dict[str, Any]:
        """An entry that holds an object."""
        found: dict[str, Any] = self._json(name, dict)
        return found

    def _json(self, name: str, kind: type) -> Any:
        content = self._bytes(self._entries[name])
        try:
            value = decode(content) if kind is dict else decode(b'{"list":' + content + b"}")["list"]
        except ValueError as error:
            raise UsageError(f"{self.path}: {name} is not valid JSON: {error}") from None
        if not isinstance(value, kind):
            raise UsageError(f"{self.path}: {name} holds no {kind.__name__}")
        return value

    def _bytes(self, info: zipfile.ZipInfo) -> bytes:
        import pyarrow as pa

        try:
            self._file.seek(info.header_offset)
            self._file.seek(sum(_LOCAL.unpack(self._file.read(_LOCAL.size))), 1)
            packed = self._file.read(info.compress_size)
            if info.file_size > _MOST:
                raise ValueError(f"it is larger than {_MOST} bytes")
            if info.compress_type == zipfile.ZIP_STORED:
                content = packed
            elif info.compress_type == zipfile.ZIP_DEFLATED:
                content = zlib.decompressobj(-15).decompress(packed, info.file_size + 1)
            elif info.compress_type == _ZSTD:
                content = pa.decompress(packed, decompressed_size=info.file_size, codec="zstd", asbytes=True)
            else:
                raise ValueError(f"compressed by method {info.compress_type}, which is none of inspect's")
            if len(content) != info.file_size:
                raise ValueError(f"it is not of the {info.file_size} bytes that the directory says")
            if zlib.crc32(content) != info.CRC:
                raise ValueError("its checksum is another")
        except (OSError, ValueError, struct.error, zlib.error) as error:
            raise UsageError(f"{self.path}: {info.filename} is damaged: {error}") from None
        return content


def resolved(value: Any, attachments: Mapping[str, str]) -> Any:
    """`value` with texts in place of references to attachments."""
    if isinstance(value, str):
        scheme, found, name = value.partition("://")
        return attachments.get(name, value) if found and scheme in ("attachment", "tc") else value
    if isinstance(value, Mapping):
        return {k: resolved(v, attachments) for k, v in value.items()}
    return [resolved(v, attachments) for v in value] if isinstance(value, list) else value


def json_log(path: Path) -> dict[str, Any]:
    """A log in one JSON file. Raises UsageError for what is damaged."""
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}; the file is damaged or cut off") from None


def is_json_log(path: Path) -> bool:
    """Whether the file begins like a log; what follows is not looked at."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return re.match(rb'\s*\{\s*"version"\s*:\s*\d+\s*,\s*"status"\s*:.*?"eval"\s*:\s*\{', head, re.DOTALL) is not None


def grouped(samples: list[tuple[str, int, str]], order: Iterable[Any]) -> list[list[str]]:
    """Entries of each question's epochs, questions in `order` (ids), then as they come."""
    by_id: dict[str, list[tuple[int, str]]] = {str(id): [] for id in order}
    for id, epoch, name in samples:
        by_id.setdefault(id, []).append((epoch, name))
    return [[name for _, name in sorted(of)] for of in by_id.values() if of]
