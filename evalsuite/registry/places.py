"""The places where task and recipe files are looked for, and how one of them is imported."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evalsuite.errors import EvalsuiteError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

LOOSE = "_evalsuite_tasks_"  # prefix of the module names of --include_path files


class Root(NamedTuple):
    """A folder of files, or one file; `package` is the name it imports by, None for loose files."""

    path: Path
    package: str | None


def installed_roots(built_in: str, group: str) -> tuple[Root, ...]:
    """The package that comes with evalsuite, then those that others register under an entry-point group.

    None of them is imported, their parents are. Raises UsageError for one that cannot be found.
    """
    from importlib.metadata import entry_points

    roots = [Root(folder, built_in) for folder in _package_paths(built_in, "evalsuite")]
    for entry in entry_points(group=group):
        name = entry.value.partition(":")[0].strip()
        roots += [Root(path, name) for path in _package_paths(name, f"entry point {entry.name!r} of {group}")]
    return tuple(roots)


def loose_roots(include: str | Path | Iterable[str | Path]) -> list[Root]:
    """What `--include_path` names: folders and Python files. Raises UsageError for anything else."""
    roots = []
    for given in [include] if isinstance(include, str | Path) else include:
        path = Path(os.path.expanduser(given)).resolve()
        if not (path.is_dir() or (path.is_file() and path.suffix == ".py")):
            raise UsageError(f"--include_path {given}: {'not a Python file' if path.exists() else 'not there'}")
        roots.append(Root(path, None))
    return roots


def import_file(root: Root, path: Path, what: str) -> ModuleType:
    """The module of a file under a root, imported if it is not yet. Raises UsageError, naming `what` the file is."""
    try:
        return _import(root, path)
    except EvalsuiteError:
        raise
    except Exception as error:  # importing runs the user's file: whatever it raises is about that file
        raise UsageError(f"{what} file {path}: cannot be imported: {type(error).__name__}: {error}") from error


def _package_paths(name: str, what: str) -> list[Path]:
    """The folder of a package or the file of a module, without importing it (its parents are imported)."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{what}: module {name!r} cannot be found: {error}") from None
    if spec is None:
        raise UsageError(f"{what}: module {name!r} cannot be found; reinstall the package that brings it")
    if spec.submodule_search_locations is not None:
        return [Path(p).resolve() for p in spec.submodule_search_locations]
    return [Path(spec.origin).resolve()] if spec.origin else []


def _import(root: Root, path: Path) -> ModuleType:
    folder = root.path if root.path.is_dir() else root.path.parent
    dotted = ".".join(p for p in path.relative_to(folder).with_suffix("").parts if p != "__init__")
    if root.package is not None:
        return importlib.import_module(f"{root.package}.{dotted}" if dotted and root.path.is_dir() else root.package)
    parents = [
        folder,
        *(folder.joinpath(*path.relative_to(folder).parts[:i]) for i in range(1, len(path.relative_to(folder).parts))),
    ]
    if all((parent / "__init__.py").is_file() for parent in parents):
        # A package: its files may import each other relatively.
        package = _loose(folder / "__init__.py", folder)
        return importlib.import_module(f"{package.__name__}.{dotted}" if dotted else package.__name__)
    return _loose(path, None)


def _loose(path: Path, package: Path | None) -> ModuleType:
    """Import a file under a made-up name that is the same for the same path."""
    name = f"{LOOSE}{hashlib.sha1(str(path).encode()).hexdigest()[:8]}_{(package or path).stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(package)] if package else None)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)  # workers do not know the made-up name
    return module
