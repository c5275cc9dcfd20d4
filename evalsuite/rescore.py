"""Verify recorded completions again: no model, deterministic, free."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from evalsuite.errors import RequestError, UsageError
from evalsuite.formats import read_records
from evalsuite.loop import Cell, Key, run_async
from evalsuite.manifest import settings_from
from evalsuite.models import ModelRef
from evalsuite.models.base import Model
from evalsuite.plan import Plan, Settings, make_plans, requests
from evalsuite.results import RunResult, suite_results, task_result
from evalsuite.runlog import RunDir
from evalsuite.runlog.compact import last_rows
from evalsuite.sources import Loaded
from evalsuite.verifiers import Verifier, make
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.pool import Pool, default_pool
from evalsuite.words.completion import Completion, Sampling
from evalsuite.words.prompt import Prompt
from evalsuite.words.sample import ask
from evalsuite.words.score import Score
from evalsuite.words.task import Task

_BATCH = 512


@dataclass(frozen=True)
class Change:
    """A verdict that is not what was recorded."""

    task: str
    id: str
    i: int
    before: Score
    after: Score

    def __str__(self) -> str:
        return (
            f"{self.task} {self.id} #{self.i}: {_show(self.before)} -> {_show(self.after)}"
            + (f"; {self.after.feedback}" if self.after.feedback else "")
        )  # fmt: skip


def rescore_run(run: RunDir, names: Sequence[str] = (), judge: Model | None = None) -> tuple[RunResult, list[Change]]:
    """Every completion of a run through its tasks' verifiers as they are now.

    Returns the result and the samples whose value or outcome differs from the recorded one. Raises UsageError where a
    task is not in the run, or its data is no longer what the run saw.
    """
    manifest = run.manifest()
    recorded = manifest["tasks"]
    for name in names:
        if name not in recorded:
            raise UsageError(f"run {run.path.name} has no task {name!r}; it has {', '.join(recorded)}")
    settings = settings_from(manifest)
    plans, suites = make_plans(list(names or recorded), settings)
    plans = [
        dataclasses.replace(p, sampling=dataclasses.replace(p.sampling, repeats=recorded[p.name]["repeats"])) for p in plans
    ]
    changes: list[Change] = []
    cells: dict[str, dict[Key, Cell]] = {}
    for plan in plans:
        if plan.identity()["data"] != recorded[plan.name]["identity"]["data"]:
            raise UsageError(
                f"{plan.name}: the data at {plan.loaded.location} is not what this run saw "
                f"(revision {plan.loaded.revision[:12]}, then {recorded[plan.name]['source']['revision'][:12]})"
            )
        cells[plan.name] = {}
        rows = ((r, Completion.from_dict(r["completion"])) for r in last_rows(run, plan.name) if "completion" in r)
        for row, completion, score in _verify(plan, rows, judge, run.path / "judge.jsonl"):
            before = Score.from_dict(row["score"]) if "score" in row else None
            cells[plan.name][row["id"], row["i"]] = Cell.of(score, completion)
            if before is not None and (before.value, before.outcome) != (score.value, score.outcome):
                changes.append(Change(plan.name, row["id"], row["i"], before, score))
    return _result(manifest["model"]["name"], run.path, plans, cells, suites), changes


def rescore_file(
    path: Path, names: Sequence[str], settings: Settings, judge: Model | None = None
) -> tuple[RunResult, list[Change]]:
    """Recorded completions in a replay file through the verifiers of these tasks.

    Changes are against the file's own `scores` where it has them.
    """
    model = ModelRef("replay", str(path)).open()
    if settings.repeats is None:
        settings = dataclasses.replace(settings, repeats=model.recorded())  # type: ignore[attr-defined]
    plans, suites = make_plans(list(names), settings)
    changes: list[Change] = []
    cells: dict[str, dict[Key, Cell]] = {}
    for plan in plans:
        model.prepare(plan.task, plan.samples)
        cells[plan.name] = {}
        for row, completion, score in _verify(plan, _replayed(model, plan), judge):
            cells[plan.name][row["id"], row["i"]] = Cell.of(score, completion)
            before = model.recorded_score(row["id"], row["i"])  # type: ignore[attr-defined]
            if before is not None and before != score.value:
                changes.append(Change(plan.name, row["id"], row["i"], Score(before), score))
    return _result(model.name, path, plans, cells, suites), changes


def score_rows(path: Path, verifier: str, judge: Model | None = None) -> tuple[RunResult, list[Change]]:
    """A file whose rows bring their own gold: `{"target", "completions" or "text", "id"?, "choices"?, "scores"?}`."""
    check = make(verifier)
    samples, texts, golds = [], {}, {}
    for number, row in enumerate(read_records(path)):
        given = row.get("completions", row.get("text"))
        if given is None or "target" not in row:
            raise UsageError(f"{path}: row {number + 1} has no `target` or no `completions`; it has {', '.join(row)}")
        sample = ask(
            str(row.get("problem", "")),
            id=str(row.get("id", number)),
            target=tuple(row["target"]) if isinstance(row["target"], list) else row["target"],
            choices=tuple(row.get("choices", ())),
            metadata=row.get("metadata", {}),
            tests=row.get("tests"),
        )
        samples.append(sample)
        texts[sample.id] = [given] if isinstance(given, str | Mapping) else list(given)
        golds[sample.id] = row.get("scores")
    plan = _file_plan(path, check, samples, max((len(t) for t in texts.values()), default=1))
    rows = (
        ({"id": s.id, "i": i}, Completion(text) if isinstance(text, str) else Completion.from_dict(text))
        for s in samples
        for i, text in enumerate(texts[s.id])
    )
    cells: dict[Key, Cell] = {}
    changes = []
    for row, completion, score in _verify(plan, rows, judge):
        cells[row["id"], row["i"]] = Cell.of(score, completion)
        gold = golds[row["id"]]
        if gold is not None and float(gold[row["i"]]) != score.value:
            changes.append(Change(plan.name, row["id"], row["i"], Score(float(gold[row["i"]])), score))
    return _result(path.name, path, [plan], {plan.name: cells}, {}), changes


def _verify(
    plan: Plan, rows: Iterable[tuple[dict[str, Any], Completion]], judge: Model | None, replies: Path | None = None
) -> Iterator[tuple[dict[str, Any], Completion, Score]]:
    verifier, pool = plan.task.verifier, default_pool()
    samples = {s.id: s for s in plan.samples}
    stream = iter(rows)
    while batch := list(islice(stream, _BATCH)):
        items = {(r["id"], r["i"]): (samples[r["id"]], completion) for r, completion in batch if r["id"] in samples}
        scores = _scores(verifier, items, judge, pool, replies)
        for row, completion in batch:
            if (row["id"], row["i"]) in scores:
                yield row, completion, scores[row["id"], row["i"]]


def _scores(
    verifier: Verifier, items: Mapping[Key, Any], judge: Model | None, pool: Pool, replies: Path | None
) -> Mapping[Key, Score]:
    if not isinstance(verifier, ModelVerifier):
        return pool.score(verifier, items)
    if judge is None:
        raise UsageError(f"verifier {verifier.name!r} asks a judge model: add --judge MODEL")
    from evalsuite.verifiers.judging import ReplyCache, judge_items

    async def ask_judge() -> Mapping[Key, Score]:
        try:
            return await judge_items(verifier, items, judge, pool, cache=ReplyCache(replies))
        finally:
            await judge.close()

    return run_async(ask_judge())


def _replayed(model: Model, plan: Plan) -> Iterator[tuple[dict[str, Any], Completion]]:
    async def generate(request: Any) -> list[Completion]:
        try:
            return await model.generate(request)
        except RequestError:
            return []  # not recorded: a missing sample, which coverage shows

    for request in requests(plan, {}):
        for index in request.indices:
            one = dataclasses.replace(request, indices=(index,), seeds=(0,))
            for completion in asyncio.run(generate(one)):
                yield {"id": request.sample_id, "i": index}, completion


def _file_plan(path: Path, verifier: Verifier, samples: list[Any], repeats: int) -> Plan:
    prompt = Prompt(name="recorded")
    task = Task(name=path.name, samples=tuple(samples), prompt=prompt, verifier=verifier, metrics=("avg",))
    return Plan(
        name=path.name,
        task=task,
        samples=tuple(samples),
        loaded=Loaded(tuple(samples), "local", str(path), ""),
        prompt=prompt,
        shots=(),
        sampling=Sampling(repeats=repeats),
        wanted_metrics=("avg", f"pass@{repeats}") if repeats > 1 else ("avg",),
        seed=0,
        system=None,
    )


def _result(
    model: str,
    path: Path,
    plans: Sequence[Plan],
    cells: Mapping[str, Mapping[Key, Cell]],
    suites: Mapping[str, tuple[str, ...]],
) -> RunResult:
    tasks = {p.name: task_result(p, cells[p.name], default_pool(), "population")[0] for p in plans}
    missing = sum(t.errors for t in tasks.values())
    return RunResult(
        model=model,
        run_id=path.name,
        path=str(path),
        status="failed" if missing else "done",
        tasks=tasks,
        suites=suite_results(suites, tasks),
        exit_code=3 if missing else 0,
    )


def _show(score: Score) -> str:
    value = "none" if score.value is None else f"{score.value:g}"
    return value + (f" ({score.outcome})" if score.outcome != "ok" else "") + (f" {score.answer!r}" if score.answer else "")
