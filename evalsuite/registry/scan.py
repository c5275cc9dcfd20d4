"""Reads the names of tasks out of Python files without importing them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.cache import read_json, write_json
from evalsuite.errors import UsageError

if TYPE_CHECKING:
    import ast

_CACHE = "tasks.json"
_FORMAT = 1  # of a cache entry


class TaskInfo(NamedTuple):
    """What the listing knows of a task: `family` is its folder, `doc` its first docstring line, `parameters` as written."""

    name: str
    family: str
    tags: tuple[str, ...]
    path: str
    line: int
    doc: str
    parameters: tuple[str, ...] = ()


class SuiteInfo(NamedTuple):
    """A suite's name and members, and where it is written."""

    name: str
    tasks: tuple[str, ...]
    path: str
    line: int


class Root(NamedTuple):
    """A folder of task files, or one file; `package` is the name it imports by, None for loose files."""

    path: Path
    package: str | None


def scan(roots: list[Root]) -> tuple[list[tuple[Root, TaskInfo]], list[SuiteInfo]]:
    """Tasks and suites of all files under the roots, in order; a file under two roots counts once.

    Files whose modification time and size are unchanged come from the user's cache. Raises UsageError for a file that
    cannot be read or parsed.
    """
    cache = read_json(_CACHE)
    old = cache["files"] if cache.get("format") == _FORMAT else {}
    tasks: list[tuple[Root, TaskInfo]] = []
    suites: list[SuiteInfo] = []
    seen: dict[str, list] = {}
    fresh = False
    for root in roots:
        for file in _python_files(root.path):
            path = str(file)
            if path in seen:
                continue
            stat = file.stat()
            entry = old.get(path)
            if entry is None or entry[:2] != [stat.st_mtime_ns, stat.st_size]:
                entry, fresh = [stat.st_mtime_ns, stat.st_size, *_parse(file)], True
            seen[path] = entry
            family = file.relative_to(root.path).parts[0] if len(file.relative_to(root.path).parts) > 1 else ""
            for name, tags, line, doc, parameters in entry[2]:
                tasks.append((root, TaskInfo(name, family, tuple(tags), path, line, doc, tuple(parameters))))
            suites += [SuiteInfo(name, tuple(members), path, line) for name, members, line in entry[3]]
    if fresh:
        kept = {path: entry for path, entry in old.items() if path not in seen and Path(path).exists()}
        write_json(_CACHE, {"format": _FORMAT, "files": kept | seen})
    return tasks, suites


def _python_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(
        f for f in path.rglob("*.py") if not any(p.startswith((".", "__pycache__")) for p in f.relative_to(path).parts)
    )


def _parse(file: Path) -> tuple[list, list]:
    """`[name, tags, line, doc, parameters]` of every task and `[name, members, line]` of every suite in a file."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise UsageError(f"task file {file}: cannot be read: {error.strerror or error}") from None
    if b"task" not in source and b"suite" not in source:
        return [], []
    import ast  # only where the cache is stale

    try:
        tree = ast.parse(source, str(file))
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"task file {file}:{getattr(error, 'lineno', None) or 1}: {error}") from None
    tasks: list[list] = []
    suites: list[list] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            for call in node.decorator_list:
                if _is_call(call, "task"):
                    name, tags = _literals(call, ("name", "tags"), file)
                    doc = (ast.get_docstring(node) or "").split("\n")[0]
                    tasks.append([name, list(tags or ()), node.lineno, doc, _parameters(node.args)])
        elif isinstance(node, ast.Expr | ast.Assign) and _is_call(node.value, "suite"):
            name, members = _literals(node.value, ("name", "tasks"), file)
            suites.append([name, list(members or ()), node.lineno])
    return tasks, suites


def _is_call(node: object, name: str) -> bool:
    function = getattr(node, "func", None)
    return (getattr(function, "id", None) or getattr(function, "attr", None)) == name


def _literals(call: Any, wanted: tuple[str, str], file: Path) -> list:
    """The literal values of a call's two arguments, given by position or by name."""
    import ast

    given = dict(zip(wanted, call.args)) | {k.arg: k.value for k in call.keywords}
    try:
        values = [ast.literal_eval(given[name]) if name in given else None for name in wanted]
    except ValueError:
        values = [None]
    if not isinstance(values[0], str) or isinstance(values[-1], str):
        raise UsageError(
            f"task file {file}:{call.lineno}: {wanted[0]} must be a literal string and {wanted[1]} a literal tuple of strings: "
            "tasks are listed without being imported"
        )
    return values


def _parameters(arguments: ast.arguments) -> list[str]:
    import ast

    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    defaults = [None] * missing + list(arguments.defaults) + list(arguments.kw_defaults)
    texts = []
    for argument, default in zip([*positional, *arguments.kwonlyargs], defaults):
        annotation = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
        equals = " = " if annotation else "="
        texts.append(argument.arg + annotation + (f"{equals}{ast.unparse(default)}" if default is not None else ""))
    return texts
