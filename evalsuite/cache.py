"""The per-user cache folder: small JSON files that only save time or remember a revision. Losing them loses no result."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.files import write_atomically


def cache_dir() -> Path:
    """`$XDG_CACHE_HOME/evalsuite`, else `~/.cache/evalsuite`. Not created here."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "evalsuite"


def read_json(name: str) -> dict[str, Any]:
    """The cached object of that name; empty where there is none or it cannot be read."""
    try:
        value = json.loads((cache_dir() / name).read_bytes())
    except (OSError, ValueError):
        return {}  # absent, unreadable or torn: it is rebuilt
    return value if isinstance(value, dict) else {}


def write_json(name: str, value: dict[str, Any]) -> None:
    """Replace the cached object of that name by rename, so that a reader sees the old or the new one.

    A folder that cannot be written (a read-only home) is no error: a cache is only ever a saving.
    """
    with contextlib.suppress(UsageError):
        write_atomically(cache_dir() / name, json.dumps(value).encode())
