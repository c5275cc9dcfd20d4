"""evalsuite.trainers: one loop for every recipe, with the verifiers that score a benchmark as rewards."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Recipe as Recipe
    from .base import recipe as recipe
    from .launch import RUNS as RUNS
    from .launch import train as train
    from .objectives.batch import Batch as Batch
    from .rows import Rollout as Rollout
    from .rows import Rows as Rows
    from .session import TrainResult as TrainResult
    from .setup import Setup as Setup
    from .summary import over_seeds as over_seeds
    from .summary import seeds_table as seeds_table

# Public name -> module. Imported on first use: listing recipes pulls in no torch.
_PUBLIC = {
    "Batch": "objectives.batch",
    "RUNS": "launch",
    "Recipe": "base",
    "Rollout": "rows",
    "Rows": "rows",
    "Setup": "setup",
    "TrainResult": "session",
    "over_seeds": "summary",
    "recipe": "base",
    "seeds_table": "summary",
    "train": "launch",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
