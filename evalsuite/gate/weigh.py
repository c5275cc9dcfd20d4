"""Beside the score: guards, floors, and what it would take to decide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from evalsuite.comparison.pairs import Pairs, clusters
from evalsuite.metrics.aggregate import aggregate
from evalsuite.metrics.paired import compare
from evalsuite.metrics.student import z_quantile
from evalsuite.runlog.rollup import Rollup

if TYPE_CHECKING:
    from evalsuite.gate.config import Guards


def guards(a: Rollup, b: Rollup, pairs: Pairs, limits: Guards, alpha: float) -> list[dict[str, Any]]:
    """Tokens, truncation and missing answers of both, and whether b is beyond a limit: significantly, at one-sided `alpha`.

    A guard that is not listed has the limit None: reported, never broken. Tokens are left out where a backend did not count.
    """
    ka, kb = a.n[pairs.a] + a.errors[pairs.a], b.n[pairs.b] + b.errors[pairs.b]
    labels, z = clusters(a, pairs.a), z_quantile(1 - alpha)
    out = []

    def row(name: str, one: Any, two: Any, unit: Any, limit: float | None, shown: str) -> None:
        beyond = compare(one, two, clusters=labels, samples_a=ka, samples_b=kb)
        if not beyond.n_questions:
            return
        broken = limit is not None and not math.isnan(beyond.error) and beyond.bounds(z)[0] > 0
        out.append(
            {
                "name": name,
                "a": _mean(unit[0]),
                "b": _mean(unit[1]),
                "limit": shown if limit is not None else None,
                "ok": not broken,
                "enforced": limit is not None,
            }
        )

    tokens = a.completion_tokens[pairs.a], b.completion_tokens[pairs.b]
    ratio = limits.completion_tokens_ratio
    scale = max(_mean(tokens[0]), 1.0)
    row(
        "completion_tokens",
        tokens[0] * (ratio or 1.0) / scale,
        tokens[1] / scale,
        tokens,
        ratio,
        f"{100 * ((ratio or 1) - 1):+.3g} %",
    )
    for name, limit in (("truncated", limits.truncation), ("no_answer", limits.no_answer)):
        shares = getattr(a, name)[pairs.a] / np.maximum(ka, 1), getattr(b, name)[pairs.b] / np.maximum(kb, 1)
        row(name, shares[0] + (limit or 0.0), shares[1], shares, limit, f"{100 * (limit or 0):+.3g} pp")
    return out


def floor(values: Any, rollup: Rollup, limit: float | None) -> dict[str, Any] | None:
    """An absolute lower limit: broken where the whole 95 % interval of the mean lies below it."""
    if limit is None:
        return None
    found = aggregate(
        values, clusters=[c or i for c, i in zip(rollup.clusters, rollup.ids)], samples_per_question=np.maximum(rollup.n, 1)
    )
    highest = found.value if math.isnan(found.high) else found.high
    return {"limit": limit, "value": found.value, "ok": not highest < limit}


def need(
    within_a: Any, within_b: Any, samples: tuple[float, float], spread: float, questions: int, margin: float, critical: float
) -> str:
    """What would decide with 80 % power, were there no difference: more samples, or more questions.

    `within_*` (Q,) are the sampling variances of the questions' values at `samples` per question, `spread` the standard error
    of the difference as it is.
    """
    wanted = margin / (critical + z_quantile(0.80))
    more_questions = math.ceil(questions * (spread / wanted) ** 2) if spread > 0 else questions
    asked = f"{more_questions} questions at these samples"
    noise_a, noise_b = (_mean(w) * k for w, k in zip((within_a, within_b), samples))
    if math.isnan(noise_a + noise_b):
        return f"about {asked}, or several samples per question"
    between = max(spread**2 * questions - noise_a / samples[0] - noise_b / samples[1], 0.0)
    room = wanted**2 * questions - between
    if room <= 0:
        return f"about {asked}; more samples per question alone will not do"
    left = room - noise_a / samples[0]
    if left > 0 and math.isfinite(noise_b):
        k = math.ceil(noise_b / left)
        return f"about {max(k, math.ceil(samples[1]) + 1)} samples per question of the candidate, or {asked}"
    k = math.ceil((noise_a + noise_b) / room)
    return f"about {k} samples per question in the baseline as well as in the candidate, or {asked}"


def _mean(x: Any) -> float:
    """The mean of what is known; NaN where nothing is."""
    known = x[~np.isnan(x)]
    return float(known.mean()) if len(known) else math.nan
