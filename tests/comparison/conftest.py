"""Run directories made from arrays, without a model."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalsuite.comparison.compare import Recorded
from evalsuite.runlog import RunDir

IDENTITY = {
    "version": "1",
    "data": "d0",
    "prompt": {"name": "direct", "hash": "p0"},
    "num_fewshot": 0,
    "sampling": {"temperature": 0.6, "top_p": 1.0},
    "verifier": {"name": "exact", "version": 1},
    "seed": 0,
}


def questions(scores: np.ndarray, **columns: Any) -> pa.Table:
    """A roll-up of (Q, K) scores, NaN where a sample failed. Columns by keyword replace what follows from them."""
    scores = np.asarray(scores, dtype=float)
    there = ~np.isnan(scores)
    filled = np.where(there, scores, 0.0)
    q = len(scores)
    table = {
        "id": [str(i) for i in range(q)],
        "digest": [f"d{i}" for i in range(q)],
        "cluster": [None] * q,
        "n": there.sum(axis=1),
        "c": (filled == 1).sum(axis=1),
        "sum": filled.sum(axis=1),
        "sum_sq": (filled**2).sum(axis=1),
        "no_answer": np.zeros(q, dtype=int),
        "truncated": np.zeros(q, dtype=int),
        "errors": (~there).sum(axis=1),
        "completion_tokens": [None] * q,
    } | columns
    types = {"id": pa.string(), "digest": pa.string(), "cluster": pa.string(), "completion_tokens": pa.float64()}
    return pa.table({name: pa.array(column, types.get(name)) for name, column in table.items()})


def write_run(folder: Path, tasks: Mapping[str, pa.Table], model: str = "model", status: str = "done", **identity: Any) -> Path:
    """A run directory; `identity` replaces fields of every task's identity."""
    (folder / "questions").mkdir(parents=True)
    of_task = {**copy.deepcopy(IDENTITY), **identity}
    manifest = {
        "schema": 1,
        "run_id": folder.name,
        "status": status,
        "model": {"name": model},
        "environment": {"python": "3.11", "packages": {"numpy": "2"}},
        "identity": {"model": {"path": folder.name}, "judge": None},
        "tasks": {name: {"label": name, "identity": of_task, "n_questions": len(t)} for name, t in tasks.items()},
    }
    (folder / "run.json").write_text(json.dumps(manifest))
    for name, table in tasks.items():
        pq.write_table(table, folder / "questions" / f"{name}.parquet")
    return folder


Make = Callable[..., Recorded]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make("a", t=scores)`: a Recorded run `a` under tmp_path; scores are (Q, K) arrays, or tables of `questions`."""

    def build(
        name: str, *, model: str = "model", status: str = "done", identity: Mapping[str, Any] = {}, **tasks: Any
    ) -> Recorded:
        tables = {task: s if isinstance(s, pa.Table) else questions(s) for task, s in tasks.items()}
        return Recorded(RunDir(write_run(tmp_path / name, tables, model, status, **identity)))

    return build


@pytest.fixture
def rollup() -> Callable[..., pa.Table]:
    """`rollup(scores, id=[...], cluster=[...])`."""
    return questions
