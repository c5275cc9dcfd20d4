"""Where samples come from: a local folder, else the Hugging Face hub at a pinned revision, else an error naming both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from evalsuite.errors import EvalsuiteError, UsageError
from evalsuite.sources import locate
from evalsuite.sources.records import to_sample
from evalsuite.words.prompt import Shot
from evalsuite.words.sample import Sample
from evalsuite.words.task import Task

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A set of records and how they become samples.

    `local` are paths relative to the data folder, tried in order: a file, or a folder of files. `hub` is a dataset id with
    `config`, `split` and `revision`; `files` are plain files in that repository, for sets that are loading scripts, and of a
    local folder these files are read (by name, without their folders), in this order. `id`,
    `problem`, `target`, `choices` and `cluster` are candidate column names (a dotted name reaches into nested records), the
    first present wins; no `id` column means a content hash, no `target` candidates mean no target. A `problem` that is a
    list is a conversation of `{"role", "content"}` messages. `metadata`, `privileged` and `tests` are columns carried along
    where present. `select` says whether a record belongs to the set at all; `adapt` rewrites one record (a new dict) before
    the columns are read, or returns None to leave it out, which is counted. `size` is the number of records of the full set.
    """

    local: str | tuple[str, ...] = ()
    hub: str | None = None
    config: str | None = None
    split: str = "test"
    revision: str | None = None
    files: tuple[str, ...] = ()
    id: tuple[str, ...] = ("id",)
    problem: tuple[str, ...] = ("problem", "question")
    target: tuple[str, ...] = ("answer",)
    choices: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    privileged: tuple[str, ...] = ("solution",)
    tests: tuple[str, ...] = ()
    select: Callable[[Mapping[str, Any]], bool] | None = None
    adapt: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Where to look: the local data folder, whether the network may be used, and the lock file of pinned revisions.

    `data_dir` None means the environment variable `EVALSUITE_DATA`, and no local folder where that is unset. `offline` is
    also in force where `HF_HUB_OFFLINE` or `EVALSUITE_OFFLINE` is set.
    """

    data_dir: Path | None = None
    offline: bool = False
    lock: Path | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Samples and where they came from: `kind` is `local`, `hub`, `generated` or `inline`; `revision` is a commit or sha256.

    `location` is the path as the source wrote it, the dataset id, or the task's name. `size` is the number of samples of
    the full set where it is known, `skipped` how many records were left out.
    """

    samples: tuple[Sample, ...]
    kind: str
    location: str
    revision: str
    size: int | None = None
    skipped: int = 0

    def label(self, name: str) -> str:
        """The task's name as tables show it: `math_vision[148/304]` for a partial set, which never ranks as the full one."""
        full = self.size or len(self.samples) + self.skipped
        return name if len(self.samples) >= full else f"{name}[{len(self.samples)}/{full}]"


def load(task: Task, where: Where) -> Loaded:
    """All samples of a task, ids unique and stable.

    A `Source` is looked for locally, then on the hub. A function or an iterable gives its samples directly; their revision
    is a sha256 over ids and contents. Raises UsageError naming what was tried: no data, an unreadable file, a missing
    column, a duplicate id, no samples at all, or data that the lock file pins otherwise.
    """
    name = task.name or "task"
    if isinstance(task.samples, Source):
        return _load_source(task.samples, where, name)
    kind = "generated" if callable(task.samples) else "inline"
    try:
        samples = tuple(task.samples() if callable(task.samples) else task.samples)
    except EvalsuiteError:
        raise
    except Exception as error:  # the function is the user's: its failures are named, not traced
        raise UsageError(f"task {name}: its samples cannot be made: {type(error).__name__}: {error}") from error
    wrong = next((s for s in samples if not isinstance(s, Sample)), None)
    if wrong is not None:
        raise UsageError(f"task {name}: its samples must be evalsuite.Sample, found {type(wrong).__name__}")
    _check(samples, name)
    revision = hashlib.sha256("\n".join(f"{s.id}\x1f{s.digest()}" for s in samples).encode()).hexdigest()
    pin = locate.pinned(where.lock, name)
    if pin is not None and pin.get("sha256") != revision:
        raise UsageError(
            f"task {name}: generates other samples than {where.lock} pins (sha256 {revision[:12]}, pinned "
            f"{str(pin.get('sha256'))[:12]}); pin again with `evalsuite tasks pin`"
        )
    return Loaded(samples, kind, name, revision, size=len(samples))


