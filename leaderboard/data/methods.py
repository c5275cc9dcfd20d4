"""Training methods on tasks, the training seed as the unit: one number per seed, never one per sample.

A method is a recipe with its settings, model and prompts; its runs differ in the seed. Of each run the last evaluation counts,
because the best of several would be chosen by the number that is shown.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalsuite.metrics import holm, seeds

from ..catalog import Catalog, Training
from .board import FIRST
from .efficiency import metric_kind

START = "step 0"  # the baseline: each run before its training
VALUES = (
    "method", "training", "seed", "column", "task", "step", "steps", "value", "metric", "coverage", "repeats", "run",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class MethodGroup:
    """Training runs that are alike but for the seed, one per seed. `key` is for URLs; `name` is the recipe and what sets it apart
    from other methods of that recipe; `doubled` are further runs of a seed, which do not count twice."""

    key: str
    name: str
    runs: tuple[Training, ...]
    doubled: tuple[Training, ...]


def method_groups(trainings: Sequence[Training]) -> list[MethodGroup]:
    """The methods among training runs, by name. Of several runs of one seed the first given counts."""
    alike: dict[str, list[Training]] = {}
    for training in trainings:
        alike.setdefault(json.dumps(_settings(training), sort_keys=True, default=str), []).append(training)
    names = _names([of[0] for of in alike.values()])
    out = []
    for (identity, of), name in zip(alike.items(), names):
        first = {t.seed: t for t in reversed(of)}
        runs = tuple(sorted(first.values(), key=lambda t: (t.seed is None, t.seed or 0)))
        key = f"method-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
        out.append(MethodGroup(key, name, runs, tuple(t for t in of if t not in runs)))
    return sorted(out, key=lambda g: g.name)


def columns_of(frame: pd.DataFrame) -> pd.Series:
    """The column of the matrix that each row of `results_frame` belongs to: its task's label (`math[148/304]` for a part of one), and
    the fingerprint where a label has several.

    Only numbers of one column mean the same.
    """
    prints = frame.groupby("task_label")["fingerprint"].transform("nunique")
    named = frame["task_label"] + " (" + frame["fingerprint"].replace("", "unknown settings") + ")"
    return frame["task_label"].where(prints <= 1, named)


def last_values(frame: pd.DataFrame, groups: Sequence[MethodGroup], metric: str) -> pd.DataFrame:
    """Columns VALUES: of each training run and column, its last evaluation after step 0. `metric` is FIRST or a `metric_kind`."""
    return _values(frame, groups, metric, start=False)


def start_values(frame: pd.DataFrame, groups: Sequence[MethodGroup], metric: str) -> pd.DataFrame:
    """The same for step 0."""
    return _values(frame, groups, metric, start=True)


def run_values(frame: pd.DataFrame, key: str, metric: str) -> dict[str, float]:
    """The values of one evaluation by column: a base model, or any other that no method is about."""
    rows = _of_metric(frame.assign(column=columns_of(frame)), metric)
    return {r.column: float(r.value) for r in rows[rows["key"] == key].itertuples()}


def matrix(values: pd.DataFrame, groups: Sequence[MethodGroup]) -> pd.DataFrame:
    """A row per method and column: seeds, mean, low, high (Student's t over seeds; NaN for fewer than two that differ), steps, uneven.

    `uneven` says that the seeds' last evaluations are not all at one step.
    """
    rows = []
    for group in groups:
        for column, of in values[values["method"] == group.key].groupby("column", sort=False):
            mean = seeds(np.zeros(len(of)), of["value"], paired=True)  # a mean is a paired difference to 0
            reached = sorted({int(step) for step in of["step"]})
            rows.append(
                (group.key, group.name, column, len(of), mean.value, mean.low, mean.high, _list(reached), len(reached) > 1)
            )
    return pd.DataFrame(rows, columns=["method", "name", "column", "seeds", "mean", "low", "high", "steps", "uneven"])


def differences(
    values: pd.DataFrame,
    groups: Sequence[MethodGroup],
    baseline: MethodGroup | pd.DataFrame | Mapping[str, float],
) -> pd.DataFrame:
    """Every method against a baseline, per column: seeds, difference, low, high, p, p_adjusted (Holm over all rows), claim.

    `baseline` is another method (Welch's t over seeds), `start_values` (paired by training run) or the values of one evaluation by
    column (a constant, whose own noise is not counted). A single seed on a side is a claim about a checkpoint, and is called so.
    """
    rows = []
    for group in groups:
        if isinstance(baseline, MethodGroup) and group.key == baseline.key:
            continue
        for column, of in values[values["method"] == group.key].groupby("column", sort=False):
            sides = _sides(of, values, column, baseline)
            if sides is None:
                continue
            a, b, paired = sides
            d = seeds(a, b, paired=paired)
            single = min(len(a), len(b)) < 2
            claim = "checkpoint claim only: one training seed" if single else d.note
            rows.append(
                (group.name, column, f"{len(b)}" if paired else f"{len(b)} vs {len(a)}", d.value, d.low, d.high, d.p, claim)
            )
    frame = pd.DataFrame(rows, columns=["name", "column", "seeds", "difference", "low", "high", "p", "claim"])
    frame["p_adjusted"] = holm(frame["p"].to_numpy(dtype=float))
    frame["claim"] = [
        r.claim or ("no difference shown" if not r.p_adjusted <= 0.05 else "better" if r.difference > 0 else "worse")
        for r in frame.itertuples()
    ]
    return frame


def _sides(
    of: pd.DataFrame, values: pd.DataFrame, column: str, baseline: MethodGroup | pd.DataFrame | Mapping[str, float]
) -> tuple[list[float], list[float], bool] | None:
    """Baseline, method, and whether they are paired; None where the baseline has no such column."""
    if isinstance(baseline, MethodGroup):
        a = values[(values["method"] == baseline.key) & (values["column"] == column)]["value"]
        return (a.tolist(), of["value"].tolist(), False) if len(a) else None
    if isinstance(baseline, pd.DataFrame):
        at = baseline[baseline["column"] == column].set_index("training")["value"]
        there = of[of["training"].isin(at.index)]
        return (at.loc[there["training"]].tolist(), there["value"].tolist(), True) if len(there) else None
    value = baseline.get(column, math.nan)
    return None if math.isnan(value) else ([value] * len(of), of["value"].tolist(), True)


def _values(frame: pd.DataFrame, groups: Sequence[MethodGroup], metric: str, *, start: bool) -> pd.DataFrame:
    method = {t.key: (g.key, t) for g in groups for t in g.runs}
    rows = frame.assign(column=columns_of(frame))
    rows = _of_metric(rows[rows["training"].isin(method)].dropna(subset=["step", "value"]), metric)
    rows = rows[rows["step"] == 0] if start else rows[rows["step"] > 0]
    # More samples first where one step was evaluated twice, then the newer: never the higher.
    rows = rows.sort_values(["step", "repeats", "started"], ascending=False, kind="stable").drop_duplicates(
        ["training", "column"]
    )
    out = [
        (
            method[r.training][0], r.training, method[r.training][1].seed, r.column, r.task, int(r.step),
            method[r.training][1].manifest.get("steps"), float(r.value), r.metric, r.coverage, r.repeats, r.key,
        )
        for r in rows.itertuples()
    ]  # fmt: skip
    found = pd.DataFrame(out, columns=list(VALUES))
    return found.sort_values(["column", "method", "seed"], kind="stable", ignore_index=True)


def _of_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["first"].astype(bool)] if metric == FIRST else rows[rows["metric"].map(metric_kind) == metric]


def _settings(training: Training) -> dict[str, Any]:
    """Everything but the seed, flat: what makes two runs the same method."""
    identity = training.manifest.get("identity", {})
    asked = identity.get("tasks") or {}
    # A task's own seed goes with the run's.
    tasks = {name: {k: v for k, v in asked[name].items() if k != "seed"} for name in sorted(asked)}
    return {
        "recipe": training.recipe,
        **(identity.get("settings") or {}),
        "model": [training.model, identity.get("model")],
        "tasks": tasks,
        **{name: identity.get(name) for name in ("lora", "dtype", "precision", "judge")},
        "steps": training.manifest.get("steps"),
    }


def _names(firsts: Sequence[Training]) -> list[str]:
    """The recipe, and the settings in which methods of that recipe differ."""
    told = [_settings(t) for t in firsts]
    out = []
    for mine in told:
        same = [other for other in told if other["recipe"] == mine["recipe"]]
        differ = [name for name in mine if any(other.get(name) != mine[name] for other in same)]
        out.append(
            " · ".join([str(mine["recipe"]), *(_word(name, mine[name], [o.get(name) for o in same]) for name in differ)])
        )
    return out


def _word(name: str, value: Any, others: Sequence[Any]) -> str:
    """A setting and its value in a few characters; a hash where the value is long, or where two of one name differ in content."""
    if name == "model":
        name_of, digest = value
        alike = {str(o[1]) for o in others if o and o[0] == name_of}
        return f"model={name_of}" if len(alike) < 2 else f"model={name_of} {str(digest)[:6]}"
    if name == "tasks":
        joined = "+".join(value)
        alike = {json.dumps(o, sort_keys=True, default=str) for o in others if o and "+".join(o) == joined}
        return f"tasks={joined}" if len(alike) < 2 else f"tasks={joined} {_hash(value)}"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{name.rpartition('.')[2]}={text if len(text) <= 24 else _hash(value)}"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:6]


def _list(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps))


def never_evaluated(catalog: Catalog, groups: Sequence[MethodGroup], values: pd.DataFrame) -> list[tuple[str, str]]:
    """Training runs that the matrix leaves out, each with the reason."""
    there = set(values["training"])
    labels = catalog.labels
    out = []
    for group in groups:
        out += [(labels[t.key], f"{t.status}: not evaluated after step 0") for t in group.runs if t.key not in there]
        out += [(labels[t.key], f"another run of seed {t.seed} of {group.name} counts already") for t in group.doubled]
    return out
