"""A verifier process, started by the pool with `python -m evalsuite.verifiers._worker SOCKET LIFELINE PYTHONPATH`.

It answers on its own socket, so that a verifier may print, and dies with its parent: the lifeline pipe ends when the last
copy of the parent's end is closed, whichever way the parent went.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

from evalsuite.verifiers._wire import HEADER, PoolFailure, digest, frame
from evalsuite.verifiers.base import Verifier, failed, run_verifier
from evalsuite.words.score import Score

MEMORY = 4 << 30  # bytes of private writable memory; past it the answer meets a MemoryError, not the machine its end
RETIRE = 2 << 30  # bytes of peak residence after which the pool replaces the process: sympy's caches only grow
CACHE = 16_384  # Scores kept
SLOW = 0.1  # seconds; a Score that took longer is told to the other workers


def main() -> None:
    """Serve until the parent goes away."""
    channel, lifeline = int(sys.argv[1]), int(sys.argv[2])
    os.environ.pop("PYTHONPATH", None)
    if sys.argv[3]:
        os.environ["PYTHONPATH"] = sys.argv[3]
    for fd in (channel, lifeline):
        os.set_inheritable(fd, False)  # a program that a verifier starts must not keep them open
    _die_with(lifeline)
    _limit_memory()
    # A verifier that calls another is in the right process already.
    Verifier.__call__ = run_verifier  # type: ignore[method-assign,assignment]
    Worker(socket.socket(fileno=channel)).serve()


class Worker:
    """Runs batches one after the other and says, before and after each item, where it is."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._stream = channel.makefile("rb", buffering=1 << 16)
        self._verifiers: dict[bytes, Verifier | PoolFailure] = {}
        self._known: OrderedDict[tuple[bytes, bytes], Score] = OrderedDict()

    def serve(self) -> None:
        """Messages in: `load` a verifier, `run` a batch. Out: broken, begin, key, import, retire, done."""
        sys.meta_path.insert(0, _Imports(self))
        while header := self._stream.read(HEADER.size):
            body = self._stream.read(HEADER.unpack(header)[0])
            try:
                kind, name, *rest = pickle.loads(body)
            except Exception as error:  # noqa: BLE001 - the batch holds something that exists only in the parent
                self.say("broken", f"the items could not be read in a worker: {type(error).__name__}: {error}")
            else:
                getattr(self, f"_{kind}")(name, *rest)

    def say(self, *message: Any) -> None:
        """One message to the parent."""
        try:
            data = frame(message)
        except Exception as error:  # noqa: BLE001 - a result that no pickle can carry
            data = frame(("done", PoolFailure("error", f"the result cannot be pickled: {type(error).__name__}: {error}"), None))
        self._channel.sendall(data)

    def _load(self, name: bytes, path: tuple[str, ...], payload: bytes) -> None:
        sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
        try:
            self._verifiers[name] = pickle.loads(payload)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - reported for every item of this verifier
            text = f"the verifier could not be loaded in a worker: {type(error).__name__}: {error}"
            self._verifiers[name] = PoolFailure("error", text)

    def _run(self, name: bytes, method: str | None, news: list[tuple[Any, Score]], batch: list[tuple[Any, ...]]) -> None:
        verifier = self._verifiers[name]
        if isinstance(verifier, PoolFailure):
            self.say("broken", verifier.message)
            return
        for key, score in news:
            self._remember(key, score)
        self.say("begin")
        for number, args in enumerate(batch, 1):
            result, key = self._score(name, verifier, *args) if method is None else self._call(verifier, method, args)
            if number == len(batch) and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT > RETIRE:
                self.say("retire")
            self.say("done", result, key)

    def _score(self, name: bytes, verifier: Verifier, sample: Any, completion: Any) -> tuple[Score, bytes | None]:
        start = time.perf_counter()
        key = None
        try:
            if not completion.truncated:  # a cut-off answer shares nothing with a finished one
                plain = verifier.key(sample, completion)
                key = None if plain is None else digest(pickle.dumps(plain))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the verifier's own bug, shown as one
            return failed(error), None
        if key is None:
            return run_verifier(verifier, sample, completion), None
        known = self._known.get((name, key))
        if known is not None:
            self._known.move_to_end((name, key))
            return known, None
        self.say("key", key)
        score = run_verifier(verifier, sample, completion)
        if score.outcome == "error" or score.parts.get("starved"):
            return score, None  # not the answer's doing, and it may not happen again
        self._remember((name, key), score)
        return score, key if time.perf_counter() - start > SLOW else None

    def _remember(self, key: tuple[bytes, bytes], score: Score) -> None:
        self._known[key] = score
        if len(self._known) > CACHE:
            self._known.popitem(last=False)

    def _call(self, verifier: Verifier, method: str, args: tuple[Any, ...]) -> tuple[Any, None]:
        try:
            return getattr(verifier, method)(*args), None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes this item's PoolFailure
            score = failed(error)
            return PoolFailure("timeout" if score.outcome == "timeout" else "error", score.feedback), None


class _Imports:
    """Tells the parent when a module is met for the first time, so that importing sympy is not charged to the answer.

    Each name counts once: an answer cannot stretch its deadline by an import that fails again and again.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker, self._met, self._told = worker, set[str](), 0.0

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name not in self._met and threading.current_thread() is threading.main_thread():
            self._met.add(name)
            now = time.monotonic()
            if now - self._told > 0.05:
                self._told = now
                self._worker.say("import")


_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


def _die_with(lifeline: int) -> None:
    """Have the whole process group killed when the pipe ends.

    On Linux the kernel does it by itself, so that a worker deep in one C call, which runs no Python code, goes too.
    Elsewhere a thread waits for the end.
    """
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:  # gone before we listened
            os._exit(1)
    else:
        threading.Thread(target=_wait_for_end, args=(lifeline,), daemon=True).start()


def _wait_for_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _limit_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY or soft > MEMORY:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, hard))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")  # if the machine runs out all the same, the kernel takes a worker, not the trainer


if __name__ == "__main__":
    main()
