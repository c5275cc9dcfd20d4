"""Writing a file so that a reader sees the old contents or the new, never half of either."""

from __future__ import annotations

import os
from pathlib import Path

from evalsuite.errors import UsageError


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, force it to disk and rename it into place.

    A target that is there and is no regular file (a device, a pipe, a link) is written to, not replaced. Raises UsageError
    with the path and the reason where that fails, and leaves nothing behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(data)
            return
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(beside, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from None
