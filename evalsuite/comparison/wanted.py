"""The metrics that a comparison is asked for, each once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evalsuite.comparison.compare import Recorded
from evalsuite.errors import UsageError
from evalsuite.metrics.reduce import Metric, parse_metric


def parse_metrics(names: Sequence[str]) -> list[Metric]:
    """The metrics of these names, each once. Raises UsageError."""
    if not names:
        raise UsageError("no metric was asked for: --metric avg,pass@8")
    return list(dict.fromkeys(parse_metric(name) for name in names))


def settled(metrics: Sequence[Metric], recorded: Sequence[Recorded], tasks: Sequence[str]) -> list[Metric]:
    """Metrics of which no two compute the same, after every run has been found to have them all. Raises UsageError."""
    for metric in metrics:
        for run in recorded:
            for task in tasks:
                run.values(task, metric)
    return unique(metrics)


def unique(metrics: Sequence[Metric]) -> list[Metric]:
    """Metrics of which no two compute the same. avg@N is avg: its N is only a demand."""
    found: dict[tuple[Any, ...], Metric] = {}
    for metric in metrics:
        found.setdefault(_computes(metric), Metric("avg") if metric.kind == "avg" else metric)
    return list(found.values())


def _computes(metric: Metric) -> tuple[Any, ...]:
    if metric.kind == "avg":
        return ("avg",)
    if metric.kind == "g_pass@":  # at least so many of k are right: all of them is pass^k, one is pass@k
        least = max(math.ceil(metric.tau * metric.k - 1e-9), 1)
        kind = {1: "pass@", metric.k: "pass^"}.get(least)
        return (kind, metric.k, "") if kind else ("g_pass@", metric.k, least)
    return (metric.kind, metric.k, metric.part)
