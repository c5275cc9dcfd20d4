"""The per-question roll-up of a run, as columns: what comparisons, gates and leaderboards compute from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.runlog.store import RunDir, slug

FIXED = (
    "run_id", "task", "id", "digest", "cluster", "problem", "prompt", "target", "metadata", "images", "evidence",
    "n", "c", "sum", "sum_sq", "no_answer", "truncated", "errors", "completion_tokens",
)  # fmt: skip
_COUNTS = ("n", "c", "no_answer", "truncated", "errors")


@dataclass(frozen=True, slots=True)
class Rollup:
    """Q questions of one task of one run, in the run's order. Columns are numpy arrays of length Q.

    `n` samples have a value and `errors` have none; `c` of the n are exactly 1.0; `sum` and `sum_sq` are over their values;
    `no_answer` and `truncated` count outcomes; `completion_tokens` is the mean per sample (NaN where no backend counted).
    `metrics` are the reducers that the run computed, by label (`pass@4`), NaN where a question has none.
    """

    ids: Sequence[str]
    digests: Sequence[str]
    clusters: Sequence[str | None]
    n: Any
    c: Any
    sum: Any
    sum_sq: Any
    no_answer: Any
    truncated: Any
    errors: Any
    completion_tokens: Any
    metrics: Mapping[str, Any]


def read_rollup(run: RunDir, task: str) -> Rollup:
    """The roll-up of one task. Reads numbers and keys only, no texts. Raises UsageError where the run has not ended."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.path / "questions" / f"{slug(task)}.parquet"
    try:
        with pq.ParquetFile(path) as file:
            labels = [name for name in file.schema_arrow.names if name not in FIXED]
            table = file.read(columns=["id", "digest", "cluster", *_COUNTS, "sum", "sum_sq", "completion_tokens", *labels])
    except FileNotFoundError:
        status = run.manifest().get("status", "unknown")
        raise UsageError(
            f"run {run.path.name} has no per-question numbers of {task!r} (status: {status}); run its command again to finish it"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    column = {name: table.column(name) for name in table.column_names}
    numbers = {name: column[name].to_numpy().astype("int64") for name in _COUNTS}
    floats = {name: column[name].to_numpy().astype("float64") for name in ("sum", "sum_sq", "completion_tokens", *labels)}
    return Rollup(
        ids=column["id"].to_pylist(),
        digests=column["digest"].to_pylist(),
        clusters=column["cluster"].to_pylist(),
        **numbers,
        sum=floats["sum"],
        sum_sq=floats["sum_sq"],
        completion_tokens=floats["completion_tokens"],
        metrics={name: floats[name] for name in labels},
    )
