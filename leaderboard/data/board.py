"""The leaderboard's table: models and checkpoints x tasks, and what each number stands for."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalsuite.metrics import Aggregate, macro

from ..catalog import Catalog, Run
from ..plots.style import interval

FIRST = "first"  # the choice of metric that takes each task's first one
MACRO = "macro mean"  # the choice of column that takes the mean over tasks; two words, so that no task is called so
_CHECKPOINT = "step-"


@dataclass(frozen=True, eq=False)
class Cell:
    """A task of a run: its number, or in `why` the reason that there is none.

    Values, intervals and rates are shares (a metric that counts has other values), None where they are not known. `fingerprint`
    is that of `data.results`, `target` what the interval is for.
    """

    run: Run
    task: str
    why: str = ""
    metric: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n_questions: int = 0
    n_clusters: int = 0
    repeats: int | None = None
    full_size: int | None = None
    partial: bool = False
    unsteady: bool = False
    fingerprint: str = ""
    target: str = "population"
    coverage: float | None = None
    no_answer: float | None = None
    truncated: float | None = None
    mean_tokens: float | None = None
    chance: float | None = None


_FIELDS = ("metric", "value", "low", "high", "n_questions", "n_clusters", "repeats", "full_size", "partial", "unsteady", "fingerprint", "coverage",
           "no_answer", "truncated", "mean_tokens", "chance")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Row:
    """A model or checkpoint: one run, or several of different tasks. `cells` are by column, which is a task's label: `math[148/304]`."""

    name: str
    runs: tuple[Run, ...]
    cells: Mapping[str, Cell]

    @property
    def status(self) -> str:
        """What its runs are: `done`, or `done, running`."""
        return ", ".join(dict.fromkeys(run.status for run in self.runs))

    @property
    def problem(self) -> str:
        """Why it has nothing to show for any task; '' where it has something."""
        return "" if self.known else "; ".join(dict.fromkeys(map(_no_result, self.runs)))

    @property
    def known(self) -> bool:
        """Whether any task has a number."""
        return any(cell.value is not None for cell in self.cells.values())

    def key(self, column: str) -> str:
        """The run behind a column; its first run where it lacks the column."""
        return self.cells[column].run.key if column in self.cells else self.runs[0].key


def metric_names(frame: pd.DataFrame) -> list[str]:
    """The metrics that runs have, in their order, avg@N as `avg`."""
    return list(dict.fromkeys(_plain(label) for label in frame["metric"]))


