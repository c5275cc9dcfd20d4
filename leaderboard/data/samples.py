"""One question of one run with all its samples, and where the samples of a run are read from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from evalsuite.errors import UsageError
from evalsuite.runlog import RunDir, slug
from evalsuite.runlog.compact import as_table, logged, sample_schema

from ..catalog import Run
from ..text import cleaned_json

Source = Path | pa.Table  # a Parquet file, or a log that was read
Stamp = tuple[tuple[str, int, int], ...]
# A folder called `k=v` on the way is no column.
PARQUET = "read_parquet(?, file_row_number = true, hive_partitioning = false)"  # of a path that is `named`
_OF_FILES = (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException, duckdb.ConversionException)


@dataclass(frozen=True)
class Question:
    """A question as one run asked it, and what came of it.

    `prompt` is `[role, text]` of every message; it and `problem` are empty where the run did not keep them (it has not ended, or it
    is a baseline). `images` are references in the order of the prompt (`evalsuite.runlog.media`), with the position of their message
    as `message`; `evidence` are boxes (`evalsuite.runlog.evidence`). `samples` are the rows of `samples/<task>.parquet` in the order
    of `i`, with `parts` as a mapping and `trace` as a list; a column that the run lacks is None.
    """

    id: str
    problem: str = ""
    prompt: Sequence[Sequence[str]] = ()
    target: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    images: Sequence[Mapping[str, Any]] = ()
    evidence: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[Mapping[str, Any]] = ()


def question(run: Run, task: str, id: str) -> Question | None:
    """The question `id` of `task` in `run`; None where the run has nothing of it.

    Read from Parquet, or from the log where that is newer (the run goes on, or was interrupted): then the last row of an (id, i)
    counts. Raises UsageError for files that are missing or damaged.
    """
    source, asked = samples_of(run, task), questions_of(run, task)
    with database() as db:
        samples = _rows(db, source, id)
        row = next(iter(_rows(db, asked, id)), None) if asked is not None else None
    if row is None and not samples:
        return None
    row = row or {}
    target = row.get("target") or (samples[0]["target"] if samples else None)
    return Question(
        id=id,
        problem=row.get("problem") or "",
        prompt=[m for m in _list(row.get("prompt")) if isinstance(m, list) and [type(t) for t in m] == [str, str]],
        target=_json(target),
        metadata=metadata if isinstance(metadata := _json(row.get("metadata")), dict) else {},
        images=[i for i in _list(row.get("images")) if isinstance(i, dict)],
        evidence=[e for e in _list(row.get("evidence")) if isinstance(e, dict)],
        samples=[_sample(s) for s in sorted(samples, key=lambda s: s["i"])],
    )


def samples_of(run: Run, task: str) -> Source:
    """Where the samples of a task are: `samples/<task>.parquet`, or the log where that is newer or the only one.

    Raises UsageError, naming what cannot be read.
    """
    path, logs = run.path / "samples" / f"{slug(task)}.parquet", _logs(run, task)
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        written = -1
    if written < 0 or any(log.stat().st_mtime_ns > written for log in logs):
        table = _log(run.path, task, stamp(run, task))
        if table.num_rows == 0 and not logs:
            raise UsageError(f"run {run.path.name} has no samples of {task!r}: neither samples/{path.name} nor a log")
        return table
    columns(path)
    return path


def questions_of(run: Run, task: str) -> Path | None:
    """`questions/<task>.parquet`, None where there is none. Raises UsageError where it is damaged."""
    path = run.path / "questions" / f"{slug(task)}.parquet"
    if not path.is_file():
        return None
    columns(path)
    return path


def columns(source: Source) -> Sequence[str]:
    """Names of the columns. Raises UsageError where a file cannot be read."""
    if isinstance(source, pa.Table):
        return list(source.column_names)
    try:
        return list(pq.read_schema(source).names)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{source} cannot be read: {error}") from None


def stamp(run: Run, task: str) -> Stamp:
    """State of the files that a task's samples are read from: name, time, size."""
    name = f"{slug(task)}.parquet"
    paths = [*_logs(run, task), run.path / "samples" / name, run.path / "questions" / name]
    return tuple((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in paths if p.is_file())


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB cursor of one's own. What a file of the run makes it raise becomes UsageError."""
    with _duckdb().cursor() as cursor:
        try:
            yield cursor
        except _OF_FILES as error:
            raise UsageError(f"the samples cannot be read: {str(error).splitlines()[0]}") from None


def scan(db: duckdb.DuckDBPyConnection, source: Source, name: str) -> tuple[str, list[Any]]:
    """SQL that reads `source` with the row number as `file_row_number`, and its parameters. `name` is one that nothing else has."""
    if isinstance(source, Path):
        return PARQUET, [named(source)]
    numbered = source.append_column("file_row_number", pa.array(range(source.num_rows), pa.int64()))
    db.register(name, numbered)
    return name, []


def named(path: Path) -> str:
    """`path` for PARQUET, which takes `*`, `?` and `[` for patterns."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})


def _rows(db: duckdb.DuckDBPyConnection, source: Source, id: str) -> list[dict[str, Any]]:
    sql, parameters = scan(db, source, "of_log")
    return list(
        db.sql(f"SELECT * EXCLUDE (file_row_number) FROM {sql} WHERE id = ?", params=[*parameters, id])
        .to_arrow_table()
        .to_pylist()
    )


def _logs(run: Run, task: str) -> list[Path]:
    name, folder = slug(task), run.path / "log"
    return sorted([*folder.glob(f"{name}.*.jsonl"), *folder.glob(f"{name}.*.jsonl.gz")])


@lru_cache(maxsize=4)
def _log(path: Path, task: str, state: Stamp) -> pa.Table:
    """The log as a table with the columns of samples.parquet; `state` is what the cache goes by."""
    last: dict[tuple[str, int], Mapping[str, Any]] = {}
    try:
        for row in RunDir(path).rows(task):
            last[row["id"], row["i"]] = row
        return as_table((logged(row) for row in last.values()), sample_schema())
    except (KeyError, TypeError, AttributeError, ValueError, pa.ArrowException) as error:
        raise UsageError(f"{path}: the log of {task} has a row that is not a sample's ({error!r})") from None


def _sample(row: Mapping[str, Any]) -> dict[str, Any]:
    blank = dict.fromkeys(sample_schema().names)
    return {**blank, **row, "parts": dict(row.get("parts") or ()), "trace": _list(row.get("trace"))}


def _json(text: str | None) -> Any:
    """What a column of JSON holds; None where it holds nothing, the text where it is no JSON."""
    if text is None:
        return None
    try:
        return cleaned_json(json.loads(text))
    except ValueError:
        return text


def _list(text: str | None) -> list[Any]:
    """A list in JSON; empty for anything else: a column that another program wrote may hold what it likes."""
    found = _json(text)
    return found if isinstance(found, list) else []
