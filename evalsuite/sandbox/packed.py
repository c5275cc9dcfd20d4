"""Hidden tests in the packed form of LiveCodeBench's data files: base64 of zlib of a pickled text of JSON.

They stay packed in a `Sample` (a release unpacks to gigabytes) and are unpacked where they are run. The pickle is not loaded:
its opcodes are read, and it may hold one text and nothing else, so that data from a hub can name no function.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from evalsuite.errors import UsageError

LIMIT = 512 << 20  # bytes of the unpacked form
_TEXT = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
_HARMLESS = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"})


def unpacked(tests: Mapping[str, Any], limit: int = LIMIT) -> dict[str, Any]:
    """`tests` with those under `packed` appended to `inputs` and `outputs`, and without that key.

    `packed` is a text: JSON, or the packed form of JSON, a list of `{"input": str, "output": str}`. With an `entry_point` the
    texts are JSON themselves: an input has one argument per line, an output is one value. Raises UsageError for anything
    else and for more than `limit` bytes.
    """
    plain = {key: value for key, value in tests.items() if key != "packed"}
    if "packed" in tests:
        inputs, outputs = read_tests(read_text(tests["packed"], limit), functional=bool(tests.get("entry_point")))
        plain["inputs"] = [*plain.get("inputs", ()), *inputs]
        plain["outputs"] = [*plain.get("outputs", ()), *outputs]
    return plain


def read_tests(text: str, *, functional: bool) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs from the JSON of a list of tests; for `functional` ones argument lists and values, else texts.

    Raises UsageError where it is something else.
    """
    try:
        pairs = [(test["input"], test["output"]) for test in json.loads(text)]
        if functional:
            pairs = [([json.loads(line) for line in given.split("\n")], json.loads(wanted)) for given, wanted in pairs]
        elif not all(isinstance(side, str) for pair in pairs for side in pair):
            raise TypeError("input and output are texts")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"hidden tests cannot be read: {type(error).__name__}: {str(error)[:200]}") from None
    return [given for given, _ in pairs], [wanted for _, wanted in pairs]


def read_text(packed: str, limit: int = LIMIT) -> str:
    """The text of JSON that `packed` is or packs. Raises UsageError as `unpacked` does."""
    if not isinstance(packed, str):
        raise UsageError(f"hidden tests are a text, found {type(packed).__name__}")
    if packed.lstrip().startswith("["):  # base64 has no brackets
        return packed
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(packed, validate=True), limit)
        if inflate.unconsumed_tail:
            raise ValueError(f"they unpack to more than {limit} bytes")
        if not inflate.eof:
            raise ValueError("their end is missing")
        return _pickled_text(data)
    except (ValueError, zlib.error) as error:
        raise UsageError(f"hidden tests cannot be unpacked: {str(error)[:200]}") from None


def _pickled_text(data: bytes) -> str:
    """The one text in a pickle. Raises ValueError where there is more, or less."""
    import pickletools

    found: list[str] = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in _TEXT:
            found.append(str(argument))
        elif opcode.name not in _HARMLESS:
            raise ValueError(f"the pickle holds more than a text: {opcode.name}")
    if len(found) != 1:
        raise ValueError(f"the pickle holds {len(found)} texts instead of one")
    return found[0]
