"""What a comparison says, in words and as JSON: careful ones. No significance is never `equal`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalsuite.escape import code

if TYPE_CHECKING:
    from evalsuite.comparison.compare import Row
    from evalsuite.comparison.contrast import Contrast, Overall
    from evalsuite.comparison.many import Comparison
    from evalsuite.comparison.methods import SeedRow
    from evalsuite.metrics.paired import Difference
    from evalsuite.metrics.seeds import SeedDifference

_ALPHA = 0.05


def points(x: float, sign: bool = True) -> str:
    """A difference in percentage points; `-` where it is not known."""
    if math.isnan(x):
        return "-"
    text = f"{100 * x:+.2f}" if sign else f"{100 * abs(x):.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def probability(p: float) -> str:
    """A p-value; `-` where there is none."""
    return "-" if math.isnan(p) else "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def equals(p: float) -> str:
    """A p-value in a sentence."""
    text = probability(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def percent(x: float) -> str:
    """A value; `-` where it is not known."""
    return "-" if math.isnan(x) else f"{100 * x:.2f} %"


@dataclass(frozen=True, slots=True)
class Units:
    """How values print: `shares`, which lie in [0, 1], as percent and their differences in points; others as plain numbers."""

    shares: bool

    def value(self, x: float) -> str:
        """`21.68 %`, or `1.25`; `-` where it is not known."""
        return percent(x) if self.shares or math.isnan(x) else f"{x:.4g}"

    def difference(self, x: float, sign: bool = True) -> str:
        """`+17.36`, or `+1.25`; `-` where it is not known."""
        if self.shares or math.isnan(x):
            return points(x, sign)
        return f"{x:+.4g}" if sign and abs(x) > 1e-12 else f"{abs(x):.4g}"

    def interval(self, low: float, high: float) -> str:
        """`[+14.68, +19.99]`; `-` where there is none."""
        return "-" if math.isnan(low) else f"[{self.difference(low)}, {self.difference(high)}]"

    @property
    def name(self) -> str:
        """What follows a difference in a sentence."""
        return " points" if self.shares else ""


def metric_name(label: str) -> str:
    """A metric in Markdown: those of parts have names of others."""
    return code(label, 80) if label.startswith("part:") else label


def verdict(row: Row, a: str, b: str, correction: str) -> str:
    """One sentence on run `b` against run `a`, of one task."""
    d, lost = row.difference, row.missing.questions
    if math.isnan(d.p):
        return f"nothing can be said of {b} against {a}: {'; '.join(d.notes)}."
    where = _subset(d.n_questions, lost, "both have")
    return _sentence(d, row, a, b, correction, where, d.detectable(_ALPHA / row.family))


def overall_verdict(overall: Overall, a: str, b: str, correction: str) -> str:
    """One sentence on run `b` against run `a`, over tasks."""
    where = _subset(overall.questions, overall.missing, "both have")
    return _sentence(overall, overall, a, b, correction, where, overall.detectable(_ALPHA / overall.family))


def same_verdict(a: str, b: str) -> str:
    """Instead of a verdict, where `b` is the same run as `a`."""
    return f"{b} is the same run as {a}: nothing can differ."


def seed_verdict(row: SeedRow, a: str, b: str, correction: str) -> str:
    """One sentence on method `b` against method `a`: of checkpoints only, where that is all that can be said."""
    d = row.difference
    if not math.isnan(d.p):
        return _sentence(d, row, a, b, correction, _subset(row.questions, row.missing, "all runs have"))
    single = [name for name, seeds in ((a, d.seeds_a), (b, d.seeds_b)) if seeds < 2]
    if not single:
        return f"{d.note}."
    few = f"{' and '.join(single)} {'has' if len(single) == 1 else 'have'} one training seed"
    return f"checkpoint claim only: {few}, and a claim about methods needs two of each at the least."


def _subset(questions: int, missing: int, who: str) -> str:
    return f" on the {questions} of {questions + missing} questions that {who} a value for" if missing else ""


def _sentence(
    d: Difference | Overall | SeedDifference,
    row: Row | Overall | SeedRow,
    a: str,
    b: str,
    correction: str,
    where: str,
    mde: float | None = None,
) -> str:
    units = Units(row.shares)
    word = "better" if d.low > 0 else "worse"
    least, most = sorted((abs(d.low), abs(d.high)))
    by = f"by {units.difference(least, False)} to {units.difference(most, False)}{units.name}"
    if row.p_adjusted <= _ALPHA:
        return f"{b} is {word} than {a} {by}{where}."
    noise = f"no difference of {b} from {a} can be told from noise{where}"
    if d.p <= _ALPHA:
        return (
            f"{noise} once everything compared here counts ({correction}: {equals(row.p_adjusted)}); "
            f"alone, {b} would be {word} {by} ({equals(d.p)})."
        )
    if mde is None:
        return f"{noise}."
    among = f", with all {row.family} comparisons counted" if row.family > 1 else ""
    return f"{noise}; one of {units.difference(mde, False)}{units.name} would have been found with 80 % power{among}."


def contrast_dict(comparison: Comparison, c: Contrast) -> dict[str, Any]:
    """A contrast for JSON, with the verdicts and the letters of its runs."""
    a, b = comparison.runs[c.a].letter, comparison.runs[c.b].letter
    fields = {name: getattr(c, name) for name in ("allowed", "mentions", "notes")}
    correction, same = comparison.correction, None if c.same_as is None else comparison.runs[c.same_as].letter

    def says(found: Row | Overall, sentence: Callable[..., str]) -> str:
        return sentence(found, a, b, correction) if same is None else same_verdict(same, b)

    rows = [_fields(row) | _differences(row) | {"verdict": says(row, verdict)} for row in c.rows]
    overall = [_fields(o) | {"mde": o.mde, "verdict": says(o, overall_verdict)} for o in c.overall]
    return {"a": a, "b": b, "same_as": same, "rows": rows, "overall": overall, **fields}


def seed_dict(comparison: Comparison, row: SeedRow) -> dict[str, Any]:
    """A row of methods for JSON."""
    letters = list(comparison.methods)
    a, b = letters[row.a], letters[row.b]
    return _fields(row) | {"a": a, "b": b, "verdict": seed_verdict(row, a, b, comparison.correction)}


def _differences(row: Row) -> dict[str, Any]:
    """Both targets, with the smallest difference that each finds."""
    both = {"difference": row.difference, "other": row.other}
    return {name: None if d is None else _fields(d) | {"mde": d.mde} for name, d in both.items()}


def _fields(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in type(found).__slots__}
