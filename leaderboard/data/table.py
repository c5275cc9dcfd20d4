"""The leaderboard's table as it is shown and as it is downloaded, and what is said about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..plots.forest import Point
from ..plots.style import interval
from .board import MACRO, Cell, Row, are_shares, macro_cell, text
from .ranking import Ranks, band_text
from .settings import letters


def board_frame(rows: Sequence[Row], columns: Sequence[str], by: str, over: Sequence[str], ranked: Ranks) -> pd.DataFrame:
    """The table as it is shown: texts, one line per row, in the order of `rows`.

    `by` is the column that the numbers beside it are of, or MACRO: then they are means over the columns `over`.
    """
    titles = {column: title(rows, column) for column in columns}
    names = {column: letters(rows, column) for column in columns}
    shares = {column: are_shares(rows, column) for column in columns}
    lines = []
    for row in rows:
        placed = _placed(row, over if by == MACRO else [by])
        about = [cell for _, cell in placed]
        line: dict[str, Any] = {"rank": band_text(ranked.bands.get(row.key(by))), "model": row.name}
        shown: dict[str, str] = {}
        for column in columns:
            cell = row.cells.get(column)
            mark = f" ≠{names[column][cell.fingerprint]}" if cell and _odd(cell, names[column]) else ""
            shown[titles[column]] = text(cell, shares[column]) + mark
        if len(over) > 1:
            mean, odd = macro_cell(row, over), any(_odd(c, names[column]) for column, c in _placed(row, over))
            shown[MACRO] = interval(mean.value, mean.low, mean.high) + (" ≠" if odd else "") if mean else ""
        first = [name for name in (titles.get(by, by), MACRO) if name in shown]
        line |= {name: shown[name] for name in dict.fromkeys((*first, *shown))}
        line |= {
            "questions": sum(c.n_questions for c in about) or None,
            "k": _same([c.repeats for c in about]),
            "tokens": _mean([c.mean_tokens for c in about]),
            **{
                name: None if (v := _mean([getattr(c, field) for c in about])) is None else 100 * v
                for name, field in (("coverage %", "coverage"), ("no answer %", "no_answer"), ("truncated %", "truncated"))
            },
            "settings": " ".join(dict.fromkeys(names[column][c.fingerprint] for column, c in placed)),
            "status": row.status,
            "started": max(run.started for run in row.runs)[:16].replace("T", " "),
            "remarks": remarks(row, by, ranked),
        }
        lines.append(line)
    return pd.DataFrame(lines).astype({"questions": "Int64", "k": "Int64"}) if lines else pd.DataFrame()


def export_frame(rows: Sequence[Row], columns: Sequence[str], by: str, over: Sequence[str], ranked: Ranks) -> pd.DataFrame:
    """The table for a download: a line per row and column with numbers, values and rates as shares."""
    none, lines = (None, None), []
    for row in rows:
        for column, c in _placed(row, columns):
            band = ranked.bands.get(row.key(by), none) if column == by else none
            lines.append(
                {"model": row.name, "run": c.run.key, "task": c.task, "column": column, "metric": c.metric, "value": c.value,
                 "low": c.low, "high": c.high, "first_rank": band[0], "last_rank": band[1], "n_questions": c.n_questions,
                 "samples": c.repeats, "mean_tokens": c.mean_tokens, "coverage": c.coverage, "no_answer": c.no_answer,
                 "truncated": c.truncated, "chance": c.chance, "fingerprint": c.fingerprint, "target": c.target,
                 "status": c.run.status}
            )  # fmt: skip
        if len(over) > 1 and (mean := macro_cell(row, over)):
            band = ranked.bands.get(row.key(by), none) if by == MACRO else none
            lines.append(
                {"model": row.name, "column": MACRO, "metric": f"mean of {len(over)} tasks", "value": mean.value, "low": mean.low,
                 "high": mean.high, "first_rank": band[0], "last_rank": band[1], "n_questions": mean.n_questions,
                 "target": mean.target, "status": row.status}
            )  # fmt: skip
    return pd.DataFrame(lines)


def title(rows: Sequence[Row], column: str) -> str:
    """A column's heading: the task and its metric, `gsm8k avg@8`; `gsm8k avg` where numbers of samples differ; MACRO is its own."""
    found = {c.metric for row in rows if (c := row.cells.get(column)) is not None and c.value is not None}
    return f"{column} {found.pop() if len(found) == 1 else 'avg' if found else ''}".strip()