def load_shots(task: Task, where: Where, k: int) -> tuple[Shot, ...]:
    """The first `k` worked examples of a task, always the same ones.

    From a `Source`, the answer's text is the privileged `solution`, else the metadata's `answer_text`, else the (first)
    target. Raises UsageError where there are fewer than `k`.
    """
    name = task.name or "task"
    if k < 0:
        raise UsageError(f"task {name}: {k} worked examples wanted; --num_fewshot is not below 0")
    if k == 0:
        return ()  # their source need not be there
    if isinstance(task.fewshot, Source):
        samples = _load_source(task.fewshot, where, f"{name}:fewshot").samples
        shots = tuple(_shot(s) for s in samples[:k])
    else:
        shots = task.fewshot[:k]
    if len(shots) < k:
        raise UsageError(f"task {name}: {k} worked examples wanted, it has {len(shots)}; lower --num_fewshot")
    return shots


def pin(task: Task, where: Where) -> dict[str, dict[str, Any]]:
    """Lock entries of a task: `{name: entry}`, and `name:fewshot` where its protocol has worked examples from a source.

    An entry has `sha256` and, for a file, `local`; or `hub`, `config`, `split` and `revision`. Loads the data, and
    downloads what is not there.
    """
    name = task.name or "task"
    entries = {name: _entry(load(task, where), task.samples)}
    if task.num_fewshot and isinstance(task.fewshot, Source):
        shots = _load_source(task.fewshot, where, f"{name}:fewshot")
        entries[f"{name}:fewshot"] = _entry(shots, task.fewshot)
    return entries


def _entry(loaded: Loaded, source: object) -> dict[str, Any]:
    if loaded.kind == "local":
        return {"local": loaded.location, "sha256": loaded.revision}
    if loaded.kind == "hub" and isinstance(source, Source):
        return {"hub": source.hub, "config": source.config, "split": source.split, "revision": loaded.revision}
    return {"sha256": loaded.revision}


def _load_source(source: Source, where: Where, name: str) -> Loaded:
    found = locate.find(source, where, name)
    samples: list[Sample] = []
    skipped = 0
    for number, record in enumerate(found.records, 1):
        place = f"{found.where}, record {number}"
        if source.select is not None and not _run(source.select, record, place):
            continue
        adapted = record if source.adapt is None else _run(source.adapt, record, place)
        if adapted is None:
            skipped += 1
        else:
            samples.append(to_sample(source, adapted, place))
    _check(samples, f"{name}, from {found.where}")
    return Loaded(tuple(samples), found.kind, found.location, found.revision, source.size, skipped)


def _run(function: Callable[[Mapping[str, Any]], T], record: dict[str, Any], place: str) -> T:
    """A task's function on a record; what it cannot read is named."""
    try:
        return function(record)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{place}: the task cannot read it ({type(error).__name__}: {error}); columns: {', '.join(record)}"
        ) from error


def _check(samples: Iterable[Sample], what: str) -> None:
    """Raises UsageError for no samples at all, two with the same id, or an id that is not Unicode text."""
    seen: dict[str, int] = {}
    for number, sample in enumerate(samples, 1):
        if not sample.id.isascii() and sample.id != sample.id.encode(errors="replace").decode():
            raise UsageError(f"task {what}: sample {number} has the id {sample.id!r}, which holds half a surrogate pair")
        first = seen.setdefault(sample.id, number)
        if first != number:
            raise UsageError(
                f"task {what}: samples {first} and {number} have the same id {sample.id!r}: {sample.problem[:80]!r}"
            )
    if not seen:
        raise UsageError(f"task {what}: no samples")


def _shot(sample: Sample) -> Shot:
    target = sample.target[0] if isinstance(sample.target, tuple) and sample.target else sample.target
    answer = sample.privileged.get("solution") or sample.metadata.get("answer_text") or target
    if not isinstance(answer, str):
        raise UsageError(f"worked example {sample.id}: no text to show as its answer")
    return Shot(sample.problem, answer, sample.choices)
