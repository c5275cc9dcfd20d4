"""Evaluations during training: which there are, and what changed since step 0 on the very same questions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.contrast import Contrast, adjusted, contrast
from evalsuite.comparison.sentences import verdict
from evalsuite.errors import EvalsuiteError
from evalsuite.runlog import RunDir

from ..catalog import Catalog, Run

COLUMNS = (
    "key", "run", "step", "value", "at_0", "difference", "low", "high", "p", "p_holm", "questions", "verdict", "evaluation",
)  # fmt: skip


def evaluations(catalog: Catalog, training: str, task: str) -> dict[int, Run]:
    """The evaluations of `task` that a training run made on its way, by step; of two at one step the newer one."""
    found: dict[int, Run] = {}
    for key in catalog.trainings[training].evals:
        run = catalog.runs[key]
        if run.step is None or run.problem or task not in run.tasks:
            continue
        if run.step not in found or found[run.step].started <= run.started:
            found[run.step] = run
    return dict(sorted(found.items()))


def measured(catalog: Catalog, trainings: Sequence[str]) -> dict[str, list[str]]:
    """Metrics by task that the evaluations of these training runs have, in the order of the first one that has them."""
    found: dict[str, dict[str, None]] = {}
    for training in trainings:
        for key in catalog.trainings[training].evals:
            for task, numbers in (catalog.runs[key].summary or {}).get("tasks", {}).items():
                found.setdefault(task, {}).update(dict.fromkeys(numbers.get("metrics", {})))
    return {task: list(metrics) for task, metrics in found.items()}


def since_start(catalog: Catalog, training: str, task: str, metric: str) -> tuple[pd.DataFrame, list[str]]:
    """Every later evaluation against the one at step 0, questions paired by content: COLUMNS, and what could not be compared.

    Differences have the target `population`; `p_holm` counts all the steps of this run as one family, and `verdict` is by it.
    """
    runs = evaluations(catalog, training, task)
    if 0 not in runs:
        return _frame([]), [f"no evaluation of {task} at step 0 to compare with"] if runs else []
    base, contrasts, steps, problems = Recorded(RunDir(runs[0].path)), list[Contrast](), list[int](), list[str]()
    for step, run in runs.items():
        if step == 0:
            continue
        try:
            contrasts.append(contrast(base, Recorded(RunDir(run.path)), tasks=[task], metrics=[metric], moved=0))
            steps.append(step)
        except EvalsuiteError as error:
            problems.append(f"step {step}: {error}")
    rows = []
    for step, found in zip(steps, adjusted(contrasts, "holm")):
        row = found.rows[0]
        d = row.difference
        rows.append(
            {
                "key": training,
                "run": catalog.labels[training],
                "step": step,
                "value": d.mean_b,
                "at_0": d.mean_a,
                "difference": d.value,
                "low": d.low,
                "high": d.high,
                "p": d.p,
                "p_holm": math.nan if math.isnan(d.p) else row.p_adjusted,
                "questions": d.n_questions,
                "verdict": verdict(row, "step 0", f"step {step}", "holm"),
                "evaluation": runs[step].key,
            }
        )
    return _frame(rows), problems


def _frame(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))
