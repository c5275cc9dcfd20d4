"""A finished run becomes a baseline."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.baseline.layout import (
    BASELINES,
    JUDGE,
    NAME,
    TIME,
    human_size,
    kept_files,
    locked,
    log_path,
    sha256,
    stored_name,
)
from evalsuite.baseline.portable import portable_manifest
from evalsuite.errors import UsageError
from evalsuite.runlog import RunDir, slug
from evalsuite.runlog.compact import last_rows
from evalsuite.runlog.log import SCHEMA, encode
from evalsuite.runlog.rollup import read_rollup

MAX_BYTES = 20_000_000

_DROPPED_COLUMNS = ("problem", "prompt", "target", "metadata", "images", "evidence")  # bulky, and the benchmark's own
_DROPPED_FIELDS = ("token_ids", "logprobs")


def set_baseline(
    name: str,
    run: RunDir,
    *,
    root: Path = BASELINES,
    note: str = "",
    completions_to: Path | None = None,
    fetch_from: str | None = None,
    max_bytes: int = MAX_BYTES,
    replace: bool = False,
    pin: bool = False,
) -> Path:
    """Keep a finished run as the baseline `name` under `root`; returns its directory.

    With `completions_to` the completions are written there as `<sha256>.jsonl.gz`, and the baseline records digest and
    `fetch_from` (a folder or URL; default: that folder as given). It is made beside and renamed into place, so a kill leaves
    the old one whole; the same run gives the same bytes, `set_at` aside. Raises UsageError for a name that is no folder's, a
    run that is not done, completions above `max_bytes`, and a baseline that is there without `replace` (a pinned one: without
    `replace` and `pin`).
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"baseline name {name!r}: letters, digits, dots, dashes and underscores, and a letter or digit first")
    manifest = run.manifest()
    status = manifest.get("status", "unknown")
    if status != "done":
        raise UsageError(f"run {run.path.name} is {status}: only one that is done can be a baseline; run its command again")
    new, place, old = root / f".{name}.new", root / name, root / f".{name}.old"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root):
            if old.exists() and not place.exists():
                os.replace(old, place)  # a kill between the two renames below
            for left in (new, old):
                shutil.rmtree(left, ignore_errors=True)
            _may_replace(name, place, replace, pin)
            try:
                completions, judge = _write_contents(run, manifest, new)
                block: dict[str, Any] = {
                    "name": name,
                    "note": note,
                    "set_at": time.strftime(TIME, time.gmtime()),
                    "pinned": pin,
                    "completions": completions,
                    "judge": judge,
                    "fetch": None if completions_to is None else fetch_from or str(completions_to),
                }
                if completions_to is None:
                    _check_size(block, max_bytes)
                else:
                    _move_files(block, new, completions_to)
                RunDir(new).write_manifest(portable_manifest(manifest) | {"baseline": block})
                if place.exists():
                    os.replace(place, old)
                os.replace(new, place)
            finally:
                shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"baseline {name}: {error.filename or root} cannot be written: {error.strerror or error}") from None
    return place


def _may_replace(name: str, place: Path, replace: bool, pin: bool) -> None:
    """Raises UsageError where `place` is taken."""
    if not place.exists():
        return
    block = RunDir(place).manifest().get("baseline")
    if block is None:
        raise UsageError(f"{place} is there and is no baseline; choose another name, or move it away")
    if not replace:
        raise UsageError(f"baseline {name} is there, set {block['set_at']}; replace it with --replace")
    if block["pinned"] and not pin:
        raise UsageError(f"baseline {name} is pinned: an anchor against slow drift; to move it all the same: --replace --pin")


def _write_contents(
    run: RunDir, manifest: Mapping[str, Any], new: Path
) -> tuple[dict[str, dict[str, Any]], dict[str, Any] | None]:
    """Roll-ups, logs and the judge's replies under `new`; digest and size of each log, and of the replies if there are any."""
    import pyarrow.parquet as pq

    (new / "questions").mkdir(parents=True)
    (new / "log").mkdir()
    completions = {}
    for task, facts in manifest["tasks"].items():
        valued = int(read_rollup(run, task).n.sum())
        name = f"{slug(task)}.parquet"
        table = pq.read_table(run.path / "questions" / name)
        kept = [column for column in table.column_names if column not in _DROPPED_COLUMNS]
        pq.write_table(table.select(kept), new / "questions" / name, compression="zstd")
        log = new / log_path(task)
        samples, scored = _write_log(run, task, facts["repeats"], {"task": task, "run": manifest["run_id"]}, log)
        if scored != valued:
            raise UsageError(
                f"run {run.path.name}: the log of {task} has {scored} scored samples and the roll-up {valued}; "
                "run its command again"
            )
        completions[task] = _record(log) | {"samples": samples}
    if manifest["identity"].get("judge") is None or not (run.path / JUDGE).is_file():
        return completions, None
    shutil.copyfile(run.path / JUDGE, new / JUDGE)
    return completions, _record(new / JUDGE)


def _write_log(run: RunDir, task: str, repeats: int, header: Mapping[str, Any], path: Path) -> tuple[int, int]:
    """The last row of each sample, gzipped without name and time. Returns how many have a completion, and how many a value."""
    samples = scored = 0
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        file.write(encode({"schema": SCHEMA, **header}))
        for row in last_rows(run, task):
            if row["i"] >= repeats:
                continue  # of an earlier, larger run that never got that far for every question
            if "completion" in row:
                samples += 1
                row["completion"] = {k: v for k, v in row["completion"].items() if k not in _DROPPED_FIELDS}
            scored += row.get("score", {}).get("value") is not None
            file.write(encode(row))
    return samples, scored


def _record(path: Path) -> dict[str, Any]:
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


def _check_size(block: Mapping[str, Any], max_bytes: int) -> None:
    """Raises UsageError where the completions are too large to lie in the baseline."""
    size = sum(record["bytes"] for record in kept_files(block).values())
    if size > max_bytes:
        raise UsageError(
            f"the completions take {human_size(size)} compressed, above --max-size {human_size(max_bytes)}: keep them elsewhere "
            "with --completions-to DIR (and --fetch URL where others find them), or raise --max-size"
        )


def _move_files(block: Mapping[str, Any], new: Path, folder: Path) -> None:
    """Completions out of the baseline into `folder`. What is fetched later is kept from being committed."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, record in kept_files(block).items():
        target = folder / stored_name(path, record)
        if sha256(target) != record["sha256"]:
            beside = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copyfile(new / path, beside)
            os.replace(beside, target)
        (new / path).unlink()
    (new / ".gitignore").write_text(f"/log/\n/{JUDGE}\n/.fetch/\n")
