"""Runs tests in the judge, one case after the other, and writes down what happened."""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import inspect
import operator
import reprlib
import sys
import types
import unittest
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalsuite.sandbox._codec import decode
from evalsuite.sandbox._instrument import CASE, EQUAL, Instrument
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
            given = [show(decode(a, _Sent)) for a in args] + [f"{k}={show(decode(v, _Sent))}" for k, v in kwargs.items()]
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
            lines.append(f"got {show(self._pair[0])}, expected {show(self._pair[1])}")
        if error is not None and error is not raised and not isinstance(error, AssertionError):
            lines.append(_named(error))
        return lines


def _named(error: BaseException) -> str:
    trace = getattr(error, "program_trace", "")
    if trace:
        return trace.replace("\n", "\n  ")
    try:
        return str(error)[:400] if isinstance(error, Gone | Opaque) else f"{type(error).__name__}: {error}"[:400]
    except Exception:  # noqa: BLE001 - a number of too many digits in its words
        return type(error).__name__


class Names(dict[str, Any]):
    """The globals of the tests: what they do not define themselves, the program does, but never in the place of a builtin.

    Nor in the place of a module of the standard library that the tests use without importing it, unless they call it.
    """

    def __init__(self, link: Link, trees: Sequence[ast.Module], own: frozenset[str] = frozenset()) -> None:
        super().__init__(__name__="tests")
        self._link, self._trees, self._own = link, trees, own
        self._found: dict[str, Remote] = {}

    def __missing__(self, name: str) -> Any:
        if name in self._found:
            return self._found[name]
        if name.startswith("__") or (hasattr(builtins, name) and name not in self._own):
            raise KeyError(name)
        if (
            name in sys.stdlib_module_names
            and name in sys.modules
            and name not in self._own
            and name not in _called(self._trees)
        ):
            return sys.modules[name]
        try:
            found = self._link.lookup(name)
        except NameError:
            raise KeyError(name) from None
        if isinstance(found, Remote):
            self._found[name] = found  # data may change under its name, a function does not
        return found

    def fetch(self, names: set[str]) -> None:
        """Look these up now: code in the body of a class does not come to `__missing__`."""
        for name in names - self.keys():
            with contextlib.suppress(KeyError):
                self[name] = self.__missing__(name)


