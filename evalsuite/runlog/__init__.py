"""The crash-safe record of a run on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalsuite.runlog.log import LogWriter, cut_torn_tail, read_lines
from evalsuite.runlog.store import RunDir, slug

__all__ = ["LogWriter", "RunDir", "cut_torn_tail", "read_lines", "read_rows", "slug"]


def read_rows(run_dir: str | Path, task: str) -> Iterator[dict[str, Any]]:
    """Log rows of one task of a run directory; for one (id, i) the last row counts."""
    return RunDir(Path(run_dir)).rows(task)
