"""Questions with a date, before and after a cutoff: a model cannot have seen what was written after it was trained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from evalsuite.errors import EvalsuiteError

from ..catalog import Catalog
from .questions import apart, asked, columns, mean, of_set, recorded, unpaired

_NAMES = re.compile(r"(^|_)(date|release|released|published|created|created_at|timestamp)($|_)", re.IGNORECASE)
_ISO = re.compile(r"^(\d{4}-(0[1-9]|1[0-2]))(-\d{2})?([T ].*)?$")
MOST_UNDATED = 0.5  # share of questions without a date above which a field is none


def date_field(metadata: Sequence[Mapping[str, Any]]) -> str | None:
    """The field of the questions' metadata that holds dates: its name says so, and most of its values are ISO 8601 (year and month at
    least)."""
    names = dict.fromkeys(name for row in metadata for name in row if _NAMES.search(str(name)))
    for name in names:
        if sum(month(row.get(name)) is not None for row in metadata) > MOST_UNDATED * len(metadata):
            return name
    return None


def month(value: Any) -> str | None:
    """`2024-08` of an ISO date; None of anything else."""
    match = _ISO.match(value.strip()) if isinstance(value, str) else None
    return match[1] if match else None


def dated(catalog: Catalog) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """The months of each task's questions by task, in order, each once; and tasks that cannot be read, with the reason."""
    months: dict[str, set[str]] = {}
    problems = []
    for questions in asked(catalog):
        try:
            found = _months(of_set(catalog, questions, ["metadata"])["metadata"])
        except EvalsuiteError as error:
            problems.append((questions.task, str(error)))
            continue
        if known := {m for m in found if m}:
            months.setdefault(questions.task, set()).update(known)
    return {task: sorted(of) for task, of in months.items()}, problems


def windows(catalog: Catalog, task: str, cutoff: str, keys: Iterable[str]) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """A row per run of `task`: the value of its questions before the month `cutoff`, from it on, and after minus before.

    The two are different questions, so the difference is unpaired. Questions without a date are in neither and counted. Second:
    runs that cannot be read, with the reason.
    """
    rows, problems = [], []
    for key in keys:
        run = catalog.runs[key]
        if task not in run.tasks:
            continue
        try:
            months = np.array([m or "" for m in _months(columns(run, task, ["metadata"])["metadata"])])
            if not (months != "").any():
                problems.append((catalog.labels[key], f"no question of its {task} has a date on record"))
                continue
            side = recorded(run)
            before, after = mean(side, task, (months != "") & (months < cutoff)), mean(side, task, months >= cutoff)
        except EvalsuiteError as error:
            problems.append((catalog.labels[key], str(error)))
            continue
        difference = unpaired(before, after)
        row: dict[str, Any] = {"key": key, "run": catalog.labels[key]}
        for name, a in (("before", before), ("after", after), ("difference", difference)):
            row |= {name: a.value, f"{name}_low": a.low, f"{name}_high": a.high}
        row |= {"n_before": before.n_questions, "n_after": after.n_questions, "undated": int((months == "").sum())}
        rows.append(row | {"reading": apart(difference, "after", "before")})
    return pd.DataFrame(rows), problems


def _months(metadata: Sequence[str | None]) -> list[str | None]:
    rows = [json.loads(text) if text else {} for text in metadata]
    # A file task keeps the column `metadata` of its file under that name.
    rows = [{**row, **row["metadata"]} if isinstance(row.get("metadata"), Mapping) else row for row in rows]
    name = date_field(rows)
    return [month(row.get(name)) if name is not None else None for row in rows]
