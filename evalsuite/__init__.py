"""evalsuite: one task definition is a benchmark and a reward."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

__version__ = "0.1.0"

# Public name -> module. Imported on first use: `import evalsuite` stays fast.
_PUBLIC = {
    "Completion": "evalsuite.completion",
    "Image": "evalsuite.sample",
    "Message": "evalsuite.sample",
    "Prompt": "evalsuite.prompts",
    "Request": "evalsuite.completion",
    "Sample": "evalsuite.sample",
    "Sampling": "evalsuite.completion",
    "Score": "evalsuite.score",
    "Shot": "evalsuite.prompts",
    "Source": "evalsuite.sources",
    "Task": "evalsuite.task",
    "Verifier": "evalsuite.verifiers.base",
    "ask": "evalsuite.sample",
    "run": "evalsuite.evaluate",
    "score": "evalsuite.api",
    "task": "evalsuite.registry",
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'evalsuite' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(types.ModuleType):
    """`run`, `score` and `task` are functions and also submodules: here the functions win, whatever was imported first."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PUBLIC and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
