"""Training runs side by side: what they are, and in what they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ..catalog import Catalog, Training
from .series import Scalars

_BESIDE = ("lora", "dtype", "precision", "judge")  # of a run's identity, beside its settings


def demonstrated(run: Training) -> bool:
    """Whether the run learns from texts that were there already, so that what it says of its batches is nothing the model did."""
    return "rollout.demos" in run.settings


def table(catalog: Catalog, keys: Sequence[str], scalars: Mapping[str, Scalars]) -> pd.DataFrame:
    """A row per training run; of the settings only those in which the runs differ, empty where a run has none of that name."""
    runs = [catalog.trainings[key] for key in keys]
    differing = differences(runs)
    rows = []
    for run, settings in zip(runs, differing):
        told = run.manifest.get("recipe", {})
        read = scalars[run.key]
        steps = max(
            (read.get(name)[0][-1] for name in ("reward", "loss", "learning_rate") if len(read.get(name)[0])), default=None
        )
        rows.append(
            {
                "run": catalog.labels[run.key],
                "status": run.status,
                "recipe": run.recipe,
                "seed": run.seed,
                "model": run.model,
                "tasks": ", ".join(run.tasks),
                "step": steps,
                "of": run.manifest.get("steps"),
                "tokens": read.last("num_tokens"),
                "last reward": read.last("reward"),
                **settings,
                "formula": told.get("formula", ""),
                "paper": told.get("paper", ""),
                "started": run.manifest.get("started", ""),
                "problem": run.problem or read.problem,
            }
        )
    frame = pd.DataFrame(rows)
    return frame.drop(columns="problem") if len(frame) and not frame["problem"].any() else frame


def differences(runs: Sequence[Training]) -> list[dict[str, str]]:
    """For each run its settings that are not the same in all of them, by name, as texts."""
    flat = [dict(_settings(run)) for run in runs]
    names = dict.fromkeys(name for of in flat for name in of)
    differ = [name for name in names if len({of.get(name, "") for of in flat}) > 1]
    return [{name: of.get(name, "") for name in differ} for of in flat]


def _settings(run: Training) -> Iterator[tuple[str, str]]:
    identity: Mapping[str, Any] = run.manifest.get("identity", {})
    for name, value in (*run.settings.items(), *((name, identity[name]) for name in _BESIDE if name in identity)):
        yield str(name), "none" if value is None else str(value)
