"""A judge model on an event loop of its own, asked from any thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Hashable, Mapping
from typing import TypeVar

from evalsuite.models.base import Model
from evalsuite.verifiers.base import ModelVerifier
from evalsuite.verifiers.judging import judge_items
from evalsuite.verifiers.pool import Pool
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

K = TypeVar("K", bound=Hashable)


class JudgeThread:
    """Keeps one loop, and with it the judge's connections, for as long as the judge is needed. Thread-safe.

    The loop starts with the first call, in a daemon thread; a forked child starts its own.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def score(self, verifier: ModelVerifier, items: Mapping[K, tuple[Sample, Completion]], pool: Pool) -> dict[K, Score]:
        """`judge_items` with this judge. Replies are not kept: a policy seldom says the same twice. Raises as it does."""
        future = asyncio.run_coroutine_threadsafe(judge_items(verifier, items, self.model, pool), self._running())
        try:
            return future.result()
        finally:
            future.cancel()  # Ctrl-C here must not leave requests behind; without effect once it is done

    def close(self) -> None:
        """Release the judge and end its thread."""
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is None or self._pid != os.getpid():
                return
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    async def _end(self) -> None:
        """Cancel what is under way, so that whoever waits for it is told, and release the judge."""
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self.model.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(target=self._loop.run_forever, name="evalsuite-judge", daemon=True)
                self._thread.start()
            return self._loop
