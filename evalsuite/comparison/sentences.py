"""What a comparison says, in words and as JSON: careful ones. No significance is never `equal`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

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


def interval(low: float, high: float) -> str:
    """In percentage points; `-` where there is none."""
    return "-" if math.isnan(low) else f"[{points(low)}, {points(high)}]"


def shown(text: str, most: int = 80) -> str:
    """Names and ids on one line, of a length that a table bears; what would steer a terminal is spelled out."""
    safe = text if text.isprintable() else text.encode("unicode_escape").decode()
    return safe if len(safe) <= most else safe[: most - 3] + "..."


def verdict(row: Row, a: str, b: str, correction: str) -> str:
    """One sentence on run `b` against run `a`, of one task."""
    d = row.difference
    if math.isnan(d.p):
        return f"nothing can be said of {b} against {a}: {'; '.join(d.notes)}."
    return _sentence(d, row.p_adjusted, a, b, correction, d.mde)


def overall_verdict(overall: Overall, a: str, b: str, correction: str) -> str:
    """One sentence on run `b` against run `a`, over tasks."""
    return _sentence(overall, overall.p_adjusted, a, b, correction, overall.mde)


def seed_verdict(row: SeedRow, a: str, b: str, correction: str) -> str:
    """One sentence on method `b` against method `a`: of checkpoints only, where that is all that can be said."""
    d = row.difference
    if not math.isnan(d.p):
        return _sentence(d, row.p_adjusted, a, b, correction)
    single = [name for name, seeds in ((a, d.seeds_a), (b, d.seeds_b)) if seeds < 2]
    if not single:
        return f"{d.note}."
    few = f"{' and '.join(single)} {'has' if len(single) == 1 else 'have'} one training seed"
    return f"checkpoint claim only: {few}, and a claim about methods needs two of each at the least."


def _sentence(
    d: Difference | Overall | SeedDifference, adjusted: float, a: str, b: str, correction: str, mde: float | None = None
) -> str:
    word = "better" if d.low > 0 else "worse"
    least, most = sorted((abs(d.low), abs(d.high)))
    by = f"by {points(least, False)} to {points(most, False)} points"
    if adjusted <= _ALPHA:
        return f"{b} is {word} than {a} {by}."
    noise = f"no difference of {b} from {a} can be told from noise"
    if d.p <= _ALPHA:
        return (
            f"{noise} once everything compared here counts ({correction}: {equals(adjusted)}); "
            f"alone, {b} would be {word} {by} ({equals(d.p)})."
        )
    seen = f"; one of {points(mde, False)} points would have been found with 80 % power" if mde is not None else ""
    return f"{noise}{seen}."


def contrast_dict(comparison: Comparison, c: Contrast) -> dict[str, Any]:
    """A contrast for JSON, with the verdicts and the letters of its runs."""
    a, b = comparison.runs[c.a].letter, comparison.runs[c.b].letter
    fields = {name: getattr(c, name) for name in ("allowed", "mentions", "notes")}
    rows = [_fields(row) | {"verdict": verdict(row, a, b, comparison.correction)} for row in c.rows]
    overall = [_fields(o) | {"verdict": overall_verdict(o, a, b, comparison.correction)} for o in c.overall]
    return {"a": a, "b": b, "rows": rows, "overall": overall, **fields}


def seed_dict(comparison: Comparison, row: SeedRow) -> dict[str, Any]:
    """A row of methods for JSON."""
    letters = list(comparison.methods)
    a, b = letters[row.a], letters[row.b]
    return _fields(row) | {"a": a, "b": b, "verdict": seed_verdict(row, a, b, comparison.correction)}


def _fields(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in type(found).__slots__}
