"""Ranks that the data can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.pairs import align, clusters
from evalsuite.errors import EvalsuiteError
from evalsuite.metrics import compare_many, parse_metric
from evalsuite.runlog import RunDir

from ..plots.style import percent
from .board import Cell, Row
from .settings import differences, letters

MISSING = 0.01  # share of questions without a value above which a run is not ranked: it would take them from all others
CORRECTION = "holm"


@dataclass(frozen=True)
class Ranks:
    """`bands`: first and last rank that a run may hold, by key; `why` a run has none, by key. `questions` all of the ranked have."""

    bands: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    questions: int = 0


def ranks(rows: Sequence[Row], column: str) -> Ranks:
    """The ranks of a column: only of whole data sets, and among the runs whose fingerprint most rows have.

    Every pair is tested over the questions that all of them have (`metrics.compare_many`, Holm over all pairs, 5 %).
    """
    letter, words = letters(rows, column), differences(rows, column)
    there: dict[str, Cell] = {c.run.key: c for row in rows if (c := row.cells.get(column)) is not None and c.value is not None}
    why = {key: reason for key, cell in there.items() if (reason := _unfit(cell, letter, words))}
    recorded: dict[str, tuple[Recorded, Any]] = {}
    for key, cell in there.items():
        if key in why:
            continue
        run = Recorded(RunDir(cell.run.path))
        try:
            metric = parse_metric(cell.metric)
            run.require_ended()
            values, _ = run.values(cell.task, metric)
        except EvalsuiteError as error:
            why[key] = f"no rank: {error}"
            continue
        if (absent := float(np.isnan(values).mean()) if len(values) else 1.0) > MISSING:
            why[key] = f"no rank: {percent(absent)} % of the questions have no value"
        else:
            recorded[key] = run, metric
    if len(recorded) < 2:
        return Ranks({}, why | dict.fromkeys(recorded, "no rank: no other run to compare it with"))
    rollups = [run.rollup(there[key].task) for key, (run, _) in recorded.items()]
    _, positions = align(rollups)
    at = positions[:, (positions >= 0).all(axis=0)]
    values = np.stack([run.values(there[k].task, m)[0][row] for (k, (run, m)), row in zip(recorded.items(), at)])
    full = ~np.isnan(values).any(axis=0)
    values, at = values[:, full], at[:, full]
    if not values.shape[1]:
        return Ranks({}, why | dict.fromkeys(recorded, "no rank: there is no question that all of them have"))
    samples = [float(r.n[row].mean()) / m.draws for r, row, (_, m) in zip(rollups, at, recorded.values())]
    found = compare_many(values, samples=samples, clusters=clusters(rollups[0], at[0]), correction=CORRECTION)
    return Ranks(dict(zip(recorded, found.bands)), why, values.shape[1])


def band_text(band: tuple[int, int] | None) -> str:
    """`3`, or `1–4` for ranks that cannot be told apart."""
    return "" if band is None else str(band[0]) if band[0] == band[1] else f"{band[0]}–{band[1]}"


def _unfit(cell: Cell, letter: Mapping[str, str], words: Mapping[str, str]) -> str:
    if cell.partial:
        return "no rank: not the whole data set"
    if not cell.fingerprint:
        return "no rank: its settings are not recorded"
    return "" if letter[cell.fingerprint] == "A" else f"no rank: differs from A in {words[cell.fingerprint]}"
