"""One program against its tests."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.sandbox._codec import decode, nothing_else
from evalsuite.sandbox.client import execute
from evalsuite.sandbox.limits import Limits
from evalsuite.sandbox.spec import jobs
from evalsuite.words.score import Score

Tests = str | Sequence[str] | Mapping[str, Any]
LONGEST = 4_000_000  # characters of a program
WORDS = 1500  # characters of feedback


@dataclass(frozen=True, slots=True)
class Result:
    """What one call gave: `value`, or why there is none in `error`.

    `opaque`: there is one, and it is no plain data. `timed_out`: there was no time for it.
    """

    value: Any = None
    error: str = ""
    opaque: bool = False
    timed_out: bool = False


def run(
    program: str,
    tests: Tests,
    entry_point: str | None = None,
    *,
    timeout: float = 10.0,
    partial: bool = False,
    limits: Limits | None = None,
) -> Score:
    """Run an untrusted program against its tests, isolated, and score it.

        run("def f(x):\\n    return x + 1", "assert f(1) == 2")
        run("print(int(input()) * 2)", {"inputs": ["4\\n"], "outputs": ["8\\n"]})

    `tests` are what `spec.jobs` says: Python test code (`check(candidate)`, asserts, unittest classes), a list of asserts, or
    inputs and outputs. They run in a process that the program cannot reach. The value is 1.0 where all tests pass, else 0.0,
    or with `partial` the fraction that passed. A program that reads standard input starts anew for every test; without
    `partial` its first failure ends it.

    `timeout` is seconds of wall time for the program and all its tests; the call ends at most half a second later, with no
    process of the program left, and is never repeated. `parts` holds `passed` (fraction), `tests` (how many), `compiled`,
    `timed_out`, `cpu_seconds`, and `starved` where a program ran out of time because the machine gave it no processor.

    Raises UnavailableError where isolation is incomplete (see `require`), UsageError for tests that cannot be run.
    """
    begun = time.monotonic()
    if not 0 < timeout < 1e6:
        raise UsageError(f"timeout {timeout} is not a number of seconds above 0")
    if len(program) > LONGEST:
        return Score(0.0, feedback=f"the program is longer than {LONGEST:,} characters", parts={"passed": 0.0, "compiled": 0.0})
    todo = jobs(program, tests, entry_point)
    sums = {"passed": 0.0, "tests": 0.0, "cpu_seconds": 0.0}
    flags = {"compiled": True, "timed_out": False, "starved": False}
    words: list[str] = []
    isolation = ""
    for number, job in enumerate(todo):
        left = timeout - (time.monotonic() - begun) if number else timeout
        if left <= 0:
            flags["timed_out"] = True
            words.append(f"out of time before test {number + 1} of {len(todo)}")
            break
        result = execute(job, left, limits or Limits())
        if "wrong" in result:
            raise UsageError(result["wrong"])
        isolation = result["isolation"]
        late = bool(result.get("timed_out") or result.get("overdue") or result.get("cpu_spent"))
        for name in sums:
            sums[name] += result.get(name, 0)
        flags["compiled"] &= result.get("compiled", True)
        flags["timed_out"] |= late
        flags["starved"] |= late and bool(result.get("starved"))
        failed = _words(result, late, left, job)
        words += failed
        if failed and not partial:
            break
    total = max(sums["tests"], len(todo), sums["passed"] + bool(words))
    passed = sums["passed"] / total
    parts = {"passed": passed, "tests": float(total), "cpu_seconds": sums["cpu_seconds"]}
    parts |= {name: float(flag) for name, flag in flags.items() if flag or name != "starved"}
    return Score(
        passed if partial else float(passed == 1.0),
        "timeout" if flags["timed_out"] else "ok",
        feedback="\n".join(words)[:WORDS],
        parts=parts,
        seconds=time.monotonic() - begun,
        isolation=isolation,
    )


def _words(result: Mapping[str, Any], late: bool, seconds: float, job: Mapping[str, Any]) -> list[str]:
    """What went wrong; nothing where all went well."""
    words = list(result.get("failures", ()))
    if late:
        limit = f"{job['call_seconds']:g} s for one test" if result.get("overdue") else f"{seconds:.3g} s"
        words.insert(0, f"out of time: the program was ended after {limit}")
    elif not words and (result.get("gone") or not result.get("passed")):
        words.append(result.get("gone") or "no test ran")
    return words


def call(
    program: str, entry_point: str, calls: Sequence[Sequence[Any]], *, timeout: float = 10.0, limits: Limits | None = None
) -> list[Result]:
    """What an untrusted program's function returns for each of these argument lists: `call("def f(x): ...", "f", [(1,), (2,)])`.

    Values are plain data of exact types, or there is none and `error` says why: an exception with the program's lines, a result
    that is no plain data (`opaque`), the program's end or the end of its time, which all later calls share. Raises as `run`.
    """
    (job,) = jobs(program, {"inputs": list(calls) or [()], "outputs": [None] * max(len(calls), 1)}, entry_point)
    if not calls:
        return []
    result = execute(job | {"kind": "values"}, timeout, limits or Limits())
    if "wrong" in result:
        raise UsageError(result["wrong"])
    answers = result.get("values")
    if answers is None:
        late = result.get("timed_out") or result.get("overdue") or result.get("cpu_spent")
        why = (
            f"out of time: no answer within {timeout:g} s"
            if late
            else "\n".join(result.get("failures", ())) or result.get("gone", "")
        )
        return [Result(error=why or "the program gave no answer", timed_out=bool(late))] * len(calls)
    return [
        Result(error=a["error"], opaque=a.get("opaque", False)) if "error" in a else Result(decode(a["value"], nothing_else))
        for a in answers
    ]
