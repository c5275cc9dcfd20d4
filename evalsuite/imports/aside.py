"""A run's folder written beside its place and renamed when it is whole; its name is a hash of what it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalsuite.errors import UsageError


def content_hash(files: Sequence[Path]) -> str:
    """Ten hex digits of the files' contents, whatever the files are called and wherever they lie. Raises UsageError."""
    digests = []
    for path in files:
        try:
            with open(path, "rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:10]


@contextlib.contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, which takes its name if nothing was raised and is removed otherwise.

    What an import that was killed left behind is removed first. Raises UsageError where `folder` cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{folder.name}.*"):
            if not _alive(left.name.rpartition(".")[2]):
                shutil.rmtree(left, ignore_errors=True)
        beside = folder.with_name(f".{folder.name}.{os.getpid()}")
        beside.mkdir()
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}; name another folder with --results") from None
    try:
        yield beside
        try:
            os.rename(beside, folder)
        except OSError:  # another import of the same files came first
            if not (folder / "run.json").is_file():
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
