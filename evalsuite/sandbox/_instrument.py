"""Makes single cases of the asserts in test code, so that one that fails is written down and the next has its turn."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

CASE, EQUAL = "@case", "@equal"  # no program can spell these names


class Instrument:
    """Test code with every comparison for equality in an assert remembered, and with `cases` every assert a case.

    A case is an assert at module level, in `check`, or in a function or method named test, and the call of a function of
    the tests that has asserts of its own. Those stay as they are: who calls them may be waiting for their failure, as what
    surrounds a `try` or `with` may. Expressions are not walked: tests may be megabytes of literals. `found` are the cases
    in the order of their numbers.
    """

    def __init__(self, cases: bool = False) -> None:
        self.found: list[ast.stmt] = []
        self._cases = cases
        self._asserting: set[str] = set()

    def module(self, tree: ast.Module) -> ast.Module:
        """The same module, changed in place."""
        self._asserting = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and not _is_test(node.name) and _has_assert(node.body)
        }
        tree.body = self._block(tree.body, self._cases)
        return tree

    def _block(self, body: list[ast.stmt], cases: bool) -> list[ast.stmt]:
        return [self._statement(node, cases) for node in body]

    def _statement(self, node: ast.stmt, cases: bool) -> ast.stmt:
        if isinstance(node, ast.Assert):
            return self._assert(node, cases)
        if isinstance(node, ast.Expr) and cases and _called(node.value) in self._asserting:
            return self._case(node, node)
        if isinstance(node, ast.Try | ast.TryStar | ast.With | ast.AsyncWith):
            cases = False
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            cases = self._cases and _is_test(node.name)
        for field in ("body", "orelse", "finalbody"):
            if isinstance(value := getattr(node, field, None), list):
                setattr(node, field, self._block(value, cases))
        for inner in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            inner.body = self._block(inner.body, cases and isinstance(node, ast.Match))
        return node

    def _assert(self, node: ast.Assert, cases: bool) -> ast.stmt:
        new = node
        if isinstance(node.test, ast.Compare) and len(node.test.ops) == 1 and isinstance(node.test.ops[0], ast.Eq):
            sides = [node.test.left, node.test.comparators[0]]
            at = _place(node)
            new = ast.Assert(ast.Call(ast.Name(EQUAL, ast.Load(), **at), sides, [], **at), node.msg, **at)
        return self._case(node, new) if cases else new

    def _case(self, shown: ast.stmt, body: ast.stmt) -> ast.stmt:
        at = _place(shown)
        call = ast.Call(ast.Name(CASE, ast.Load(), **at), [ast.Constant(len(self.found), **at)], [], **at)
        self.found.append(ast.Assert(shown.test) if isinstance(shown, ast.Assert) else shown)
        return ast.With([ast.withitem(call)], [body], **at)


def _place(node: ast.stmt) -> dict[str, Any]:
    return {name: getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")}


def _is_test(name: str) -> bool:
    return name == "check" or name.startswith("test")


def _called(node: ast.expr) -> str | None:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def _has_assert(body: Sequence[ast.stmt]) -> bool:
    return any(
        isinstance(node, ast.Assert)
        or any(_has_assert(inner) for field in ("body", "orelse") if isinstance(inner := getattr(node, field, None), list))
        for node in body
    )
