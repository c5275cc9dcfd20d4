"""An evaluation of another tool as a run's folder, in one pass over its questions: texts go to disk, numbers stay."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.imports.record import Evaluation, ImportedTask, Question
from evalsuite.imports.stated import differences, no_mean, of_stderr, stated_only
from evalsuite.loop import Cell
from evalsuite.metrics.aggregate import Aggregate
from evalsuite.metrics.reduce import Metric, parse_metric
from evalsuite.results import RunResult, TaskResult, grid_result, write_results
from evalsuite.runlog import RunDir, read_lines, slug
from evalsuite.runlog.compact import count, counted, logged, question_schema, sample_schema, write_table
from evalsuite.runlog.log import LogWriter
from evalsuite.runlog.media import Media

_CELLS = 10_000_000  # most answers of a task, those that are missing included: they are held as numbers


def write_evaluation(folder: Path, run_id: str, run: Evaluation, imported: Mapping[str, Any]) -> list[str]:
    """Write run.json, results.json, samples/ and questions/ into `folder`; `imported` says where it came from.

    Values and intervals are computed from the questions. Where the source states a mean that differs, its number is kept beside
    ours and the difference is among the notes, which are returned. Raises UsageError for a source without any task, or damaged.
    """
    notes = list(run.notes)
    results: dict[str, TaskResult] = {}
    tasks: dict[str, Any] = {}
    for task in run.tasks:
        if task.questions is None and not task.stated:
            notes.append(f"{task.name}: not a single number is in it: it is left out")
            continue
        if task.questions is None:
            results[task.name] = stated_only(task)
            notes.append(f"{task.name}: numbers only, without samples: it cannot be compared question by question")
            continue
        writer = _TaskWriter(folder, run_id, task)
        result, tasks[task.name] = writer.write()
        notes += [*writer.notes, *differences(task, result)]
        known = {parse_metric(label).label(1) for label in result.metrics}
        rest = {label: of_stderr(stated) for label, stated in task.stated.items() if label not in known}
        results[task.name] = dataclasses.replace(result, metrics={**result.metrics, **rest})
    if not results:
        raise UsageError("no task has a question or a number: there is nothing to import")
    model = {"backend": "imported", **run.model}
    status = "failed" if run.stopped else "done"
    outcome = RunResult(
        model=str(model["name"]),
        run_id=run_id,
        path=run_id,
        status=status,
        tasks=results,
        notes=tuple(notes),
        stopped=run.stopped,
        exit_code=3 if run.stopped else 0,
    )
    manifest = {
        "schema": 1,
        "run_id": run_id,
        "kind": "eval",
        "status": status,
        "started": run.started,
        "finished": run.finished,
        "stopped": run.stopped,
        "identity": {"model": model, "tasks": {name: t["identity"] for name, t in tasks.items()}, "judge": None},
        "model": model,
        "environment": run.environment,
        "tasks": tasks,
        "suites": {},
        "imported": {
            **imported,
            "format_version": run.version,
            "stated": {t.name: {label: dataclasses.asdict(s) for label, s in t.stated.items()} for t in run.tasks if t.stated},
        },
    }
    write_results(RunDir(folder), outcome, manifest)
    RunDir(folder).write_manifest(manifest)
    return notes


class _TaskWriter:
    """Writes the tables of one task. What it keeps in memory of a question is numbers, its id and its digest."""

    def __init__(self, folder: Path, run_id: str, task: ImportedTask) -> None:
        self.folder, self.run_id, self.task = folder, run_id, task
        self.media = Media(folder)
        self.keys: list[tuple[str, str | None]] = []
        self.digests: list[str] = []
        self.cells: list[dict[int, Cell]] = []
        self.classes: list[dict[int, int]] = []
        self.sums: list[dict[str, float]] = []
        self.parts: dict[str, None] = {}
        self.notes: list[str] = []

    def write(self) -> tuple[TaskResult, dict[str, Any]]:
        """The task's numbers, and its entry in run.json. Raises UsageError for a task without questions, an id that comes
        twice, and more answers wanted than can be."""
        name, beside = f"{slug(self.task.name)}.parquet", self.folder / ".questions.jsonl"
        texts = LogWriter(beside, {"task": self.task.name})
        try:
            write_table(self.folder / "samples" / name, sample_schema(), self._samples(texts))
        finally:
            texts.close()
        if len({id for id, _ in self.keys}) < len(self.keys):
            raise UsageError(f"task {self.task.name}: a question's id is there twice")
        if not self.keys:
            raise UsageError(f"task {self.task.name} has no question")
        repeats = max(self.task.repeats, 1 + max((i for cells in self.cells for i in cells), default=0))
        if repeats * len(self.keys) > _CELLS:
            raise UsageError(
                f"task {self.task.name}: {repeats} answers to each of {len(self.keys)} questions are more than {_CELLS}: the number is broken"
            )
        metrics = [parse_metric(m) for m in self.task.metrics] or [Metric("avg")]
        full = self.task.full_size or len(self.keys)
        result, rollup = grid_result(
            self.task.name,
            self.task.name if len(self.keys) >= full else f"{self.task.name}[{len(self.keys)}/{full}]",
            self.keys,
            [[cells.get(i) for i in range(repeats)] for cells in self.cells],
            metrics=[m for m in metrics if m.needs_n <= repeats],
            classes=[[of.get(i, -1) for i in range(repeats)] for of in self.classes],
            chance=self.task.chance,
        )
        parts = {} if self.task.metrics else self._of_parts(repeats, rollup)
        result = dataclasses.replace(result, metrics={**result.metrics, **parts})
        labels = list(result.metrics)
        write_table(self.folder / "questions" / name, question_schema(labels), self._questions(beside, repeats, rollup, labels))
        beside.unlink()
        listed = "\n".join(f"{id}\x1f{digest}" for (id, _), digest in zip(self.keys, self.digests))
        data = hashlib.sha256(listed.encode("utf-8", "surrogatepass")).hexdigest()
        return result, {
            "label": result.label,
            "identity": {"num_fewshot": 0, **self.task.identity, "data": data[:16]},
            "repeats": repeats,
            "metrics": [*(m.label(1) for m in metrics), *parts],
            "n_questions": len(self.keys),
            "full_size": full,
            "source": {"kind": "imported", "location": self.task.name, "revision": None},
        }

    def _of_parts(self, repeats: int, rollup: dict[str, dict[str, Any]]) -> dict[str, Aggregate]:
        """Each part over the answers that have it, whether or not they have a value; questions' means go into `rollup`.

        A part whose stated number can be no mean of them is left to that number.
        """
        out: dict[str, Aggregate] = {}
        for part in self.parts:
            label = Metric("part", part=part).label(1)
            grid = [[_of_part(cells.get(i), part) for i in range(repeats)] for cells in self.cells]
            result, of = grid_result(self.task.name, self.task.name, self.keys, grid, metrics=[Metric("avg")])
            [(avg, measured)] = result.metrics.items()
            stated = self.task.stated.get(label)
            if stated is not None and stated.mean and no_mean(stated, (values[avg] for values in of.values())):
                self.notes.append(
                    f"{self.task.name}: {stated.name} is kept as stated, {stated.value:.6f}: it is no mean of its questions"
                )
                continue
            if measured.n_questions < len(self.keys):
                self.notes.append(
                    f"{self.task.name}: {label} is over the {measured.n_questions} of {len(self.keys)} questions that have it"
                )
            out[label] = measured
            for id, values in of.items():
                rollup[id][label] = values[avg]
        return out

    def _samples(self, texts: LogWriter) -> Iterator[dict[str, Any]]:
        for q in self.task.questions or ():
            cells: dict[int, Cell] = {}
            sums: dict[str, float] = {}
            for row in q.rows:
                cells[row["i"]] = _cell(row)
                self.parts |= dict.fromkeys(row["score"].get("parts", ()))
                count(sums, row)
                yield {
                    **logged(row, self.media),
                    "run_id": self.run_id,
                    "task": self.task.name,
                    "id": q.id,
                    "digest": q.digest,
                    "cluster": q.cluster,
                    "target": _json(q.target),
                    "answer_class": row.get("answer_class"),
                }
            self.keys.append((q.id, q.cluster))
            self.digests.append(q.digest)
            self.cells.append(cells)
            self.classes.append({row["i"]: row["answer_class"] for row in q.rows if row.get("answer_class") is not None})
            self.sums.append(sums)
            texts.append([self._texts(q)])

    def _texts(self, q: Question) -> dict[str, Any]:
        images = self.media.of_prompt(q.messages)
        return {
            "run_id": self.run_id,
            "task": self.task.name,
            "id": q.id,
            "digest": q.digest,
            "cluster": q.cluster,
            "problem": q.problem,
            "prompt": _json([[m.role, m.text] for m in q.messages]),
            "target": _json(q.target),
            "metadata": _json(q.metadata),
            "images": _json(images) if images else None,
            "evidence": None,
        }

    def _questions(
        self, beside: Path, repeats: int, rollup: Mapping[str, Mapping[str, Any]], labels: Iterable[str]
    ) -> Iterator[dict[str, Any]]:
        lines = read_lines(beside)
        next(lines)
        for texts, sums in zip(lines, self.sums, strict=True):
            numbers = rollup[texts["id"]]
            yield {**texts, **counted(sums, repeats), **{label: numbers[label] for label in labels}}


def _cell(row: Mapping[str, Any]) -> Cell:
    score, completion = row["score"], row.get("completion", {})
    return Cell(
        value=score["value"],
        outcome=score["outcome"],
        parts=score.get("parts", {}),
        tokens=completion.get("completion_tokens"),
        prompt_tokens=completion.get("prompt_tokens"),
        cost=completion.get("cost"),
        note=score.get("feedback", "") if score["value"] is None else "",
    )


def _of_part(cell: Cell | None, part: str) -> Cell | None:
    return None if cell is None else Cell(value=cell.parts.get(part), outcome=cell.outcome)


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
