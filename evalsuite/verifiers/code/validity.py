"""Whether a program is fit to ask questions about: it runs, it is a function of its arguments, and it needs nothing else.

The conditions under which Absolute Zero (arXiv 2505.03335) takes a program from its proposer, made stricter where the order of
a set or the history of earlier calls would decide.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from evalsuite import sandbox
from evalsuite.verifiers.code.literal import LONGEST, same, shown

# The modules of Absolute Zero's configuration (`azr_ppo_trainer.yaml`, `banned_words`), whose `os.path`, `os.environ` and
# `sys.exit` are the whole modules here, and others that reach outside the program or differ from run to run.
BANNED = frozenset(
    "logging random multiprocessing pebble subprocess threading datetime time hashlib hmac bcrypt os sys calendar "
    "asyncio builtins concurrent ctypes gc getpass glob importlib inspect io locale mmap pathlib pickle platform posix "
    "resource secrets select shutil signal site socket sqlite3 ssl tempfile timeit tracemalloc urllib uuid weakref zoneinfo".split()
)
CALLS = frozenset("__import__ breakpoint compile eval exec exit globals hash id input locals open quit vars".split())
# Sets of texts are iterated over in an order that differs between processes. On the second run these go the other way.
_PRELUDE = """
def _turned_(items):
    if type(items) in (set, frozenset) and len(items) > 1 and any(not isinstance(i, (int, float, complex)) for i in items):
        return list(items)[::-1]
    return items

def _pop_(items):
    if _turned_(items) is items:
        return items.pop()
    last = _turned_(items)[0]
    items.remove(last)
    return last
"""
_ITERATING = frozenset("list tuple enumerate zip map filter iter str repr print format dict sum max min sorted".split())


def check_program(
    program: str, inputs: Sequence[Sequence[Any]], entry_point: str = "f", *, timeout: float = 10.0
) -> str | None:
    """What is wrong with a program that somebody else wrote, in words; None for a good one.

    `inputs` are the arguments of calls: `check_program("def f(x): return x + 1", [(1,), (2,)])`. A good program is one
    module with a function `entry_point` of at least one parameter, imports nothing of `BANNED`, calls nothing of `CALLS`,
    and returns plain data that is not None for every input. It runs twice, in two sandboxes of `timeout` seconds each, the
    second time with the calls in reverse order and sets of texts iterated over the other way, and must return the same.

    Raises UnavailableError where there is no sandbox, UsageError for inputs that are no plain data.
    """
    if len(program) > LONGEST:
        return f"the program is longer than {LONGEST} characters"
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"the program is not Python: {error}"
    if problem := _static(tree, entry_point):
        return problem
    calls = [tuple(args) for args in inputs]
    first = sandbox.call(program, entry_point, calls, timeout=timeout)
    for args, result in zip(calls, first):
        call = f"{entry_point}({', '.join(map(shown, args))})"
        if result.error:
            return f"{call}: {result.error}"
        if result.value is None:
            return f"{call} returns None"
        if not same(result.value, result.value):
            return f"{call} returns {shown(result.value)}, which no literal writes"
        if " object at 0x" in repr(result.value):
            return f"{call} returns {shown(result.value)}, which holds an address in memory"
    second = sandbox.call(_turned(tree), entry_point, calls[::-1], timeout=timeout)[::-1]
    for args, one, two in zip(calls, first, second):
        if two.error or not same(one.value, two.value):
            again = two.error or shown(two.value)
            return f"not deterministic: {entry_point}({', '.join(map(shown, args))}) returns {shown(one.value)}, then {again}"
    return None


def _static(tree: ast.Module, entry_point: str) -> str | None:
    """What can be seen without running it."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry_point]
    if not functions:
        return f"the program defines no function {entry_point!r}"
    arguments = functions[-1].args
    if not (arguments.args or arguments.posonlyargs or arguments.vararg):
        return f"{entry_point} takes no arguments"
    nodes = list(ast.walk(tree))
    own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] + ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            for module in modules:
                if not BANNED.isdisjoint(module.split(".")):
                    return f"line {node.lineno}: imports {module}, which is not allowed"
        elif isinstance(node, ast.Attribute) and node.attr == "random":  # numpy's
            return f"line {node.lineno}: uses {ast.unparse(node)}, which is not allowed"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS - own:
            return f"line {node.lineno}: calls {node.func.id}, which is not allowed"
    return None


def _turned(tree: ast.Module) -> str:
    """The program that iterates over sets of texts the other way."""
    tree = ast.fix_missing_locations(_Turn().visit(tree))
    head = 0  # a docstring and `from __future__` stay in front
    for node in tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not (docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__")):
            break
        head += 1
    tree.body[head:head] = ast.parse(_PRELUDE).body
    return ast.unparse(tree)


class _Turn(ast.NodeTransformer):
    """Puts `_turned_` around everything that is iterated over, and `_pop_` in the place of `.pop()`."""

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = _call("_turned_", node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.iter = _call("_turned_", node.iter)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = _call("_turned_", node.value)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        self.generic_visit(node)
        node.value = _call("_turned_", node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method == "pop" and not node.args and not node.keywords:
            assert isinstance(node.func, ast.Attribute)
            return _call("_pop_", node.func.value)
        named = isinstance(node.func, ast.Name) and node.func.id in _ITERATING
        if named or method in ("join", "extend", "format", "fromkeys"):
            node.args = [a if isinstance(a, ast.Starred) else _call("_turned_", a) for a in node.args]
        return node


def _call(name: str, argument: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])
