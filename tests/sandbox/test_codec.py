"""What crosses between a program and its judge: exactly what it was, or nothing."""

from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import fractions
import json
import math
import os
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.sandbox._channel import LARGEST, NOTHING, Channel, frame
from evalsuite.sandbox._codec import Broken, NotPlain, decode, encode, nothing_else

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
hashable = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.sets(hashable, max_size=4)
        | st.lists(inner, max_size=4).map(collections.deque)
    ),
    max_leaves=20,
)


def refuse(value: Any) -> Any:
    raise NotPlain(type(value).__name__)


def there_and_back(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value, refuse))), nothing_else)


def typed(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and True differ."""
    if isinstance(value, list | tuple | collections.deque):
        return type(value).__name__, [typed(v) for v in value]
    if isinstance(value, set | frozenset):
        return type(value).__name__, sorted(map(repr, map(typed, value)))
    if isinstance(value, dict):
        return type(value).__name__, [(typed(k), typed(v)) for k, v in value.items()]
    return type(value).__name__, repr(value)


@given(values)
def test_plain_data_crosses_exactly(value: Any) -> None:
    assert typed(there_and_back(value)) == typed(value)


@pytest.mark.parametrize(
    "value",
    [
        -0.0,
        math.inf,
        1 << 4000,
        -(1 << 300),
        "\ud800 lone",
        collections.Counter("abca"),
        collections.OrderedDict([(2, 1), (1, 2)]),
        collections.deque([1, 2], maxlen=2),
        range(3, 9, 2),
        bytearray(b"ab"),
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        datetime.date(2026, 1, 2),
        datetime.timedelta(seconds=3),
        ...,
    ],
    ids=repr,
)
def test_containers_and_numbers_of_the_library_are_rebuilt(value: Any) -> None:
    back = there_and_back(value)
    assert type(back) is type(value) and back == value and repr(back) == repr(value)


def test_nan_and_views_cross() -> None:
    assert math.isnan(there_and_back(math.nan))
    d = {1: "a", 2: "b"}
    assert there_and_back(d.keys()) == d.keys()
    assert there_and_back(d.items()) == d.items()
    assert list(there_and_back(d.values())) == ["a", "b"]
    assert there_and_back(collections.defaultdict(int, a=1)) == {"a": 1}


class Five(int):
    """A subclass, however well it behaves, is not its base."""


class Liar(list):  # type: ignore[type-arg]
    def __eq__(self, other: object) -> bool:
        return True


@pytest.mark.parametrize(
    "value", [Five(5), Liar(), [Five(5)], {"a": (Liar(),)}, object(), len, collections.namedtuple("P", "x")(1)]
)
def test_subclasses_and_objects_do_not_cross(value: Any) -> None:
    with pytest.raises(NotPlain):
        encode(value, refuse)


def test_what_is_too_deep_or_circular_is_refused() -> None:
    circular: list[Any] = []
    circular.append(circular)
    shared: Any = [1]
    for _ in range(100):
        shared = [shared, shared]
    for value in (circular, shared):
        with pytest.raises(NotPlain):
            encode(value, refuse)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"t": 5},
        {"t": [1], "s": [2]},
        {"d": [[1]]},
        {"d": [[[1], 2]]},
        {"s": [[1]]},
        {"b": 3},
        {"b": "\u1234"},
        {"i": "zz"},
        {"c": ["a", 1]},
        {"r": ["os.system", ["true"]]},
        {"r": ["range", ["a"]]},
        {"r": ["Decimal", ["x"]]},
        {"h": [1, "x"]},
        {"unknown": 1},
    ],
    ids=str,
)
def test_malformed_data_is_broken(data: Any) -> None:
    with pytest.raises(Broken):
        decode(data, nothing_else)


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("tsfdbicrhgx"), inner, max_size=2),
    max_leaves=12,
)


@given(json_data)
def test_any_json_decodes_or_is_broken(data: Any) -> None:
    with contextlib.suppress(Broken):
        decode(data, nothing_else)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_broken(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(ours.fileno(), os.read, os.write)
        theirs.sendall(data + b"x")
        channel.feed()
        with contextlib.suppress(Broken):
            assert channel.take() is NOTHING or len(data) >= 4


def test_messages_arrive_in_pieces_and_in_bunches() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel(ours.fileno(), os.read, os.write)
        data = frame([1]) + frame({"a": 2})
        theirs.sendall(data[:6])
        channel.feed()
        theirs.sendall(data[6:])
        assert channel.receive() == [1]
        assert channel.receive() == {"a": 2}
        theirs.close()
        with pytest.raises(EOFError):
            channel.receive()


def test_a_length_that_is_a_lie_is_broken_at_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall((LARGEST + 1).to_bytes(4, "big"))
        channel = Channel(ours.fileno(), os.read, os.write)
        channel.feed()
        with pytest.raises(Broken, match="a message of"):
            channel.take()
