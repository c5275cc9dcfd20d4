"""Finds tasks without importing them, and imports the one that is asked for.

Places, in order: the tasks that come with evalsuite, packages under the entry-point group `evalsuite.tasks`, what
`--include_path` names, and tasks decorated in this very process (a script, a notebook). A name found twice is an error.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.registry.places import LOOSE, Root, import_file, installed_roots, loose_roots
from evalsuite.registry.scan import SuiteInfo, TaskInfo, scan
from evalsuite.registry.spec import bind

if TYPE_CHECKING:
    from types import CodeType

    from evalsuite.words.task import Task

__all__ = [
    "Selection",
    "TaskInfo",
    "find",
    "index",
    "is_evaluated",
    "is_train",
    "load_task",
    "select",
    "suite",
    "suites",
    "task",
]

F = TypeVar("F", bound=Callable[..., Any])

BUILT_IN = "evalsuite.tasks"
ENTRY_POINTS = "evalsuite.tasks"
_decorated: dict[tuple[str, str], Callable[..., Any]] = {}  # (module, task name) -> function
_suites: dict[str, SuiteInfo] = {}  # suites declared in this process, outside task files


class Selection(NamedTuple):
    """Tasks to run, in order and without repetition, and the suites among what was asked for with their members' names."""

    tasks: tuple[str, ...]
    suites: Mapping[str, tuple[str, ...]]


def task(name: str, tags: Sequence[str] = ()) -> Callable[[F], F]:
    """Decorator: this function makes the Task `name`. The function stays callable; its arguments become task arguments.

    Both arguments must be literals: files are listed without being imported. Used in a script or a notebook, the task is
    at once known to this process by its name.
    """

    def register(function: F) -> F:
        code = _code(function)
        doc = (function.__doc__ or "").strip().split("\n")[0]
        function.task_info = TaskInfo(name, "", tuple(tags), code.co_filename, code.co_firstlineno, doc)  # type: ignore[attr-defined]
        _decorated[function.__module__, name] = function
        return function

    return register


def suite(name: str, tasks: Sequence[str]) -> None:
    """Name several tasks: `--tasks suite:NAME` runs them and adds their macro average. At module level, with literals."""
    frame = sys._getframe(1)
    module = frame.f_globals.get("__name__", "")
    if not module.startswith((BUILT_IN, LOOSE)):
        _suites[name] = SuiteInfo(name, tuple(tasks), frame.f_code.co_filename, frame.f_lineno)


def index(include: Iterable[str | Path] = ()) -> dict[str, TaskInfo]:
    """Every task by name, without importing any. Raises UsageError for a name that two places give."""
    return {name: info for name, (_, info) in _catalogue(include)[0].items()}


def suites(include: Iterable[str | Path] = ()) -> dict[str, tuple[str, ...]]:
    """Every suite by name, with its members as written (names, globs, or names with arguments)."""
    return _catalogue(include)[1]


def select(patterns: str | Iterable[str], include: Iterable[str | Path] = ()) -> Selection:
    """The tasks that patterns name; a pattern may be a list separated by commas.

    A pattern is a task's name, with arguments (`sort_letters@level=3:size=50`) or without; a glob over names (`aime*`);
    `family:NAME` (a folder of tasks, may be a glob); `suite:NAME`; a family or a tag, where no task has that name; or a
    data file of the user's with a verifier's name (`problems.jsonl:math`). Raises UsageError for one that names nothing, and
    for two files of one name.
    """
    from evalsuite.registry.filetask import task_name

    tasks, known = _catalogue(include)
    infos = {name: info for name, (_, info) in tasks.items()}
    chosen: dict[str, None] = {}
    used: dict[str, tuple[str, ...]] = {}
    for pattern in _split(patterns):
        if pattern.startswith("suite:"):
            name = pattern.removeprefix("suite:")
            if name not in known:
                raise UsageError(_unknown(f"no suite {name!r}", name, known))
            names = tuple(dict.fromkeys(n for member in known[name] for n in _match(member, infos, known)))
            used[name] = tuple(task_name(spec) for spec in names)
        else:
            names = tuple(_match(pattern, infos, known))
        chosen |= dict.fromkeys(names)
    if not chosen:
        raise UsageError("no task named: give --tasks; `evalsuite tasks list` shows what there is")
    by_name: dict[str, str] = {}
    for spec in chosen:
        if (other := by_name.setdefault(task_name(spec), spec)) != spec:
            raise UsageError(f"{other} and {spec} are two files of one name; rename one of them")
    return Selection(tuple(chosen), used)


def load_task(spec: str, include: Iterable[str | Path] = ()) -> Task:
    """Import and call the function behind one spec; the Task's `name` is the spec (of a data file, without its folder).

    Raises UsageError for an unknown name, a module that cannot be imported, and arguments that the function does not take.
    """
    from evalsuite.registry.filetask import file_task, is_file_spec
    from evalsuite.words.task import Task

    if is_file_spec(spec):
        return file_task(spec)
    name, _, arguments = spec.partition("@")
    function = find(name, include)
    call = bind(function, name, arguments)
    code = _code(function)
    try:
        made = call()
    except EvalsuiteError:
        raise
    except Exception as error:  # the task file is the user's: its failures are named, not traced
        place = f"{code.co_filename}:{code.co_firstlineno}"
        raise UsageError(f"task {spec} ({place}): {type(error).__name__}: {error}") from error
    if not isinstance(made, Task):
        raise UsageError(f"task {spec} ({code.co_filename}): the function returned {type(made).__name__}, expected a Task")
    import dataclasses

    return dataclasses.replace(made, name=spec)


