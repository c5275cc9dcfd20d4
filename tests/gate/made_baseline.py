"""Baselines of any shape, written as a run directory holds them: a manifest and roll-ups, without a model or a log."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.comparison.compare import Recorded
from evalsuite.gate.config import TaskRule, default_config
from evalsuite.gate.state import Gate
from evalsuite.runlog import RunDir


@dataclasses.dataclass(frozen=True)
class Made:
    """One task: (Q, K) samples, NaN where one failed."""

    samples: Any
    clusters: Sequence[str | None] | None = None
    tokens: float | None = 50.0
    full_size: int | None = None
    temperature: float = 1.0


def binary(questions: int, n: int, mean: float = 0.6, spread: float = 1.5, seed: int = 0) -> Made:
    """Right or wrong, the chance of each question from Beta(mean * spread, (1 - mean) * spread)."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(mean * spread, (1 - mean) * spread, questions)
    return Made((rng.random((questions, n)) < chance[:, None]).astype(float))


def make_run(path: Path, tasks: Mapping[str, Made], **manifest: Any) -> RunDir:
    """A run directory that is done."""
    (path / "questions").mkdir(parents=True)
    facts = {}
    for name, made in tasks.items():
        count, n = made.samples.shape
        there = ~np.isnan(made.samples)
        value = np.where(there, made.samples, 0.0)
        columns = {
            "id": [str(i) for i in range(count)],
            "digest": [f"{name}-{i}" for i in range(count)],
            "cluster": pa.array(made.clusters or [None] * count, pa.string()),
            "n": there.sum(axis=1).astype("int32"),
            "c": (value == 1).sum(axis=1).astype("int32"),
            "sum": value.sum(axis=1),
            "sum_sq": (value**2).sum(axis=1),
            **{key: np.zeros(count, "int32") for key in ("no_answer", "truncated")},
            "errors": (~there).sum(axis=1).astype("int32"),
            "completion_tokens": pa.array([made.tokens] * count, pa.float64()),
        }
        pq.write_table(pa.table(columns), path / "questions" / f"{name}.parquet")
        facts[name] = {
            "label": name if made.full_size is None else f"{name}[{count}/{made.full_size}]",
            "identity": {"sampling": {"temperature": made.temperature}},
            "repeats": n,
            "n_questions": count,
            "full_size": made.full_size or count,
        }
    times = {"started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:01:40Z"}
    model = {"name": "a-model", "backend": "hf"}
    whole = {"schema": 1, "run_id": path.name, "status": "done", **times, "model": model, "tasks": facts, **manifest}
    (path / "run.json").write_text(json.dumps(whole))
    return RunDir(path)


def make_gate(path: Path, made: Mapping[str, Made], *, manifest: Mapping[str, Any] | None = None, **profile: Any) -> Gate:
    """A gate of every task against such a run. Keywords that TaskRule has are the rule of all tasks, others the profile's."""
    rule = {key: profile.pop(key) for key in list(profile) if key in TaskRule.__dataclass_fields__}
    base = default_config().profile()
    changed = dataclasses.replace(base, default=dataclasses.replace(base.default, **rule), **profile)
    return Gate(changed, Recorded(make_run(path, made, **(manifest or {}))), say=lambda text: None)
