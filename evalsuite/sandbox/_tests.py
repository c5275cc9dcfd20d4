"""Runs tests in the judge, one case after the other."""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import inspect
import operator
import sys
import types
import unittest
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalsuite.sandbox._instrument import CASE, EQUAL, Instrument
from evalsuite.sandbox._objects import Remote
from evalsuite.sandbox._record import Mismatch, Record, show
from evalsuite.sandbox._remote import Link, Unsupported


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
        self._link.asked += 1
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
    trees = [_parse(text, needed=True) for text in ([code] if isinstance(code, str) else code)]
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
        for tree, text in zip(trees, code):
            with record.case(lambda text=text: text.strip()):  # type: ignore[misc]
                exec(compile(Instrument().module(tree), "tests", "exec"), names)
        record.passed *= link.asked > 0  # tests that ask nothing of the program say nothing about it
        return
    cases = Instrument(cases=True)
    compiled = compile(cases.module(trees[0]), "tests", "exec")
    record.least = len(cases.found)
    names[CASE] = lambda number: record.case(lambda: ast.unparse(cases.found[number]))
    exec(compiled, names)
    if not record.count:
        _collected(link, names, entry or _last_function(job["program"]), record)
    if not record.count and not cases.found and link.asked:
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


def _parse(text: str, needed: bool = False) -> ast.Module:
    try:
        tree = ast.parse(text)
        if tree.body or not needed:
            return tree
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unsupported(f"the tests are no Python: {error}") from None
    raise Unsupported("the tests are empty")


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
    builtin = {name for name in loaded - stored if hasattr(builtins, name)}
    if not builtin or builtin != loaded - stored:
        return frozenset()
    found = set()
    for name in builtin:
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
