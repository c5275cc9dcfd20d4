"""What one sample of a run took: tokens, time, money. For the cost of the next run like it."""

from __future__ import annotations

import calendar
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import Rollup, read_rollup

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NO_PACE = ("replay", "scripted")  # backends that generate nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Means per sample of one task: tokens, seconds of the whole run, US dollars. None where the run does not know."""

    completion_tokens: float | None
    prompt_tokens: float | None
    seconds: float | None
    cost: float | None


def prices(run: RunDir) -> tuple[dict[str, Price], str]:
    """The Price of each task of a finished run, and why `seconds` is None where it is ("" where it is not).

    The time of the run is shared out among tasks by completion tokens where all of them have these counted, else by samples.
    """
    manifest = run.manifest()
    rollups = {name: read_rollup(run, name) for name in manifest["tasks"]}
    tokens = {name: _mean_tokens(rollup) for name, rollup in rollups.items()}
    spent: Mapping[str, Any] = manifest.get("spent", {})
    seconds, why = _seconds(manifest)
    counted = all(tokens.values())
    parts = {name: int(r.n.sum()) * ((tokens[name] if counted else None) or 1.0) for name, r in rollups.items()}
    out = {}
    for name, rollup in rollups.items():
        n, known = int(rollup.n.sum()), spent.get(name, {})
        cost = (known.get("cost") or 0.0) + (known.get("judge_cost") or 0.0)
        prompt_tokens = known.get("prompt_tokens")
        out[name] = Price(
            completion_tokens=tokens[name],
            prompt_tokens=prompt_tokens / n if n and prompt_tokens else None,
            seconds=seconds * parts[name] / sum(parts.values()) / n if n and seconds else None,
            cost=cost / n if n and cost else None,
        )
    return out, why


def _mean_tokens(rollup: Rollup) -> float | None:
    """Mean completion tokens of a sample; None where no backend counted."""
    import numpy as np

    known = ~np.isnan(rollup.completion_tokens) & (rollup.n > 0)
    return float(np.average(rollup.completion_tokens[known], weights=rollup.n[known])) if known.any() else None


def _seconds(manifest: Mapping[str, Any]) -> tuple[float | None, str]:
    """How long the run took, or why that says nothing about the next one."""
    backend = manifest["model"].get("backend")
    if backend in _NO_PACE:
        return None, f"time is not known: the baseline is a {backend} run, which generates nothing"
    if manifest.get("reused"):
        return None, f"time is not known: the baseline was resumed, with {manifest['reused']:,} samples from before"
    start, end = (calendar.timegm(time.strptime(manifest[key], _TIME)) for key in ("started", "finished"))
    if end - start < 2:
        return None, "time is not known: the baseline took less than 2 seconds"
    return float(end - start), ""
