"""At finish: the log as zstd Parquet (one row per sample), and the per-question roll-up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.runlog.evidence import evidence
from evalsuite.runlog.media import Media
from evalsuite.runlog.store import RunDir, slug

if TYPE_CHECKING:
    from evalsuite.plan import Plan

_ROWS = 5_000  # per row group
_OF_SCORE = ("value", "outcome", "answer", "feedback", "seconds", "isolation")
_OF_COMPLETION = (
    "text", "reasoning", "opened", "finish_reason", "prompt_tokens", "completion_tokens",
    "cost", "latency", "token_ids", "logprobs",
)  # fmt: skip


def compact(run: RunDir, plan: Plan, rollup: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `samples/<task>.parquet` and `questions/<task>.parquet`, each renamed into place when it is whole.

    Images of prompts and traces go to `media/` (`Media`); what cannot be opened is noted in its place.
    """
    name, media = f"{slug(plan.name)}.parquet", Media(run.path)
    labels = [k for k in next(iter(rollup.values()), {}) if k != "classes"]
    write_table(run.path / "samples" / name, sample_schema(), _sample_rows(run, plan, rollup, media))
    write_table(run.path / "questions" / name, question_schema(labels), _question_rows(run, plan, rollup, media))


def last_rows(run: RunDir, task: str) -> Iterator[dict[str, Any]]:
    """Log rows of a task, each (id, i) once: its last row. Two passes, so that memory holds keys and not texts."""
    last: dict[tuple[str, int], int] = {}
    for number, row in enumerate(run.rows(task)):
        last[row["id"], row["i"]] = number
    for number, row in enumerate(run.rows(task)):
        if last[row["id"], row["i"]] == number:
            yield row


def sample_schema() -> Any:
    """The columns of `samples/<task>.parquet`. Runs of older versions lack `opened` and `trace`."""
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
            ("opened", pa.bool_()),
            ("trace", pa.large_string()),
        ]
    )


def logged(row: Mapping[str, Any], media: Media | None = None) -> dict[str, Any]:
    """The columns of a sample that are in its log row. With `media`, images that lie in the trace itself are written there."""
    completion, score = row.get("completion", {}), row.get("score", {})
    trace = completion.get("tool_trace")
    return {
        **{k: row.get(k) for k in ("id", "i", "seed")},
        **{k: score.get(k) for k in _OF_SCORE},
        "parts": list(score.get("parts", {}).items()),
        **{k: completion.get(k) for k in _OF_COMPLETION},
        "trace": _json(media.of_trace(trace) if media else trace) if trace else None,
    }


def _sample_rows(run: RunDir, plan: Plan, rollup: Mapping[str, Mapping[str, Any]], media: Media) -> Iterator[dict[str, Any]]:
    samples = {s.id: s for s in plan.samples}
    for row in last_rows(run, plan.name):
        sample = samples.get(row["id"])
        if sample is None or row["i"] >= plan.sampling.repeats:
            continue  # of an earlier, larger run that never got that far for every question
        classes = rollup[sample.id].get("classes")
        yield {
            **logged(row, media),
            "run_id": run.path.name,
            "task": plan.name,
            "digest": sample.digest(),
            "cluster": sample.cluster,
            "target": _json(sample.target),
            "answer_class": classes[row["i"]] if classes is not None and row["i"] < len(classes) else None,
        }


def question_schema(labels: Iterable[str]) -> Any:
    """Columns of `questions/<task>.parquet`, one more for each metric's label."""
    import pyarrow as pa

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
            ("images", pa.string()),
            ("evidence", pa.string()),
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


def _question_rows(run: RunDir, plan: Plan, rollup: Mapping[str, Mapping[str, Any]], media: Media) -> Iterator[dict[str, Any]]:
    sums: dict[str, dict[str, float]] = {}
    for row in last_rows(run, plan.name):
        if row["i"] >= plan.sampling.repeats:
            continue
        count(sums.setdefault(row["id"], {}), row)
    for sample in plan.samples:
        q, messages = sums.get(sample.id, {}), plan.render(sample).messages
        images, boxes = media.of_prompt(messages), evidence(sample.privileged, sample.metadata)
        yield {
            "run_id": run.path.name,
            "task": plan.name,
            "id": sample.id,
            "digest": sample.digest(),
            "cluster": sample.cluster,
            "problem": sample.problem,
            "prompt": _json([[m.role, m.text] for m in messages]),
            "target": _json(sample.target),
            "metadata": _json(dict(sample.metadata)),
            "images": _json(images) if images else None,
            "evidence": _json(boxes) if boxes else None,
            **counted(q, plan.sampling.repeats),
            **{k: v for k, v in rollup[sample.id].items() if k != "classes"},
        }


def count(question: dict[str, float], row: Mapping[str, Any]) -> None:
    """Add a log row to the sums of its question, a dict that begins empty."""
    score = row.get("score", {})
    value = score.get("value")
    tokens = row.get("completion", {}).get("completion_tokens")
    added = {"tok": tokens or 0, "ntok": tokens is not None}
    if value is not None:
        added |= {"n": 1, "c": value == 1.0, "sum": value, "sum_sq": value * value}
        if score["outcome"] in ("no_answer", "truncated"):
            added[score["outcome"]] = 1
    for name, more in added.items():
        question[name] = question.get(name, 0) + more


def counted(question: Mapping[str, float], repeats: int) -> dict[str, Any]:
    """The columns of a question that follow from its sums, when `repeats` samples were wanted."""
    return {
        **{k: question.get(k, 0) for k in ("n", "c", "sum", "sum_sq", "no_answer", "truncated")},
        "errors": repeats - question.get("n", 0),
        "completion_tokens": question["tok"] / question["ntok"] if question.get("ntok") else None,
    }


def write_table(path: Path, schema: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows to zstd Parquet, block by block, renamed into place when it is whole."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink()  # by a writer that was killed: the run's lock is ours
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
            stream = iter(rows)
            while block := list(islice(stream, _ROWS)):
                writer.write_table(as_table(block, schema))
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def as_table(rows: Iterable[Mapping[str, Any]], schema: Any) -> Any:
    """A pyarrow Table of rows with the columns of `schema`; what a row lacks is null."""
    import pyarrow as pa

    return pa.Table.from_pylist([{k: _text(v) for k, v in row.items()} for row in rows], schema=schema)


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _text(value: Any) -> Any:
    """Parquet strings are UTF-8: lone surrogates are shown as escapes. The log keeps the original."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
