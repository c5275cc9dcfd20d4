"""From logged cells to numbers: metrics per task, suites, the table and results.json."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evalsuite.files import write_atomically
from evalsuite.metrics.aggregate import Aggregate, aggregate, macro
from evalsuite.metrics.reduce import Metric, parse_metric
from evalsuite.runlog import RunDir

if TYPE_CHECKING:
    from evalsuite.loop import Cell
    from evalsuite.plan import Plan
    from evalsuite.verifiers.pool import Pool


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """Everything a table row shows of one task.

    `metrics` maps a label such as `avg@8` or `pass@4` to its Aggregate. Rates are shares of the samples that were
    wanted; `coverage` is the share that has a value. `bounds` are the average if everything missing were wrong, and if
    it were right. `unsteady` are metrics @k with k above half the samples: unbiased, and at their noisiest. Token counts
    are totals as the backend counted them, costs are in US dollars.
    """

    task: str
    label: str
    n_questions: int
    repeats: int
    metrics: Mapping[str, Aggregate]
    coverage: float
    no_answer: float
    truncated: float
    timeouts: float
    errors: int
    bounds: tuple[float, float]
    mean_tokens: float | None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    judge_tokens: int = 0
    judge_cost: float = 0.0
    first_errors: tuple[str, ...] = ()
    chance: float | None = None
    unsteady: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run gives: `tasks` and `suites` (label and macro average) by name, where it is on disk, and how it ended.

    `exit_code` is 0 for a complete run, 3 where more samples are missing than allowed, 4 where the backend went away;
    `stopped` says why a run ended early.
    """

    model: str
    run_id: str
    path: str
    status: str
    tasks: Mapping[str, TaskResult]
    suites: Mapping[str, tuple[str, Aggregate]] = field(default_factory=dict)
    target: str = "population"
    notes: tuple[str, ...] = ()
    stopped: str = ""
    exit_code: int = 0

    def table(self) -> str:
        """The Markdown table that `evalsuite run` prints."""
        from evalsuite.table import render

        return render([self])

    _repr_markdown_ = table
    __str__ = table

    def to_dict(self) -> dict[str, Any]:
        """JSON form: what `--json` prints and the `evalsuite` block of results.json holds."""
        return _jsonable(dataclasses.asdict(self))


def task_result(
    plan: Plan, cells: Mapping[tuple[str, int], Cell], pool: Pool, target: str
) -> tuple[TaskResult, dict[str, dict[str, Any]]]:
    """The numbers of one task, and per question what the roll-up stores: `{sample id: {metric label: value, ...}}`."""
    grid = [[cells.get((s.id, i)) for i in range(plan.sampling.repeats)] for s in plan.samples]
    metrics = [parse_metric(name) for name in plan.metrics]
    return grid_result(
        plan.name,
        plan.label,
        [(s.id, s.cluster) for s in plan.samples],
        grid,
        metrics=metrics,
        classes=_classes(plan, grid, pool) if any(m.needs_classes for m in metrics) else None,
        target=target,
        chance=plan.task.chance,
    )


def grid_result(
    name: str,
    label: str,
    questions: Sequence[tuple[str, str | None]],
    grid: Sequence[Sequence[Cell | None]],
    *,
    metrics: Sequence[Metric],
    classes: list[list[int]] | None = None,
    target: str = "population",
    chance: float | None = None,
) -> tuple[TaskResult, dict[str, dict[str, Any]]]:
    """The same from a grid of Q questions, each an id and a cluster, by n cells; `classes` are Q rows of n, for majority votes."""
    repeats = len(grid[0])
    values = np.array([[math.nan if c is None or c.value is None else c.value for c in row] for row in grid])
    clusters = [cluster or id for id, cluster in questions]
    clustered = len(set(clusters)) < len(clusters)
    rollup: dict[str, dict[str, Any]] = {id: {} for id, _ in questions}
    aggregates: dict[str, Aggregate] = {}
    for metric in metrics:
        matrix = _parts(grid, metric.part) if metric.part else values
        per_question = np.array([
            metric.per_question(matrix[q], None if classes is None else classes[q]) for q in range(len(grid))
        ])  # fmt: skip
        within = metric.within_variance(matrix, classes) if target == "benchmark" else None
        aggregates[metric.label(repeats)] = aggregate(
            per_question,
            clusters=clusters if clustered else None,
            target=target,
            samples_per_question=repeats / metric.draws if target == "population" else repeats,
            within=within,
            weights=_weights(grid, metric.weight) if metric.weight else None,
        )
        for (id, _), value in zip(questions, per_question):
            rollup[id][metric.label(repeats)] = None if math.isnan(value) else float(value)
    for (id, _), row in zip(questions, classes if classes is not None else []):
        rollup[id]["classes"] = row
    unsteady = tuple(m.label(repeats) for m in metrics if not m.solid(repeats))
    return _summary(name, label, grid, values, aggregates, unsteady, chance), rollup