def is_train(spec: str, include: Iterable[str | Path] = ()) -> bool:
    """Whether a spec asks for a training split, by its argument `split`: `gsm8k@split=train`, `mbpp@train`.

    False means that these are questions which `evalsuite run` evaluates, or a data file, of which nothing is known. Raises
    UsageError as `load_task` does.
    """
    import inspect

    from evalsuite.registry.filetask import is_file_spec

    if is_file_spec(spec):
        return False
    name, _, arguments = spec.partition("@")
    function = find(name, include)
    call = bind(function, name, arguments)
    return inspect.signature(function).bind(*call.args, **call.keywords).arguments.get("split") == "train"


def is_evaluated(spec: str, include: Iterable[str | Path] = ()) -> bool:
    """Whether these are the questions that `evalsuite run` scores: those of a task in the registry without `split=train`.

    A data file of the user's, or a Task made in a script, is nobody's benchmark. Raises UsageError as `load_task` does.
    """
    from evalsuite.registry.filetask import is_file_spec

    known = not is_file_spec(spec) and spec.partition("@")[0] in index(include)
    return known and not is_train(spec, include)


def find(name: str, include: Iterable[str | Path] = ()) -> Callable[..., Any]:
    """The function behind a task's name (without arguments); imports its module. Raises UsageError as `load_task` does."""
    tasks, known = _catalogue(include)
    if name not in tasks:
        raise UsageError(_unknown(f"no task {name!r}", name, [*tasks, *known]))
    return _function(*tasks[name])


def _code(function: Callable[..., Any]) -> CodeType:
    """Of the function itself, under `functools.cache` and other wrappers."""
    import inspect

    return inspect.unwrap(function).__code__


def _catalogue(include: Iterable[str | Path]) -> tuple[dict[str, tuple[Root | None, TaskInfo]], dict[str, tuple[str, ...]]]:
    """Tasks and suites of all places. A task decorated in this process has no root."""
    found, declared = scan(_roots(include))
    tasks: dict[str, tuple[Root | None, TaskInfo]] = {}
    for root, info in found:
        _refuse_twice(f"task {info.name!r}", info, tasks[info.name][1] if info.name in tasks else None)
        tasks[info.name] = (root, info)
    for (module, name), function in _decorated.items():
        info = function.task_info._replace(name=name)  # type: ignore[attr-defined]
        if module.startswith((BUILT_IN, LOOSE)) or (name in tasks and Path(info.path).resolve() == Path(tasks[name][1].path)):
            continue
        _refuse_twice(f"task {name!r}", info, tasks[name][1] if name in tasks else None)
        tasks[name] = (None, info)
    known: dict[str, SuiteInfo] = {}
    for entry in [*declared, *(s for s in _suites.values() if s.path not in {d.path for d in declared})]:
        _refuse_twice(f"suite {entry.name!r}", entry, known.get(entry.name))
        known[entry.name] = entry
    return tasks, {name: entry.tasks for name, entry in known.items()}


def _refuse_twice(what: str, new: TaskInfo | SuiteInfo, old: TaskInfo | SuiteInfo | None) -> None:
    if old is not None:
        raise UsageError(f"{what} is defined twice: {old.path}:{old.line} and {new.path}:{new.line}; rename one")


def _roots(include: Iterable[str | Path]) -> list[Root]:
    return [*_installed(), *loose_roots(include)]


@functools.cache
def _installed() -> tuple[Root, ...]:
    """Built-in tasks, then those of installed packages."""
    return installed_roots(BUILT_IN, ENTRY_POINTS)


def _split(patterns: str | Iterable[str]) -> list[str]:
    """Patterns one by one. A whole pattern that is a data file keeps its commas."""
    from evalsuite.registry.filetask import is_file_spec

    parts: list[str] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        parts += [pattern] if is_file_spec(pattern) and Path(pattern.rpartition(":")[0]).exists() else pattern.split(",")
    return [part.strip() for part in parts if part.strip()]


def _match(pattern: str, tasks: Mapping[str, TaskInfo], known: Mapping[str, Any]) -> list[str]:
    """The specs that one pattern (not a suite) names, in the order of the listing; at least one."""
    from evalsuite.registry.filetask import check_file_spec, is_file_spec

    if is_file_spec(pattern):
        return ["{}:{}".format(*check_file_spec(pattern))]
    name, at, _ = pattern.partition("@")
    if name in tasks:
        return [pattern]
    if at:
        raise UsageError(_unknown(f"no task {name!r}", name, tasks))
    if pattern.startswith("family:"):
        wanted = pattern.removeprefix("family:")
        names = [n for n, info in tasks.items() if fnmatch.fnmatchcase(info.family, wanted)]
    elif any(c in pattern for c in "*?["):
        names = fnmatch.filter(tasks, pattern)
    else:
        names = [n for n, info in tasks.items() if pattern == info.family or pattern in info.tags]
    if not names:
        words = {word for info in tasks.values() for word in (info.family, *info.tags) if word}
        raise UsageError(
            _unknown(
                f"no task, tag or family matches {pattern!r}",
                pattern,
                [*tasks, *sorted(words), *(f"suite:{name}" for name in known)],
            )
        )
    return names


def _unknown(what: str, name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.removeprefix("family:"), list(names), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "`evalsuite tasks list` shows what there is"
    return f"{what}; {hint}"


def _function(root: Root | None, info: TaskInfo) -> Callable[..., Any]:
    """The decorated function, its module imported if it is not yet."""
    if root is None:
        return next(f for (m, n), f in _decorated.items() if n == info.name and not m.startswith((BUILT_IN, LOOSE)))
    module = import_file(root, Path(info.path), "task")
    function = _decorated.get((module.__name__, info.name))
    if function is None:
        raise UsageError(f"task file {info.path}:{info.line}: `task` there is not evalsuite.task; import it from evalsuite")
    return function
