"""Where samples come from: a local folder, else the Hugging Face hub at a pinned revision, else an error naming both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.sample import Sample
from evalsuite.task import Task


@dataclass(frozen=True, kw_only=True)
class Source:
    """A set of records and how they become samples.

    `local` are paths relative to the data folder, tried in order. `hub` is a dataset id with `config`, `split` and
    `revision`; `files` are plain files in that repository, for sets that are loading scripts. `id`, `problem`, `target`,
    `choices` and `cluster` are candidate column names, the first present wins; no `id` column means a content hash.
    `metadata` and `privileged` are columns carried along where present. `adapt` rewrites one record (a new dict) before
    the columns are read, or returns None to leave it out. `size` is the number of records of the full set.
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
    adapt: Callable[[Mapping[str, Any]], Mapping[str, Any] | None] | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Where to look: the local data folder, whether the network may be used, and the lock file of pinned revisions."""

    data_dir: Path | None = None
    offline: bool = False
    lock: Path | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Samples and where they came from: `kind` is `local`, `hub`, `generated` or `inline`; `revision` is a commit or sha256.

    `size` is the number of samples of the full set where it is known, `skipped` how many records were left out.
    """

    samples: tuple[Sample, ...]
    kind: str
    location: str
    revision: str
    size: int | None = None
    skipped: int = 0


def load(task: Task, where: Where) -> Loaded:
    """All samples of a task, ids unique and stable. Raises UsageError naming what was tried."""
    raise NotImplementedError  # replaced below by the real loader
