"""Plain data as JSON, exactly: what may cross between a program and its judge, and nothing else.

Both ends run this file; the end that decodes trusts nothing. Exact types only: a subclass, however well it behaves, is not
its base. A few containers and numbers of the standard library are rebuilt by the decoding end from plain data, because
honest programs return them (`Counter` is in MBPP's own solutions); everything else becomes a reference that stays opaque.

    null, true, false, numbers, "text"      themselves; whole numbers within 256 bits, NaN and infinities included
    [..]                                    list
    {"t": [..]} {"s": [..]} {"f": [..]}     tuple, set, frozenset
    {"d": [[key, value], ..]}               dict, in its order
    {"b": "latin-1"} {"i": "hex"}           bytes, larger whole numbers
    {"c": [real, imag]}                     complex
    {"r": [name, arguments]}                one of REBUILT
    anything else                           the hooks' business: references, names of builtins, functions of the tests
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

DEPTH = 150  # levels of nesting
NODES = 8_000_000  # values in one message
LARGEST = 64 << 20  # bytes of one message
_HEADER = struct.Struct("!I")
_WIDE = 1 << 256
_FLAT = frozenset({str, float, bool, type(None)})


class NotPlain(Exception):
    """A value that is too deep, too large, or not data."""


class Broken(Exception):
    """A message that no honest end sends."""


def _deque(items: list[Any], maxlen: int | None) -> Any:
    return collections.deque(items, maxlen)


def _counted(pairs: dict[Any, Any]) -> Any:
    counter: collections.Counter[Any] = collections.Counter()
    dict.update(counter, pairs)
    return counter


def _defaulted(pairs: dict[Any, Any]) -> Any:
    return collections.defaultdict(None, pairs)


# Exact type -> (name, its arguments as plain data). Name -> what makes it again.
_TAKE_APART: dict[type, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    collections.Counter: ("Counter", lambda v: (dict(v),)),
    collections.OrderedDict: ("OrderedDict", lambda v: (dict(v),)),
    collections.defaultdict: ("defaultdict", lambda v: (dict(v),)),
    collections.deque: ("deque", lambda v: (list(v), v.maxlen)),
    bytearray: ("bytearray", lambda v: (bytes(v),)),
    range: ("range", lambda v: (v.start, v.stop, v.step)),
    type({}.keys()): ("keys", lambda v: (list(v),)),
    type({}.values()): ("values", lambda v: (list(v),)),
    type({}.items()): ("items", lambda v: (list(v),)),
    decimal.Decimal: ("Decimal", lambda v: (str(v),)),
    fractions.Fraction: ("Fraction", lambda v: (v.numerator, v.denominator)),
    datetime.date: ("date", lambda v: (v.year, v.month, v.day)),
    datetime.timedelta: ("timedelta", lambda v: (v.days, v.seconds, v.microseconds)),
    type(...): ("Ellipsis", lambda v: ()),
}
REBUILT: dict[str, Callable[..., Any]] = {
    "Counter": _counted,
    "OrderedDict": collections.OrderedDict,
    "defaultdict": _defaulted,
    "deque": _deque,
    "bytearray": bytearray,
    "range": range,
    "keys": lambda items: dict.fromkeys(items).keys(),
    "values": lambda items: dict(enumerate(items)).values(),
    "items": lambda items: dict(items).items(),
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "date": datetime.date,
    "timedelta": datetime.timedelta,
    "Ellipsis": lambda: ...,
}
_TAGS: dict[type, str] = {tuple: "t", set: "s", frozenset: "f"}
MUTABLE = frozenset(
    {list, dict, set, bytearray, collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque}
)


def encode(value: Any, other: Callable[[Any], dict[str, Any]]) -> Any:
    """`value` as JSON-like data. `other` encodes what is not plain, as an object with one key of its own.

    Raises NotPlain past DEPTH or NODES, which a list that holds itself also is.
    """
    left = NODES

    def walk(v: Any, depth: int) -> Any:
        nonlocal left
        kind = type(v)
        if kind is int:
            return v if -_WIDE < v < _WIDE else {"i": hex(v)}
        if kind in _FLAT:
            return v
        if depth > DEPTH:
            raise NotPlain("nested too deeply")
        if kind is list:
            left -= len(v) + 1
            if left < 0:
                raise NotPlain("too many values")
            kinds = set(map(type, v))
            if kinds <= _FLAT or (kinds == {int} and max(v) < _WIDE and min(v) > -_WIDE):
                return v
            return [walk(x, depth + 1) for x in v]
        if kind in _TAGS:
            return {_TAGS[kind]: walk(list(v), depth + 1)}
        if kind is dict:
            return {"d": walk([[k, x] for k, x in v.items()], depth + 1)}
        if kind is bytes:
            return {"b": v.decode("latin-1")}
        if kind is complex:
            return {"c": [v.real, v.imag]}
        if kind in _TAKE_APART:
            name, apart = _TAKE_APART[kind]
            return {"r": [name, walk(list(apart(v)), depth + 1)]}
        return other(v)

    return walk(value, 0)


def decode(data: Any, other: Callable[[str, Any], Any]) -> Any:
    """Inverse of `encode`. `other(key, body)` decodes what is not plain. Raises Broken for what `encode` cannot have made."""
    if isinstance(data, str | int | float | None):
        return data
    if type(data) is list:
        if set(map(type, data)) <= _SCALARS:
            return data.copy()  # a program may change it, and is asked later whether it has
        return [decode(x, other) for x in data]
    if type(data) is not dict or len(data) != 1:
        raise Broken("not an encoded value")
    ((key, body),) = data.items()
    try:
        if key in ("t", "s", "f"):
            return (tuple if key == "t" else set if key == "s" else frozenset)(decode(_list(body), other))
        if key == "d":
            return {k: v for k, v in decode(_list(body), other)}
        if key == "b":
            return body.encode("latin-1")
        if key == "i":
            return int(body, 16)
        if key == "c":
            return complex(*body)
        if key == "r":
            name, arguments = body
            return REBUILT[name](*decode(_list(arguments), other))
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, IndexError) as error:
        raise Broken(f"a malformed value ({type(error).__name__})") from None
    return other(key, body)


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _list(body: Any) -> list[Any]:
    if type(body) is not list:
        raise TypeError
    return body


def nothing_else(key: str, body: Any) -> Any:
    """The hook of a decoder that takes plain data alone."""
    raise Broken(f"{key!r} is not plain data")


def frame(message: Any) -> bytes:
    """One message with its length before it. Raises NotPlain where it is too large."""
    data = json.dumps(message, separators=(",", ":")).encode()
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
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Broken(f"not a message ({type(error).__name__})") from None


def mutable_inside(value: Any) -> bool:
    """Whether a call could change `value` in place."""
    return any(type(v) in MUTABLE for v in _parts(value))


def _parts(value: Any) -> Iterator[Any]:
    yield value
    if type(value) in (tuple, list):
        for v in value:
            yield from _parts(v)
