"""The decision rule: pure, from differences to verdicts.

Per task with margin m, and L, U the one-sided 1 - alpha bounds of candidate - baseline (at the critical value that holds for
all planned looks): PASS where L > -m; FAIL where not PASS, U < 0 and the drop is significant over all tasks by Holm;
INCONCLUSIVE otherwise; IMPROVED is a PASS with L > 0. To pass, every task has to pass, so passing needs no correction
(intersection-union test); one FAIL fails all, so failing does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalsuite.metrics.multiple import holm
from evalsuite.metrics.paired import Difference
from evalsuite.metrics.sequential import crossing_probability, pocock_constant

PASS, FAIL, INCONCLUSIVE, IMPROVED = "PASS", "FAIL", "INCONCLUSIVE", "IMPROVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is said of one task.

    `lower`, `upper` are the one-sided bounds at `critical`, the normal score they stand for. `p` is of a drop: one-sided,
    adjusted for all planned looks; `p_holm` also for all tasks. NaN where there is no interval.
    """

    verdict: str
    lower: float
    upper: float
    critical: float
    p: float
    p_holm: float
    reason: str


def decide(
    looks: Mapping[str, Sequence[Difference]],
    margins: Mapping[str, float],
    planned: Mapping[str, Sequence[float]],
    alpha: float = 0.05,
) -> dict[str, Decision]:
    """Verdicts per task from the differences at the looks so far, the last one being now.

    `margins` are the largest drops that count as none, in the units of the values, above 0. `planned` are the information
    fractions of all looks that were planned (`metrics.sequential.information`); one look is `[1.0]`. Valid whenever it is
    called: the p-value of a task is the chance that any planned look would be as extreme as the worst seen.
    """
    p, critical = {}, {}
    for task, seen in looks.items():
        fractions = tuple(planned[task])
        critical[task] = pocock_constant(alpha, fractions)
        worst = max((-d.z() for d in seen if not math.isnan(d.error)), default=math.nan)
        p[task] = math.nan if math.isnan(worst) else crossing_probability(worst, fractions)
    adjusted = dict(zip(looks, holm([p[task] for task in looks]).tolist()))
    out = {}
    for task, seen in looks.items():
        now, margin = seen[-1], margins[task]
        if math.isnan(now.error):
            verdict, lower, upper, reason = INCONCLUSIVE, math.nan, math.nan, "; ".join(now.notes)
        else:
            lower, upper = now.bounds(critical[task])
            verdict, reason = _verdict(lower, upper, margin, p[task], adjusted[task], alpha)
        out[task] = Decision(
            verdict=verdict,
            lower=lower,
            upper=upper,
            critical=critical[task],
            p=p[task],
            p_holm=adjusted[task],
            reason=reason,
        )
    return out


def _verdict(lower: float, upper: float, margin: float, p: float, p_holm: float, alpha: float) -> tuple[str, str]:
    low, high, m = (f"{100 * x:.3g}" for x in (lower, upper, margin))
    if lower > 0:
        return IMPROVED, f"better by at least {low} points"
    if lower > -margin:
        drop = (
            f"; a drop of at least {100 * -upper:.2g} points is significant, and within the margin"
            if upper < 0 and p <= alpha
            else ""
        )
        return PASS, f"a drop of {m} points is ruled out (at worst {low}){drop}"
    if upper < 0 and p_holm <= alpha:
        return FAIL, f"worse by at least {100 * -upper:.2g} points (p = {p_holm:.2g})"
    if upper < 0:
        return (
            INCONCLUSIVE,
            f"between {low} and {high} points: looks worse, but not significantly so over all tasks (p = {p_holm:.2g})",
        )
    return INCONCLUSIVE, f"between {low} and {high} points: neither is a drop of {m} points ruled out, nor is any drop shown"
