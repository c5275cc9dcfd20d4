"""The caller's end: one zygote per process, one judge per program, and the deadline."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import UnavailableError, UsageError
from evalsuite.sandbox._channel import NOTHING, Channel
from evalsuite.sandbox._codec import NotPlain
from evalsuite.sandbox._usage import starved
from evalsuite.sandbox.limits import Limits

UNSAFE = "EVALSUITE_UNSAFE_CODE"  # environment variable: run programs though isolation is incomplete
START = 60.0  # seconds that a zygote, or a judge, may take to be ready; never charged to a program
_GRACE = 0.15  # seconds that a judge has to say how far it came, after its program was killed at the deadline
_ROOT = str(Path(__file__).resolve().parents[2])
# The zygote is single-threaded and seeds what it forks: hooks of the standard library at a fork would only copy pages.
_CODE = """
import os, sys
hooks, os.register_at_fork = os.register_at_fork, lambda **_: None
sys.path.insert(0, sys.argv[2])
from evalsuite.sandbox._zygote import main
sys.path.pop(0)
os.register_at_fork = hooks
main(int(sys.argv[1]), sys.argv[3:])
"""
_PACKAGES = ("numpy",)  # beyond the standard library, where they are installed: solutions to contest problems use it


class Zygote:
    """A zygote and the way to it. Thread-safe: every request brings a socket of its own."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-s", "-S", "-P", "-c", _CODE, str(theirs.fileno()), _ROOT, *_packages()]
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        environment["LD_BIND_NOW"] = "1"  # symbols are looked up once here, and not once per fork
        environment |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        if "TMPDIR" in os.environ:
            environment["TMPDIR"] = os.environ["TMPDIR"]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # out of reach of the terminal's Ctrl-C
                    env=environment,
                    cwd="/",
                )
            except OSError as error:
                ours.close()
                raise UnavailableError(f"the sandbox cannot be started: {error}; tried {command[0]}") from error
        self.control = ours
        self.control.settimeout(START)
        try:
            hello = self.control.recv(1 << 16)
        except OSError:
            hello = b""
        if not hello:
            self.close()
            raise UnavailableError("the sandbox process ended, or said nothing, while it started; its messages are on stderr")
        self.layers: dict[str, str | None] = json.loads(hello)

    def request(self, limits: Limits, cpu_seconds: int, script: bool) -> socket.socket:
        """Our end of a new judge's socket. Raises OSError where the zygote is gone."""
        ours, theirs = socket.socketpair()
        message = {"limits": dataclasses.asdict(limits), "cpu_seconds": cpu_seconds, "script": script}
        with theirs:
            try:
                socket.send_fds(self.control, [json.dumps(message).encode()], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours

    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End the zygote and whatever it runs."""
        self.control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
            return
        self._process.kill()
        self._process.wait()

    def disown(self) -> None:
        """In a forked child: close our copy of the way to the parent's zygote."""
        self.control.close()
        self._process.returncode = 0  # not our child: nothing to wait for


_zygote: Zygote | None = None
_lock = threading.Lock()


def zygote(fresh: Zygote | None = None) -> Zygote:
    """This process's zygote, started when first needed; another one where `fresh` is the one that has died."""
    global _zygote
    with _lock:
        if _zygote is not None and _zygote is fresh:
            _zygote.close()
            _zygote = None
        if _zygote is None:
            if not sys.platform.startswith("linux"):
                raise UnavailableError(
                    f"programs can be run on Linux only: {sys.platform} has no namespaces, landlock and seccomp"
                )
            _zygote = Zygote()
        return _zygote


def layers() -> dict[str, str | None]:
    """Every layer of isolation on this machine: None where it holds, else why it is missing. Looked up once per process."""
    return dict(zygote().layers)


def require() -> None:
    """Raises UnavailableError, naming what is missing, unless isolation is complete or running without it was confirmed."""
    _refuse_incomplete({layer: why for layer, why in layers().items() if why is not None})


def _refuse_incomplete(missing: Mapping[str, str]) -> None:
    if missing and os.environ.get(UNSAFE) != "1":
        reasons: dict[str, list[str]] = {}
        for layer, why in missing.items():
            reasons.setdefault(why, []).append(layer)
        what = "; ".join(f"no {', '.join(names)}: {why}" for why, names in reasons.items())
        raise UnavailableError(
            f"programs cannot be fully isolated on this machine ({what}). Run where unprivileged user namespaces, landlock and "
            f"seccomp are allowed, or accept the risk with --confirm_run_unsafe_code (or {UNSAFE}=1)"
        )


def execute(job: Mapping[str, Any], timeout: float, limits: Limits) -> dict[str, Any]:
    """One program through a judge of its own. Returns the judge's words, with `isolation` added, and `timed_out` and `starved`.

    The call ends within `timeout` seconds and a little, the program and all its processes dead and reaped. Raises
    UnavailableError where there is no sandbox.
    """
    script = job["kind"] == "script"
    owner = zygote()
    try:
        sock = owner.request(limits, math.ceil(timeout) + 1, script)
    except OSError:  # it was killed, perhaps by the kernel in want of memory
        owner = zygote(fresh=owner)
        sock = owner.request(limits, math.ceil(timeout) + 1, script)
    with sock:
        sock.setblocking(False)
        channel = Channel(sock.fileno(), os.read, _write)
        try:
            judge_pid, child_pid, missing = _receive(channel, time.monotonic() + START)
            # Neither has been reaped: the judge waits for the job, and reaps its child at the end. So the numbers are theirs.
            judge, child = os.pidfd_open(judge_pid), os.pidfd_open(child_pid)
        except (EOFError, OSError, TypeError):
            raise UnavailableError("the sandbox did not start a program; its messages are on stderr") from None
        late: dict[str, Any] = {}
        try:
            _refuse_incomplete(missing)
            begun = time.monotonic()
            try:
                channel.send(job)
            except NotPlain as error:
                raise UsageError(f"tests: too large ({error})") from None
            result = _receive(channel, begun + timeout)
            if result is None:
                late = {"timed_out": True, "starved": starved(child_pid, timeout)}
                _kill(child)
                result = _receive(channel, time.monotonic() + _GRACE)
                if result is None:
                    _kill(judge)
        except (EOFError, OSError):
            if owner.ended():
                raise UnavailableError("the sandbox process was killed, perhaps for want of memory") from None
            result = {"gone": "the judge of this program ended before it was done"}
        finally:
            _kill(child)
            if not _ended(channel, _GRACE):
                _kill(judge)
                _ended(channel, _GRACE)
            os.close(judge)
            os.close(child)
    return (result or {}) | late | {"isolation": _layers_on(owner, missing)}


def _layers_on(owner: Zygote, missing: Mapping[str, str]) -> str:
    return " ".join(layer for layer, why in owner.layers.items() if why is None and layer not in missing)


def _receive(channel: Channel, until: float) -> Any:
    """A message that is whole by then, or None. Raises EOFError or OSError where the judge is gone."""
    poll = select.poll()
    poll.register(channel.fd, select.POLLIN)
    while (message := channel.take()) is NOTHING:
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            return None
        channel.feed()
    return message


def _ended(channel: Channel, seconds: float) -> bool:
    """Whether the judge is dead and reaped by then: only then is the last copy of its socket closed."""
    poll, until = select.poll(), time.monotonic() + seconds
    poll.register(channel.fd, select.POLLIN)
    while poll.poll(max(0.0, until - time.monotonic()) * 1000):
        try:
            channel.feed()
        except (EOFError, OSError):
            return True
    return False


def _write(fd: int, data: Any) -> int:
    try:
        return os.write(fd, data)
    except BlockingIOError:
        select.select([], [fd], [], START)
        return 0


def _kill(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _packages() -> list[str]:
    """Folders of the packages that programs may import, found without importing them; the shared libraries beside numpy too."""
    found: list[str] = []
    for entry in sys.path:
        for name in _PACKAGES:
            for folder in (name, f"{name}.libs"):
                path = os.path.join(entry, folder)
                if entry and os.path.isdir(path) and os.path.basename(path) not in map(os.path.basename, found):
                    found.append(os.path.realpath(path))
    return found


def _forget() -> None:
    """In a forked child: the zygote is the parent's."""
    global _zygote, _lock
    _lock = threading.Lock()
    if _zygote is not None:
        _zygote.disown()
        _zygote = None


def _close() -> None:
    global _zygote
    if _zygote is not None:
        _zygote.close()
        _zygote = None


os.register_at_fork(after_in_child=_forget)
atexit.register(_close)
