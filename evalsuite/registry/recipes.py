"""Finds training recipes without importing them, as tasks are found, and the trainer, which is imported only where it is used.

Places, in order: the recipes that come with evalsuite, packages under the entry-point group `evalsuite.recipes`, and what
`--include_path` names. A name found twice is an error.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.errors import UnavailableError, UsageError
from evalsuite.registry.places import Root, import_file, installed_roots, loose_roots
from evalsuite.registry.scan import docline, is_call, literals, parsed, read_files

if TYPE_CHECKING:
    from types import ModuleType

BUILT_IN = "evalsuite.trainers.recipes"
ENTRY_POINTS = "evalsuite.recipes"
NEEDS = ("torch", "transformers", "accelerate")
_CACHE = "recipes.json"
_FORMAT = 1  # of a cache entry


class RecipeInfo(NamedTuple):
    """What the listing knows of a recipe: `changes` are the stages that differ from GRPO, `doc` its first docstring line."""

    name: str
    paper: str
    formula: str
    changes: tuple[str, ...]
    doc: str
    path: str
    line: int


def recipes(include: Iterable[str | Path] = ()) -> dict[str, RecipeInfo]:
    """Every recipe by name, without importing any.

    Raises UsageError for a name that two places give, and for a file that cannot be read.
    """
    return {name: info for name, (_, info) in _catalogue(include).items()}


def load_recipe(name: str, include: Iterable[str | Path] = ()) -> type:
    """The class behind a recipe's name; imports its module.

    Raises UsageError for an unknown name, a module that cannot be imported, and a class that is no evalsuite.trainers.Recipe.
    """
    known = _catalogue(include)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "`evalsuite train --list` shows what there is"
        raise UsageError(f"no recipe {name!r}; {hint}")
    root, info = known[name]
    module = import_file(root, Path(info.path), "recipe")
    base = importlib.import_module("evalsuite.trainers.base").Recipe
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, base) and vars(value).get("name") == name and value is not base:
            return value
    raise UsageError(f"recipe file {info.path}:{info.line}: {name!r} is no subclass of evalsuite.trainers.Recipe ")


def trainers() -> ModuleType:
    """`evalsuite.trainers`, the only way to it from inside evalsuite. Raises UnavailableError where its libraries are missing."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"training needs {', '.join(NEEDS)}; not here: {', '.join(missing)}: pip install 'evalsuite[hf]'"
        )
    return importlib.import_module("evalsuite.trainers")


def _catalogue(include: Iterable[str | Path]) -> dict[str, tuple[Root, RecipeInfo]]:
    found: dict[str, tuple[Root, RecipeInfo]] = {}
    for root, file, (rows,) in read_files([*_installed(), *loose_roots(include)], _CACHE, _FORMAT, _parse):
        for name, paper, formula, changes, doc, line in rows:
            info = RecipeInfo(name, paper, formula, tuple(changes), doc, str(file), line)
            if name in found:
                other = found[name][1]
                raise UsageError(
                    f"recipe {name!r} is defined twice: {other.path}:{other.line} and {info.path}:{info.line}; rename one"
                )
            found[name] = (root, info)
    return found


@functools.cache
def _installed() -> tuple[Root, ...]:
    return installed_roots(BUILT_IN, ENTRY_POINTS)


def _parse(file: Path) -> tuple[list]:
    """`[name, paper, formula, changes, doc, line]` of every decorated class in a file."""
    import ast

    return (
        [
            [*_described(call, file), docline(node), node.lineno]
            for node in parsed(file, "recipe", (b"recipe",))
            if isinstance(node, ast.ClassDef)
            for call in node.decorator_list
            if is_call(call, "recipe")
        ],
    )


def _described(call: Any, file: Path) -> list:
    """Name, paper, formula and changes in a decorator."""
    try:
        values = literals(call, ("name", "paper", "formula", "changes"))
    except ValueError:
        values = {}
    texts, changes = [values.get(key) for key in ("name", "paper", "formula")], values.get("changes")
    if not all(isinstance(text, str) for text in texts) or not isinstance(changes, list | tuple):
        raise UsageError(
            f"recipe file {file}:{call.lineno}: name, paper and formula must be literal strings and changes a literal tuple of "
            "strings: recipes are listed without being imported"
        )
    return [*texts, list(changes)]
