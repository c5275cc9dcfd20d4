"""A training run of another tool as a run's folder: scalars and samples line by line."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.imports.record import Training
from evalsuite.runlog import RunDir
from evalsuite.runlog.log import LogWriter

_BLOCK = 1_000


def write_training(folder: Path, run_id: str, run: Training, imported: Mapping[str, Any]) -> list[str]:
    """Write run.json, train.jsonl and, where there are samples, samples.jsonl into `folder`. Returns the notes.

    Raises UsageError for a source that is damaged, and for one without a single number or sample.
    """
    last = _write(folder / "train.jsonl", "train", map(_finite, run.scalars))
    sampled = _write(folder / "samples.jsonl", "samples", run.samples)
    if last is None and sampled is None:
        raise UsageError("not a single number or sample is in it: there is nothing to import")
    if sampled is None:
        (folder / "samples.jsonl").unlink()
    step = max(last or 0, sampled or 0)
    RunDir(folder).write_manifest(
        {
            "schema": 1,
            "run_id": run_id,
            "kind": "train",
            "status": "done",
            "started": run.started,
            "finished": run.finished,
            "identity": {"recipe": run.method, "seed": None},
            "recipe": {"name": run.method, "paper": "", "formula": "", "changes": []},
            "settings": {},
            "steps": max(run.steps, step),
            "step": step,
            "model": {"name": run.model, "path": run.model},
            "tasks": {},
            "imported": {**imported, "format_version": run.version},
        }
    )
    return list(run.notes)


def group_of(prompt: str) -> str:
    """The id of a question that is known by its prompt alone: 16 hex digits."""
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _write(path: Path, kind: str, rows: Iterable[Mapping[str, Any]]) -> int | None:
    """The last step written, None for no row."""
    writer, last = LogWriter(path, {"kind": kind}), None
    try:
        for block in _blocks(rows):
            writer.append(block)
            last = block[-1]["step"]
    finally:
        writer.close()
    return last


def _blocks(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    block: list[Mapping[str, Any]] = []
    for row in rows:
        block.append(row)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {name: value for name, value in row.items() if name == "step" or math.isfinite(value)}
