"""The questions of a comparison as CSV, runs side by side."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.comparison.pairs import Keys, align

if TYPE_CHECKING:
    from evalsuite.comparison.compare import Recorded
    from evalsuite.comparison.many import Comparison
    from evalsuite.metrics.reduce import Metric

_PER_RUN = ("value", "n", "c", "completion_tokens")
_NONE: Any = Keys((), ())  # of a run that lacks a task
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def question_csv(comparison: Comparison) -> str:
    """One line per question and metric: `task, id, digest, cluster, metric`, then of each run `A value, A n, A c, A
    completion_tokens`, and of every run but the first the difference `B - A`.

    A question that a run lacks has empty cells there, as has a value that is not known. Ids come from data that others made:
    what a spreadsheet would take for a formula (it begins with = + - @, a tab or a return, and is no number) gets an
    apostrophe in front. `digest` is never changed, and joins with the roll-ups.
    """
    letters = [run.letter for run in comparison.runs]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    differences = [f"{letter} - {letters[0]}" for letter in letters[1:]]
    writer.writerow(
        ["task", "id", "digest", "cluster", "metric", *(f"{run} {name}" for run in letters for name in _PER_RUN), *differences]
    )
    tasks = [row.task for c in comparison.contrasts for row in c.rows] + [row.task for row in comparison.seeds if row.task]
    for task in dict.fromkeys(tasks):
        for metric in comparison.metrics:
            writer.writerows(_lines(comparison.recorded, task, metric))
    return out.getvalue()


def _lines(recorded: Sequence[Recorded], task: str, metric: Metric) -> Iterator[list[Any]]:
    rollups = [run.rollup(task) if task in run.tasks else _NONE for run in recorded]
    keys, positions = align(rollups)
    columns = [
        [column.tolist() for column in (run.values(task, metric)[0], r.n, r.c, r.completion_tokens)] if r is not _NONE else []
        for run, r in zip(recorded, rollups)
    ]
    for id, digest, at in zip(keys.ids, keys.digests, positions.T.tolist()):
        per_run = [[column[i] for column in of] if i >= 0 else [math.nan] * len(_PER_RUN) for of, i in zip(columns, at)]
        cluster = next((r.clusters[i] for r, i in zip(rollups, at) if i >= 0), None)
        differences = [row[0] - per_run[0][0] for row in per_run[1:]]
        numbers = [*(cell for row in per_run for cell in row), *differences]
        yield [_text(task), _text(id), digest, _text(cluster or ""), metric.label(0), *map(_number, numbers)]


def _number(x: float) -> Any:
    return "" if isinstance(x, float) and math.isnan(x) else x


def _text(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and text and not _NUMBER.fullmatch(text) else text
