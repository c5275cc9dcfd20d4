"""What accuracy costs: tokens, money or time of evaluations, and which of them nothing else beats."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.errors import UsageError
from evalsuite.metrics import Aggregate, macro
from evalsuite.runlog import slug

from ..catalog import Catalog, Run
from .board import MACRO

SPENT = {
    "completion tokens": "mean completion tokens per sample",
    "all tokens": "mean prompt and completion tokens per sample",
    "cost": "cost of the evaluation, US dollars",
    "latency": "mean latency of a sample, seconds",
}
COLUMNS = (
    "key", "run", "training", "step", "value", "low", "high", "metric", "spent", "per_1k_tokens", "fingerprint", "comparable",
    "front", "dominated_by",
)  # fmt: skip


def metric_kind(label: str) -> str:
    """A metric whatever the number of samples: `avg@8` and `avg@4` are both `avg`."""
    return "avg" if re.fullmatch(r"avg@\d+", label) else label


def mean_latency(run: Run, task: str) -> float:
    """Mean seconds of a task's samples; NaN where no backend took the time. Raises UsageError where samples cannot be read."""
    path = run.path / "samples" / f"{slug(task)}.parquet"
    try:
        seconds = pq.read_table(path, columns=["latency"], memory_map=True)["latency"].to_numpy()
    except FileNotFoundError:
        raise UsageError(f"{run.path.name} has no single samples of {task!r}") from None
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    known = seconds[~np.isnan(seconds.astype(float))]
    return float(known.mean()) if len(known) else math.nan


def common_tasks(frame: pd.DataFrame, keys: Collection[str]) -> list[str]:
    """Tasks that all these runs have, of `results_frame`."""
    of_runs = [set(rows) for _, rows in frame[frame["key"].isin(list(keys))].groupby("key")["task"]]
    return sorted(set.intersection(*of_runs)) if of_runs else []


def efficiency(
    frame: pd.DataFrame,
    catalog: Catalog,
    keys: Sequence[str],
    task: str,
    metric: str,
    spent: str,
    latencies: Mapping[tuple[str, str], float] | None = None,
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Columns COLUMNS, a row per run of `keys`, and the runs that have no place in it: label and reason.

    `frame` is `results_frame`; `task` one of its tasks or MACRO (then `metric` is not used), `spent` one of SPENT, `latencies`
    the mean latency by (key, task). Tokens and times of MACRO are means over tasks, costs are sums. `value` is a share;
    `per_1k_tokens` are points per 1,000 completion tokens. Fronts and `comparable` are of the commonest fingerprint only.
    """
    rows, missing = [], []
    of_keys = frame[frame["key"].isin(list(keys))]
    if task == MACRO:
        there = of_keys[of_keys["task"].isin(common_tasks(frame, keys)) & of_keys["first"].astype(bool)]
    else:
        there = of_keys[(of_keys["task"] == task) & (of_keys["metric"].map(metric_kind) == metric)]
    of_run: dict[str, list[dict[str, Any]]] = {}
    for row in there.drop_duplicates(["key", "task"]).to_dict("records"):
        of_run.setdefault(row["key"], []).append(row)
    for key in keys:
        told = of_run.get(key)
        label = catalog.labels[key]
        if not told:
            missing.append((label, "no task in common with the others" if task == MACRO else f"no {metric} of {task}"))
            continue
        value, low, high = _value(catalog.runs[key], told) if task == MACRO else (told[0][n] for n in ("value", "low", "high"))
        x = _spent(told, spent, latencies or {})
        if value is None or math.isnan(value) or math.isnan(x):
            missing.append((label, _NONE[spent] if math.isnan(x) else "no value"))
            continue
        tokens = _spent(told, "completion tokens", {})
        rows.append(
            {
                **{name: told[0][name] for name in ("key", "run", "training", "step")},
                "value": value,
                "low": low,
                "high": high,
                "metric": " + ".join(dict.fromkeys(t["metric"] for t in told)),
                "spent": x,
                "per_1k_tokens": 1e5 * value / tokens if tokens else math.nan,
                "fingerprint": _together(told),
            }
        )
    points = pd.DataFrame(rows, columns=list(COLUMNS))
    known = Counter(f for f in points["fingerprint"] if f)
    commonest = known.most_common(1)[0][0] if known else None
    points["comparable"] = points["fingerprint"] == commonest
    return _with_front(points), missing


def pareto(spent: Iterable[float], value: Iterable[float]) -> np.ndarray:
    """(N,) position of the point that beats each one, -1 for those on the front.

    A point is beaten where another is at least as high for at most as much, and better in one of them; of those that beat it,
    the highest is named.
    """
    x, y = np.asarray(list(spent), dtype=float), np.asarray(list(value), dtype=float)
    out = np.full(len(x), -1)
    for i in range(len(x)):
        beats = np.flatnonzero((x <= x[i]) & (y >= y[i]) & ((x < x[i]) | (y > y[i])))
        if len(beats):
            out[i] = beats[np.argmax(y[beats])]
    return out


_NONE = {
    "completion tokens": "no completion tokens were counted",
    "all tokens": "prompt or completion tokens were not counted",
    "cost": "no cost was recorded",
    "latency": "no latency was recorded",
}


def _spent(told: Sequence[Mapping[str, Any]], spent: str, latencies: Mapping[tuple[str, str], float]) -> float:
    """The x of a run from its rows, one per task; NaN where one of them does not say."""
    of_tasks = [_of_task(row, spent, latencies) for row in told]
    return float(np.sum(of_tasks) if spent == "cost" else np.mean(of_tasks))


def _of_task(row: Mapping[str, Any], spent: str, latencies: Mapping[tuple[str, str], float]) -> float:
    if spent == "latency":
        return latencies.get((row["key"], row["task"]), math.nan)
    if spent == "cost":
        return row["cost"] or math.nan  # a backend that has no prices leaves 0
    tokens = row["mean_tokens"]
    if tokens is None or math.isnan(tokens) or spent == "completion tokens":
        return math.nan if tokens is None else tokens
    counts = [row[name] or 0 for name in ("n_questions", "repeats", "coverage", "prompt_tokens")]
    if not all(counts) or any(map(math.isnan, counts)):  # NaN is a None among numbers
        return math.nan
    *samples, prompts = counts
    scored = round(math.prod(samples))
    return float(tokens + prompts / scored) if scored else math.nan


def _together(told: Sequence[Mapping[str, Any]]) -> str:
    """The fingerprints of all tasks; '' where one is not known."""
    prints = [row["fingerprint"] for row in sorted(told, key=lambda row: row["task"])]
    return " ".join(prints) if all(prints) else ""


def _value(run: Run, told: Sequence[Mapping[str, Any]]) -> tuple[float, float, float]:
    """The macro average of a run's first metrics with its interval."""
    known = [{name: math.nan if row[name] is None else row[name] for name in ("value", "low", "high")} for row in told]
    rest: dict[str, Any] = {"se": math.nan, "n_questions": 0, "n_clusters": 0, "method": "none"}
    target = str((run.summary or {}).get("target", "population"))
    mean = macro([Aggregate(**of, **rest, target=target) for of in known])
    return mean.value, mean.low, mean.high


def _with_front(points: pd.DataFrame) -> pd.DataFrame:
    same = points[points["comparable"].astype(bool)]
    beaten = pareto(same["spent"], same["value"])
    names = {i: "" if j < 0 else same["run"].iloc[j] for i, j in zip(same.index, beaten)}
    points["front"] = [names.get(i) == "" for i in points.index]
    points["dominated_by"] = [names.get(i) or "" for i in points.index]
    return points
