"""`Model`: anything that answers. One file per backend, one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from evalsuite.words.completion import Completion, Request
from evalsuite.words.sample import Sample
from evalsuite.words.task import Task


@runtime_checkable
class Model(Protocol):
    """The one async seam. A backend derives from nothing; it has these members.

    `name` is what tables print. `concurrency` is how many requests it wants in flight: an engine that batches by itself
    asks for many. `one_by_one` says that the samples of a request share no work (each is a call of its own), so that they are
    better asked for singly and a failure costs one. `generate` returns exactly `request.n` completions in the order of `request.seeds`; it raises
    `RequestError` when this request failed for good (the run goes on), `BudgetError` when a budget is spent and
    `UnavailableError` when nothing further can succeed (the run stops, resumable).
    """

    name: str
    concurrency: int
    one_by_one: bool

    async def generate(self, request: Request) -> list[Completion]:
        """`request.n` completions, one per seed, in order."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """What the answers depend on: backend, model, weight digest or revision, chat template hash, dtype. Part of the
        run id, so equal weights give an equal mapping on every machine."""
        ...

    def environment(self) -> Mapping[str, Any]:
        """What they may depend on a little: library and engine versions, device. Mentioned, never a reason to refuse."""
        ...

    def prepare(self, task: Task, samples: Sequence[Sample]) -> None:
        """Called once per task before its requests. Replay and scripted backends look things up here; others ignore it."""
        ...

    async def close(self) -> None:
        """Release connections, engines and threads."""
        ...
