"""Scalars of TensorBoard's event files, read without TensorBoard.

A file is TFRecords (length, its masked CRC-32C, data, its masked CRC-32C; tensorflow/core/lib/io/record_writer.h), each an
`Event` in protobuf's wire format (tensorboard/compat/proto/event.proto, summary.proto, tensor.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError

_HEAD, _FOOT = struct.Struct("<QI"), struct.Struct("<I")
_MOST = 1 << 30  # bytes of a record
_CHECKED = 1 << 16  # bytes above which a record without scalars is passed over unchecked: images, histograms
_WIDTH = {0: None, 1: 8, 2: None, 5: 4}  # wire types
# DataType -> struct's format, and the field of TensorProto that holds values outside `tensor_content`
_NUMBERS = {1: ("<f", 5), 2: ("<d", 6), 3: ("<i", 7), 9: ("<q", 10)}


def _table() -> list[int]:
    """CRC-32C (Castagnoli), byte by byte."""
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC = _table()


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of one tag; `wall` is seconds since 1970."""

    step: int
    wall: float
    tag: str
    value: float


def masked_crc(data: bytes) -> int:
    """The checksum as TFRecords store it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_scalars(path: Path, notes: list[str]) -> Iterator[Scalar]:
    """The scalars of a file in order. At a record that is cut off or damaged reading ends, and `notes` gains a line that says so.

    Histograms, images, texts and hyperparameters are passed over. Raises UsageError for a file that cannot be read.
    """
    try:
        with open(path, "rb") as file:
            while head := file.read(_HEAD.size):
                at = file.tell() - len(head)
                if len(head) < _HEAD.size:
                    notes.append(f"{path.name} is cut off at byte {at}: its last record was being written")
                    return
                length, crc = _HEAD.unpack(head)
                if masked_crc(head[:8]) != crc or length > _MOST:
                    notes.append(f"{path.name} is damaged at byte {at}: what follows is left out")
                    return
                data, foot = file.read(length), file.read(_FOOT.size)
                if len(data) < length or len(foot) < _FOOT.size:
                    notes.append(f"{path.name} is cut off at byte {at}: its last record was being written")
                    return
                try:
                    found = _scalars(data)
                    checked = found or length <= _CHECKED
                    damaged = bool(checked) and masked_crc(data) != _FOOT.unpack(foot)[0]
                except (ValueError, IndexError, TypeError, AttributeError, struct.error):
                    damaged = True
                if damaged:
                    notes.append(f"{path.name} is damaged at byte {at}: what follows is left out")
                    return
                yield from found
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _scalars(event: bytes) -> list[Scalar]:
    wall, step, summary = 0.0, 0, None
    for field, value in _fields(event):
        if field == 1:
            wall = struct.unpack("<d", value)[0]
        elif field == 2:
            step = value - (1 << 64) if value >> 63 else value
        elif field == 5:
            summary = value
    out = []
    for field, item in _fields(summary or b""):
        if field == 1:
            of = dict(_fields(item))
            number = (
                struct.unpack("<f", of[2])[0] if 2 in of else _tensor(of[8]) if 8 in of and _is_scalar(of.get(9, b"")) else None
            )
            if number is not None:
                out.append(Scalar(step, wall, of[1].decode("utf-8", "replace"), float(number)))
    return out


def _is_scalar(metadata: bytes) -> bool:
    """Whether the plugin is the one for scalars, or not named."""
    plugin = dict(_fields(dict(_fields(metadata)).get(1, b""))).get(1, b"")
    return plugin in (b"", b"scalars")


def _tensor(proto: bytes) -> float | int | None:
    """The value of a tensor with one number in it; None for any other."""
    of = dict(_fields(proto))
    sizes = [dict(_fields(dim)).get(1, 0) for field, dim in _fields(of.get(2, b"")) if field == 2]
    if of.get(1) not in _NUMBERS or any(size != 1 for size in sizes):
        return None
    form, field = _NUMBERS[of[1]]
    content = of.get(4) or of.get(field, 0)
    if isinstance(content, int):  # one integer that is not packed; absent means zero
        return content - (1 << 64) if content >> 63 else content
    if form in ("<i", "<q") and 4 not in of:
        number, _ = _varint(content, 0)
        return number - (1 << 64) if number >> 63 else number
    number = struct.unpack(form, content)[0]
    return number if isinstance(number, int | float) else None


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field: an int, or bytes. Raises ValueError, IndexError or struct.error for what is no message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire not in _WIDTH:
            raise ValueError(f"wire type {wire}")
        if wire == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        width = _WIDTH[wire]
        if width is None:
            width, at = _varint(data, at)
        if at + width > len(data):
            raise ValueError("a field that is cut off")
        yield key >> 3, data[at : at + width]
        at += width


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
