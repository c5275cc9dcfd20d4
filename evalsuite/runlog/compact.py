"""At finish: the log as zstd Parquet (one row per sample), and the per-question roll-up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.runlog.store import RunDir, slug

if TYPE_CHECKING:
    from evalsuite.plan import Plan

_ROWS = 5_000  # per row group


def compact(run: RunDir, plan: Plan, rollup: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `samples/<task>.parquet` and `questions/<task>.parquet`, each renamed into place when it is whole."""
    name = f"{slug(plan.name)}.parquet"
    _write(run.path / "samples" / name, _sample_schema(), _sample_rows(run, plan, rollup))
    _write(run.path / "questions" / name, _question_schema(rollup), _question_rows(run, plan, rollup))


def last_rows(run: RunDir, task: str) -> Iterator[dict[str, Any]]:
    """Log rows of a task, each (id, i) once: its last row. Two passes, so that memory holds keys and not texts."""
    last: dict[tuple[str, int], int] = {}
    for number, row in enumerate(run.rows(task)):
        last[row["id"], row["i"]] = number
    for number, row in enumerate(run.rows(task)):
        if last[row["id"], row["i"]] == number:
            yield row


def _sample_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("run_id", pa.string()),
            ("task", pa.string()),
            ("id", pa.string()),
            ("digest", pa.string()),
            ("cluster", pa.string()),
            ("i", pa.int32()),
            ("seed", pa.int64()),
            ("value", pa.float64()),
            ("outcome", pa.string()),
            ("answer", pa.string()),
            ("answer_class", pa.int32()),
            ("target", pa.string()),
            ("feedback", pa.string()),
            ("parts", pa.map_(pa.string(), pa.float64())),
            ("text", pa.large_string()),
            ("reasoning", pa.large_string()),
            ("finish_reason", pa.string()),
            ("prompt_tokens", pa.int32()),
            ("completion_tokens", pa.int32()),
            ("cost", pa.float64()),
            ("latency", pa.float64()),
            ("seconds", pa.float64()),
            ("isolation", pa.string()),
            ("token_ids", pa.list_(pa.int32())),
            ("logprobs", pa.list_(pa.float32())),
        ]
    )


def _sample_rows(run: RunDir, plan: Plan, rollup: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    samples = {s.id: s for s in plan.samples}
    for row in last_rows(run, plan.name):
        sample = samples.get(row["id"])
        if sample is None or row["i"] >= plan.sampling.repeats:
            continue  # of an earlier, larger run that never got that far for every question
        completion, score = row.get("completion", {}), row.get("score", {})
        classes = rollup[sample.id].get("classes")
        yield {
            "run_id": run.path.name,
            "task": plan.name,
            "id": sample.id,
            "digest": sample.digest(),
            "cluster": sample.cluster,
            "i": row["i"],
            "seed": row.get("seed"),
            "target": json.dumps(sample.target, default=str, ensure_ascii=False),
            "answer_class": classes[row["i"]] if classes is not None and row["i"] < len(classes) else None,
            "parts": list(score.get("parts", {}).items()),
            **{k: score.get(k) for k in ("value", "outcome", "answer", "feedback", "seconds", "isolation")},
            **{
                k: completion.get(k)
                for k in (
                    "text", "reasoning", "finish_reason", "prompt_tokens", "completion_tokens",
                    "cost", "latency", "token_ids", "logprobs",
                )
            },
        }  # fmt: skip


def _question_schema(rollup: Mapping[str, Mapping[str, Any]]) -> Any:
    import pyarrow as pa

    labels = [k for k in next(iter(rollup.values()), {}) if k != "classes"]
    return pa.schema(
        [
            ("run_id", pa.string()),
            ("task", pa.string()),
            ("id", pa.string()),
            ("digest", pa.string()),
            ("cluster", pa.string()),
            ("problem", pa.large_string()),
            ("prompt", pa.large_string()),
            ("target", pa.string()),
            ("metadata", pa.string()),
            ("n", pa.int32()),
            ("c", pa.int32()),
            ("sum", pa.float64()),
            ("sum_sq", pa.float64()),
            ("no_answer", pa.int32()),
            ("truncated", pa.int32()),
            ("errors", pa.int32()),
            ("completion_tokens", pa.float64()),
            *((label, pa.float64()) for label in labels),
        ]
    )


def _question_rows(run: RunDir, plan: Plan, rollup: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    sums: dict[str, dict[str, float]] = {}
    for row in last_rows(run, plan.name):
        if row["i"] >= plan.sampling.repeats:
            continue
        question = sums.setdefault(
            row["id"], dict.fromkeys(("n", "c", "sum", "sum_sq", "no_answer", "truncated", "tok", "ntok"), 0)
        )
        score = row.get("score", {})
        value = score.get("value")
        tokens = row.get("completion", {}).get("completion_tokens")
        if tokens is not None:
            question["tok"] += tokens
            question["ntok"] += 1
        if value is not None:
            question["n"] += 1
            question["c"] += value == 1.0
            question["sum"] += value
            question["sum_sq"] += value * value
            if score["outcome"] in ("no_answer", "truncated"):
                question[score["outcome"]] += 1
    for sample in plan.samples:
        q = sums.get(sample.id, {})
        yield {
            "run_id": run.path.name,
            "task": plan.name,
            "id": sample.id,
            "digest": sample.digest(),
            "cluster": sample.cluster,
            "problem": sample.problem,
            "prompt": json.dumps([[m.role, m.text] for m in plan.render(sample).messages], ensure_ascii=False),
            "target": json.dumps(sample.target, default=str, ensure_ascii=False),
            "metadata": json.dumps(dict(sample.metadata), default=str, ensure_ascii=False),
            **{k: q.get(k, 0) for k in ("n", "c", "sum", "sum_sq", "no_answer", "truncated")},
            "errors": plan.sampling.repeats - q.get("n", 0),
            "completion_tokens": q["tok"] / q["ntok"] if q.get("ntok") else None,
            **{k: v for k, v in rollup[sample.id].items() if k != "classes"},
        }


def _write(path: Path, schema: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink()  # by a writer that was killed: the run's lock is ours
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
            stream = iter(rows)
            while block := [{k: _text(v) for k, v in row.items()} for row in islice(stream, _ROWS)]:
                writer.write_table(pa.Table.from_pylist(block, schema=schema))
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _text(value: Any) -> Any:
    """Parquet strings are UTF-8: lone surrogates are shown as escapes. The log keeps the original."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
