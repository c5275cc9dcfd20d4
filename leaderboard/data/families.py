"""Families and tags of tasks, to choose columns by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from evalsuite.errors import EvalsuiteError
from evalsuite.registry import index


def families(columns: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Family and tags of each column's task, from the listing of tasks; none for a task that is not in it."""
    try:
        known = index()
    except EvalsuiteError:  # two installed packages with a task of one name: `evalsuite tasks list` says so
        known = {}
    found = {column: known.get(column.partition("[")[0].partition("@")[0]) for column in columns}
    return {column: tuple(dict.fromkeys((i.family, *i.tags))) if i else () for column, i in found.items()}


def with_words(columns: Sequence[str], words: Mapping[str, Sequence[str]], chosen: Collection[str]) -> list[str]:
    """The columns whose task has one of the chosen families or tags; all of them where none is chosen."""
    return [c for c in columns if not chosen or set(chosen) & set(words[c])]
