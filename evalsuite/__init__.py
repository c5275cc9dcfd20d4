"""evalsuite: one task definition is a benchmark and a reward."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite import metrics as metrics
    from evalsuite.api import compare as compare
    from evalsuite.api import score as score
    from evalsuite.evaluate import run as run
    from evalsuite.registry import suite as suite
    from evalsuite.registry import task as task
    from evalsuite.rewards.core import reward as reward
    from evalsuite.sources import Source as Source
    from evalsuite.verifiers.base import Verifier as Verifier
    from evalsuite.words.completion import Completion as Completion
    from evalsuite.words.completion import Request as Request
    from evalsuite.words.completion import Sampling as Sampling
    from evalsuite.words.prompt import Prompt as Prompt
    from evalsuite.words.prompt import Shot as Shot
    from evalsuite.words.sample import Image as Image
    from evalsuite.words.sample import Message as Message
    from evalsuite.words.sample import Sample as Sample
    from evalsuite.words.sample import ask as ask
    from evalsuite.words.score import Score as Score
    from evalsuite.words.task import Task as Task

__version__ = "0.1.0"

# Public name -> module. Imported on first use: `import evalsuite` stays fast.
_PUBLIC = {
    "Completion": "evalsuite.words.completion",
    "Image": "evalsuite.words.sample",
    "Message": "evalsuite.words.sample",
    "Prompt": "evalsuite.words.prompt",
    "Request": "evalsuite.words.completion",
    "Sample": "evalsuite.words.sample",
    "Sampling": "evalsuite.words.completion",
    "Score": "evalsuite.words.score",
    "Shot": "evalsuite.words.prompt",
    "Source": "evalsuite.sources",
    "Task": "evalsuite.words.task",
    "Verifier": "evalsuite.verifiers.base",
    "ask": "evalsuite.words.sample",
    "compare": "evalsuite.api",
    "reward": "evalsuite.rewards.core",
    "run": "evalsuite.evaluate",
    "score": "evalsuite.api",
    "suite": "evalsuite.registry",
    "task": "evalsuite.registry",
}

__all__ = [*_PUBLIC, "__version__", "metrics"]


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return importlib.import_module("evalsuite.metrics")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'evalsuite' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
