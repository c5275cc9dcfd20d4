"""What a reader must know before quoting a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from evalsuite.comparison.sentences import equals, interval, points, shown

if TYPE_CHECKING:
    from evalsuite.comparison.compare import Row
    from evalsuite.comparison.many import Comparison
    from evalsuite.metrics.paired import Difference

_TARGETS = {"population": "new questions of this kind", "benchmark": "these very questions, sampled again"}


def remarks(c: Comparison) -> list[str]:
    """One line each, none twice. Second opinions are left out of comparisons of three and more where they agree."""
    lines: list[str] = []
    if c.methods:
        lines += _of_methods(c)
    else:
        more = f" P-values are corrected over all rows ({c.correction}); intervals are not." if _several(c) else ""
        lines.append(f"Differences are in points, for {_TARGETS[c.target]} (target: {c.target}).{more}")
    for found in c.contrasts:
        letter = c.runs[found.b].letter
        lines += found.notes
        for task, fields in found.allowed.items():
            lines += [f"{task}: allowed to differ between A and {letter}: {field}: {text}." for field, text in fields.items()]
        for row in found.rows:
            name = f"{row.label} {row.metric}" + (f", {letter} against A" if len(c.runs) > 2 else "")
            lines += [f"{name}: {text}." for text in _of_row(row, len(c.runs) == 2)]
        if found.mentions:
            lines.append(f"Differs between A and {letter}, and should not matter: {'; '.join(found.mentions)}.")
    return list(dict.fromkeys([*lines, *c.notes]))


def _several(c: Comparison) -> bool:
    return c.correction != "none" and sum(len(found.rows) for found in c.contrasts) > 1


def _of_row(row: Row, always: bool) -> Iterator[str]:
    d, other = row.difference, row.other
    if not math.isnan(d.p):  # without an interval, the reason is the verdict
        yield from d.notes
    if other is not None and not math.isnan(other.p) and (always or _disagree(other.p, d)):
        yield f"for {_TARGETS[other.target]} ({other.target}): {interval(other.low, other.high)}, {equals(other.p)}"
    for name, p in (("McNemar's test (mid-p)", row.mcnemar_p), ("sign-flip permutation test", row.sign_flip_p)):
        if p is not None and (always or _disagree(p, d)):
            says = ", unlike the interval" if _disagree(p, d) else ""
            yield f"{name}: {equals(p)}{says}"
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
    examples = f", such as {', '.join(map(shown, m.examples))}" if m.examples else ""
    yield f"{' and '.join(what)}{examples}: whatever they were worth, the difference is from {points(m.low)} to {points(m.high)}"


def _disagree(p: float, d: Difference) -> bool:
    return not math.isnan(d.p) and (p <= 0.05) != (d.p <= 0.05)


def _of_methods(c: Comparison) -> Iterator[str]:
    more = f" P-values are corrected over all rows ({c.correction}); intervals are not." if len(c.seeds) > 1 else ""
    yield (
        "Differences are in points, between training methods, on these questions: the unit is the training seed "
        f"(Welch's t).{more if c.correction != 'none' else ''}"
    )
    letters = list(c.methods)
    for row in c.seeds:
        if row.missing:
            yield (
                f"{row.label} {row.metric}: {row.missing} questions are left out, because a run lacks them or has no value; whatever "
                f"they were worth, the difference of {letters[row.b]} is from {points(row.low)} to {points(row.high)}."
            )
