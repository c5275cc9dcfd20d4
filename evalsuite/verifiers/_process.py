"""The parent's end of one worker process."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from evalsuite.errors import UnavailableError
from evalsuite.verifiers._wire import Frozen, Inbox, frame

# Many workers with many threads each would only get into each other's way; a fixed hash seed keeps a verifier that walks
# a set deterministic. Whatever the user has set wins.
_ENVIRONMENT = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")} | {"PYTHONHASHSEED": "0"}


@dataclass(slots=True)
class Item:
    """One thing to run: its key, the arguments, and how many workers have died under it."""

    key: Hashable
    args: tuple[Any, ...]
    deaths: int = 0


class Process:
    """One process and what it is busy with. Only the thread that took it from the pool touches it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        entry = [sys.executable, "-P", "-m", "evalsuite.verifiers._worker", str(theirs.fileno()), str(lifeline)]
        environment = _ENVIRONMENT | os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
        try:
            self._process = subprocess.Popen(
                [*entry, os.environ.get("PYTHONPATH", "")],
                stdin=subprocess.DEVNULL,
                stdout=2,  # results belong on stdout, and what a verifier prints is not one
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,  # out of reach of the terminal's Ctrl-C, and one group to kill
                env=environment,
            )
        except OSError as error:
            ours.close()
            os.close(self._lifeline)
            raise UnavailableError(f"no verifier process can be started ({error}); tried {' '.join(entry)}") from error
        finally:
            theirs.close()
            os.close(lifeline)
        ours.setblocking(False)
        self.socket = ours
        self.loaded: set[bytes] = set()
        self.told = 0
        self.batch: deque[Item] = deque()
        self.begun = False  # the batch: has the worker read it
        self.retiring = False
        self.since = 0.0
        self.key: bytes | None = None
        self._inbox = Inbox()
        self._outbox = bytearray()
        self._gone = False

    def load(self, frozen: Frozen) -> None:
        """Send the verifier unless this worker has it."""
        if frozen.digest not in self.loaded:
            self.loaded.add(frozen.digest)
            self.post("load", frozen.digest, frozen.path, frozen.payload)

    def post(self, *message: Any) -> None:
        """Send a message, or as much of it as goes without waiting; `flush` sends the rest."""
        self._outbox += frame(message)
        self.flush()

    def flush(self) -> bool:
        """Go on sending. Returns whether something is left."""
        try:
            while self._outbox:
                del self._outbox[: self.socket.send(self._outbox)]
        except BlockingIOError:
            return True
        except OSError:
            self._outbox.clear()  # the process is gone: `receive` says so
        return False

    def receive(self) -> list[Any] | None:
        """Messages that what has arrived completes, None if the process is gone. BlockingIOError if nothing has arrived."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            raise
        except OSError:
            return None
        return list(self._inbox.feed(data)) if data else None

    def alive(self) -> bool:
        """Whether an idle worker is still there."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def signal(self) -> None:
        """SIGKILL to the process and its children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone; macOS says the latter of a zombie
            os.killpg(self._process.pid, signal.SIGKILL)

    def reap(self) -> int:
        """Kill and wait. Returns the exit status, negative for a signal."""
        if self._process.returncode is None:
            self.signal()
        return self._process.wait()

    def kill(self) -> None:
        """Kill, wait and close."""
        if not self._gone:
            self._gone = True
            self.reap()
            self.socket.close()
            os.close(self._lifeline)

    def disown(self) -> None:
        """Close this process's copies and leave the worker alone."""
        self._gone = True
        self._process.returncode = 0  # not our child: nothing to wait for
        self.socket.close()
        with contextlib.suppress(OSError):
            os.close(self._lifeline)