def rows(catalog: Catalog, frame: pd.DataFrame, *, metric: str = FIRST, during: bool = False) -> list[Row]:
    """All rows, newest first. `frame` is `results_frame`; `during` takes in what training evaluated on its way.

    `metric` is FIRST or one of `metric_names`. A column has one metric: with FIRST the one that comes first in most of its runs.
    """
    runs = [run for run in catalog.runs.values() if during or not run.during]
    records: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in frame.to_dict("records"):
        records[record["key"], record["task_label"]].append(record)
    wanted = {column: metric for _, column in records}
    if metric == FIRST:
        firsts: dict[str, Counter[str]] = defaultdict(Counter)
        for (_, column), of in records.items():
            firsts[column][_plain(of[0]["metric"])] += 1
        wanted = {column: count.most_common(1)[0][0] for column, count in firsts.items()}
    cells: dict[str, dict[str, Cell]] = {run.key: {} for run in runs}
    for run in runs:
        for task, told in run.tasks.items():
            cells[run.key][str(told.get("label", task))] = Cell(run, task, _no_result(run))
    for (key, column), of in records.items():
        if key in cells:
            cells[key][column] = _cell(catalog.runs[key], of, wanted[column])
    groups = _together(runs, cells)
    names = _names(catalog, groups)
    return [
        Row(name, tuple(group), {c: cell for run in group for c, cell in cells[run.key].items()})
        for name, group in zip(names, groups)
    ]


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Columns in which a row has or will have a number, those of most rows first."""
    count = Counter(column for row in rows for column in row.cells)
    return sorted(count, key=lambda column: (-count[column], column))


def common(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """The columns in which every row that has any number has one, and all are shares: what a macro mean can be taken over."""
    known = [row for row in rows if row.known]
    full = [c for c in columns if known and all(c in row.cells and row.cells[c].value is not None for row in known)]
    return [c for c in full if are_shares(rows, c)]


def macro_cell(row: Row, columns: Sequence[str]) -> Aggregate | None:
    """The mean over columns, each weighing the same; None where one is missing, or intervals are for different targets."""
    cells = [row.cells.get(column) for column in columns]
    there = [cell for cell in cells if cell is not None and cell.value is not None]
    if len(there) < max(len(cells), 2) or len({cell.target for cell in there}) > 1:
        return None
    return macro([
        Aggregate(value=c.value, low=_nan(c.low), high=_nan(c.high), se=math.nan, n_questions=c.n_questions,
                  n_clusters=c.n_clusters, target=c.target, method="none")
        for c in there if c.value is not None
    ])  # fmt: skip


def ordered(rows: Sequence[Row], by: str, over: Sequence[str]) -> list[Row]:
    """Rows by the value of a column, or for MACRO of the mean over `over`, highest first; those without one last, by name."""

    def value(row: Row) -> float | None:
        if by == MACRO:
            mean = macro_cell(row, over)
            return mean.value if mean else None
        return row.cells[by].value if by in row.cells else None

    return sorted(rows, key=lambda row: (-v if (v := value(row)) is not None else math.inf, row.status != "done", row.name))


def are_shares(rows: Sequence[Row], column: str) -> bool:
    """Whether all values of a column lie in [0, 1], so that they are shown in per cent. Some metrics count."""
    return all(0 <= c.value <= 1 for row in rows if (c := row.cells.get(column)) is not None and c.value is not None)


def text(cell: Cell | None, per_cent: bool = True) -> str:
    """`61.3 [57.0, 65.4]` in per cent, `2.31 [1.9, 2.7]` otherwise, or in a word why there is no number."""
    if cell is None:
        return ""
    if cell.value is None:
        return cell.why.partition(":")[0]
    if per_cent:
        return interval(cell.value, cell.low, cell.high)
    return f"{cell.value:.3g}" + (
        f" [{cell.low:.3g}, {cell.high:.3g}]" if cell.low is not None and cell.high is not None else ""
    )


def _cell(run: Run, records: Sequence[Mapping[str, Any]], metric: str) -> Cell:
    task, target = str(records[0]["task"]), str((run.summary or {}).get("target", "population"))
    fit = next((r for r in records if _plain(r["metric"]) == metric), None)
    if fit is None:
        return Cell(
            run, task, f"no {metric}: it has {', '.join(r['metric'] for r in records)}; run it again with --metrics {metric}"
        )
    told: dict[str, Any] = {name: None if isinstance(v := fit[name], float) and math.isnan(v) else v for name in _FIELDS}
    told["n_questions"], told["n_clusters"] = int(told["n_questions"] or 0), int(told["n_clusters"] or 0)
    told["full_size"] = None if told["full_size"] is None else int(told["full_size"])
    return Cell(run, task, "" if told["value"] is not None else "no value: no sample has one", target=target, **told)


def _no_result(run: Run) -> str:
    """Why a run has no number."""
    if run.problem:
        return f"broken: {run.problem}"
    stopped = str(run.manifest.get("stopped") or "")
    advice = {
        "running": "running: no result yet",
        "interrupted": "interrupted: run its command again to go on",
        "failed": f"failed: {stopped or 'samples are missing'}",
        "done": "no result: results.json is missing or does not name it",
    }
    return advice.get(run.status, f"{run.status}: no result")


def _together(runs: Sequence[Run], cells: Mapping[str, Mapping[str, Cell]]) -> list[list[Run]]:
    """Runs of one row: of one model, no task twice. A finished run goes before others, an older one before a newer one."""
    whole = {run.key: any(c.value is not None and not c.partial for c in cells[run.key].values()) for run in runs}
    groups: dict[str, list[list[Run]]] = defaultdict(list)
    for run in sorted(runs, key=lambda r: (not whole[r.key], r.started, r.key)):
        model = run.manifest.get("identity", {}).get("model")
        of_model = groups[
            json.dumps([model, run.during], sort_keys=True, default=str) if model and not run.problem else run.key
        ]
        tasks = {cell.task for cell in cells[run.key].values()}
        place = next((g for g in of_model if not tasks & {c.task for r in g for c in cells[r.key].values()}), None)
        if place is None:
            of_model.append([run])
        else:
            place.append(run)
    newest = {run.key: i for i, run in enumerate(runs)}
    return sorted((g for of_model in groups.values() for g in of_model), key=lambda g: min(newest[run.key] for run in g))


def _names(catalog: Catalog, groups: Sequence[Sequence[Run]]) -> list[str]:
    """A name for each row, no two alike: the model, or the training run and step that made it; and more where names meet."""
    plain = [_name(catalog, group[0]) for group in groups]
    shared = Counter(plain)
    longer = [name if shared[name] == 1 else f"{name} · {group[0].key[-6:]}" for name, group in zip(plain, groups)]
    shared = Counter(longer)
    return [name if shared[name] == 1 else group[0].key for name, group in zip(longer, groups)]


def _name(catalog: Catalog, run: Run) -> str:
    if run.training is not None and run.training in catalog.trainings and (run.during or _CHECKPOINT in run.model):
        return f"{catalog.labels[run.training]} @{run.step}"
    return run.model


def _plain(label: str) -> str:
    return "avg" if label.startswith("avg@") else label


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
