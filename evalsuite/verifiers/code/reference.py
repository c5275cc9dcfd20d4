"""What a task's own solution tells: how much time a program may take on this machine, and outputs that no file holds."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from evalsuite import sandbox
from evalsuite.cache import cache_dir
from evalsuite.words.sample import Sample

FACTOR = 4.0  # evalplus: a program may take 4 times as long as the reference
CAP = 6.0  # times the verifier's own limit

_FILE = "code_seconds.jsonl"
_seconds: dict[str, float] = {}  # CPU seconds of references, by key, as far as this process knows them


def known_limit(sample: Sample, tests: Mapping[str, Any], timeout: float) -> float:
    """The limit in seconds as `limit` gives it where the reference has been measured here before, else `timeout`."""
    _read_file()
    if not _seconds or sample.privileged.get("reference") is None:
        return timeout
    return _within(_seconds.get(_key(sample, tests), 0.0), timeout)


def limit(sample: Sample, tests: Mapping[str, Any], timeout: float) -> float:
    """Seconds that a program for `sample` may take: 4 times the reference's CPU seconds, within `timeout` and 6 times it.

    The factor is evalplus's. The reference (`privileged["reference"]`, a whole program) is run once per machine: its time
    is remembered in this process and in a file of the cache folder, under a digest of reference, tests, Python and
    processor. A sample without one has `timeout`. Raises RuntimeError where the reference fails its own tests here, which
    is no program's fault.
    """
    reference = sample.privileged.get("reference")
    if reference is None:
        return timeout
    key = _key(sample, tests)
    if key not in _seconds:
        score = sandbox.run(reference, tests, timeout=CAP * timeout)
        if score.value != 1.0:
            raise RuntimeError(f"the reference of {sample.id} fails its own tests on this machine: {score.feedback[:400]}")
        _seconds[key] = score.parts["cpu_seconds"]
        _append(key, _seconds[key])
    return _within(_seconds[key], timeout)


def with_outputs(sample: Sample, tests: dict[str, Any], timeout: float) -> dict[str, Any]:
    """`tests` as they are where they say what is right; function calls without outputs get those of the reference.

    The reference is `tests["reference"]`, else `privileged["reference"]`; it runs in the sandbox, once per process. Raises
    ValueError where there is none, and RuntimeError where it gives no plain data for some input.
    """
    if "inputs" not in tests or "outputs" in tests:
        return tests
    reference = tests.get("reference") or sample.privileged.get("reference")
    if reference is None or not tests.get("entry_point"):
        raise ValueError(f"{sample.id}: tests with inputs need outputs, or an entry point and a reference that gives them")
    outputs = _outputs(_Call(reference, tests["entry_point"], tests["inputs"]), sample.id, CAP * timeout)
    return {name: value for name, value in tests.items() if name != "reference"} | {"outputs": outputs}


class _Call:
    """A reference and its inputs; equal where their digests are, so that outputs can be cached under it."""

    def __init__(self, reference: str, entry_point: str, inputs: Sequence[Sequence[Any]]) -> None:
        self.reference, self.entry_point, self.inputs = reference, entry_point, inputs
        self.digest = _digest(reference, entry_point, inputs)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and other.digest == self.digest


@lru_cache(maxsize=512)
def _outputs(call: _Call, name: str, timeout: float) -> list[Any]:
    calls = [tuple(arguments) for arguments in call.inputs]
    outcomes = sandbox.call(call.reference, call.entry_point, calls, timeout=timeout)
    for arguments, outcome in zip(calls, outcomes):
        if outcome.error or outcome.opaque:
            why = outcome.error or "it is no plain data"
            raise RuntimeError(f"the reference of {name} gives no output for {repr(arguments)[:200]}: {why[:200]}")
    return [outcome.value for outcome in outcomes]


def _within(seconds: float, timeout: float) -> float:
    return min(max(timeout, FACTOR * seconds), CAP * timeout)


def _key(sample: Sample, tests: Mapping[str, Any]) -> str:
    return _digest(sample.privileged["reference"], sorted(tests.items()), sys.version, _processor())


def _digest(*parts: Any) -> str:
    return hashlib.blake2b(repr(parts).encode(errors="backslashreplace"), digest_size=16).hexdigest()


@cache
def _processor() -> str:
    """What the processor calls itself: a home folder may be shared by machines of different speed."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        model = ""
    return model or f"{platform.machine()} {platform.processor()}"


@cache
def _read_file() -> None:
    """Take in what earlier processes have measured, once. Lines that are torn or of another kind are passed over."""
    try:
        data = (cache_dir() / _FILE).read_bytes()
    except OSError:
        return
    for line in data.splitlines():
        try:
            row = json.loads(line)
            _seconds.setdefault(str(row["key"]), float(row["cpu_seconds"]))
        except (ValueError, KeyError, TypeError):
            continue


def _append(key: str, seconds: float) -> None:
    """Add a line in one write, on a line of its own even after a torn one. A folder that cannot be written is no error."""
    line = b"\n" + json.dumps({"key": key, "cpu_seconds": round(seconds, 4)}).encode() + b"\n"
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        file = os.open(cache_dir() / _FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError:
        return
    try:
        os.write(file, line)
    except OSError:
        return  # a full disk: measured again next time
    finally:
        os.close(file)
