"""Where baselines and their files lie, under which names, and one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.runlog import slug

BASELINES = Path("results/baselines")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
JUDGE = Path("judge.jsonl")
TIME = "%Y-%m-%dT%H:%M:%SZ"


def baseline_names(root: Path) -> list[str]:
    """Names of the baselines under `root`, sorted."""
    found = (re.sub(r"^\.(.+)\.old$", r"\1", path.parent.name) for path in root.glob("*/run.json"))
    return sorted({name for name in found if NAME.fullmatch(name)})


def baseline_folder(name: str, root: Path) -> Path:
    """Where a baseline is: in place, or for the moment between two renames aside."""
    place, old = root / name, root / f".{name}.old"
    return old if not place.exists() and old.exists() else place


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One writer at a time under `folder`, without a lock file that would be committed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def kept_files(block: Mapping[str, Any]) -> dict[Path, Mapping[str, Any]]:
    """What a baseline may keep elsewhere, by its place in the directory, with digest and size."""
    files = {log_path(task): record for task, record in block["completions"].items()}
    return files | ({JUDGE: block["judge"]} if block["judge"] else {})


def log_path(task: str) -> Path:
    """The completions of a task, relative to the baseline's directory."""
    return Path("log") / f"{slug(task)}.0.jsonl.gz"


def stored_name(path: Path, record: Mapping[str, Any]) -> str:
    """The name of a file where it is kept elsewhere."""
    return record["sha256"] + "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes)


def sha256(path: Path) -> str | None:
    """Of the bytes of a file; None where it is not there."""
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def human_size(size: int) -> str:
    """A number of bytes for people: `77 kB`, `1.25 MB`, `34 MB`."""
    if size < 1e6:
        return f"{size / 1e3:.{0 if size >= 1e4 else 1}f} kB"
    return f"{size / 1e6:,.{0 if size >= 1e7 else 2}f} MB"
