"""What a reader must know before quoting a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from evalsuite.comparison.sentences import Units, equals, metric_name
from evalsuite.escape import code

if TYPE_CHECKING:
    from evalsuite.comparison.compare import Row
    from evalsuite.comparison.many import Comparison
    from evalsuite.comparison.methods import SeedRow
    from evalsuite.metrics.paired import Difference

_TARGETS = {"population": "new questions of this kind", "benchmark": "these very questions, sampled again"}
_CLEARLY = 0.8  # of the benchmark error, below which the population error asks for an explanation


def remarks(c: Comparison) -> list[str]:
    """Lines of Markdown, none twice. Second opinions are left out of comparisons of three and more where they agree."""
    lines: list[str] = []
    if c.methods:
        lines += _of_methods(c)
    else:
        lines.append(f"Differences are in {_units(c)}, for {_TARGETS[c.target]} (target: {c.target}).{_correction(c)}")
        lines.append("MDE: the smallest true difference that one comparison alone, at two-sided 5 %, finds with 80 % power.")
    for found in c.contrasts:
        letter = c.runs[found.b].letter
        lines += found.notes
        for task, fields in found.allowed.items():
            lines += [
                f"{code(task)}: allowed to differ between A and {letter}: {field}: {code(text, 1000)}."
                for field, text in fields.items()
            ]
        for row in found.rows:
            name = _name(row) + (f", {letter} against A" if len(c.runs) > 2 else "")
            same = found.same_as is not None
            lines += [f"{name}: {text}." for text in (_missing(row) if same else _of_row(row, len(c.runs) == 2))]
        if found.mentions:
            differing = "; ".join(code(text, 200) for text in found.mentions)
            lines.append(f"Differs between A and {letter}, and should not matter: {differing}.")
    return list(dict.fromkeys([*lines, *c.notes]))


def _units(c: Comparison) -> str:
    rows: list[Row | SeedRow] = [*c.seeds, *(row for found in c.contrasts for row in found.rows)]
    return "points" if all(row.shares for row in rows) else "points; values that are no shares, and theirs, are plain numbers"


def _name(row: Row | SeedRow) -> str:
    return f"{code(row.label, 80) if row.task else row.label} {metric_name(row.metric)}"


def _correction(c: Comparison) -> str:
    """What the p-values are corrected over: tasks are one family of tests, means over tasks another."""
    if c.correction == "none":
        return ""
    tasks = [row.family for found in c.contrasts for row in found.rows] + [row.family for row in c.seeds if row.task]
    means = [o.family for found in c.contrasts for o in found.overall] + [row.family for row in c.seeds if not row.task]
    if max(tasks, default=1) < 2 and max(means, default=1) < 2:
        return ""
    apart = " of tasks, and over the means over tasks apart from them" if means else ""
    return f" P-values are corrected over all rows{apart} ({c.correction}); intervals are not."


def _of_row(row: Row, always: bool) -> Iterator[str]:
    d, other = row.difference, row.other
    if not math.isnan(d.p):  # without an interval, the reason is the verdict
        yield from d.notes
    if other is not None and not math.isnan(other.p):
        if always or _disagree(other.p, d):
            yield f"for {_TARGETS[other.target]} ({other.target}): {Units(row.shares).interval(other.low, other.high)}, {equals(other.p)}"
        if not math.isnan(d.p) and _shared(d, other):
            yield (
                "the two runs agree more than independent draws would (same samples, or same seeds): the interval for these very "
                "questions takes their draws to be independent, and is too wide for them"
            )
    for name, p in (("McNemar's test (mid-p)", row.mcnemar_p), ("sign-flip permutation test", row.sign_flip_p)):
        if p is not None and (always or _disagree(p, d)):
            says = ", unlike the interval" if _disagree(p, d) else ""
            yield f"{name}: {equals(p)}{says}"
    yield from _missing(row)


def _shared(one: Difference, two: Difference) -> bool:
    """Whether differences between questions vary clearly less than sampling noise alone makes them, with a chance below 1 %.

    Of independent runs the population error holds the benchmark error and what differs between questions besides; with n
    degrees of freedom its square has the spread of chi-squared / n (quantile by Wilson and Hilferty 1931).
    """
    population, benchmark = (one, two) if one.target == "population" else (two, one)
    spread = 2 / (9 * population.df)
    by_chance = max(1 - spread - 2.326 * math.sqrt(spread), 0.0) ** 3
    ratio = (population.error / population.shrunk) / (benchmark.error / benchmark.shrunk)
    return ratio**2 < min(_CLEARLY**2, by_chance)


def _missing(row: Row) -> Iterator[str]:
    m = row.missing
    lost = [r.coverage for r in (row.rates_a, row.rates_b) if r.coverage < 1]
    if not m.questions and not lost:
        return
    what = []
    if m.only_a or m.only_b:
        edited = f", {m.edited} of them under the same id with other content" if m.edited else ""
        what.append(f"{m.only_a} questions are only in the first run and {m.only_b} only in the second{edited}")
    if m.no_value:
        what.append(f"{m.no_value} questions have no value in one of them")
    if lost:
        what.append(f"samples have no value (coverage {100 * min(lost):.2f} %)")
    examples = f", such as {', '.join(code(id, 80) for id in m.examples)}" if m.examples else ""
    yield f"{' and '.join(what)}{examples}: {_bounds(m.low, m.high, row.shares)}"


def _bounds(low: float, high: float, shares: bool, of: str = "") -> str:
    if math.isnan(low):
        return "values are not all from 0 to 1, so there are no bounds on what they could have been worth"
    units = Units(shares)
    return (
        f"whatever they were worth, the difference{of} measured here is from {units.difference(low)} to {units.difference(high)} "
        "(bounds without sampling noise)"
    )


def _disagree(p: float, d: Difference) -> bool:
    return not math.isnan(d.p) and (p <= 0.05) != (d.p <= 0.05)


def _of_methods(c: Comparison) -> Iterator[str]:
    yield (
        f"Differences are in {_units(c)}, between training methods, on these questions: the unit is the training seed "
        f"(Welch's t).{_correction(c)}"
    )
    letters = list(c.methods)
    for row in c.seeds:
        if row.missing:
            yield (
                f"{_name(row)}: {row.missing} questions are left out, because a run lacks them or has no value: "
                f"{_bounds(row.low, row.high, row.shares, f' of {letters[row.b]}')}."
            )