def _called(trees: Sequence[ast.Module]) -> set[str]:
    calls = (node.func for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


def run_code(link: Link, job: Mapping[str, Any], record: Record) -> None:
    """Python tests: a text, or a list with one test per item.

    Raises Unsupported where the tests cannot be run, and what the tests raise outside of a case.
    """
    code: str | list[str] = job["code"]
    trees = [_parse(text) for text in ([code] if isinstance(code, str) else code)]
    entry: str | None = job["entry_point"]
    root = entry.partition(".")[0] if entry else None
    names = Names(link, trees, frozenset({root}) if root else _shadowing(link, trees))
    if job["helpers"]:
        exec(compile(_parse(job["helpers"]), "helpers", "exec"), names)
        if root:
            names.pop(root, None)
    names[EQUAL] = record.equal
    exec(compile(_parse(job["setup"]), "setup", "exec"), names)
    names.fetch({name for tree in trees for name in _in_classes(tree)})
    if not isinstance(code, str):
        record.least = len(trees)
        for tree in trees:
            with record.case(lambda tree=tree: ast.unparse(tree)):  # type: ignore[misc]
                exec(compile(Instrument().module(tree), "tests", "exec"), names)
        return
    cases = Instrument(cases=True)
    compiled = compile(cases.module(trees[0]), "tests", "exec")
    record.least = len(cases.found)
    names[CASE] = lambda number: record.case(lambda: ast.unparse(cases.found[number]))
    exec(compiled, names)
    if not record.count:
        _collected(link, names, entry or _last_function(job["program"]), record)
    if not record.count and not cases.found:
        record.passed += 1  # tests that speak by raising, and did not
    record.least = 0  # all that was to be reached has been


def candidate(link: Link, entry: str) -> Any:
    """The function that the tests are about: `name`, or `Class.method` of a new instance."""
    name, _, method = entry.partition(".")
    found = link.lookup(name.removesuffix("()"))
    if not method:
        return found
    return getattr(found(), method)


def _collected(link: Link, names: Names, entry: str | None, record: Record) -> None:
    """What the module code only defines: `check(candidate)`, unittest classes, functions and classes named test."""
    check = names.get("check")
    if callable(check) and entry:
        check(candidate(link, entry))
        return
    for name, value in list(names.items()):
        if isinstance(value, type) and issubclass(value, unittest.TestCase) and value is not unittest.TestCase:
            _run_suite(unittest.defaultTestLoader.loadTestsFromTestCase(value), record)
        elif isinstance(value, type) and name.startswith("Test"):
            for method in [m for m in vars(value) if m.startswith("test")]:
                _run_function(f"{name}.{method}", operator.methodcaller(method), record, value)
        elif isinstance(value, types.FunctionType) and name.startswith("test") and not _needs_arguments(value):
            _run_function(name, lambda _, value=value: value(), record)  # type: ignore[misc]


def _run_suite(suite: unittest.TestSuite, record: Record) -> None:
    count, result = suite.countTestCases(), unittest.TestResult()
    suite.run(result)
    bad = [*result.failures, *result.errors, *((test, f"skipped: {why}") for test, why in result.skipped)]
    bad += [(test, "an unexpected success") for test in result.unexpectedSuccesses]
    for test, text in bad:
        with record.case(lambda test=test: str(test)):  # type: ignore[misc]
            raise Mismatch(text.strip().rpartition("\n")[2][:400])
    record.passed += max(0, count - len(bad))


def _run_function(name: str, function: Callable[[Any], Any], record: Record, of: Callable[[], Any] = object) -> None:
    """A test function, called with a new instance of its class."""
    before = record.count
    try:
        result = function(of())
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except Exception as error:  # noqa: BLE001 - whatever a test raises, it has failed
        record.fail(name, error)
    else:
        record.passed += record.count == before  # no assert that counts for itself


def _needs_arguments(function: types.FunctionType) -> bool:
    code = function.__code__
    return code.co_argcount > len(function.__defaults__ or ())


def _parse(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unsupported(f"the tests are no Python: {error}") from None


def _shadowing(link: Link, trees: Sequence[ast.Module]) -> frozenset[str]:
    """Builtin names that the program may define for these tests (MBPP 126 is about a function `sum`).

    Only where the tests call no other function of the program's: else `set` in `assert set(f(x)) == ...` would be its, too.
    """
    nodes = [node for tree in trees for node in ast.walk(tree)]
    loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    stored |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    stored |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    stored |= {(node.asname or node.name).partition(".")[0] for node in nodes if isinstance(node, ast.alias)}
    called = _called(trees) & loaded
    if not called or any(not hasattr(builtins, name) for name in loaded - stored):
        return frozenset()
    found = set()
    for name in called:
        try:
            link.ask("name", name)
        except NameError:
            continue
        found.add(name)
    return frozenset(found) if len(found) == 1 else frozenset()


def _last_function(program: str) -> str | None:
    try:
        body = ast.parse(program).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return next((n.name for n in reversed(body) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)), None)


def _in_classes(tree: ast.Module) -> set[str]:
    """Names that the bodies of classes use."""
    bodies = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {n.id for body in bodies for n in ast.walk(body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def run_calls(link: Link, job: Mapping[str, Any], record: Record) -> None:
    """Calls with expected results."""
    function = candidate(link, job["entry_point"])
    inputs, outputs = link.take(job["inputs"]), link.take(job["outputs"])
    record.least = len(inputs)
    for number, (args, expected) in enumerate(zip(inputs, outputs, strict=True)):
        with record.case(lambda number=number: f"call {number + 1} of {len(inputs)}"):  # type: ignore[misc]
            got = function(*args)
            if not same(got, expected, job["atol"], job["lists"]):
                raise Mismatch(f"expected {show(expected)}")


def same(got: Any, expected: Any, atol: float = 0.0, lists: bool = False) -> bool:
    """Equal as Python has it. With `lists` a tuple may stand for a list (expected values that were JSON), with `atol` numbers
    may differ by that and by a relative 1e-7, where types and shapes are the same and one is a float (evalplus)."""
    if lists:
        got = _listed(got)
    if bool(got == expected):
        return True
    return atol > 0 and _close(got, expected, atol)


def _listed(value: Any) -> Any:
    if type(value) in (list, tuple):
        return [_listed(v) for v in value]
    return value


def _close(got: Any, expected: Any, atol: float) -> bool:
    if float in (type(expected), type(got)) and {type(expected), type(got)} <= {int, float}:
        return abs(got - expected) <= atol + 1e-7 * abs(expected)
    if type(got) is not type(expected):
        return False
    if type(expected) in (list, tuple):
        return len(got) == len(expected) and all(_close(g, e, atol) for g, e in zip(got, expected))
    if type(expected) is dict:
        return got.keys() == expected.keys() and all(_close(got[k], e, atol) for k, e in expected.items())
    return bool(got == expected)
