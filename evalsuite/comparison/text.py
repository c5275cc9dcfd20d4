"""A comparison as Markdown, which reads well in a terminal too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalsuite.comparison.remarks import remarks
from evalsuite.comparison.sentences import (
    Units,
    metric_name,
    overall_verdict,
    probability,
    same_verdict,
    seed_verdict,
    verdict,
)
from evalsuite.escape import code
from evalsuite.table import markdown

if TYPE_CHECKING:
    from evalsuite.comparison.compare import Row
    from evalsuite.comparison.contrast import Overall
    from evalsuite.comparison.many import Comparison
    from evalsuite.metrics.paired import Difference
    from evalsuite.metrics.seeds import SeedDifference

_LEFT = {"run", "task", "metric", "95 % CI", "question", "model", "truncated", "no answer", "coverage", "method"}


def render(c: Comparison) -> str:
    """Legend, differences, verdicts, guards, ranks, the questions that moved most, notes: each where there is something."""
    parts = [_legend(c)]
    parts += _methods(c) if c.methods else _differences(c)
    parts += [_guards(c), _ranks(c), _moved(c), "\n".join(f"- {remark}" for remark in remarks(c))]
    return "\n\n".join(part for part in parts if part)


def _legend(c: Comparison) -> str:
    lines = [f"- {run.letter}: {code(run.name, 80)} ({code(run.path, 1000)})" for run in c.runs]
    return "\n".join([*(f"- {letter}: {code(name, 80)}, a training method" for letter, name in c.methods.items()), *lines])


def _differences(c: Comparison) -> list[str]:
    several = len(c.runs) > 2
    corrected = any(row.family > 1 for found in c.contrasts for row in found.rows)
    other = "other" if several else c.runs[1].letter
    header = ["task", "metric", "questions", "n", "A", other, "difference", "95 % CI", "p"]
    header += [f"p ({c.correction})"] * corrected + ["won", "lost", "same", "MDE"]
    rows, sentences = [], []
    for found in c.contrasts:
        letter = c.runs[found.b].letter
        same = None if found.same_as is None else same_verdict(c.runs[found.same_as].letter, letter)
        for row in found.rows:
            rows.append([letter] * several + _row(row, corrected, same is not None))
            says = same or verdict(row, "A", letter, c.correction)
            sentences.append(f"- {code(row.label, 80)}, {metric_name(row.metric)}: {says}")
        for o in found.overall:
            rows.append([letter] * several + _mean_row(o, corrected, same is not None))
            says = same or overall_verdict(o, "A", letter, c.correction)
            sentences.append(f"- mean of {o.tasks} tasks, {metric_name(o.metric)}: {says}")
    return [_table((["run"] if several else []) + header, rows), "\n".join(sentences)]


def _row(row: Row, corrected: bool, same: bool) -> list[str]:
    d, units = row.difference, Units(row.shares)
    groups = f" ({d.n_clusters} clusters)" if d.n_clusters != d.n_questions else ""
    na, nb = (f"{n:.4g}" for n in (row.samples_a, row.samples_b))
    cells = [code(row.label, 80), metric_name(row.metric), f"{d.n_questions}{groups}", na if na == nb else f"{na}/{nb}"]
    cells += _numbers(d, units) + [probability(row.p_adjusted)] * corrected
    return [*cells, str(d.won), str(d.lost), str(d.same), "-" if same else units.difference(d.mde, False)]


def _mean_row(o: Overall, corrected: bool, same: bool) -> list[str]:
    units = Units(o.shares)
    cells = [f"mean of {o.tasks} tasks", metric_name(o.metric), "", "", *_numbers(o, units)]
    cells += [probability(o.p_adjusted)] * corrected
    return [*cells, "", "", "", "-" if same else units.difference(o.mde, False)]


def _numbers(d: Difference | Overall | SeedDifference, units: Units) -> list[str]:
    """Both means, their difference, its interval and p-value."""
    means = [units.value(d.mean_a), units.value(d.mean_b)]
    return [*means, units.difference(d.value), units.interval(d.low, d.high), probability(d.p)]


def _methods(c: Comparison) -> list[str]:
    several = len(c.methods) > 2
    corrected = max((row.family for row in c.seeds), default=1) > 1
    names = {letter: f"{letter} ({code(name, 80)})" for letter, name in c.methods.items()}
    letters = list(c.methods)
    header = ["task", "metric", "questions", "seeds", "A", "other" if several else "B", "difference", "95 % CI", "p"]
    header += [f"p ({c.correction})"] * corrected
    rows, sentences = [], []
    for row in c.seeds:
        d, a, b, units = row.difference, letters[row.a], letters[row.b], Units(row.shares)
        label, metric = code(row.label, 80) if row.task else row.label, metric_name(row.metric)
        cells = [label, metric, str(row.questions) if row.task else "", f"{d.seeds_a}/{d.seeds_b}", *_numbers(d, units)]
        rows.append([b] * several + cells + [probability(row.p_adjusted)] * corrected)
        values = [", ".join(map(units.value, of)) for of in (row.values_a, row.values_b)]
        says = seed_verdict(row, names[a], names[b], c.correction)
        sentences.append(f"- {label}, {metric}: {says} Seeds of {a}: {values[0]}; of {b}: {values[1]}.")
    return [_table((["method"] if several else []) + header, rows), "\n".join(sentences)]


def _guards(c: Comparison) -> str:
    """Tokens, truncation, answers and coverage, where they differ or are not perfect."""
    several = len(c.runs) > 2
    rows = []
    for found in c.contrasts:
        for row in {row.task: row for row in reversed(found.rows)}.values():
            a, b = row.rates_a, row.rates_b
            perfect = all(r.truncated == r.no_answer == 0 and r.coverage == 1 for r in (a, b))
            counted = not (math.isnan(a.tokens) or math.isnan(b.tokens))
            if perfect and not (counted and a.tokens != b.tokens):
                continue
            tokens = f"{a.tokens:,.0f} -> {b.tokens:,.0f}" if counted else "-"
            ratio = f"{b.tokens / a.tokens:.3f}" if counted and a.tokens else "-"
            shares = [f"{_share(x)} -> {_share(y)}" for x, y in zip(_rates(a), _rates(b))]
            rows.append([c.runs[found.b].letter] * several + [code(row.label, 80), tokens, ratio, *shares])
    header = ["task", "tokens", "ratio", "truncated", "no answer", "coverage"]
    return "Beside the score:\n\n" + _table((["run"] if several else []) + header, rows) if rows else ""


def _rates(rates) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    return rates.truncated, rates.no_answer, rates.coverage


def _ranks(c: Comparison) -> str:
    if not c.rankings:
        return ""
    rows = [[run.letter, code(run.name, 80)] for run in c.runs]
    for r in c.rankings:
        value = Units(r.shares).value
        cells = {i: f"{value(m)} ({_band(band)})" for i, m, band in zip(r.runs, r.ranking.means.tolist(), r.ranking.bands)}
        for i, row in enumerate(rows):
            row.append(cells.get(i, "-"))
    columns = [f"{code(r.label, 80)} {metric_name(r.metric)}" for r in c.rankings]
    questions = ["", "questions that all have", *(str(r.questions) for r in c.rankings)]
    how = f"all pairs, {c.correction}" if c.correction != "none" else "all pairs, not corrected"
    return f"Ranks that cannot be ruled out ({how}):\n\n" + _table(["run", "model", *columns], [*rows, questions])


def _moved(c: Comparison) -> str:
    several = len(c.runs) > 2
    rows = [
        [c.runs[found.b].letter] * several
        + [code(row.label, 80), metric_name(row.metric), code(m.id, 80), *map(Units(row.shares).value, (m.a, m.b))]
        for found in c.contrasts
        for row in found.rows
        for m in row.moved
    ]
    if not rows:
        return ""
    header = ["task", "metric", "question", "A", "other" if several else "B"]
    return "Questions that moved most:\n\n" + _table((["run"] if several else []) + header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return markdown(header, rows, right=set(header) - _LEFT)


def _share(x: float) -> str:
    """0 % and 100 % only where they are exact."""
    if math.isnan(x):
        return "-"
    text = f"{100 * x:.1f} %"
    return "> 99.9 %" if text == "100.0 %" and x < 1 else "< 0.1 %" if text == "0.0 %" and x > 0 else text


def _band(band: tuple[int, int]) -> str:
    return str(band[0]) if band[0] == band[1] else f"{band[0]}-{band[1]}"
