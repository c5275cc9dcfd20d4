"""A run in a table, and several seeds of it: what the last steps were like, and the evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from evalsuite.metrics.seeds import seeds
from evalsuite.table import markdown

SUMMARISED = (
    "loss",
    "score",
    "reward",
    "frac_reward_zero_std",
    "completions/mean_length",
    "completions/clipped_ratio",
    "entropy",
    "grad_norm",
    "kl",
)


def summary(history: Sequence[Mapping[str, float]]) -> str:
    """A Markdown table: means over the first and the last tenth of the steps, and evaluations at the first and last of theirs."""
    steps = [row for row in history if "loss" in row]
    part = max(1, len(steps) // 10)
    rows = []
    for name in SUMMARISED:
        first, last = (_mean(part_of, name) for part_of in (steps[:part], steps[-part:]))
        if first is not None and last is not None:
            rows.append([name, f"{first:.4g}", f"{last:.4g}"])
    for name in dict.fromkeys(key for row in history for key in row if key.startswith("eval/") and f"{key}/low" in row):
        ends = [row for row in history if name in row]
        rows.append([name, *(f"{r[name]:.3f} [{r[f'{name}/low']:.3f}, {r[f'{name}/high']:.3f}]" for r in (ends[0], ends[-1]))])
    return markdown(["", "first", "last"], rows, right=("first", "last"))


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float | None:
    values = [row[name] for row in rows if name in row]
    return sum(values) / len(values) if values else None


def over_seeds(
    histories: Sequence[Sequence[Mapping[str, float]]], names: Sequence[str] = SUMMARISED
) -> dict[str, dict[str, float | None]]:
    """Mean over runs of the last tenth of the steps, for each of `names`, and of the last evaluations, with a 95 % t-interval.

    Only what every run has; no interval (None) where the runs are all alike.
    """
    ends = [_last(history, names) for history in histories]
    found = {}
    for name in ends[0]:
        if all(name in end for end in ends):
            values = [end[name] for end in ends]
            mean = seeds([0.0] * len(values), values, paired=True)  # a mean is a paired difference to 0
            low, high = (None if math.isnan(x) else x for x in (mean.low, mean.high))
            found[name] = {"mean": mean.value, "low": low, "high": high}
    return found


def _last(history: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, float]:
    """Means over the last tenth of the steps, as in the table of a run, and each evaluation's last value."""
    steps = [row for row in history if "loss" in row]
    last = steps[-max(1, len(steps) // 10) :]
    ends = {name: mean for name in names if (mean := _mean(last, name)) is not None}
    return ends | {name: row[name] for row in history for name in row if name.startswith("eval/") and f"{name}/low" in row}


def seeds_table(over: Mapping[str, Mapping[str, float | None]], runs: int) -> str:
    """What `over_seeds` found over so many `runs`, as a Markdown table."""
    rows = [
        [name, f"{of['mean']:.4g}", "" if of["low"] is None else f"[{of['low']:.4g}, {of['high']:.4g}]"]
        for name, of in over.items()
    ]
    return markdown([f"last, over {runs} seeds", "mean", "95 % interval"], rows, right=("mean", "95 % interval"))