def remarks(row: Row, by: str, ranked: Ranks) -> str:
    """What a reader must know of a row: why it has no rank or no number, and what is doubtful."""
    cell = row.cells.get(by)
    said = [row.problem or "; ".join(f"broken: {run.problem}" for run in row.runs if run.problem)]
    if row.known:
        said += [cell.why if cell is not None else "", ranked.why.get(row.key(by), "")]
    if cell is not None and cell.value is not None:
        if cell.run.status == "running":
            said.append("running again: the numbers are from before")
        if cell.unsteady:
            said.append(f"{cell.metric} from {cell.repeats} samples is noisy")
        if cell.target != "population":
            said.append(f"interval for target {cell.target}")
    return "; ".join(filter(None, said))


def basis(rows: Sequence[Row], by: str, over: Sequence[str], ranked: Ranks) -> str:
    """What the ranks and means rest on, in a sentence or two. No names: this is Markdown."""
    told = []
    if ranked.bands:
        questions = f"{ranked.questions:,} of {ranked.full:,}" if ranked.questions < ranked.full else f"{ranked.questions:,}"
        tested = f"by its mean difference over {ranked.tasks} tasks, each weighing the same " if by == MACRO else ""
        told.append(
            f"Ranks: {len(ranked.bands)} rows with the same settings, on the same {questions} questions, every pair tested "
            f"{tested}(Holm, 5 %)."
        )
        if ranked.why:
            told.append(f"Rows without a rank: {len(ranked.why)}; the column remarks says why.")
    elif by == MACRO or any(by in row.cells and row.cells[by].value is not None for row in rows):
        told.append("No ranks: they need two rows with the same settings.")
    if len(over) > 1:
        told.append(f"The macro mean is over the {len(over)} shown tasks that every row with a number has.")
    elif sum(len(row.cells) for row in rows) > len(rows):
        told.append("No macro mean: the rows have fewer than two shown tasks in common.")
    return " ".join(told)


def summary(rows: Sequence[Row], by: str, over: Sequence[str], ranked: Ranks) -> str:
    """One sentence for those who do not see the picture."""
    drawn, _ = points(rows, by, over, ranked)
    if not drawn:
        return f"{len(rows)} rows, none with a value of {by}"
    best = rows[0]
    value = f"{drawn[0].value:.1%}" if by == MACRO else text(best.cells[by], are_shares(rows, by))
    return f"{len(rows)} rows by {title(rows, by)}, {len(ranked.bands)} of them ranked; the highest is {best.name}: {value}"


def points(rows: Sequence[Row], by: str, over: Sequence[str], ranked: Ranks) -> tuple[list[Point], float | None]:
    """The column that the table is ranked by, in the table's order, for the forest plot; and what guessing scores there."""
    if by == MACRO:
        means = [(row, mean) for row in rows if (mean := macro_cell(row, over))]
        known = [(row, m, (None, None) if math.isnan(m.low) else (m.low, m.high)) for row, m in means]
        return [
            Point(row.name, m.value, *ends, band_text(ranked.bands.get(row.key(by))), m.n_questions) for row, m, ends in known
        ], None
    cells = [(row, cell) for row in rows for _, cell in _placed(row, [by])]
    told = [
        Point(row.name, c.value, c.low, c.high, band_text(ranked.bands.get(row.key(by))), c.n_questions)
        for row, c in cells
        if c.value is not None
    ]
    return told, next((c.chance for _, c in cells if c.chance is not None), None)


def _odd(cell: Cell, letter: Mapping[str, str]) -> bool:
    return cell.value is not None and letter[cell.fingerprint] != "A"


def _placed(row: Row, columns: Sequence[str]) -> list[tuple[str, Cell]]:
    return [(column, c) for column in columns if (c := row.cells.get(column)) is not None and c.value is not None]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None and not math.isnan(v)]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _same(values: Sequence[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else None
