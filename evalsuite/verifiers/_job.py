"""One call of `Pool.score` or `Pool.call`: drives workers from the calling thread."""

from __future__ import annotations

import selectors
import signal
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evalsuite.verifiers._process import Item, Process
from evalsuite.verifiers._wire import PoolFailure
from evalsuite.verifiers.base import Verifier

if TYPE_CHECKING:
    from evalsuite.verifiers.pool import Pool

BATCH = 32  # items sent to a worker at once, fewer where one takes so long that a batch would exceed
BATCH_SECONDS = 1.0  # before other threads get their turn
START = 120.0  # seconds a worker may take to start and to load the verifier; never charged to an answer
STARTS = 3  # failed starts after which a call gives up


class Job:
    """One call of `score` or `call`: its items, and the workers that it holds at the moment."""

    def __init__(self, pool: Pool, verifier: Verifier, method: str | None, items: Mapping[Any, tuple[Any, ...]]) -> None:
        self.pool, self.verifier, self.method = pool, verifier, method
        self.deadline = verifier.deadline or pool.deadline
        self.keys = list(items)
        self.todo = deque(Item(key, tuple(args)) for key, args in items.items())
        self.alone: list[Item] = []
        self.results: dict[Any, Any] = {}
        self.held: set[Process] = set()
        self.pace = BATCH_SECONDS / BATCH  # seconds per item, a moving average
        self.failed_starts = 0

    def run(self) -> dict[Any, Any]:
        if not self.todo:
            return {}
        self.frozen = self.pool._freeze(self.verifier)
        with selectors.DefaultSelector() as self.selector:
            try:
                while self.todo or self.alone or self.held:
                    self.hire()
                    self.wait()
            finally:
                for worker in list(self.held):  # left early, by Ctrl-C or a closed pool: what they are doing is unknown
                    self.release(worker, healthy=False)
        return {key: self.results[key] for key in self.keys}

    def hire(self) -> None:
        while self.todo or self.alone:
            worker = self.pool._take(block=not self.held)
            if worker is None:
                return
            self.held.add(worker)
            self.selector.register(worker.socket, selectors.EVENT_READ, worker)
            self.assign(worker)

    def assign(self, worker: Process) -> None:
        if self.alone:
            batch = [self.alone.pop()]
        else:
            # Fewer at a time towards the end, so that the last slow ones spread over all workers.
            size = max(1, min(BATCH, len(self.todo) // (2 * self.pool.workers), int(BATCH_SECONDS / self.pace)))
            batch = [self.todo.popleft() for _ in range(min(size, len(self.todo)))]
        worker.batch.extend(batch)
        worker.begun, worker.key, worker.since = False, None, time.monotonic()
        worker.load(self.frozen)
        worker.post("run", self.frozen.digest, self.method, self.pool._news_for(worker), [item.args for item in batch])
        self.watch(worker)

    def watch(self, worker: Process) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.flush() else 0)
        if self.selector.get_key(worker.socket).events != events:
            self.selector.modify(worker.socket, events, worker)

    def wait(self) -> None:
        now = time.monotonic()
        nearest = min((self.limit(worker) for worker in self.held), default=now)
        for ready, events in self.selector.select(max(0.0, nearest - now)):
            if events & selectors.EVENT_WRITE:
                self.watch(ready.data)
            if events & selectors.EVENT_READ:
                self.listen(ready.data)
        now = time.monotonic()
        for worker in [w for w in self.held if self.limit(w) <= now]:
            # What has arrived counts, however late this thread came to read it.
            if not self.listen(worker):
                self.expire(worker)

    def limit(self, worker: Process) -> float:
        return worker.since + (self.deadline if worker.begun else START)

    def listen(self, worker: Process) -> bool:
        """Take in what has arrived. Returns whether anything had."""
        try:
            messages = worker.receive()
        except BlockingIOError:
            return False
        if messages is None:
            self.died(worker)
            return True
        for kind, *rest in messages:
            if worker not in self.held:
                break
            now = time.monotonic()
            if kind == "done":
                self.pace += 0.1 * (now - worker.since - self.pace)
            if kind != "key":  # the key is the item's own work
                worker.since = now
            getattr(self, f"on_{kind}")(worker, *rest)
        return True

    def on_begin(self, worker: Process) -> None:
        worker.begun = True

    def on_import(self, worker: Process) -> None:
        """Time spent on a first import is not the answer's: the clock has been set back."""

    def on_retire(self, worker: Process) -> None:
        worker.retiring = True

    def on_key(self, worker: Process, key: bytes) -> None:
        worker.key = key
        hung = self.pool._hung.get((self.frozen.digest, key))
        if hung is not None:  # another worker has been through this one meanwhile
            self.settle(worker, hung)

    def on_done(self, worker: Process, result: Any, slow_key: bytes | None) -> None:
        worker.key = None
        self.results[worker.batch.popleft().key] = result
        if slow_key is not None:
            self.pool._tell((self.frozen.digest, slow_key), result)
        if not worker.batch:
            if worker.retiring or self.pool.waiting or not (self.todo or self.alone):
                self.release(worker, healthy=not worker.retiring)
            else:
                self.assign(worker)

    def on_broken(self, worker: Process, text: str) -> None:
        """The verifier, or this batch, cannot be loaded."""
        for item in worker.batch:
            self.results[item.key] = PoolFailure("error", text)
        worker.batch.clear()
        self.release(worker)

    def expire(self, worker: Process) -> None:
        if worker.begun:
            text = f"no verdict within {self.deadline:g} s; the verifier process was killed"
            self.settle(worker, self.bury(worker, PoolFailure("timeout", text)))
        else:
            self.no_start(worker, f"was not ready within {START:g} s")

    def died(self, worker: Process) -> None:
        status = worker.reap()
        if not worker.begun:
            self.no_start(worker, f"ended ({_status(status)})")
            return
        item = worker.batch[0]
        item.deaths += 1
        if item.deaths > 1:
            text = f"the verifier process died under this answer, twice ({_status(status)})"
            self.settle(worker, self.bury(worker, PoolFailure("timeout", text)))
        else:
            self.alone.append(worker.batch.popleft())
            self.abandon(worker)

    def bury(self, worker: Process, failure: PoolFailure) -> PoolFailure:
        if worker.key is not None:
            self.pool._tell((self.frozen.digest, worker.key), failure.score(), hung=True)
        return failure

    def settle(self, worker: Process, result: Any) -> None:
        """Decide the item that a worker is at, and replace the worker."""
        self.results[worker.batch.popleft().key] = result
        self.abandon(worker)

    def no_start(self, worker: Process, what: str) -> None:
        self.failed_starts += 1
        self.abandon(worker)
        if self.failed_starts >= STARTS:
            text = f"the worker process {what} before it had loaded verifier {self.verifier.name!r}; its messages are on stderr"
            for item in (*self.todo, *self.alone):
                self.results[item.key] = PoolFailure("error", text)
            self.todo.clear()
            self.alone.clear()

    def abandon(self, worker: Process) -> None:
        self.todo.extendleft(reversed(worker.batch))
        worker.batch.clear()
        self.release(worker, healthy=False)

    def release(self, worker: Process, healthy: bool = True) -> None:
        self.selector.unregister(worker.socket)
        self.held.discard(worker)
        if healthy:
            self.pool._give(worker)
        else:
            self.pool._drop(worker)


def _status(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
