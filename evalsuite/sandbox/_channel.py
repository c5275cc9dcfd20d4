"""Messages over a stream socket: their length, then JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from evalsuite.sandbox._codec import Broken, NotPlain

LARGEST = 64 << 20  # bytes of one message
_dumps = json.JSONEncoder(separators=(",", ":")).encode
_loads = json.JSONDecoder().decode
_HEADER = struct.Struct("!I")


def frame(message: Any) -> bytes:
    """One message with its length before it. Raises NotPlain where it is too large."""
    data = _dumps(message).encode()
    if len(data) > LARGEST:
        raise NotPlain(f"{len(data)} bytes")
    return _HEADER.pack(len(data)) + data


NOTHING = object()


class Channel:
    """Messages over a stream socket, one at a time."""

    def __init__(self, fd: int, read: Callable[[int, int], bytes], write: Callable[[int, bytes], int]) -> None:
        self.fd, self._read, self._write = fd, read, write
        self._buffer = bytearray()

    def send(self, message: Any) -> None:
        """Raises OSError where the other end is gone."""
        view = memoryview(frame(message))
        while view:
            view = view[self._write(self.fd, view) :]  # type: ignore[arg-type]

    def receive(self) -> Any:
        """The next message. Raises EOFError where the other end is gone, Broken where it is none."""
        while (message := self.take()) is NOTHING:
            self.feed()
        return message

    def feed(self) -> None:
        """Read what has arrived, waiting for it. Raises EOFError."""
        data = self._read(self.fd, 1 << 16 if len(self._buffer) < 1 << 16 else 1 << 20)
        if not data:
            raise EOFError("the other end is gone")
        self._buffer += data

    def take(self) -> Any:
        """A message that has arrived whole, else `NOTHING`. Raises Broken."""
        if len(self._buffer) < _HEADER.size:
            return NOTHING
        (size,) = _HEADER.unpack_from(self._buffer)
        if size > LARGEST:
            raise Broken(f"a message of {size} bytes")
        if len(self._buffer) < _HEADER.size + size:
            return NOTHING
        body = bytes(self._buffer[_HEADER.size : _HEADER.size + size])
        del self._buffer[: _HEADER.size + size]
        try:
            return _loads(body.decode())
        except (ValueError, RecursionError) as error:
            raise Broken(f"not a message ({type(error).__name__})") from None
