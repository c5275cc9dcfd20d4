"""A manifest that means the same on another machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

_KEPT = ("schema", "run_id", "kind", "status", "started", "finished", "reused", "spent", "identity", "suites")


def portable_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without what belongs to one machine: hosts, the command's paths, folders outside the working folder."""
    settings = manifest["settings"]
    where = {name: _inside(value) if isinstance(value, str) else value for name, value in settings["where"].items()}
    include = [inside for path in settings["include"] if (inside := _inside(path)) is not None]
    environment = {name: value for name, value in manifest["environment"].items() if name not in ("host", "platform")}
    return {
        **{key: manifest[key] for key in _KEPT if key in manifest},
        "model": _without_folders(manifest["model"]),
        "environment": _without_folders(environment),
        "settings": settings | {"where": where, "include": include},
        "tasks": {name: facts | {"source": _source(facts["source"])} for name, facts in manifest["tasks"].items()},
    }


def _source(source: Mapping[str, Any]) -> dict[str, Any]:
    """A data file of the user's has its full path: outside the working folder, nothing else would find it."""
    location = source["location"]
    return {**source, "location": (_inside(location) or location) if os.path.isabs(location) else location}


def _inside(path: str) -> str | None:
    """`path` relative to the working folder, which another clone has too; None for one outside of it."""
    below = os.path.relpath(path)
    return None if below == ".." or below.startswith("../") else below


def _without_folders(value: Any) -> Any:
    """Every absolute path in `value` relative to the working folder, or outside of it only its last part."""
    if isinstance(value, Mapping):
        return {name: _without_folders(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_folders(part) for part in value]
    if isinstance(value, str) and os.path.isabs(value):
        return _inside(value) or os.path.basename(value.rstrip("/"))
    return value
