"""Recorded completions as a model: a JSONL file, or an earlier run."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.errors import RequestError, UsageError
from evalsuite.runlog import RunDir, read_rows
from evalsuite.runlog.log import decode, encode
from evalsuite.words.completion import Completion, Request
from evalsuite.words.sample import Sample

if TYPE_CHECKING:
    from evalsuite.words.task import Task

_log = logging.getLogger("evalsuite")
_KEYS = ("id", "index", "problem")
Recorded = Mapping[int, Completion]  # sample index -> completion
Key = tuple[str | None, str, str]  # task (None: any), kind of key, key


class Recording(NamedTuple):
    """What a row has recorded: completions, and a verdict (or None) for each."""

    completions: tuple[Completion, ...]
    scores: tuple[float | None, ...]


class ReplayModel:
    """Answers with what is recorded in `target`, and never with anything else.

    A JSONL file has rows `{"id" or "index" or "problem", "completions": [...]}`, each completion a string or a
    `Completion.to_dict()`. `id` is the sample's id, `index` its position in the task, `problem` its text (blanks and a final
    question mark do not count). Optional: `task` (a row without one serves any task), `finish_reason` (one for all
    completions, or a list), `scores` (a verdict in [0, 1] or null for each, only ever compared with). A run directory serves the tasks of that run. Raises UsageError, naming the line, for a row that
    cannot be read, and for a task none of whose samples is recorded; `generate` raises RequestError for a completion that is
    not there.
    """

    one_by_one = True

    concurrency = 256

    def __init__(self, target: str) -> None:
        path = Path(os.path.expanduser(target))
        self.name, self._path = f"replay:{path.name}", path
        self._run = path.is_dir()
        if self._run and not (path / "run.json").is_file():
            raise UsageError(f"{path} is not a run directory: it has no run.json")
        self._rows, self._sha256 = ({}, "") if self._run else _read(path)
        self._tasks: dict[str, Mapping[str, Recorded]] = {}
        self._scores: Mapping[str, Mapping[int, float | None]] = {}

    def recorded(self, task: str | None = None) -> int:
        """The most completions that any question (of this task) has recorded, at least 1."""
        if self._run:
            tasks = RunDir(self._path).tasks() if task is None else [task]
            return max((max(found) + 1 for name in tasks for found in self._of_run(name)[0].values()), default=1)
        return max(
            (len(row.completions) for (of, _, _), row in self._rows.items() if task is None or of in (task, None)), default=1
        )

    def recorded_score(self, sample_id: str, index: int) -> float | None:
        """The verdict recorded beside a completion of the task prepared last; None without one."""
        return self._scores.get(sample_id, {}).get(index)

    def prepare(self, task: Task, samples: Sequence[Sample]) -> None:
        """Find the recorded completions of these samples: all of the task, or the first of them, in the task's order."""
        found, self._scores = self._of_run(task.name) if self._run else self._of_file(task.name, samples)
        if samples and not found.keys() & {sample.id for sample in samples}:
            has = [" ".join((of or "any task", kind, repr(key))) for of, kind, key in self._rows] or [
                f"id {i!r}" for i in found
            ]
            raise UsageError(
                f"{self._path} has no completion for any of the {len(samples)} samples of {task.name}, such as id "
                f"{samples[0].id!r}. It has {'; '.join(has[:3]) or 'nothing for this task'}"
            )
        self._tasks[task.name] = found

    async def generate(self, request: Request) -> list[Completion]:
        """The recorded completions at `request.indices`. Raises RequestError where one is missing."""
        found = self._tasks.get(request.task, {}).get(request.sample_id, {})
        for index in request.indices:
            if index not in found:
                raise RequestError(
                    f"{self._path}: no recorded completion {index} of sample {request.sample_id!r} of task {request.task!r} "
                    f"({len(found)} recorded)"
                )
        return [found[index] for index in request.indices]

    def identity(self) -> Mapping[str, Any]:
        """A hash: of the recorded file, or of the completions of the run (whatever else its log has gained since)."""
        if self._run and not self._sha256:
            digest = hashlib.sha256()
            for task in RunDir(self._path).tasks():
                for sample_id, recorded in sorted(self._of_run(task)[0].items()):
                    for index, completion in sorted(recorded.items()):
                        digest.update(encode({"task": task, "id": sample_id, "i": index, "completion": completion.to_dict()}))
            self._sha256 = digest.hexdigest()
        return {"backend": "replay", "sha256": self._sha256}

    def environment(self) -> Mapping[str, Any]:
        """Where the recording was read from."""
        return {"recorded": str(self._path)}

    async def close(self) -> None:
        """Nothing to release."""

    def _of_run(self, task: str) -> tuple[Mapping[str, Recorded], Mapping[str, Mapping[int, float | None]]]:
        """Completions and verdicts by sample id and index."""
        found: dict[str, dict[int, Completion]] = {}
        scores: dict[str, dict[int, float | None]] = {}
        for row in read_rows(self._path, task):
            if "completion" in row:
                found.setdefault(row["id"], {})[row["i"]] = Completion.from_dict(row["completion"])
                scores.setdefault(row["id"], {})[row["i"]] = row.get("score", {}).get("value")
        return found, scores

    def _of_file(
        self, task: str, samples: Sequence[Sample]
    ) -> tuple[Mapping[str, Recorded], Mapping[str, Mapping[int, float | None]]]:
        rows: dict[str, Recording] = {}
        for position, sample in enumerate(samples):
            keys = {"id": sample.id, "index": str(position), "problem": _plain(sample.problem)}
            fitting = (self._rows.get((of, kind, keys[kind])) for of in (task, None) for kind in _KEYS)
            row = next((row for row in fitting if row is not None), None)
            if row is not None:
                rows[sample.id] = row
        found = {sample_id: dict(enumerate(row.completions)) for sample_id, row in rows.items()}
        return found, {sample_id: dict(enumerate(row.scores)) for sample_id, row in rows.items()}


