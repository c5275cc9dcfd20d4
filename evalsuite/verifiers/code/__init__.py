"""`CodeVerifier`: a program, judged by running its tests in the sandbox."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import hashlib
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from evalsuite import sandbox
from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.code import extract, reference
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score


def called(code: Any) -> str | None:
    """The function that asserts are about, where no entry point says so: the first that they call and nobody else defines."""
    text = code if isinstance(code, str) else "\n".join(code) if isinstance(code, list | tuple) else ""
    return _first_called(text) if len(text) < _LONG_TESTS else None


@lru_cache(maxsize=64)
def _first_called(text: str) -> str | None:
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    own = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    own |= {(n.asname or n.name).partition(".")[0] for n in nodes if isinstance(n, ast.alias)}
    calls = (n.func for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))
    return next((f.id for f in calls if f.id not in own and not hasattr(builtins, f.id)), None)


_LONG_TESTS = 100_000  # characters from which tests are not searched for the name of a function


@dataclass(frozen=True)
class CodeVerifier(Verifier):
    """A Python program, run against `sample.tests` in `evalsuite.sandbox`; what tests may be stands with `sandbox.run`.

    `timeout` is the seconds that one program may take. A machine may be too slow for it: where a program runs past it and
    the sample has a reference solution (`privileged["reference"]`, a whole program), the limit becomes 4 times what that
    takes here, at most 6 times `timeout`, and the program is run again if this is more. That is calibration, done once per
    sample and machine, and no second chance: a limit that is known already is the only one tried.

    `partial` gives the fraction of tests passed in place of all or nothing. `prefix` says that an answer may continue
    `tests["prefix"]`, else the problem's text (HumanEval). `entry_point` is the function (`name` or `Class.method`) where
    the sample's tests name none. Tests that have `inputs` and no `outputs` are compared with the reference's outputs.

    `Score.answer` is the program, `feedback` says which test failed and how. `parts` are `passed` (the fraction of tests),
    `tests` (how many), `compiled`, `timed_out`, and `starved` where a timeout is the machine's fault.
    """

    name: ClassVar[str] = "code"
    timeout: float = 10.0
    partial: bool = False
    prefix: bool = False
    entry_point: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.timeout < 3600:
            raise ValueError(f"timeout {self.timeout} must be above 0 and below 3600 seconds")

    @property
    def deadline(self) -> float:
        """Seconds for one answer at worst: its own limit, the reference's outputs and time, the program once more."""
        return (1 + 3 * reference.CAP) * self.timeout + 15.0

    def prepare(self) -> None:
        """Raises UnavailableError where programs cannot be isolated, unless that is confirmed."""
        sandbox.require()

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """Whether the program passes its tests. Raises ValueError for a sample without tests."""
        program = self._program(sample, completion)
        if program is None:
            return Score(0.0, "no_answer", feedback=self._missing(sample, completion))
        tests = {name: value for name, value in self._tests(sample).items() if name != "prefix"}
        tests["entry_point"] = self._entry(tests)
        tests = reference.with_outputs(sample, tests, self.timeout)
        limit = reference.known_limit(sample, tests, self.timeout)
        score = sandbox.run(program, tests, timeout=limit, partial=self.partial)
        if score.outcome == "timeout" and (more := reference.limit(sample, tests, self.timeout)) > limit:
            score = sandbox.run(program, tests, timeout=more, partial=self.partial)
        parts = {name: value for name, value in score.parts.items() if name != "cpu_seconds"}  # differs from run to run
        return dataclasses.replace(score, answer=program, parts=parts)

    def gold(self, sample: Sample) -> str | None:
        """The reference solution in a fenced block; None where the sample has none."""
        solution = sample.privileged.get("reference")
        if not isinstance(solution, str):
            return None
        fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", solution)), default=0))
        return f"{fence}python\n{solution}\n{fence}"

    def key(self, sample: Sample, completion: Completion) -> Hashable | None:
        """(digest of the tests, program): a program that a group repeats is run once. None without a program."""
        program = self._program(sample, completion)
        if program is None:
            return None
        tests = repr(sorted(self._tests(sample).items())).encode(errors="backslashreplace")
        return hashlib.blake2b(tests, digest_size=16).digest(), program

    def _program(self, sample: Sample, completion: Completion) -> str | None:
        tests = self._tests(sample)
        prefix = (tests.get("prefix") or sample.problem) if self.prefix else None
        return extract.program(completion.answer_text, self._entry(tests) or called(tests.get("code")), prefix)

    def _entry(self, tests: Mapping[str, Any]) -> str | None:
        return tests.get("entry_point") or self.entry_point

    def _tests(self, sample: Sample) -> Mapping[str, Any]:
        if not sample.tests:
            raise ValueError(f"sample {sample.id!r} has no tests")
        return sample.tests

    def _missing(self, sample: Sample, completion: Completion) -> str:
        tags = sorted({block.tag[:20] for block in extract.blocks(completion.answer_text)})
        if tags:
            return f"no program: the code blocks are {', '.join(tags[:5])}, and none is python"
        function = f" for {entry}" if (entry := self._entry(self._tests(sample))) else ""
        also = ", no continuation of the given code" if self.prefix else ""
        return f"no program{function}: no ```python block{also}, and the text as a whole is not Python"
