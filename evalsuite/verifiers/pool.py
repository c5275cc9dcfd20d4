"""The only door to scoring: warm worker processes, one deadline per item, killed and replaced where they hang."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping
from itertools import islice
from typing import Any, TypeVar

from evalsuite.verifiers._job import Job
from evalsuite.verifiers._process import Process
from evalsuite.verifiers._wire import Frozen, PoolFailure, freeze
from evalsuite.verifiers.base import Verifier
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

__all__ = ["Pool", "PoolFailure", "default_pool"]

K = TypeVar("K", bound=Hashable)

NEWS = 4096  # slow Scores that every worker is told

Key = tuple[bytes, bytes]  # digest of the verifier, digest of `Verifier.key`


class Pool:
    """Runs verifiers in worker processes. Thread-safe; the calling thread drives its workers, there is no other one.

    Workers start when first needed, at most `workers` of them (default: one per core, at most 32). `deadline` is the
    seconds of wall time that one item may take (a verifier's own `deadline` goes before it), counted from when its worker
    begins it; the first import of a module does not count. What is past it is killed with its children and worth 0
    (`timeout`). An item whose worker dies is tried once more alone, and is worth 0 if that one dies too, so that nothing is
    gained by bringing the grader down. Every worker may allocate 4 GiB.

    Results are keyed: order, batches, workers and restarts cannot move one. A Score is remembered under `Verifier.key`,
    so that a group of completions that repeat an answer, or a hang, pays for it once.

    A forked child starts with no workers and makes its own. When the process ends, however it ends, so do its workers.
    """

    def __init__(self, workers: int | None = None, deadline: float = 10.0) -> None:
        if (workers is not None and workers < 1) or deadline <= 0:
            raise ValueError(f"workers ({workers}) must be at least 1 and deadline ({deadline}) positive")
        self.workers = workers or min(_cores(), 32)
        self.deadline = deadline
        self.closed = False
        self._team: set[Process] = set()
        self._frozen: OrderedDict[int, tuple[Verifier, Frozen]] = OrderedDict()
        self._hung: OrderedDict[Key, Score] = OrderedDict()
        self._news: deque[tuple[Key, Score]] = deque(maxlen=NEWS)
        self._told = 0  # pieces of news so far
        self._reset()
        self._finalizer = weakref.finalize(self, _kill_all, self._team)
        _POOLS.add(self)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def score(self, verifier: Verifier, items: Mapping[K, tuple[Sample, Completion]]) -> dict[K, Score]:
        """The Score of every item under its key, in the order of `items`. Never raises for what an item does.

        Raises UnavailableError where worker processes cannot be started, RuntimeError where the pool is closed.
        """
        results = Job(self, verifier, None, items).run()
        return {key: result.score() if isinstance(result, PoolFailure) else result for key, result in results.items()}

    def call(self, verifier: Verifier, method: str, items: Mapping[K, tuple[Any, ...]]) -> dict[K, Any]:
        """`getattr(verifier, method)(*args)` of every item under its key: `classes`, `gold`, `ask`, `read`.

        Where it raised, ran past the deadline or killed its worker the value is a `PoolFailure`. Raises as `score` does.
        """
        return Job(self, verifier, method, items).run()

    def warm(self, verifier: Verifier | None = None) -> None:
        """Start all workers now, and have them load `verifier`. Returns at once; they get ready in the background."""
        team = []
        try:
            while (worker := self._take(block=False)) is not None:
                team.append(worker)
                if verifier is not None:
                    worker.load(self._freeze(verifier))
        finally:
            for worker in team:
                self._give(worker)

    def close(self) -> None:
        """Kill the workers. Calls under way in other threads end with RuntimeError."""
        with self._changed:
            self.closed = True
            for worker in self._idle:
                worker.kill()
                self._team.discard(worker)
            self._idle.clear()
            for worker in self._team:
                worker.signal()  # its caller sees the end of its socket and cleans up
            self._changed.notify_all()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._idle: list[Process] = []
        self._count = 0
        self.waiting = 0  # threads that have no worker yet

    def _forget(self) -> None:
        """In a forked child: the workers are the parent's."""
        for worker in self._team:
            worker.disown()
        self._team.clear()
        self._reset()

    def _freeze(self, verifier: Verifier) -> Frozen:
        with self._changed:
            held = self._frozen.get(id(verifier))
            if held is not None and held[0] is verifier:
                return held[1]
        frozen = freeze(verifier)
        with self._changed:
            self._frozen[id(verifier)] = (verifier, frozen)  # holding the object keeps its id its own
            if len(self._frozen) > 64:
                self._frozen.popitem(last=False)
        return frozen

    def _take(self, block: bool) -> Process | None:
        """A worker for the caller alone: an idle one, else a new one. None if there is none and `block` is false."""
        with self._changed:
            queued = False
            while True:
                if self.closed:
                    raise RuntimeError("the verifier pool is closed")
                if queued or not self.waiting:  # who has waited goes first
                    worker = self._idle_worker()
                    if worker is not None:
                        return worker
                    if self._count < self.workers:
                        self._count += 1
                        self._changed.notify()  # there may be room for the next in the queue too
                        break
                if not block:
                    return None
                queued = True
                self.waiting += 1
                try:
                    self._changed.wait()
                finally:
                    self.waiting -= 1
        try:
            worker = Process()
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._team.add(worker)
        return worker

    def _idle_worker(self) -> Process | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive():
                if self._idle:
                    self._changed.notify()  # one for the next in the queue too
                return worker
            self._drop(worker)
        return None

    def _give(self, worker: Process) -> None:
        with self._changed:
            if self.closed:
                self._drop(worker)
            else:
                self._idle.append(worker)
                self._changed.notify()

    def _drop(self, worker: Process) -> None:
        worker.kill()
        with self._changed:
            self._team.discard(worker)
            self._count -= 1
            self._changed.notify()

    def _tell(self, key: Key, score: Score, hung: bool = False) -> None:
        with self._changed:
            self._news.append((key, score))
            self._told += 1
            if hung:
                self._hung[key] = score
                if len(self._hung) > NEWS:
                    self._hung.popitem(last=False)

    def _news_for(self, worker: Process) -> list[tuple[Key, Score]]:
        with self._changed:
            missed, worker.told = self._told - worker.told, self._told
            return list(islice(self._news, max(0, len(self._news) - missed), None)) if missed else []


def default_pool() -> Pool:
    """The pool of this process, made when first asked for."""
    global _default
    with _LOCK:
        if _default is None or _default.closed:
            _default = Pool()
        return _default


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()
_LOCK = threading.Lock()
_default: Pool | None = None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _kill_all(team: set[Process]) -> None:
    for worker in list(team):
        worker.kill()
    team.clear()


def _after_fork() -> None:
    global _LOCK
    _LOCK = threading.Lock()
    for pool in list(_POOLS):
        pool._forget()


os.register_at_fork(after_in_child=_after_fork)
