"""Reads what callers call tests into the jobs that a judge runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.sandbox._codec import NotPlain, encode
from evalsuite.sandbox.packed import unpacked

KEYS = frozenset(
    "code setup helpers prelude entry_point inputs outputs packed atol compare json_values seconds_per_test".split()
)  # fmt: skip


def jobs(program: str, tests: str | Sequence[str] | Mapping[str, Any], entry_point: str | None) -> list[dict[str, Any]]:
    """The jobs of these tests: one, or one per test for programs that read standard input.

    `tests` is Python test code, a list with one test per item, or a mapping:

        code, setup, helpers        test code, or a list; code run before it; trusted functions that the tests use
        inputs, outputs             of a function, a list of arguments and a result each; without an entry point, texts for
                                    standard input and from standard output
        packed                      hidden tests that follow those, see `packed.unpacked`
        entry_point                 the function, `name` or `Class.method`; goes behind the argument of that name
        prelude                     code run before the program, in its namespace
        atol                        numbers may differ by so much (results of functions)
        json_values                 expected results were JSON: tuples may stand for lists
        compare                     "lines" or "tokens": how output is compared, see `output.same_output`
        seconds_per_test            wall time of one call, or of one run on one input

    Raises UsageError for anything else.
    """
    spec: dict[str, Any] = dict(tests) if isinstance(tests, Mapping) else {"code": tests}
    unknown = spec.keys() - KEYS
    if unknown:
        raise UsageError(f"tests: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(KEYS))}")
    if "packed" in spec:
        spec = unpacked(spec)
    entry = entry_point or spec.get("entry_point") or None
    common = {
        "program": program,
        "prelude": _text(spec, "prelude"),
        "seed": hashlib.sha256(program.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        "call_seconds": spec.get("seconds_per_test"),
        "entry_point": entry,
    }
    if "code" in spec:
        if "inputs" in spec or "outputs" in spec:
            raise UsageError("tests: either `code`, or `inputs` and `outputs`")
        code = spec["code"]
        if not isinstance(code, str):
            code = list(code) if isinstance(code, list | tuple) else None
            if code is None or not code or not all(isinstance(c, str) for c in code):
                raise UsageError("tests: `code` is test code, or a list of tests, one text each")
        return [common | {"kind": "code", "code": code, "setup": _text(spec, "setup"), "helpers": _text(spec, "helpers")}]
    inputs, outputs = spec.get("inputs"), spec.get("outputs")
    if (
        not isinstance(inputs, list | tuple)
        or not isinstance(outputs, list | tuple)
        or len(inputs) != len(outputs)
        or not inputs
    ):
        raise UsageError("tests: give `code`, or lists `inputs` and `outputs` of one length that is not 0")
    if entry is None:
        if not all(isinstance(t, str) for t in (*inputs, *outputs)):
            raise UsageError("tests: without an entry point, `inputs` and `outputs` are texts")
        compare = spec.get("compare", "lines")
        return [
            common | {"kind": "script", "number": n, "stdin": i, "expected": o, "compare": compare}
            for n, (i, o) in enumerate(zip(inputs, outputs))
        ]
    if not all(isinstance(args, list | tuple) for args in inputs):
        raise UsageError("tests: every item of `inputs` is the list of arguments of one call")
    return [
        common
        | {
            "kind": "calls",
            "inputs": plain([tuple(args) for args in inputs]),
            "outputs": plain(list(outputs)),
            "atol": float(spec.get("atol") or 0.0),
            "lists": bool(spec.get("json_values")),
        }
    ]


def plain(value: Any) -> Any:
    """Encoded for a judge. Raises UsageError for what is no plain data."""

    def refuse(inner: Any) -> Any:
        raise NotPlain(f"{type(inner).__name__} is no plain data")

    try:
        return encode(value, refuse)
    except NotPlain as error:
        raise UsageError(f"tests: {error}") from None


def _text(spec: Mapping[str, Any], key: str) -> str:
    value = spec.get(key) or ""
    if not isinstance(value, str):
        raise UsageError(f"tests: `{key}` is {type(value).__name__}, and must be code")
    return value
