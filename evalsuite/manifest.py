"""What a run was: its identity, which names it, and everything else that run.json records."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite import __version__
from evalsuite.models.base import Model
from evalsuite.plan import Plan, Settings
from evalsuite.runlog import RunDir, slug
from evalsuite.sandbox import UNSAFE
from evalsuite.sources import Where
from evalsuite.verifiers.base import ModelVerifier


def identity(model: Model, plans: Sequence[Plan], judge: Model | None) -> dict[str, Any]:
    """Everything that the numbers depend on. Two runs with the same identity are the same run."""
    judged = any(isinstance(p.task.verifier, ModelVerifier) for p in plans)
    return {
        "model": dict(model.identity()),
        "tasks": {p.name: p.identity() for p in plans},
        "judge": dict(judge.identity()) if judge is not None and judged else None,
    }


def run_id(model: Model, plans: Sequence[Plan], what: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:10]
    return f"{slug(model.name.rstrip('/').rsplit('/', 1)[-1], 40)}-{slug('+'.join(p.name for p in plans), 40)}-{digest}"


def manifest(
    run_dir: RunDir, model: Model, plans: Sequence[Plan], settings: Settings, what: Mapping[str, Any]
) -> dict[str, Any]:
    """The contents of run.json at the start of a run; `what` is its identity."""
    return {
        "schema": 1,
        "run_id": run_dir.path.name,
        "kind": "eval",
        "status": "running",
        "started": now(),
        "command": sys.argv,
        "identity": what,
        "model": {"name": model.name, **model.identity()},
        "environment": {**_environment(), **model.environment()},
        "settings": _plain(settings),
        "tasks": {
            p.name: {
                "label": p.label,
                "identity": p.identity(),
                "repeats": p.sampling.repeats,
                "metrics": list(p.metrics),
                "n_questions": len(p.samples),
                "full_size": p.loaded.size,
                "source": {"kind": p.loaded.kind, "location": p.loaded.location, "revision": p.loaded.revision},
            }
            for p in plans
        },
    }


def _environment() -> dict[str, Any]:
    """What a number should not depend on, recorded in case it does."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    packages = {"evalsuite": __version__}
    for name in ("numpy", "mpmath", "sympy", "torch", "transformers", "vllm"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "packages": packages,
        "unsafe_code": os.environ.get(UNSAFE) == "1",
    }


def _plain(settings: Settings) -> dict[str, Any]:
    row = dataclasses.asdict(settings)
    row["where"] = {k: None if v is None else v if isinstance(v, bool) else str(v) for k, v in row["where"].items()}
    return row


def settings_from(manifest: Mapping[str, Any]) -> Settings:
    """The Settings that a run was made with."""
    row = dict(manifest["settings"])
    where = row.pop("where")
    paths = {k: Path(where[k]) if where.get(k) else None for k in ("data_dir", "lock")}
    row["metrics"] = tuple(row["metrics"]) if row["metrics"] is not None else None
    row["extra_metrics"] = tuple(row["extra_metrics"])
    row["sampling"] = {k: tuple(v) if isinstance(v, list) else v for k, v in row["sampling"].items()}
    return Settings(**row | {"where": Where(offline=where["offline"], **paths), "include": tuple(row["include"])})


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
