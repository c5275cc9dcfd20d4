"""The loop: sample -> prompt -> model -> verifier -> log. What is logged is never asked again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import os
import signal
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evalsuite.errors import BudgetError, EvalsuiteError, IncompleteError, RequestError, UnavailableError, UsageError
from evalsuite.models.base import Model
from evalsuite.plan import Plan, requests
from evalsuite.progress import Progress
from evalsuite.runlog import LogWriter, RunDir
from evalsuite.runlog.media import Media
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.pool import Pool
from evalsuite.words.completion import Completion, Request, sample_seed
from evalsuite.words.score import Score

if TYPE_CHECKING:
    from evalsuite.verifiers.judging import ReplyCache

Key = tuple[str, int]  # (sample id, sample index)

_BATCH = 256  # completions handed to the pool at once
_BACKLOG = 4096  # completions that may wait for a verifier before generation pauses
_HOPELESS = 32  # this many failed requests and not one answer: the rest would fail too


@dataclass(frozen=True, slots=True)
class Cell:
    """What aggregates need to know of one sample; the completion itself stays on disk."""

    value: float | None
    outcome: str
    answer: str | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    tokens: int | None = None
    prompt_tokens: int | None = None
    cost: float | None = None
    note: str = ""

    @classmethod
    def of(cls, score: Score, completion: Completion | None) -> Cell:
        """From a Score and its Completion (None where the request failed)."""
        return cls(
            value=score.value,
            outcome=score.outcome,
            answer=score.answer,
            parts=score.parts,
            tokens=completion.completion_tokens if completion is not None else None,
            prompt_tokens=completion.prompt_tokens if completion is not None else None,
            cost=completion.cost if completion is not None else None,
            note=score.feedback if score.value is None else "",
        )


class TaskState:
    """What is known of one task of a run: cells by (sample id, index), and completions that still need a Score."""

    def __init__(self, plan: Plan, run_dir: RunDir) -> None:
        self.plan = plan
        self.samples = {s.id: s for s in plan.samples}
        self.cells: dict[Key, Cell] = {}
        self.unscored: dict[Key, Completion] = {}
        self.starved: dict[Key, Completion] = {}  # timeouts that may be the machine's fault, and have a second try
        for row in run_dir.rows(plan.name):
            try:
                self._take(row)
            except (KeyError, TypeError, ValueError) as error:
                raise UsageError(
                    f"{run_dir.path}: the log of {plan.name} has a row that is not a sample's ({error!r})"
                ) from None
        self.writer: LogWriter = run_dir.writer(plan.name)
        self.media = Media(run_dir.path)

    def _take(self, row: Mapping[str, Any]) -> None:
        key = (row["id"], row["i"])
        for held in (self.cells, self.unscored, self.starved):
            held.pop(key, None)
        if "completion" not in row or key[0] not in self.samples:
            return  # a failed request is asked again
        completion = Completion.from_dict(row["completion"])
        score = Score.from_dict(row["score"]) if "score" in row else None
        if score is None or score.value is None:
            self.unscored[key] = completion  # a verifier or judge of ours failed, or never ran: only that is done again
        else:
            self._count(key, completion, score)

    def _count(self, key: Key, completion: Completion | None, score: Score) -> None:
        self.cells[key] = Cell.of(score, completion)
        self.starved.pop(key, None)
        if completion is not None and score.parts.get("starved") and not score.parts.get("retried"):
            self.starved[key] = completion

    def done(self) -> dict[str, set[int]]:
        """Sample indices that need no request, by sample id."""
        have: dict[str, set[int]] = {}
        for sample_id, index in (*self.cells, *self.unscored):
            have.setdefault(sample_id, set()).add(index)
        return have

    def never_shrink(self) -> str:
        """Count every sample that all questions have, also when fewer are asked for; says so if that is the case."""
        have, asked = self.done(), self.plan.sampling.repeats
        held = min((next(i for i in itertools.count() if i not in have.get(s, ())) for s in self.samples), default=0)
        if held <= asked:
            return ""
        self.plan = dataclasses.replace(self.plan, sampling=dataclasses.replace(self.plan.sampling, repeats=held))
        return (
            f"{self.plan.label}: this run already has {held} samples per question, so all {held} count (--fresh starts anew)."
        )

    def log(self, scored: Mapping[Key, tuple[Completion | None, Score | None]]) -> None:
        """Append these results; a Score of None means that only the completion is known yet."""
        rows = []
        for (sample_id, index), (completion, score) in scored.items():
            seed = sample_seed(self.plan.seed, self.plan.name, sample_id, index)
            row: dict[str, Any] = {"id": sample_id, "i": index, "seed": seed}
            if completion is not None:
                row["completion"] = said = completion.to_dict()
                if completion.tool_trace:  # its images lie beside the log, not in it
                    said["tool_trace"] = self.media.of_trace(completion.tool_trace)
            if score is not None:
                row["score"] = score.to_dict()
            rows.append(row)
        self.writer.append(rows)
        for key, (completion, score) in scored.items():  # what is not on disk does not count
            if score is not None:
                self._count(key, completion, score)


class Runner:
    """Drives one model over the tasks of one run directory.

    `max_errors` is not judged here: the loop finishes what it can and the caller decides. It stops early only when
    nothing can succeed (`UnavailableError`, settings that the backend refuses, a spent budget, a full disk, nothing but
    failures) and raises the reason
    after everything finished has been logged.
    """

    def __init__(
        self,
        model: Model,
        states: list[TaskState],
        pool: Pool,
        progress: Progress,
        judge: Model | None = None,
        replies: ReplyCache | None = None,
    ) -> None:
        self.model, self.states, self.pool, self.progress = model, states, pool, progress
        self.judge, self.replies = judge, replies
        self._queue: asyncio.Queue[tuple[TaskState, Key, Completion]] = asyncio.Queue(_BACKLOG)
        self._pending: dict[tuple[str, Key], tuple[TaskState, Completion]] = {}
        self._stop: EvalsuiteError | None = None
        self._failed = self._answered = 0
        self._threads = ThreadPoolExecutor(max(2, pool.workers), thread_name_prefix="evalsuite-score")

    async def go(self) -> None:
        """Ask, verify and log everything that is missing."""
        for state in self.states:
            self.progress.start(state.plan.label, state.plan.sampling.repeats * len(state.samples), state.cells.values())
            self.model.prepare(state.plan.task, state.plan.samples)
        scorers = [asyncio.create_task(self._score()) for _ in range(max(2, self.pool.workers))]
        todo = self._todo()
        most = sum(len(s.samples) * s.plan.sampling.repeats for s in self.states)
        in_flight = min(self.model.concurrency, most)
        askers = [asyncio.create_task(self._ask(todo)) for _ in range(in_flight)]
        askers.append(asyncio.create_task(self._rescore()))
        try:
            await _all(askers, scorers)
            await _all([asyncio.create_task(self._queue.join())], scorers)
            await self._retry_starved()
        finally:
            for task in (*askers, *scorers):
                task.cancel()
            await asyncio.gather(*askers, *scorers, return_exceptions=True)
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._keep_unscored()
            for state in self.states:
                state.writer.close()
        if self._stop is not None:
            raise self._stop

    def _todo(self) -> Iterator[tuple[TaskState, Request]]:
        for state in self.states:
            for request in requests(state.plan, state.done(), self.model.one_by_one):
                yield state, request

    async def _rescore(self) -> None:
        for state in self.states:
            for key, completion in list(state.unscored.items()):
                await self._put(state, key, completion)

    async def _put(self, state: TaskState, key: Key, completion: Completion) -> None:
        self._pending[state.plan.name, key] = (state, completion)
        await self._queue.put((state, key, completion))

    async def _ask(self, todo: Iterator[tuple[TaskState, Request]]) -> None:
        for state, request in todo:
            if self._stop is not None:
                return
            keys = [(request.sample_id, i) for i in request.indices]
            try:
                completions = await self.model.generate(request)
                if len(completions) != request.n:
                    raise RequestError(f"{self.model.name} gave {len(completions)} completions, {request.n} were asked for")
            except (UnavailableError, BudgetError, UsageError) as error:
                self._stop = error
                return
            except Exception as error:  # noqa: BLE001 - one sample's failure must not cost the others
                self._fail(state, keys, error)
                continue
            self._answered += 1
            for key, completion in zip(keys, completions):
                await self._put(state, key, completion)

    def _fail(self, state: TaskState, keys: list[Key], error: Exception) -> None:
        text = str(error) if isinstance(error, EvalsuiteError) else f"{type(error).__name__}: {error}"
        score = Score(None, "error", feedback=text[:500])
        self._log(state, {key: (None, score) for key in keys})
        self._failed += 1
        if self._failed >= _HOPELESS and not self._answered and self._stop is None:
            self._stop = IncompleteError(f"the first {self._failed} requests all failed; the last one: {text}")

    async def _score(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            groups: dict[str, list[tuple[TaskState, Key, Completion]]] = {}
            for entry in batch:
                groups.setdefault(entry[0].plan.name, []).append(entry)
            for group in groups.values():
                state = group[0][0]
                completions = {key: completion for _, key, completion in group}
                scores = await self._verify(state, completions)
                self._log(state, {key: (completions[key], scores[key]) for key in completions})
                for key in completions:
                    del self._pending[state.plan.name, key]
            for _ in batch:
                self._queue.task_done()

    async def _verify(self, state: TaskState, completions: Mapping[Key, Completion]) -> Mapping[Key, Score]:
        verifier = state.plan.task.verifier
        items = {key: (state.samples[key[0]], completion) for key, completion in completions.items()}
        if isinstance(verifier, ModelVerifier) and self.judge is not None:
            from evalsuite.verifiers.judging import judge_items

            return await judge_items(verifier, items, self.judge, self.pool, cache=self.replies)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.pool.score, verifier, items)

    async def _retry_starved(self) -> None:
        """Programs that timed out for want of CPU time are run once more, one at a time and nothing beside them."""
        again = [(state, key, completion) for state in self.states for key, completion in state.starved.items()]
        if again:
            self.progress.note(f"{len(again)} starved timeout{'s' * (len(again) > 1)} tried again, alone")
        for state, key, completion in again:
            score = (await self._verify(state, {key: completion}))[key]
            state.log({key: (completion, dataclasses.replace(score, parts={**score.parts, "retried": 1.0}))})

    def _log(self, state: TaskState, scored: Mapping[Key, tuple[Completion | None, Score | None]]) -> None:
        state.log(scored)
        self.progress.advance(state.plan.label, [state.cells[key] for key in scored])

    def _keep_unscored(self) -> None:
        """Completions that no verifier has seen yet are logged as they are: the next run only verifies them."""
        for (_, key), (state, completion) in self._pending.items():
            if key not in state.unscored:  # what came from the log is there already
                with contextlib.suppress(IncompleteError):  # a full disk is reported by whoever met it first
                    state.log({key: (completion, None)})
        self._pending.clear()


async def _all(tasks: list[asyncio.Task[Any]], watched: list[asyncio.Task[Any]]) -> None:
    """Wait for `tasks`; an exception in them or in `watched` is raised at once."""
    waiting = set(tasks)
    while waiting:
        done, _ = await asyncio.wait({*waiting, *watched}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
            waiting.discard(task)


def run_async(main: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run` that also works inside a running loop (a notebook): then in a thread of its own.

    SIGTERM ends a run as Ctrl-C does: what is finished is logged, then KeyboardInterrupt.
    """
    try:
        outer = asyncio.current_task(asyncio.get_running_loop())
    except RuntimeError:
        return _run_here(main)
    loop = asyncio.new_event_loop()
    inner = loop.create_task(main)
    thread = threading.Thread(target=_run_to_end, args=(loop, inner), name="evalsuite-run")
    thread.start()
    try:
        # asyncio turns Ctrl-C into a cancelled task that cannot notice while this call blocks its loop: look for it.
        while thread.is_alive() and not (outer is not None and outer.cancelling()):
            thread.join(0.1)
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(inner.cancel)
            thread.join()
        loop.close()
    if inner.cancelled():
        raise KeyboardInterrupt
    return inner.result()


def _run_here(main: Coroutine[Any, Any, Any]) -> Any:
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(main)
    before = signal.getsignal(signal.SIGTERM)

    async def with_sigterm() -> Any:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os.kill, os.getpid(), signal.SIGINT)
        return await main

    try:
        return asyncio.run(with_sigterm())
    finally:
        signal.signal(signal.SIGTERM, before)


def _run_to_end(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    with contextlib.suppress(BaseException):  # kept in the task, for whoever waits
        loop.run_until_complete(task)
    loop.run_until_complete(loop.shutdown_asyncgens())
