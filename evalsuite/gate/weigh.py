"""Beside the score: guards, floors, and what it would take to decide."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from evalsuite.comparison.pairs import Pairs, clusters, values
from evalsuite.metrics.aggregate import aggregate
from evalsuite.metrics.multiple import holm
from evalsuite.metrics.paired import Difference, compare
from evalsuite.metrics.reduce import parse_metric
from evalsuite.metrics.student import z_quantile
from evalsuite.runlog.rollup import Rollup

if TYPE_CHECKING:
    from evalsuite.gate.config import Guards

AVG = parse_metric("avg")


def guards(a: Rollup, b: Rollup, pairs: Pairs, limits: Guards) -> list[dict[str, Any]]:
    """Tokens, truncation and missing answers of both, and the one-sided `p` of b being beyond a limit.

    A guard that is not listed has the limit None and no p: reported, never broken. Tokens are left out where a backend did not
    count.
    """
    ka, kb = a.n[pairs.a] + a.errors[pairs.a], b.n[pairs.b] + b.errors[pairs.b]
    labels = clusters(a, pairs.a)
    out = []

    def row(name: str, one: Any, two: Any, unit: Any, limit: float | None, shown: str) -> None:
        beyond = compare(one, two, clusters=labels, samples_a=ka, samples_b=kb)
        if not beyond.n_questions:
            return
        known = limit is not None and not math.isnan(beyond.error)
        out.append(
            {
                "name": name,
                "a": _mean(unit[0]),
                "b": _mean(unit[1]),
                "limit": shown if limit is not None else None,
                "ok": True,
                "enforced": limit is not None,
                "p": 0.5 * math.erfc(beyond.z() / math.sqrt(2)) if known else None,
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


def settle_guards(tasks: Collection[list[dict[str, Any]]], alpha: float) -> None:
    """Break the guards that are significantly beyond their limits, by Holm over all of them at one-sided `alpha`."""
    listed = [guard for guards in tasks for guard in guards if guard["p"] is not None]
    for guard, p in zip(listed, holm([guard["p"] for guard in listed]).tolist()):
        guard["ok"] = p > alpha


def floor(rollup: Rollup, at: Any, limit: float | None) -> dict[str, Any] | None:
    """An absolute lower limit: broken where the whole 95 % interval of the mean over the questions `at` lies below it."""
    if limit is None:
        return None
    known, _ = values(rollup, AVG)
    found = aggregate(known[at], clusters=clusters(rollup, at), samples_per_question=np.maximum(rollup.n[at], 1))
    highest = found.value if math.isnan(found.high) else found.high
    return {"limit": limit, "value": found.value, "ok": not highest < limit}


def need(d: Difference, within_a: Any, within_b: Any, samples: tuple[float, float], margin: float, critical: float) -> str:
    """What would decide with 80 % power, were the difference as it looks: more samples, or more questions.

    Near a drop of the margin nothing but very much would do; a quarter of the margin away is taken as the nearest.     `within_*` (Q,) are the sampling variances of the questions' values at `samples` per question. Under the benchmark target
    they are all the noise there is; under the population's, what they do not explain of `d.se` stays.
    """
    away = margin + d.value if d.value > -margin / 2 else -d.value
    wanted, questions = max(min(away, margin), margin / 4) / (critical + z_quantile(0.80)), d.n_questions
    asked = f"{max(math.ceil(questions * (d.error / wanted) ** 2), questions + 1)} questions at these samples"
    noise_a, noise_b = (_mean(w) * k for w, k in zip((within_a, within_b), samples))
    if math.isnan(noise_a + noise_b):
        return f"about {asked}, or several samples per question"
    sampling = noise_a / samples[0] + noise_b / samples[1]
    between = 0.0 if d.target == "benchmark" else max(d.se**2 * questions - sampling, 0.0)
    room = wanted**2 * questions - between
    if room <= 0:
        return f"about {asked}; more samples per question alone will not do"
    left = room - noise_a / samples[0]
    if left > 0:
        return f"about {max(math.ceil(noise_b / left), math.ceil(samples[1]) + 1)} samples per question of the candidate, or {asked}"
    return f"about {math.ceil((noise_a + noise_b) / room)} samples per question in the baseline as well as in the candidate, or {asked}"


def _mean(x: Any) -> float:
    """The mean of what is known; NaN where nothing is."""
    known = x[~np.isnan(x)]
    return float(known.mean()) if len(known) else math.nan
