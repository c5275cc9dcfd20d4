"""Batches keep their budget and lose no row; memory, failures and closing leave nobody waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import RequestError, UnavailableError
from evalsuite.models.batching import Budget, Engine, Row, Ticket, take

WAIT = 20.0  # seconds after which a test that hangs fails


class Other(Row):
    """A second kind of row."""


def row(ticket: Ticket | None = None, length: int = 3, room: int = 2, kind: type[Row] = Row) -> Row:
    return kind(prompt=list(range(length)), ticket=ticket, room=room)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4), st.booleans()), min_size=1, max_size=25),
    st.integers(1, 12),
    st.integers(1, 300),
    st.integers(1, 100),
)
def test_every_row_is_taken_once_and_budgets_hold(
    sizes: list[tuple[int, int, int, bool]], rows: int, tokens: int, prefill: int
) -> None:
    waiting: list[Row] = []
    for length, room, n, other in sizes:
        prompt = list(range(length))
        waiting += [(Other if other else Row)(prompt=prompt, ticket=None, room=room) for _ in range(n)]
    everything = set(map(id, waiting))
    keep = list(waiting)
    seen: list[int] = []
    while waiting:
        batch = take(waiting, Budget(rows, tokens, prefill))
        assert batch
        assert len({type(r) for r in batch}) == 1
        seen += map(id, batch)
        longest = max(len(r.prompt) for r in batch)
        if len(batch) > 1:
            assert len(batch) <= rows
            assert len(batch) * (longest + max(r.room for r in batch)) <= tokens
        distinct = len({id(r.prompt) for r in batch})
        if distinct > 1:
            assert distinct * longest <= prefill
    assert len(seen) == len(keep) and set(seen) == everything


class Worker:
    """Finishes rows, unless `before(rows)` raises."""

    def __init__(self, before: Callable[[list[Row]], None]) -> None:
        self.before = before
        self.batches: list[int] = []

    def run(self, rows: list[Row], done: Callable[[list[Row]], None], halted: Callable[[], bool]) -> None:
        self.batches.append(len(rows))
        self.before(rows)
        for r in rows:
            r.finished = True
        done(rows)


def drive(worker: Worker, requests: int, rows: int = 1, length: int = 3, workers: int = 1) -> list[object]:
    """What each request came to."""
    engine = Engine(lambda index: (worker, Budget(1000, 10_000, 10_000)), workers)

    async def one() -> None:
        ticket = Ticket()
        engine.submit([row(ticket, length) for _ in range(rows)], ticket)
        await ticket.future

    async def go() -> list[object]:
        return await asyncio.wait_for(asyncio.gather(*(one() for _ in range(requests)), return_exceptions=True), WAIT)

    try:
        return asyncio.run(go())
    finally:
        engine.stop()


def test_a_burst_becomes_one_batch() -> None:
    worker = Worker(lambda rows: None)
    assert drive(worker, 50, rows=4) == [None] * 50
    assert worker.batches == [200]


def test_threads_share_the_queue() -> None:
    threads = set()

    def before(rows: list[Row]) -> None:
        threads.add(threading.current_thread().name)
        time.sleep(0.05)

    worker = Worker(before)
    engine = Engine(lambda index: (worker, Budget(1, 100, 100)), 2)

    async def go() -> None:
        ticket = Ticket()
        engine.submit([row(ticket) for _ in range(6)], ticket)
        await asyncio.wait_for(ticket.future, WAIT)

    asyncio.run(go())
    engine.stop()
    assert threads == {"engine-0", "engine-1"}


def test_out_of_memory_halves_the_batch_until_it_fits() -> None:
    def before(rows: list[Row]) -> None:
        if len(rows) > 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate 1 GiB")

    worker = Worker(before)
    assert drive(worker, 20) == [None] * 20
    assert worker.batches[:4] == [20, 10, 5, 2]
    assert sum(b for b in worker.batches if b <= 3) == 20


def test_a_row_too_large_alone_fails_only_its_request() -> None:
    def before(rows: list[Row]) -> None:
        if any(len(r.prompt) > 5 for r in rows):
            raise MemoryError("cannot allocate")

    engine = Engine(lambda index: (Worker(before), Budget(8, 10_000, 10_000)), 1)

    async def one(length: int) -> None:
        ticket = Ticket()
        engine.submit([row(ticket, length)], ticket)
        await ticket.future

    async def go() -> list[object]:
        return await asyncio.wait_for(asyncio.gather(one(3), one(9), one(4), return_exceptions=True), WAIT)

    small, large, other = asyncio.run(go())
    engine.stop()
    assert small is None and other is None
    assert isinstance(large, RequestError) and "9 tokens" in str(large)


def test_any_other_failure_reaches_all_who_wait_and_come_later() -> None:
    def before(rows: list[Row]) -> None:
        raise IndexError("index out of range in self")

    engine = Engine(lambda index: (Worker(before), Budget(2, 100, 100)), 2)

    async def one() -> None:
        ticket = Ticket()
        engine.submit([row(ticket)], ticket)
        await ticket.future

    async def go() -> list[object]:
        return await asyncio.wait_for(asyncio.gather(*(one() for _ in range(9)), return_exceptions=True), WAIT)

    told = asyncio.run(go())
    assert all(isinstance(e, UnavailableError) and "index out of range" in str(e) for e in told)
    with pytest.raises(UnavailableError, match="index out of range"):
        asyncio.run(one())
    engine.stop()


def test_stopping_cancels_what_runs_and_what_waits() -> None:
    started = threading.Event()

    class Slow(Worker):
        def run(self, rows: list[Row], done: Callable[[list[Row]], None], halted: Callable[[], bool]) -> None:
            started.set()
            while not halted():
                time.sleep(0.005)

    engine = Engine(lambda index: (Slow(lambda rows: None), Budget(1, 100, 100)), 1)

    async def one() -> None:
        ticket = Ticket()
        engine.submit([row(ticket)], ticket)
        await ticket.future

    async def go() -> list[object]:
        tasks = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.to_thread(started.wait, WAIT)
        await asyncio.to_thread(engine.stop)
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT)

    assert all(isinstance(e, asyncio.CancelledError) for e in asyncio.run(go()))
    assert not any(t.name.startswith("engine-") for t in threading.enumerate())
    with pytest.raises(UnavailableError, match="closed"):
        asyncio.run(one())


def test_cancelled_requests_are_not_worked_on() -> None:
    worker = Worker(lambda rows: time.sleep(0.1))
    engine = Engine(lambda index: (worker, Budget(1, 100, 100)), 1)

    async def go() -> None:
        first, second, third = Ticket(), Ticket(), Ticket()
        for ticket in (first, second, third):
            engine.submit([row(ticket)], ticket)
        second.future.cancel()
        await asyncio.wait_for(asyncio.gather(first.future, third.future), WAIT)

    asyncio.run(go())
    engine.stop()
    assert len(worker.batches) == 2
