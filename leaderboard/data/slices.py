"""Slices: groups of a task's questions by their metadata."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import pyarrow.parquet as pq

from ..catalog import Run
from .samples import questions_of

_MOST_VALUES, _MOST_SLICES = 40, 30


def slices(run: Run, task: str) -> Mapping[str, Mapping[str, int]]:
    """Metadata fields that divide the questions of a task into a few groups: field -> value as text -> questions, most first.

    A field counts that holds 2 to 40 different texts, whole numbers or truth values, each on two questions on average. Empty where
    the run did not keep its questions.
    """
    found = {}
    for name, values in _metadata(run, task).items():
        counts = Counter(values.values())
        if 2 <= len(counts) <= _MOST_VALUES and 2 * len(counts) <= len(values):
            found[name] = dict(counts.most_common())
    return dict(sorted(found.items(), key=lambda item: len(item[1]))[:_MOST_SLICES])


def ids(run: Run, task: str, wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Ids of the questions that have all of these metadata values; those of one field are alternatives."""
    metadata = _metadata(run, task)
    by_field: dict[str, set[str]] = {}
    for name, value in wanted:
        by_field.setdefault(name, set()).add(value)
    groups = [{id for id, value in metadata.get(name, {}).items() if value in values} for name, values in by_field.items()]
    return sorted(set.intersection(*groups))


def _metadata(run: Run, task: str) -> Mapping[str, Mapping[str, str]]:
    path = questions_of(run, task)
    return {} if path is None else _read_metadata(str(path), path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read_metadata(path: str, when: int) -> Mapping[str, Mapping[str, str]]:
    """Field -> question -> value as text, of values that could name a group."""
    if not {"id", "metadata"} <= set(pq.read_schema(path).names):
        return {}
    table = pq.read_table(path, columns=["id", "metadata"])
    found: dict[str, dict[str, str]] = {}
    for id, text in zip(table["id"].to_pylist(), table["metadata"].to_pylist(), strict=True):
        try:
            metadata = json.loads(text or "{}")
        except ValueError:
            continue
        for name, value in metadata.items() if isinstance(metadata, dict) else ():
            if isinstance(value, str | int) and len(str(value)) <= 80:
                found.setdefault(name, {})[id] = str(value)
    return found
