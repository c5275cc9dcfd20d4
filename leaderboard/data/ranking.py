"""Ranks that the data can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.pairs import align, clusters
from evalsuite.errors import EvalsuiteError
from evalsuite.metrics import Metric, compare_many, parse_metric
from evalsuite.metrics.means import Values, rank_means
from evalsuite.runlog import RunDir

from ..plots.style import percent
from .board import MACRO, Row, common, macro_cell
from .settings import differences, letters

MISSING = 0.01  # share of questions without a value above which a run is not ranked: it would take them from all others
CORRECTION = "holm"

Read = tuple[Recorded, str, Metric]  # a run, one of its tasks, and what is compared there


@dataclass(frozen=True)
class Ranks:
    """`bands`: first and last rank that a row may hold, by `Row.key`; `why` a row has none, likewise.

    `questions` all of the ranked have, of `full` in the whole data sets (0: not known), over `tasks` tasks.
    """

    bands: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    questions: int = 0
    full: int = 0
    tasks: int = 1


def usual(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """What to rank by unless something else is chosen: MACRO where the rows have two of `columns` in common, else the column in
    which most of them have a number."""
    if not columns or len(common(rows, columns)) > 1:
        return MACRO
    return max(columns, key=lambda c: sum(c in row.cells and row.cells[c].value is not None for row in rows))


def ranks(rows: Sequence[Row], by: str, over: Sequence[str] = ()) -> Ranks:
    """The ranks of a column, or for MACRO of the mean over the columns `over`, among the runs whose fingerprint most rows have.

    The questions are a part of the fingerprint, so all of these have the same ones, be they the whole data set or not. Every pair
    is tested over those that have a value in all of them (`metrics.compare_many`; for MACRO by the mean difference over tasks,
    `rank_means`), Holm over all pairs, 5 %.
    """
    if by == MACRO:
        columns, there = list(over), {row.key(by): row for row in rows if macro_cell(row, over)}
    else:
        columns, there = [by], {row.key(by): row for row in rows if by in row.cells and row.cells[by].value is not None}
    told = {column: (letters(rows, column), differences(rows, column)) for column in columns}
    why = {key: f"no rank: {reason}" for key, row in there.items() if (reason := _unfit(row, told))}
    fit = [key for key in there if key not in why]
    with ThreadPoolExecutor() as pool:  # most of the time goes by in Parquet's own code, where threads do help
        found = dict(zip(fit, pool.map(lambda key: _read(there[key], columns), fit)))
    why |= {key: f"no rank: {reason}" for key, reason in found.items() if isinstance(reason, str)}
    read = {key: of for key, of in found.items() if not isinstance(of, str)}
    if len(read) < 2:
        return Ranks({}, why | dict.fromkeys(read, "no rank: no other run to compare it with"))
    tasks = [values_of(of_task) for of_task in zip(*read.values())]
    if not all(task.values.shape[1] for task in tasks):
        return Ranks({}, why | dict.fromkeys(read, "no rank: there is no question that all of them have"))
    if by == MACRO:
        ranking = rank_means(tasks, correction=CORRECTION)
    else:
        (one,) = tasks
        ranking = compare_many(one.values, samples=one.samples, clusters=one.clusters, correction=CORRECTION)
    sizes = [there[next(iter(read))].cells[column].full_size or 0 for column in columns]
    questions = sum(task.values.shape[1] for task in tasks)
    return Ranks(dict(zip(read, ranking.bands)), why, questions, sum(sizes) if all(sizes) else 0, len(tasks))


def band_text(band: tuple[int, int] | None) -> str:
    """`3`, or `1–4` for ranks that cannot be told apart."""
    return "" if band is None else str(band[0]) if band[0] == band[1] else f"{band[0]}–{band[1]}"


def _unfit(row: Row, told: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]) -> str:
    """Why a row may not be compared with the others; '' where it may."""
    for column, (letter, words) in told.items():
        of = f"{column}: " if len(told) > 1 else ""
        if not (fingerprint := row.cells[column].fingerprint):
            return f"{of}its settings are not recorded"
        if letter[fingerprint] != "A":
            return f"{of}differs from A in {words[fingerprint]}"
    return ""


def _read(row: Row, columns: Sequence[str]) -> list[Read] | str:
    """What is behind the columns of a row, its values already read; or why it cannot be ranked."""
    recorded = {run.key: Recorded(RunDir(run.path)) for run in row.runs}
    found = []
    for column in columns:
        cell = row.cells[column]
        run = recorded[cell.run.key]
        try:
            metric = parse_metric(cell.metric)
            run.require_ended()
            values, _ = run.values(cell.task, metric)
        except EvalsuiteError as error:
            return str(error)
        if (absent := float(np.isnan(values).mean()) if len(values) else 1.0) > MISSING:
            return f"{f'{column}: ' if len(columns) > 1 else ''}{percent(absent)} % of the questions have no value"
        found.append((run, cell.task, metric))
    return found


def values_of(of_task: Sequence[Read]) -> Values:
    """The values of several runs on the questions of a task that all of them have."""
    rollups = [run.rollup(task) for run, task, _ in of_task]
    _, positions = align(rollups)
    at = positions[:, (positions >= 0).all(axis=0)]
    values = np.stack([run.values(task, metric)[0][row] for (run, task, metric), row in zip(of_task, at)])
    full = ~np.isnan(values).any(axis=0)
    values, at = values[:, full], at[:, full]
    samples = [float(r.n[row].mean()) / m.draws if len(row) else 1.0 for r, row, (_, _, m) in zip(rollups, at, of_task)]
    return Values(values, np.array(samples), clusters(rollups[0], at[0]))