def _read(path: Path) -> tuple[dict[Key, Recording], str]:
    """Rows of a file, and the sha256 of the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read recorded completions {path}: {error.strerror}") from None
    rows: dict[Key, Recording] = {}
    at: dict[Key, int] = {}
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = decode(line)
        except ValueError as error:
            if number == len(lines):
                _log.warning("%s:%d: the unfinished last line is left out", path, number)
                break
            raise UsageError(f"{path}:{number}: not a JSON object ({error})") from None
        try:
            key, content = _row(row)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}:{number}: {error}") from None
        if key in rows:
            raise UsageError(
                f"{path}:{number}: {key[1]} {key[2]!r} is recorded in line {at[key]} already; one row per question"
            )
        rows[key], at[key] = content, number
    if not rows:
        raise UsageError(f"{path} has no recorded completions")
    return rows, hashlib.sha256(data).hexdigest()


def _row(row: Mapping[str, Any]) -> tuple[Key, Recording]:
    """Key and completions of one row. Raises ValueError saying what is wrong with it."""
    kind = next((name for name in _KEYS if row.get(name) is not None), None)
    if kind is None:
        raise ValueError(f"a row needs {', '.join(_KEYS[:-1])} or {_KEYS[-1]}; this one has {', '.join(row) or 'nothing'}")
    key, task = row[kind], row.get("task")
    if kind == "index" and (isinstance(key, bool) or not isinstance(key, int) or key < 0):
        raise ValueError(f"index {key!r} is not a whole number from 0")
    if task is not None and not isinstance(task, str):
        raise ValueError(f"task {task!r} is not a name")
    return (task, kind, _plain(key) if kind == "problem" else str(key)), read_row(row)


def read_row(row: Mapping[str, Any]) -> Recording:
    """`completions`, `finish_reason` and `scores` of one row. Raises ValueError saying what is wrong with them."""
    recorded = row.get("completions")
    if not isinstance(recorded, list) or not recorded:
        raise ValueError("completions is not a list with at least one completion")
    reasons = row.get("finish_reason")
    reasons = reasons if isinstance(reasons, list) else [reasons] * len(recorded)
    if len(reasons) != len(recorded):
        raise ValueError(f"{len(reasons)} finish reasons for {len(recorded)} completions")
    completions = []
    for item, reason in zip(recorded, reasons):
        if isinstance(item, str):
            completions.append(Completion(item, finish_reason=reason))
        elif isinstance(item, dict) and (isinstance(item.get("text"), str) or "text_b64" in item):
            completions.append(Completion.from_dict({"finish_reason": reason, **item}))
        else:
            raise ValueError(f"completion {item!r:.80} is neither a string nor an object with a text")
    scores = [None] * len(recorded) if row.get("scores") is None else row["scores"]
    if not isinstance(scores, list) or len(scores) != len(recorded) or not all(map(_is_score, scores)):
        raise ValueError(f"scores is not a list of {len(recorded)} numbers in [0, 1] or null")
    verdicts = tuple(None if score is None else float(score) for score in scores)
    return Recording(tuple(completions), verdicts)


def _is_score(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and 0 <= value <= 1)


def _plain(problem: Any) -> str:
    return " ".join(str(problem).split()).rstrip(" ?")
