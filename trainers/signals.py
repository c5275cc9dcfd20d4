"""Ctrl-C that loses nothing: the step in hand is finished and saved."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any


class Stop:
    """Whether someone wants the run to end. `asked` is set by the first Ctrl-C or SIGTERM; a second one does not wait."""

    def __init__(self) -> None:
        self.asked = False
        self._at_once = False

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, nothing is lost by stopping: the first one raises KeyboardInterrupt."""
        if self.asked:
            raise KeyboardInterrupt
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def handle(self, number: int, frame: Any) -> None:
        """The signal handler."""
        if self.asked or self._at_once:
            self.asked = True
            raise KeyboardInterrupt
        self.asked = True
        print("stopping after this step, then saving; once more to stop without", file=sys.stderr, flush=True)


@contextlib.contextmanager
def patient() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM ask the Stop that this gives, in the main thread; elsewhere nobody asks it."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
