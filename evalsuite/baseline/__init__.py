"""Baselines: runs kept small enough to commit, so that a fresh clone can compare, score again, replay and gate.

`results/baselines/<name>/` is itself a run directory: run.json with a `baseline` block and no path of the machine that made
it, `questions/<task>.parquet` with numbers and keys only, and `log/<task>.0.jsonl.gz` with every completion and its score.
Completions too large to commit lie elsewhere under their sha256, and the baseline says where.
"""

from __future__ import annotations

from evalsuite.baseline.fetch import fetch
from evalsuite.baseline.find import describe, find_baseline, find_run, has_completions, list_baselines
from evalsuite.baseline.keep import MAX_BYTES, set_baseline
from evalsuite.baseline.layout import BASELINES

__all__ = [
    "BASELINES",
    "MAX_BYTES",
    "describe",
    "fetch",
    "find_baseline",
    "find_run",
    "has_completions",
    "list_baselines",
    "set_baseline",
]
