"""Verify recorded completions again: no model, deterministic, free."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from evalsuite.errors import NotComparableError, RequestError, UsageError
from evalsuite.formats import KEY, read_records
from evalsuite.loop import Cell, Key, run_async
from evalsuite.manifest import settings_from
from evalsuite.models import ModelRef
from evalsuite.models.base import Model
from evalsuite.models.replay import Recording, read_row
from evalsuite.plan import Plan, Settings, make_plans, prepare, requests
from evalsuite.registry.filetask import is_file_spec
from evalsuite.results import RunResult, suite_results, task_result
from evalsuite.runlog import RunDir
from evalsuite.runlog.compact import last_rows
from evalsuite.sources import Loaded, Source
from evalsuite.sources.records import to_sample
from evalsuite.verifiers import Verifier, make
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.judging import ReplyCache, judge_items
from evalsuite.verifiers.pool import Pool, default_pool
from evalsuite.words.completion import Completion, Sampling
from evalsuite.words.prompt import Prompt
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score
from evalsuite.words.task import Task

_BATCH = 512
_OWN_GOLD = Source(problem=("problem",), target=("target",), choices=("choices",), privileged=())


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


def rescore_run(
    run: RunDir,
    names: Sequence[str] = (),
    judge: Model | None = None,
    *,
    data_dir: Path | None = None,
    offline: bool = False,
    include: Sequence[str] = (),
) -> tuple[RunResult, list[Change]]:
    """Every completion of a run through its tasks' verifiers as they are now.

    `data_dir`, `offline` and `include` stand in for the run's own. Returns the result and the samples whose value or outcome
    differs from the recorded one; a sample that could not be scored, then or now, is missing and no change. Raises UsageError
    where a task is not in the run, NotComparableError where its data is no longer what the run saw, UnavailableError where the judge or the sandbox
    is not there.
    """
    manifest = run.manifest()
    recorded = manifest["tasks"]
    for name in names:
        if name not in recorded:
            raise UsageError(f"run {run.path.name} has no task {name!r}; it has {', '.join(recorded)}")
    run.refuse_imported()
    settings = settings_from(manifest)
    where = dataclasses.replace(
        settings.where, data_dir=data_dir or settings.where.data_dir, offline=offline or settings.where.offline
    )
    settings = dataclasses.replace(settings, where=where, include=tuple(include) or settings.include)
    plans, _ = make_plans([recorded_spec(name, recorded[name]["source"]) for name in names or recorded], settings)
    prepare(plans)
    suites = {} if names else {name: tuple(members) for name, members in manifest.get("suites", {}).items()}
    plans = [
        dataclasses.replace(p, sampling=dataclasses.replace(p.sampling, repeats=recorded[p.name]["repeats"])) for p in plans
    ]
    changes: list[Change] = []
    cells: dict[str, dict[Key, Cell]] = {}
    replies = ReplyCache(run.path / "judge.jsonl")
    for plan in plans:
        if plan.identity()["data"] != recorded[plan.name]["identity"]["data"]:
            raise NotComparableError(
                f"{plan.name}: the data at {plan.loaded.location} is not what this run saw "
                f"(revision {plan.loaded.revision[:12]}, then {recorded[plan.name]['source']['revision'][:12]})"
            )
        cells[plan.name] = {}
        rows = ((r, Completion.from_dict(r["completion"])) for r in last_rows(run, plan.name) if "completion" in r)
        for row, completion, score in _verify(plan, rows, judge, replies):
            before = Score.from_dict(row["score"]) if "score" in row else None
            cells[plan.name][row["id"], row["i"]] = Cell.of(score, completion)
            if before is None or None in (before.value, score.value):
                continue  # never scored, or by our failure not now
            if (before.value, before.outcome) != (score.value, score.outcome):
                changes.append(Change(plan.name, row["id"], row["i"], before, score))
    return _result(manifest["model"]["name"], run.path, plans, cells, suites), changes


def rescore_file(
    path: Path, names: Sequence[str], settings: Settings, judge: Model | None = None
) -> tuple[RunResult, list[Change]]:
    """Recorded completions in a replay file through the verifiers of these tasks.

    Changes are against the file's own `scores` where it has them. Raises as `rescore_run` does.
    """
    model = ModelRef("replay", str(path)).open()
    if settings.repeats is None:
        settings = dataclasses.replace(settings, repeats=model.recorded())  # type: ignore[attr-defined]
    plans, suites = make_plans(list(names), settings)
    prepare(plans)
    changes: list[Change] = []
    cells: dict[str, dict[Key, Cell]] = {}
    replies = ReplyCache()
    for plan in plans:
        model.prepare(plan.task, plan.samples)
        cells[plan.name] = {}
        for row, completion, score in _verify(plan, _replayed(model, plan), judge, replies):
            cells[plan.name][row["id"], row["i"]] = Cell.of(score, completion)
            before = model.recorded_score(row["id"], row["i"])  # type: ignore[attr-defined]
            if None not in (before, score.value) and before != score.value:
                changes.append(Change(plan.name, row["id"], row["i"], Score(before), score))
    return _result(model.name, path, plans, cells, suites), changes


def score_rows(path: Path, verifier: str, judge: Model | None = None) -> tuple[RunResult, list[Change]]:
    """A file whose rows bring their own gold: `{"target", "completions" or "text", "id"?, "choices"?, "scores"?}`.

    Raises UsageError, naming the row, for one that cannot be read or has the id of another, and UnavailableError where the
    judge or the sandbox is not there.
    """
    check = make(verifier)
    check.prepare()
    samples: dict[str, Sample] = {}
    recorded: dict[str, Recording] = {}
    for number, row in enumerate(read_records(path)):
        sample, recording = _own_gold(row, number, f"{path}: row {number + 1}")
        if sample.id in samples:
            first = list(samples).index(sample.id) + 1
            raise UsageError(f"{path}: rows {first} and {number + 1} have the same id {sample.id!r}; one row per question")
        samples[sample.id], recorded[sample.id] = sample, recording
    if not samples:
        raise UsageError(f"{path} has no rows")
    plan = _file_plan(path, check, list(samples.values()), max(len(r.completions) for r in recorded.values()))
    rows = (({"id": key, "i": i}, said) for key, r in recorded.items() for i, said in enumerate(r.completions))
    cells: dict[Key, Cell] = {}
    changes = []
    for row, completion, score in _verify(plan, rows, judge, ReplyCache()):
        cells[row["id"], row["i"]] = Cell.of(score, completion)
        before = recorded[row["id"]].scores[row["i"]]
        if None not in (before, score.value) and before != score.value:
            changes.append(Change(plan.name, row["id"], row["i"], Score(before), score))
    return _result(path.name, path, [plan], {plan.name: cells}, {}), changes


def _own_gold(row: Mapping[str, Any], number: int, place: str) -> tuple[Sample, Recording]:
    """The question and the completions of one row. Raises UsageError."""
    for name in ("metadata", "tests"):
        if not isinstance(row.get(name), Mapping | None):
            raise UsageError(f"{place}: {name} is {row[name]!r:.80}, and must be an object")
    given = row.get("completions", row.get("text"))
    try:
        recording = read_row({**row, "completions": [given] if isinstance(given, str | Mapping) else given})
    except (ValueError, TypeError) as error:
        raise UsageError(f"{place}: {error}") from None
    sample = to_sample(_OWN_GOLD, {"id": row.get(KEY, number), "problem": "", **row}, place)
    return dataclasses.replace(sample, metadata=row.get("metadata") or {}, tests=row.get("tests")), recording


def recorded_spec(name: str, source: Mapping[str, Any]) -> str:
    """What the registry knows a recorded task by: a data file of the user's by the path it had."""
    return f"{source['location']}:{name.rpartition(':')[2]}" if is_file_spec(name) else name


def _verify(
    plan: Plan, rows: Iterable[tuple[dict[str, Any], Completion]], judge: Model | None, replies: ReplyCache
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
    verifier: Verifier, items: Mapping[Key, Any], judge: Model | None, pool: Pool, replies: ReplyCache
) -> Mapping[Key, Score]:
    if not isinstance(verifier, ModelVerifier):
        return pool.score(verifier, items)
    if judge is None:
        raise UsageError(f"verifier {verifier.name!r} asks a judge model: add --judge MODEL")

    async def ask_judge() -> Mapping[Key, Score]:
        try:
            return await judge_items(verifier, items, judge, pool, cache=replies)
        finally:
            await judge.close()

    return run_async(ask_judge())


def _replayed(model: Model, plan: Plan) -> list[tuple[dict[str, Any], Completion]]:
    async def recorded() -> list[tuple[dict[str, Any], Completion]]:
        rows = []
        for request in requests(plan, {}, one_by_one=True):
            # What is not recorded is a missing sample, which coverage shows.
            with contextlib.suppress(RequestError):
                rows += [({"id": request.sample_id, "i": request.indices[0]}, c) for c in await model.generate(request)]
        return rows

    return run_async(recorded())


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
