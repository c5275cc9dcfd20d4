"""Micro-batching: rows wait in one queue, engine threads take length-sorted, token-budgeted batches from it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evalsuite.errors import EvalsuiteError, RequestError, UnavailableError
from evalsuite.models.vision import ImagePrompt

LINGER = 0.004  # seconds without a new request after which waiting ones are taken
LONGEST_LINGER = 0.25
EXPECTED_LINGER = 2.0  # seconds without a new request after which announced ones are no longer waited for


class Ticket:
    """One request: a future of the running event loop, resolved when the last of `missing` rows is finished.

    Cancelling the future drops the rows.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.missing = 0

    def done(self) -> bool:
        """Answered, failed or cancelled: its rows are of no use to anyone."""
        return self.future.done()


@dataclass(eq=False, slots=True)
class Row:
    """One row of a batch: token ids of the prompt (rows of one request share the list), and the room it needs after it.

    `images` is there where the prompt has any. Whoever works it off sets `finished`.
    """

    prompt: list[int]
    ticket: Ticket
    room: int
    images: ImagePrompt | None = None
    finished: bool = field(default=False, init=False)


@dataclass(slots=True)
class Budget:
    """How much goes into one batch: `rows`, `tokens` (rows times the longest prompt and room), `prefill` (prompt tokens)."""

    rows: int
    tokens: int
    prefill: int

    def halved(self, batch: Sequence[Row]) -> None:
        """Shrink to half of `batch`, which did not fit into memory."""
        self.rows = max(1, min(self.rows, len(batch) // 2))
        self.tokens = max(1, min(self.tokens, _cost(batch) // 2))


class Worker(Protocol):
    """What an engine thread drives; `decoding.Decoder` is one."""

    def run(self, rows: list[Any], done: Callable[[Sequence[Row]], None], halted: Callable[[], bool]) -> None: ...


def take(waiting: list[Row], budget: Budget) -> list[Row]:
    """Remove and return the next batch: rows of the first row's kind, while they fit the budget; always at least one.

    Rows with images and rows without are two kinds: a processor's batch has images in all its rows.

    Sorted so that rows of like length and room come together, longest first, which shows early whether memory suffices,
    and rows of one request side by side, so that they share a prefill.
    """
    turn: dict[int, int] = {}  # of each request, in the order of their coming: the same requests make the same batches
    for row in waiting:
        turn.setdefault(id(row.prompt), len(turn))
    waiting.sort(key=lambda r: (_kind(r), r.room, len(r.prompt), turn[id(r.prompt)]), reverse=True)
    first = waiting[0]
    batch: list[Row] = []
    longest = room = prompts = 0
    for row in waiting:
        new = not batch or row.prompt is not batch[-1].prompt
        longest, room = max(longest, len(row.prompt)), max(room, row.room)
        if batch and (
            _kind(row) != _kind(first)
            or len(batch) >= budget.rows
            or (len(batch) + 1) * (longest + room) > budget.tokens
            or (prompts + new) * longest > budget.prefill
        ):
            break
        batch.append(row)
        prompts += new
    del waiting[: len(batch)]
    return batch


class Engine:
    """Threads, one per worker, over one queue. Workers are made in their threads, so nothing waits for loading.

    A batch that does not fit into memory is tried again at half the size; a row that does not fit alone fails its
    request. Any other exception ends the engine: everyone who waits, and whoever comes later, gets UnavailableError.
    """

    def __init__(self, make: Callable[[int], tuple[Worker, Budget]], workers: int) -> None:
        self._make = make
        self._waiting: list[Row] = []
        self._open: set[Ticket] = set()
        self._change = threading.Condition()
        self._closing = threading.Event()
        self._failure: EvalsuiteError | None = None
        self._expected = 0
        self._threads = [
            threading.Thread(target=self._serve, args=(i,), daemon=True, name=f"engine-{i}") for i in range(workers)
        ]

    def expect(self, requests: int) -> None:
        """So many requests are about to be submitted at once: no batch is made before all are there, or none came for a while.

        Which rows share a batch is then no matter of timing, and equal requests give equal bits.
        """
        with self._change:
            self._expected = requests

    def submit(self, rows: Iterable[Row], ticket: Ticket) -> None:
        """Queue the rows of one request."""
        rows = list(rows)
        ticket.missing = len(rows)
        with self._change:
            if self._failure is not None:
                raise self._failure
            if self._closing.is_set():
                raise UnavailableError("the model is closed")
            self._open.add(ticket)
            self._waiting += rows
            self._expected = max(0, self._expected - 1)
            if self._threads[0].ident is None:
                for thread in self._threads:
                    thread.start()
            self._change.notify_all()

    def stop(self) -> None:
        """Stop after the current decode step and cancel what is not finished. Idempotent."""
        with self._change:
            self._closing.set()
            self._waiting.clear()
            tickets, self._open = self._open, set()
            self._change.notify_all()
        _settle(tickets, lambda ticket: ticket.future.cancel())
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(timeout=30)

    def _serve(self, index: int) -> None:
        try:
            worker, budget = self._make(index)
            while batch := self._next(budget):
                try:
                    worker.run(batch, self._finish, self._closing.is_set)
                except (RuntimeError, MemoryError) as error:
                    if not _out_of_memory(error):
                        raise
                    self._retry(batch, budget, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may be left waiting
            self._fail(error)

    def _next(self, budget: Budget) -> list[Row]:
        """The next batch, waiting for one; empty at the end."""
        with self._change:
            while not self._closing.is_set() and self._failure is None:
                self._waiting = [row for row in self._waiting if not row.ticket.done()]
                if self._waiting:
                    self._linger(budget)
                    if self._waiting:
                        return take(self._waiting, budget)
                else:
                    self._change.wait()
            return []

    def _linger(self, budget: Budget) -> None:
        """Let a burst of requests arrive before a small batch is made of its first ones. Called with the lock held."""
        arrived = time.monotonic()
        end = arrived + LONGEST_LINGER
        seen = -1
        while not self._closing.is_set():
            now = time.monotonic()
            if seen != len(self._waiting):
                arrived = now
            if now - arrived > EXPECTED_LINGER:
                self._expected = 0
            if not self._expected and (seen == len(self._waiting) or len(self._waiting) >= budget.rows or now > end):
                return
            seen = len(self._waiting)
            self._change.release()
            try:
                time.sleep(LINGER)
            finally:
                self._change.acquire()

    def _finish(self, rows: Sequence[Row]) -> None:
        complete = []
        with self._change:
            for row in rows:
                row.ticket.missing -= 1
                if not row.ticket.missing:
                    complete.append(row.ticket)
            self._open.difference_update(complete)
        _settle(complete, lambda ticket: ticket.future.set_result(None))

    def _retry(self, batch: list[Row], budget: Budget, error: Exception) -> None:
        _free_memory()
        if len(batch) == 1:
            ticket, size = batch[0].ticket, f"a prompt of {len(batch[0].prompt)} tokens with room for {batch[0].room} more"
            told = RequestError(f"{size} does not fit into memory: {error}")
            with self._change:
                self._open.discard(ticket)
            _settle([ticket], lambda ticket: ticket.future.set_exception(told))
            return
        budget.halved(batch)
        with self._change:
            # A row that was finished has been counted already.
            self._waiting += [row for row in batch if not row.finished]
            self._change.notify_all()

    def _fail(self, error: Exception) -> None:
        told = (
            error
            if isinstance(error, EvalsuiteError)
            else UnavailableError(f"the engine failed: {type(error).__name__}: {error}")
        )
        told.__cause__ = None if told is error else error
        with self._change:
            self._failure = self._failure or told
            tickets, self._open = self._open, set()
            self._waiting.clear()
            self._change.notify_all()
        _settle(tickets, lambda ticket: ticket.future.set_exception(told))


def _settle(tickets: Iterable[Ticket], how: Callable[[Ticket], object]) -> None:
    """Resolve futures in their own loops: one wake-up per loop, since each costs a hand-over of the interpreter lock."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Ticket]] = {}
    for ticket in tickets:
        by_loop.setdefault(ticket.loop, []).append(ticket)

    def settle(mine: list[Ticket]) -> None:
        for ticket in mine:
            if not ticket.future.done():
                how(ticket)

    for loop, mine in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, mine)


def _kind(row: Row) -> tuple[str, bool]:
    return type(row).__name__, row.images is not None


def _cost(batch: Sequence[Row]) -> int:
    return len(batch) * (max(len(r.prompt) for r in batch) + max(r.room for r in batch))


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
        or "not enough memory" in text
    )


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
