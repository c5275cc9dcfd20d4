"""Hidden tests in packed form: what is read, and that a pickle can do nothing."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import UsageError
from evalsuite.sandbox.packed import read_text, unpacked


def pack(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@given(st.text(max_size=300), st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_any_text_survives_any_pickle_protocol(text, protocol):
    assert read_text(pack(pickle.dumps(text, protocol=protocol))) == text


def test_hidden_tests_follow_the_public_ones():
    hidden = pack(pickle.dumps(json.dumps([{"input": "3\n", "output": "6\n", "testtype": "stdin"}])))
    tests = {"inputs": ["1\n"], "outputs": ["2\n"], "packed": hidden, "entry_point": None, "seconds_per_test": 6.0}
    assert unpacked(tests) == {
        "inputs": ["1\n", "3\n"],
        "outputs": ["2\n", "6\n"],
        "entry_point": None,
        "seconds_per_test": 6.0,
    }
    assert unpacked({"inputs": [], "outputs": []}) == {"inputs": [], "outputs": []}


def test_functional_tests_have_an_argument_per_line():
    plain = json.dumps([{"input": '[1, 2]\n"a"\nnull', "output": "[[1], true]"}])
    tests = unpacked({"packed": plain, "entry_point": "Solution.f"})
    assert (tests["inputs"], tests["outputs"]) == ([[[1, 2], "a", None]], [[[1], True]])


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(os.system),
        pickle.dumps(OSError("x")),
        pickle.dumps(["text"]),
        pickle.dumps(("a", "b")),
        pickle.dumps(b"bytes"),
        pickle.dumps(5),
        b"cos\nsystem\n(S'true'\ntR.",
        b"Vone\nVtwo\n.",
        b"\x80\x04.",
        b"\x80\x04",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fx.",
        b"",
    ],
)
def test_a_pickle_of_anything_else_is_refused(data):
    with pytest.raises(UsageError, match="hidden tests cannot be unpacked"):
        read_text(pack(data))


def test_a_bomb_is_refused_before_it_is_inflated():
    bomb = pack(pickle.dumps("a" * (8 << 20)))
    assert len(bomb) < 20_000
    assert len(read_text(bomb, limit=9 << 20)) == 8 << 20
    with pytest.raises(UsageError, match="unpack to more than 1048576 bytes"):
        read_text(bomb, limit=1 << 20)


@pytest.mark.parametrize("packed", ["not base64!", "AAAA", pack(b"x")[:8], 5])
def test_what_is_not_packed_is_refused(packed):
    with pytest.raises(UsageError, match="hidden tests"):
        read_text(packed)


@pytest.mark.parametrize(
    ("text", "entry_point"),
    [
        ("[1]", None),
        ('[{"input": "1"}]', None),
        ('[{"input": 1, "output": "1"}]', None),
        ('[{"input": "x", "output": "1"}]', "f"),
        ("[" * 100_000, None),
    ],
)
def test_tests_of_another_shape_are_refused(text, entry_point):
    with pytest.raises(UsageError, match="hidden tests cannot be read"):
        unpacked({"packed": text, "entry_point": entry_point})
