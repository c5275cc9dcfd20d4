"""Evaluations while training: the same `run` as from the command line, on the same axis of steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import IncompleteError
from evalsuite.evaluate import evaluate
from evalsuite.models.base import Model
from evalsuite.models.hf import HFModel
from evalsuite.plan import Plan, Settings
from evalsuite.progress import Progress
from evalsuite.results import RunResult

from .checkpoint import name


@dataclass(frozen=True, kw_only=True)
class Evals:
    """Tasks evaluated every `every` steps, at step 0 and at the end; each is a run of its own under `folder/step-...`."""

    plans: Sequence[Plan]
    settings: Settings
    every: int
    folder: Path
    progress: Progress
    judge: Model | None = None
    max_errors: float = 0.05  # share of the samples that may lack a value

    def due(self, step: int, steps: int) -> bool:
        """Whether step `step` of `steps` is one to evaluate at."""
        return bool(self.plans) and (step in (0, steps) or (self.every > 0 and step % self.every == 0))

    def done(self, rows: Sequence[Mapping[str, float]]) -> bool:
        """Whether these scalars, all of one step, have every task."""
        names = {name for row in rows for name in row}
        return all(any(name.startswith(f"eval/{plan.name}/") for name in names) for plan in self.plans)

    def run(self, module: Any, checkpoint: Path, label: str, step: int) -> dict[str, float]:
        """Evaluate `module` as it is now; scalars `eval/TASK/METRIC` with `/low` and `/high`, the ends of the 95 % interval.

        An evaluation that an earlier call finished or began is taken up where it was. Raises IncompleteError where more samples
        lack a value than `max_errors` allows: half an evaluation is no number on a curve.
        """
        training = module.training
        model = HFModel.live(module, checkpoint, label=f"{label}@{step}")
        model.name = name(step)
        try:
            result = evaluate(
                model,
                self.plans,
                suites={},
                settings=self.settings,
                judge=self.judge,
                output=self.folder,
                progress=self.progress,
                max_errors=f"{100 * self.max_errors}%",
            )
        finally:
            module.train(training)
        if result.exit_code:
            why = result.stopped or "; ".join(error for task in result.tasks.values() for error in task.first_errors[:1])
            raise IncompleteError(f"the evaluation at step {step} is incomplete ({why}); the same command tries it again")
        return scalars(result)


def scalars(result: RunResult) -> dict[str, float]:
    """`eval/TASK/METRIC` with `/low` and `/high`, `eval/TASK/truncated` and `eval/TASK/coverage`; what is not finite is left out."""
    values: dict[str, float] = {}
    for task, numbers in result.tasks.items():
        for metric, found in numbers.metrics.items():
            key = f"eval/{task}/{metric}"
            values |= {key: found.value, f"{key}/low": found.low, f"{key}/high": found.high}
        values |= {f"eval/{task}/truncated": numbers.truncated, f"eval/{task}/coverage": numbers.coverage}
    return {name: value for name, value in values.items() if math.isfinite(value)}
