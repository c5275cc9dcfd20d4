"""The table that a run prints: Markdown, so that it can be pasted where it is discussed."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalsuite.metrics.aggregate import Aggregate
    from evalsuite.results import RunResult, TaskResult

_RIGHT = {"questions", "n", "value", "coverage", "no answer", "truncated", "errors", "tokens"}


def render(results: Sequence[RunResult]) -> str:
    """One row per task and metric, suites below, then what a reader must know before quoting a number."""
    several = len(results) > 1
    header = ["task", "questions", "n", "metric", "value", "95 % CI", "coverage", "no answer", "truncated", "errors", "tokens"]
    rows: list[list[str]] = []
    notes: list[str] = []
    for result in results:
        model = [result.model] if several else []
        for task in result.tasks.values():
            rows += [model + row for row in _task_rows(task)]
            notes += _task_notes(task)
        for name, (label, macro) in result.suites.items():
            rows.append([*model, f"suite:{name}", str(macro.n_questions), "", label, *_value(macro), *[""] * 5])
        notes += result.notes
    table = markdown((["model"] if several else []) + header, rows)
    target = results[0].target if results else "population"
    notes.append(
        "Intervals are for new questions of this kind (target: population)."
        if target == "population"
        else "Intervals are for these very questions (target: benchmark)."
    )
    return table + "\n\n" + "\n".join(dict.fromkeys(notes))


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = _RIGHT) -> str:
    """An aligned Markdown table; columns named in `right` stand to the right. A cell is one line of Markdown, with any `|`."""
    rows = [[_cell(str(cell)) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows)]
    numbers = [name in right for name in header]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, numbers))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, numbers)) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def _cell(text: str) -> str:
    """One line, in which `|` divides nothing: a backslash before it is doubled, or it would be what is escaped."""
    return re.sub(r"(\\*)\|", r"\1\1\\|", re.sub(r"[\r\n]+", " ", text))


def _task_rows(task: TaskResult) -> list[list[str]]:
    rows = []
    for i, (label, aggregate) in enumerate(task.metrics.items()):
        tail = (
            [
                _percent(task.coverage),
                _percent(task.no_answer),
                _percent(task.truncated),
                str(task.errors),
                "-" if task.mean_tokens is None else f"{task.mean_tokens:,.0f}",
            ]
            if i == 0
            else [""] * 5
        )
        rows.append([task.label, str(task.n_questions), str(task.repeats), label, *_value(aggregate), *tail])
    return rows


def _task_notes(task: TaskResult) -> list[str]:
    notes = []
    if task.errors:
        low, high = task.bounds
        notes.append(
            f"{task.label}: {task.errors} samples have no value. avg over all would be {low:.4f} if they were all wrong, "
            f"{high:.4f} if all right."
        )
    if task.timeouts:
        notes.append(f"{task.label}: {_percent(task.timeouts)} of the answers ran past the verifier's deadline (scored 0).")
    if task.cost or task.judge_cost:
        judged = f", of which the judge {task.judge_cost:.4f}" if task.judge_cost else ""
        notes.append(f"{task.label}: cost {task.cost + task.judge_cost:.4f} US dollars{judged}.")
    if task.unsteady:
        notes.append(
            f"{task.label}: {', '.join(task.unsteady)} from {task.repeats} samples: unbiased, but noisy where k is above half of "
            "them; more samples (-n) settle it."
        )
    if task.chance is not None:
        notes.append(f"{task.label}: guessing scores {task.chance:.4g}.")
    for label, aggregate in task.metrics.items():
        notes += [f"{task.label} {label}: {note}" for note in aggregate.notes]
    return notes


def _value(a: Aggregate) -> list[str]:
    value = "-" if math.isnan(a.value) else f"{a.value:.4f}"
    return [value, "-" if math.isnan(a.low) or math.isnan(a.high) else f"[{a.low:.4f}, {a.high:.4f}]"]


def _percent(share: float) -> str:
    """0 % and 100 % only where they are exact."""
    text = f"{100 * share:.1f} %"
    if text == "100.0 %" and share < 1:
        return "> 99.9 %"
    return "< 0.1 %" if text == "0.0 %" and share > 0 else text