def suite_results(suites: Mapping[str, tuple[str, ...]], tasks: Mapping[str, TaskResult]) -> dict[str, tuple[str, Aggregate]]:
    """Macro average of each suite over its members' first metric, with that metric's label."""
    out = {}
    for name, members in suites.items():
        firsts = [next(iter(tasks[m].metrics.items()), None) for m in members]
        known = [f for f in firsts if f is not None]
        if len(known) == len(firsts):
            labels = {label for label, _ in known}
            out[name] = (labels.pop() if len(labels) == 1 else "macro", macro([a for _, a in known]))
    return out


def write_results(run: RunDir, result: RunResult, manifest: Mapping[str, Any]) -> None:
    """results.json in lm-eval's shape, with an `evalsuite` block that has the intervals."""
    results, higher, n_samples = {}, {}, {}
    for name, task in result.tasks.items():
        row: dict[str, Any] = {"alias": task.label}
        for label, a in task.metrics.items():
            row[f"{label},none"] = a.value
            row[f"{label}_stderr,none"] = a.se
        results[name] = row
        higher[name] = {label: True for label in task.metrics}
        n_samples[name] = {"original": task.n_questions, "effective": task.n_questions}
    document = {
        "results": results,
        "configs": manifest.get("tasks", {}),
        "versions": {name: t.get("identity", {}).get("version") for name, t in manifest.get("tasks", {}).items()},
        "n-shot": {name: t.get("identity", {}).get("num_fewshot") for name, t in manifest.get("tasks", {}).items()},
        "higher_is_better": higher,
        "n-samples": n_samples,
        "config": {"model": result.model, "model_args": manifest.get("model", {})},
        "evalsuite": result.to_dict(),
    }
    write_atomically(run.path / "results.json", json.dumps(_jsonable(document), indent=1).encode())


def _classes(plan: Plan, grid: Sequence[Sequence[Cell | None]], pool: Pool) -> list[list[int]]:
    """Answer classes per question, -1 for no answer; computed in the pool because equality can hang."""
    items = {
        s.id: (s, [None if c is None else c.answer for c in row])
        for s, row in zip(plan.samples, grid)
    }  # fmt: skip
    found = pool.call(plan.task.verifier, "classes", items)
    out = []
    for sample, row in zip(plan.samples, grid):
        numbers = found[sample.id]
        if not isinstance(numbers, list):  # past the deadline: fall back on spelling, which needs no parser
            spelled: dict[str, int] = {}
            numbers = [None if c is None or c.answer is None else spelled.setdefault(c.answer, len(spelled)) for c in row]
        out.append([-1 if n is None else n for n in numbers])
    return out


def _parts(grid: Sequence[Sequence[Cell | None]], part: str) -> np.ndarray:
    """(Q, n) values of one part: 0 where an answer never got that far (cut off, none), NaN where no sample of the task has it."""
    known = any(c is not None and part in c.parts for row in grid for c in row)

    def of(cell: Cell | None) -> float:
        return math.nan if cell is None or cell.value is None or not known else float(cell.parts.get(part, 0.0))

    return np.array([[of(c) for c in row] for row in grid])


def _weights(grid: Sequence[Sequence[Cell | None]], part: str) -> np.ndarray:
    """(Q,) weight of each question: a count that is the same for its samples; NaN where none of them says."""
    return np.array([max((c.parts[part] for c in row if c is not None and part in c.parts), default=math.nan) for row in grid])


def _summary(
    name: str,
    label: str,
    grid: Sequence[Sequence[Cell | None]],
    values: np.ndarray,
    aggregates: Mapping[str, Aggregate],
    unsteady: tuple[str, ...],
    chance: float | None,
) -> TaskResult:
    cells = [c for row in grid for c in row]
    total, there = len(cells), [c for c in cells if c is not None and c.value is not None]
    outcomes = [c.outcome for c in there]
    tokens = [c.tokens for c in there if c.tokens is not None]
    right, missing = float(np.nansum(values)), total - len(there)
    return TaskResult(
        task=name,
        label=label,
        n_questions=len(grid),
        repeats=len(grid[0]),
        metrics=aggregates,
        coverage=len(there) / total,
        no_answer=outcomes.count("no_answer") / total,
        truncated=outcomes.count("truncated") / total,
        timeouts=outcomes.count("timeout") / total,
        errors=missing,
        bounds=(right / total, (right + missing) / total),
        mean_tokens=sum(tokens) / len(tokens) if tokens else None,
        prompt_tokens=sum(c.prompt_tokens or 0 for c in there),
        completion_tokens=sum(tokens),
        cost=math.fsum(c.cost or 0 for c in there),
        judge_tokens=int(sum(c.parts.get("judge_tokens", 0) for c in there)),
        judge_cost=math.fsum(c.parts.get("judge_cost", 0) for c in there),
        first_errors=tuple(dict.fromkeys(c.note for c in cells if c is not None and c.value is None))[:3],
        chance=chance,
        unsteady=unsteady,
    )


def _jsonable(value: Any) -> Any:
    """NaN becomes null, tuples lists, numpy scalars Python's."""
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
