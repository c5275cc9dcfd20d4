"""One row per run, task and metric: what most pages start from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from evalsuite.comparison.fingerprint import identity_of

from ..catalog import Catalog, Run

COLUMNS = (
    "key", "run", "model", "status", "started", "training", "step", "during",
    "task", "task_label", "metric", "first", "value", "low", "high", "n_questions", "n_clusters", "repeats", "full_size", "partial",
    "coverage", "no_answer", "truncated", "errors", "mean_tokens", "completion_tokens", "prompt_tokens", "cost", "chance",
    "unsteady", "fingerprint",
)  # fmt: skip


def results_frame(catalog: Catalog) -> pd.DataFrame:
    """Columns COLUMNS, a row per run x task x metric of all runs that have results; values, rates and intervals are shares.

    `run` is the label of the run, `task` the name in run.json, `first` marks a task's first metric, `partial` a data set that is
    not whole, `unsteady` a metric @k with k above half of the samples. `fingerprint` is six hex digits of everything that must
    agree for two numbers of a task to be comparable; '' where the manifest does not say.
    """
    return pd.DataFrame([row for run in catalog.runs.values() for row in _rows(catalog, run)], columns=list(COLUMNS))


def fingerprint(manifest: Mapping[str, Any], task: str) -> str:
    """Six hex digits of what must agree for two numbers of `task` to be comparable (`comparison.fingerprint.FIELDS`)."""
    identity = identity_of(manifest, task)
    if not identity:
        return ""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:6]


def _rows(catalog: Catalog, run: Run) -> Iterator[dict[str, Any]]:
    common = {
        "key": run.key,
        "run": catalog.labels[run.key],
        "model": run.model,
        "status": run.status,
        "started": run.started,
        "training": run.training,
        "step": run.step,
        "during": run.during,
    }
    for task, found in (run.summary or {}).get("tasks", {}).items():
        told = run.tasks.get(task, {})
        full = told.get("full_size")
        of_task = {
            "task": task,
            "task_label": found.get("label", task),
            "repeats": found.get("repeats"),
            "full_size": full,
            "partial": full is not None and (found.get("n_questions") or 0) < full,
            "chance": found.get("chance"),
            "fingerprint": fingerprint(run.manifest, task) if task in run.tasks else "",
            **{
                name: found.get(name)
                for name in (
                    "coverage", "no_answer", "truncated", "errors", "mean_tokens", "completion_tokens", "prompt_tokens", "cost",
                )
            },
        }  # fmt: skip
        for number, (metric, a) in enumerate(found.get("metrics", {}).items()):
            yield {
                **common,
                **of_task,
                "metric": metric,
                "first": number == 0,
                "unsteady": metric in found.get("unsteady", ()),
                **{name: a.get(name) for name in ("value", "low", "high", "n_questions", "n_clusters")},
            }
