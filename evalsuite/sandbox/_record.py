"""What happened to the tests of one program, in numbers and in words."""

from __future__ import annotations

import contextlib
import reprlib
import types
from collections.abc import Callable
from typing import Any

from evalsuite.sandbox._codec import Memo, decode
from evalsuite.sandbox._objects import Opaque, Remote
from evalsuite.sandbox._remote import Gone, Link, Unsupported

FAILURES = 100  # after so many a wrong program is known well enough
SHOWN = 3  # failures that are put into words


class _Repr(reprlib.Repr):
    """Never asks a program what it would like to be called."""

    def repr1(self, x: Any, level: int) -> str:
        return x._evalsuite_name() if isinstance(x, Remote) else super().repr1(x, level)


class _Sent:
    """What is shown of an argument that is no plain data."""

    def __init__(self, key: str, body: Any) -> None:
        names = {"F": "a function of the tests", "I": "an iterator"}
        self._text = f"<{names.get(key) or (body[1] if isinstance(body, list) else body)}>"

    def __repr__(self) -> str:
        return self._text


_repr = _Repr()
_repr.maxlevel, _repr.maxlist, _repr.maxtuple, _repr.maxset, _repr.maxdict = 5, 24, 24, 24, 16
_repr.maxstring, _repr.maxother, _repr.maxlong = 240, 160, 80


def show(value: Any) -> str:
    """A bounded repr."""
    try:
        return _repr.repr(value)
    except Exception:  # noqa: BLE001 - a number of too many digits, a class of the tests with a broken repr
        return f"<{type(value).__name__}>"


class Mismatch(AssertionError):
    """A result that is not the expected one."""


class Record:
    """How many cases passed, and the first failures in words."""

    def __init__(self, link: Link, before: int = 0) -> None:
        self._before = before  # tests of the same program that other judges have run
        self.passed = self.failed = 0
        self.least = 0  # tests that there are, whether or not they were reached
        self.failures: list[str] = []
        self._link = link
        link.calls = self._called
        self._call: tuple[str, Any, Any, BaseException | None] | None = None
        self._pair: tuple[Any, Any] | None = None
        self._what: Callable[[], str] = str

    @property
    def count(self) -> int:
        return self.passed + self.failed

    def case(self, what: Callable[[], str]) -> Record:
        """A context manager around one test: a failure is written down, and the next one has its turn."""
        self._call = self._pair = None
        self._what = what
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: types.TracebackType | None) -> bool:
        if error is None and not self._link.gone:
            self.passed += 1
            self._call = self._pair = None
            return True
        if isinstance(error, Unsupported):
            return False
        self.fail(self._what(), error)
        return isinstance(error, Exception) and self.failed < FAILURES

    def fail(self, what: str, error: BaseException | None) -> None:
        """Write down a failure of `what`."""
        self.failed += 1
        if len(self.failures) < SHOWN:
            lines = [f"test {self._before + self.count}: {what}"[:400], *self._story(error)]
            self.failures.append("\n  ".join(lines))

    def equal(self, left: Any, right: Any) -> Any:
        """`left == right`, remembered for the words."""
        self._pair = (left, right)
        return left == right

    def _called(self, name: str, sent: Any, result: Any, error: BaseException | None) -> None:
        self._call = (name, sent, result, error)

    def _story(self, error: BaseException | None) -> list[str]:
        lines = []
        raised = None
        if self._call is not None:
            name, (args, kwargs), result, raised = self._call
            memo = Memo()
            given = [show(decode(a, _Sent, memo)) for a in args]
            given += [f"{k}={show(decode(v, _Sent, memo))}" for k, v in kwargs.items()]
            call = f"{name}({', '.join(given)})"[:600]
            if isinstance(raised, Gone):
                lines.append(f"{call} gave no answer: {raised}")
            elif raised is not None:
                lines.append(f"{call} raised {_named(raised)}")
            else:
                lines.append(f"{call} returned {show(result)}")
        if isinstance(error, Mismatch):
            lines.append(str(error))
        elif self._pair is not None and raised is None:
            got, expected = self._pair
            lines.append(f"got {show(got)}, expected {show(expected)}{_first_difference(got, expected)}")
        if error is not None and error is not raised and not isinstance(error, AssertionError):
            lines.append(_named(error))
        return lines


def _first_difference(got: Any, expected: Any) -> str:
    """Where two long sequences differ first, for what `show` cuts off."""
    kind = type(expected)
    if type(got) is not kind or kind not in (list, tuple, str) or max(len(got), len(expected)) <= 20:
        return ""
    at = None
    with contextlib.suppress(Exception):  # something inside cannot be compared
        at = next((i for i, (a, b) in enumerate(zip(got, expected)) if type(a) is not type(b) or a != b), None)
    if at is None:
        return f" ({len(got)} items, expected {len(expected)})"
    end = at + (20 if kind is str else 1)
    return f" (from item {at}: {show(got[at:end])}, expected {show(expected[at:end])})"


def _named(error: BaseException) -> str:
    trace = getattr(error, "program_trace", "")
    if trace:
        return trace.replace("\n", "\n  ")
    try:
        return str(error)[:400] if isinstance(error, Gone | Opaque) else f"{type(error).__name__}: {error}"[:400]
    except Exception:  # noqa: BLE001 - a number of too many digits in its words
        return type(error).__name__
