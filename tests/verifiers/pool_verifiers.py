"""Verifiers that behave badly on command, for the tests of the pool. In a file of their own so that workers import little."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from evalsuite.verifiers.base import Verifier
from evalsuite.words.score import Score


@dataclass(frozen=True)
class Exact(Verifier):
    """Equality with the target; `keyed` turns the cache on, `log` is a file that gets one line per real verification."""

    name = "exact"
    keyed: bool = False
    log: str = ""

    def verify(self, sample, completion):
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{completion.text}\n")
        return Score(float(completion.answer_text == sample.target), answer=completion.answer_text)

    def key(self, sample, completion):
        return (sample.target, completion.answer_text) if self.keyed else None

    def slow_echo(self, value, seconds):
        time.sleep(seconds)
        return value

    def whoami(self):
        return os.getpid(), sorted(sys.modules), sys.flags.safe_path, os.environ.get("PYTHONPATH")


@dataclass(frozen=True)
class Obey(Verifier):
    """Does what the answer says."""

    name = "obey"
    scratch: str = ""
    keyed: bool = False

    def key(self, sample, completion):
        return completion.text.split("#")[0] if self.keyed else None

    def verify(self, sample, completion):
        order = completion.text.split("#")[0].strip()
        if self.scratch:
            with open(self.scratch, "a") as file:
                file.write(f"{order} {os.getpid()}\n")
        return getattr(self, order)()

    def fine(self):
        return Score(1.0)

    def loop(self):
        while True:
            pass

    def tower(self):
        return Score(float(len(str(9**9**9)) > 1))  # one C call that never lets go of the GIL

    def regex(self):
        return Score(float(bool(re.match(r"(a+)+$", "a" * 64 + "b"))))

    def sleep(self):
        time.sleep(3600)

    def leave(self):
        os._exit(0)

    def quit(self):
        sys.exit("a verifier that exits")

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def segfault(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def die_once(self):
        marker = Path(self.scratch + ".once")
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Score(1.0)

    def starve_once(self):
        time.sleep(0.15)  # long enough to be told to the other workers, if it were
        marker = Path(self.scratch + ".once")
        if not marker.exists():
            marker.touch()
            return Score(0.0, "timeout", parts={"starved": 1.0})
        return Score(1.0)

    def deep(self):
        return self.deep()

    def memory(self):
        return Score(float(len(b"x" * (1 << 34)) > 0))

    def overflow(self):
        return Score(float(int(float("inf"))))

    def digits(self):
        return Score(float(int("9" * 5000) > 0))

    def bug(self):
        raise KeyError("no such thing")

    def wrong_type(self):
        return 1.0

    def unpicklable(self):
        return Score(1.0, parts={"x": threading.Lock()})

    def shout(self):
        print("noise on stdout", flush=True)
        os.write(1, b"more noise\n")
        return Score(1.0)

    def child(self):
        """Leaves a child behind and hangs."""
        pid = os.fork()
        if pid == 0:
            time.sleep(3600)
        Path(self.scratch + ".child").write_text(str(pid))
        self.loop()

    def slow_import(self):
        import slow_module

        return Score(float(slow_module.READY))

    def failing_imports(self):
        while True:
            try:
                import no_such_module_anywhere  # noqa: F401
            except ImportError:
                continue


class Patient(Obey):
    name = "patient"
    deadline = 30.0

    def nap(self):
        time.sleep(1.5)
        return Score(1.0)


@dataclass(frozen=True)
class Timed(Obey):
    """Its deadline follows from its settings."""

    name = "timed"
    timeout: float = 1.0

    @property
    def deadline(self):
        return self.timeout + 0.5

    def nap(self):
        time.sleep(1.2)
        return Score(1.0)


@dataclass(frozen=True)
class HangingKey(Verifier):
    name = "hanging_key"

    def verify(self, sample, completion):
        return Score(1.0)

    def key(self, sample, completion):
        while completion.text == "hang":
            pass
        return completion.text


@dataclass(frozen=True)
class Outer(Verifier):
    """Calls another verifier as a user would."""

    name = "outer"
    inner: Verifier = Exact()

    def verify(self, sample, completion):
        return Score(self.inner(sample, completion).value, answer=str(os.getpid()))


class Unloadable(Verifier):
    name = "unloadable"

    def verify(self, sample, completion):
        return Score(1.0)

    def __reduce__(self):
        return (os.abort, ())


class Refuses(Verifier):
    name = "refuses"

    def verify(self, sample, completion):
        return Score(1.0)

    def __reduce__(self):
        return (int, ("not a number",))
