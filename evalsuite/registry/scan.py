"""Reads what Python files declare (tasks, suites, recipes) out of them without importing them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.cache import read_json, write_json
from evalsuite.errors import UsageError
from evalsuite.registry.places import Root

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


def scan(roots: Sequence[Root]) -> tuple[list[tuple[Root, TaskInfo]], list[SuiteInfo]]:
    """Tasks and suites of all files under the roots, in order. Raises UsageError as `read_files` does."""
    tasks: list[tuple[Root, TaskInfo]] = []
    suites: list[SuiteInfo] = []
    for root, file, (found, declared) in read_files(roots, _CACHE, _FORMAT, _parse):
        path, parts = str(file), file.relative_to(root.path).parts
        family = parts[0] if len(parts) > 1 else ""
        for name, tags, line, doc, parameters in found:
            tasks.append((root, TaskInfo(name, family, tuple(tags), path, line, doc, tuple(parameters))))
        suites += [SuiteInfo(name, tuple(members), path, line) for name, members, line in declared]
    return tasks, suites


def read_files(
    roots: Sequence[Root], cache: str, form: int, parse: Callable[[Path], Sequence[Any]]
) -> Iterator[tuple[Root, Path, Sequence[Any]]]:
    """What `parse` (file -> JSON lists) finds in every Python file under the roots, in order; a file under two roots counts once.

    Files whose modification time and size are unchanged come from the user's cache of that name, whose entries have the
    format number `form`. Raises UsageError for a file that cannot be read or parsed.
    """
    known = read_json(cache)
    old = known["files"] if known.get("format") == form else {}
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
                entry, fresh = [stat.st_mtime_ns, stat.st_size, *parse(file)], True
            seen[path] = entry
            yield root, file, entry[2:]
    if fresh:
        kept = {path: entry for path, entry in old.items() if path not in seen and Path(path).exists()}
        write_json(cache, {"format": form, "files": kept | seen})


def parsed(file: Path, what: str, words: Collection[bytes]) -> list[ast.stmt]:
    """The statements of a file; none where none of `words` is in it. Raises UsageError, naming `what` the file is."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{what} file {file}: cannot be read: {error.strerror or error}") from None
    if not any(word in source for word in words):
        return []
    import ast  # only where the cache is stale

    try:
        return ast.parse(source, str(file)).body
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{what} file {file}:{getattr(error, 'lineno', None) or 1}: {error}") from None


def is_call(node: object, name: str) -> bool:
    """Whether a node calls `name`, or something that ends in `.name`."""
    function = getattr(node, "func", None)
    return (getattr(function, "id", None) or getattr(function, "attr", None)) == name


def literals(call: Any, wanted: Sequence[str]) -> dict[str, Any]:
    """The values of a call's arguments, by position or by name, without those that are absent. Raises ValueError for others."""
    import ast

    given = dict(zip(wanted, call.args)) | {k.arg: k.value for k in call.keywords}
    return {name: ast.literal_eval(given[name]) for name in wanted if name in given}


def docline(node: Any) -> str:
    """The first line of a docstring, or nothing."""
    import ast

    return (ast.get_docstring(node) or "").split("\n")[0]


def _python_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(
        f for f in path.rglob("*.py") if not any(p.startswith((".", "__pycache__")) for p in f.relative_to(path).parts)
    )


def _parse(file: Path) -> tuple[list, list]:
    """`[name, tags, line, doc, parameters]` of every task and `[name, members, line]` of every suite in a file."""
    import ast

    tasks: list[list] = []
    suites: list[list] = []
    for node in parsed(file, "task", (b"task", b"suite")):
        if isinstance(node, ast.FunctionDef):
            for call in node.decorator_list:
                if is_call(call, "task"):
                    name, tags = _name_and(call, "tags", file)
                    tasks.append([name, tags, node.lineno, docline(node), _parameters(node.args)])
        elif isinstance(node, ast.Expr | ast.Assign) and is_call(node.value, "suite"):
            suites.append([*_name_and(node.value, "tasks", file), node.lineno])
    return tasks, suites


def _name_and(call: Any, second: str, file: Path) -> tuple[str, list[str]]:
    """The name in a call, and the sequence of strings that its second argument is."""
    try:
        values = literals(call, ("name", second))
    except ValueError:
        values = {}
    name, strings = values.get("name"), values.get(second)
    if not isinstance(name, str) or isinstance(strings, str):
        raise UsageError(
            f"task file {file}:{call.lineno}: name must be a literal string and {second} a literal tuple of strings: "
            "tasks are listed without being imported"
        )
    return name, list(strings or ())


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
