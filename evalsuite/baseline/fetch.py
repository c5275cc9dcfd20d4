"""Completions that a baseline keeps elsewhere, brought into its directory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from evalsuite.baseline.layout import human_size, kept_files, locked, sha256, stored_name
from evalsuite.errors import UnavailableError, UsageError
from evalsuite.runlog import RunDir

_TIMEOUT, _NOTE_SECONDS = 60.0, 5.0


def fetch(run: RunDir, source: str | None = None, say: Callable[[str], None] = lambda note: None) -> list[Path]:
    """Bring completions that a baseline keeps elsewhere into its directory; returns the files that were missing or damaged.

    `source` (a folder or an http(s) URL) stands in for the recorded place; `say` is told of progress. Nothing is written unless
    all of them have the recorded sha256. Raises UsageError for a run that is no baseline, a file that is not there or a wrong
    digest, UnavailableError where a URL cannot be read.
    """
    block = run.manifest().get("baseline")
    if block is None:
        raise UsageError(f"{run.path} is no baseline: it has its completions, or never had them")
    beside = run.path / ".fetch"
    try:
        with locked(run.path.parent):
            missing = {
                path: record for path, record in kept_files(block).items() if sha256(run.path / path) != record["sha256"]
            }
            source = source or block["fetch"]
            if missing and not source:
                raise UsageError(
                    f"baseline {block['name']} lacks {', '.join(map(str, missing))}; say where with --from DIR|URL"
                )
            shutil.rmtree(beside, ignore_errors=True)
            try:
                for number, (path, record) in enumerate(missing.items(), 1):
                    say(f"[{number}/{len(missing)}] {path}: {human_size(record['bytes'])} from {source}")
                    _bring(f"{str(source).rstrip('/')}/{stored_name(path, record)}", beside / path, record, say)
                for path in missing:
                    (run.path / path).parent.mkdir(exist_ok=True)
                    os.replace(beside / path, run.path / path)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"{error.filename or run.path}: {error.strerror or error}") from None
    return [run.path / path for path in missing]


def _bring(source: str, target: Path, record: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Copy one file to `target`. Raises UsageError where it is not there or is another, UnavailableError for a URL."""
    import urllib.request
    from http.client import HTTPException

    target.parent.mkdir(parents=True, exist_ok=True)
    if source.startswith(("http://", "https://")):
        try:
            with urllib.request.urlopen(source, timeout=_TIMEOUT) as reply, open(target, "wb") as file:
                _copy(reply, file, record["bytes"], say)
        except (OSError, HTTPException, ValueError) as error:
            raise UnavailableError(f"{source} cannot be read: {error}; --from DIR|URL names another place") from None
    elif not Path(source).is_file():
        raise UsageError(f"{source} is not there; --from DIR|URL names another place")
    else:
        shutil.copyfile(source, target)
    found = sha256(target)
    if found != record["sha256"]:
        raise UsageError(f"{source} is not what the baseline was made with (sha256 {found}): nothing is changed")


def _copy(source: IO[bytes], target: IO[bytes], size: int, say: Callable[[str], None]) -> None:
    done, said = 0, time.monotonic()
    while block := source.read(1 << 20):
        done += target.write(block)
        if time.monotonic() - said > _NOTE_SECONDS:
            say(f"  {human_size(done)} of {human_size(size)}")
            said = time.monotonic()
