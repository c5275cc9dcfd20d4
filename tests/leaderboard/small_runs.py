"""Runs written by hand: a results folder with the numbers that a test works out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.leaderboard.catalog import Catalog


def write_run(
    folder: Path,
    name: str,
    values: Mapping[str, Sequence[float]],
    *,
    task: str = "sums",
    ids: Mapping[str, str] | None = None,
    temperature: float = 1.0,
    started: str = "2026-01-01T00:00:00Z",
) -> str:
    """An evaluation `runs/<name>` that has ended: `values` are those of the samples by the content of a question, whose id is the
    same unless `ids` says otherwise. Returns its key."""
    path = folder / "runs" / name
    (path / "questions").mkdir(parents=True, exist_ok=True)
    identity = {
        "version": 1,
        "data": "d",
        "prompt": {},
        "sampling": {"temperature": temperature},
        "verifier": {"name": "exact"},
    }
    told = {"label": task, "identity": identity, "repeats": max(map(len, values.values())), "metrics": ["avg"]}
    manifest: dict[str, Any] = json.loads((path / "run.json").read_text()) if (path / "run.json").exists() else {"tasks": {}}
    manifest |= {"schema": 1, "run_id": name, "kind": "eval", "status": "done", "started": started, "model": {"name": name}}
    manifest["tasks"][task] = told
    (path / "run.json").write_text(json.dumps(manifest))
    rows = [
        {
            "run_id": name,
            "task": task,
            "id": (ids or {}).get(content, content),
            "digest": content,
            "cluster": None,
            "problem": f"What is\n {content}?",
            "n": len(of),
            "c": sum(v == 1 for v in of),
            "sum": float(sum(of)),
            "sum_sq": float(sum(v * v for v in of)),
            "no_answer": 0,
            "truncated": 0,
            "errors": max(map(len, values.values())) - len(of),
            "completion_tokens": 10.0,
        }
        for content, of in values.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), path / "questions" / f"{task}.parquet")
    return f"runs/{name}"


def keys_of(catalog: Catalog, *beginnings: str, tasks: int = 2) -> list[str]:
    """Keys of the runs of a tree whose names begin so and that have so many tasks."""
    return [
        next(k for k, r in catalog.runs.items() if r.path.name.startswith(name) and len(r.tasks) == tasks)
        for name in beginnings
    ]
