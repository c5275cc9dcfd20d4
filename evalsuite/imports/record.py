"""What a source tells of a run, before it is written: evaluations question by question, trainings line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from evalsuite.words.sample import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question with its answers. Fields are those of a Sample; `digest` pairs it with the same question of other runs.

    `rows` are log rows, one per answer: `{"i", "seed"?, "completion"?, "score", "answer_class"?}` with `completion` and `score`
    as `Completion.to_dict` and `Score.to_dict` give them. Values may lie outside [0, 1] where the source's do.
    """

    id: str
    digest: str
    messages: tuple[Message, ...]
    problem: str
    rows: tuple[Mapping[str, Any], ...]
    target: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A number as the source states it: its name there, its value and standard error, and the number of questions behind it.

    `mean` says that it is the mean over questions, so that it must agree with what the questions say.
    """

    name: str
    value: float
    stderr: float | None = None
    questions: int | None = None
    mean: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTask:
    """One task of an evaluation. `questions` is read once, and is None where the source has numbers only.

    `repeats` are the answers wanted of each question. `metrics` are names of evalsuite.metrics; left empty they are the average and
    a part for each further score of the source. `stated` has the source's own numbers by metric label without `@n` (`avg`,
    `part:acc_norm`), `chance` what guessing scores. `identity` is what must agree for two numbers of the task to be comparable, as in run.json, without `data`.
    """

    name: str
    identity: Mapping[str, Any]
    questions: Iterable[Question] | None
    repeats: int = 1
    metrics: tuple[str, ...] = ()
    stated: Mapping[str, Stated] = field(default_factory=dict)
    full_size: int | None = None
    chance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """An evaluation: `model` describes it, `name` included; times are UTC in ISO 8601, '' where not known. `stopped` says why it
    ended early."""

    model: Mapping[str, Any]
    tasks: tuple[ImportedTask, ...]
    version: str = ""
    started: str = ""
    finished: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stopped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training run: `scalars` are lines with `step` and numbers, `samples` lines as `samples.jsonl` has them. Each is read once.

    `notes` is read last: what can only be said after reading goes in there on the way.
    """

    method: str
    scalars: Iterable[Mapping[str, Any]]
    samples: Iterable[Mapping[str, Any]] = ()
    version: str = ""
    started: str = ""
    finished: str = ""
    model: str = ""
    steps: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Files that make one run, and where they were found. `main` is the one that names it."""

    root: Path
    main: Path
    files: tuple[Path, ...]


class Source(Protocol):
    """A module of this package: one kind of results."""

    LOOKS_FOR: str

    def find(self, source: Path) -> Iterator[Found]:
        """The runs in a file or folder, in order of their names."""

    def read(self, found: Found) -> Evaluation | Training:
        """One run. Raises UsageError, naming the file, for what is damaged; its iterables raise it as they are read."""
