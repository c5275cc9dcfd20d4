"""A run in other tools' shapes: lm-eval's results and sample logs, CSV, one Parquet file."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.files import write_atomically
from evalsuite.runlog.log import encode
from evalsuite.runlog.store import RunDir, slug

FORMATS = ("lm-eval", "csv", "parquet")
_COLUMNS = (
    "run_id", "task", "id", "digest", "cluster", "i", "seed", "value", "outcome", "answer", "answer_class", "target",
    "finish_reason", "prompt_tokens", "completion_tokens", "cost", "latency", "feedback", "text",
)  # fmt: skip
_TOLD = ("run_id", "task", "id", "digest", "cluster", "target", "text", "token_ids", "logprobs")


def export(run: RunDir, form: str, out: Path) -> list[Path]:
    """Write `run` under the folder `out` in one of FORMATS; returns the files.

    Raises UsageError for a run that has not ended (its tables are missing, or older than its log), for one that was imported as
    numbers without samples, and for an `out` that cannot be written.
    """
    manifest = run.manifest()
    status = manifest.get("status", "unknown")
    if status not in ("done", "failed") or not (run.path / "results.json").is_file():
        raise UsageError(f"run {run.path.name} is {status}: only one that has ended can be exported; run its command again")
    if not run.tasks():
        raise UsageError(f"run {run.path.name} has no task with samples: there is nothing to export")
    try:
        out.mkdir(parents=True, exist_ok=True)
        if form == "csv":
            return [_csv(run, out / f"{run.path.name}.csv")]
        if form == "parquet":
            return [_parquet(run, out / f"{run.path.name}.parquet")]
        return _lm_eval(run, manifest, out)
    except OSError as error:
        raise UsageError(f"run {run.path.name} cannot be exported to {out}: {error}") from None


def sample_rows(run: RunDir, task: str) -> Iterator[dict[str, Any]]:
    """Rows of `samples/<task>.parquet`, sorted by question and index."""
    import pyarrow.parquet as pq

    yield from _in_order(pq.read_table(run.path / "samples" / f"{slug(task)}.parquet").to_pylist(), run, task)


def _in_order(rows: list[dict[str, Any]], run: RunDir, task: str) -> list[dict[str, Any]]:
    order = {q["id"]: n for n, q in enumerate(_questions(run, task))}
    return sorted(rows, key=lambda r: (order[r["id"]], r["i"]))


def _questions(run: RunDir, task: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(run.path / "questions" / f"{slug(task)}.parquet").to_pylist()


def _csv(run: RunDir, path: Path) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for task in run.tasks():
            writer.writerows(sample_rows(run, task))
    return path


def _parquet(run: RunDir, path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pq.read_table(run.path / "samples" / f"{slug(task)}.parquet") for task in run.tasks()]
    pq.write_table(pa.concat_tables(tables), path, compression="zstd")
    return path


def _lm_eval(run: RunDir, manifest: dict[str, Any], out: Path) -> list[Path]:
    """`results_<time>.json` and `samples_<task>_<time>.jsonl`: one row per question, its n answers in `resps`.

    Samples without a completion are left out, and so are questions that have none. The field `evalsuite` has what lm-eval's shape
    has no place for, so that `evalsuite import` gives the same run.
    """
    stamp = manifest.get("finished", manifest["started"]).replace(":", "-").rstrip("Z")
    files = [out / f"results_{stamp}.json"]
    write_atomically(files[0], (run.path / "results.json").read_bytes())
    for task in run.tasks():
        answers: dict[str, list[dict[str, Any]]] = {}
        samples: dict[str, list[dict[str, Any]]] = {}
        for row in sample_rows(run, task):
            samples.setdefault(row["id"], []).append(row)
            if row["text"] is not None:
                answers.setdefault(row["id"], []).append(row)
        lines = []
        for number, q in enumerate(_questions(run, task)):
            if q["id"] not in answers:
                continue
            rows, target = answers[q["id"]], json.loads(q["target"])
            values = [r["value"] for r in rows if r["value"] is not None]
            lines.append(
                encode(
                    {
                        "doc_id": number,
                        "doc": {**json.loads(q["metadata"]), "id": q["id"], "problem": q["problem"], "target": target},
                        "target": target if isinstance(target, str) else json.dumps(target, ensure_ascii=False),
                        "arguments": {"gen_args_0": {"arg_0": q["prompt"]}},
                        "resps": [[r["text"] for r in rows]],
                        "filtered_resps": [r["answer"] for r in rows],
                        "filter": "none",
                        "metrics": ["avg"],
                        "avg": sum(values) / len(values) if values else None,
                        "doc_hash": q["digest"],
                        "prompt_hash": hashlib.sha256(q["prompt"].encode()).hexdigest(),
                        "target_hash": hashlib.sha256(q["target"].encode()).hexdigest(),
                        "evalsuite": {
                            "cluster": q["cluster"],
                            "metadata": json.loads(q["metadata"]),
                            "samples": [_kept(r) for r in samples[q["id"]]],
                        },
                    }
                )
            )
        files.append(out / f"samples_{slug(task)}_{stamp}.jsonl")
        write_atomically(files[-1], b"".join(lines))
    return files


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    """A sample without what its question or `resps` says, `text` telling whether it has one there."""
    return {k: v for k, v in row.items() if k not in _TOLD and v is not None and v != []} | {"text": row["text"] is not None}
