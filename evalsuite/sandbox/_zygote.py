"""The process that every judge is forked from: a clean environment, the common standard library, one thread, no secrets.

Started by `client.Zygote` with `python -s -S -P -c ... CONTROL`; ends, with all that it has started, when the other end of
its control socket is closed, whichever way its owner went.
"""

from __future__ import annotations

import _sitebuiltins
import builtins
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile

from evalsuite.sandbox import _child, _judge, _warm
from evalsuite.sandbox.isolation import Isolation

# What programs import most: paid for once.
COMMON = (
    "abc array ast base64 bisect calendar cmath collections collections.abc contextlib copy csv dataclasses datetime decimal "
    "enum fractions functools hashlib heapq inspect io itertools json math numbers operator os queue random re secrets statistics "
    "string struct sys tempfile textwrap threading time traceback types typing unicodedata unittest uuid warnings zlib"
).split()
_PR_SET_CHILD_SUBREAPER = 36
_PREFIX = "evalsuite-sandbox-"


def readable() -> list[str]:
    """What every program may read: Python's library, the system's shared libraries, time zones."""
    library = os.path.dirname(os.__file__)
    prefixes = [os.path.join(sys.base_prefix, "lib"), library]
    return [
        *prefixes,
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/usr/share/zoneinfo",
        "/etc/ld.so.cache",
        "/etc/localtime",
    ]


def main(control_fd: int, packages: list[str]) -> None:
    """Serve until the owner goes away. `packages` are folders of importable packages outside of the standard library."""
    control = socket.socket(fileno=control_fd)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # if the machine runs out of memory, the kernel takes a program, not who wants it scored
    _sweep()
    base = _folder()
    scratch, library = os.path.join(base, "scratch"), os.path.join(base, "lib")
    try:
        os.mkdir(scratch, 0o700)
        os.mkdir(library, 0o700)
        for package in packages:  # links, so that nothing else of site-packages can be listed or imported
            with contextlib.suppress(OSError):
                os.symlink(package, os.path.join(library, os.path.basename(package)))
        sys.path.append(library)
        for name in ("HOME", "TMPDIR"):
            os.environ[name] = scratch
        tempfile.tempdir = None
        for name in COMMON:
            importlib.import_module(name)
        for name in ("exit", "quit"):  # what `site` adds, and programs end themselves with
            setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
        isolation = Isolation(scratch, [*readable(), library, *packages])
        sys.orig_argv[:] = []
        serve(control, isolation)
    finally:
        _remove(base)


def _remove(base: str) -> None:
    """Without a mount namespace programs wrote here, and may have locked us out."""
    with contextlib.suppress(OSError):
        os.chmod(os.path.join(base, "scratch"), 0o700)
    shutil.rmtree(base, ignore_errors=True)


def _folder() -> str:
    """A folder of our own, which nobody sweeps away: it gets its name when its lock is held."""
    unnamed = tempfile.mkdtemp(prefix=f"new-{_PREFIX}")
    lock = os.open(os.path.join(unnamed, "lock"), os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder, name = os.path.split(unnamed)
    base = os.path.join(folder, name.removeprefix("new-"))
    os.rename(unnamed, base)
    return base


def _sweep() -> None:
    """Remove what zygotes have left that were killed: theirs are the folders that nobody holds the lock of."""
    for entry in os.scandir(tempfile.gettempdir()):
        if entry.name.startswith(_PREFIX):
            with contextlib.suppress(OSError):  # another user's, or in use
                lock = os.open(os.path.join(entry.path, "lock"), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(entry.path)
                finally:
                    os.close(lock)


def serve(control: socket.socket, isolation: Isolation) -> None:
    """Fork a judge for every request, and reap. A request's socket is closed here when its judge is gone for good."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # a child whose judge was killed is ours to reap
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    control.send(json.dumps(isolation.detect()).encode())
    me = os.getpid()
    jobs: dict[int, int] = {}  # pid of a judge -> the socket of its request
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)
    _warm.up()
    _child.streams()
    _child.OWN[:] = [name for name in sys.modules if name.partition(".")[0] == "evalsuite"]
    gc.collect()
    gc.freeze()
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
        _reap(jobs)
        if control.fileno() not in ready:
            continue
        request, fds, _, _ = socket.recv_fds(control, 1 << 16, 1)
        if not request:
            break
        os.makedirs(isolation.scratch, 0o700, exist_ok=True)  # who tidies up the temporary folder may have taken it
        pid = os.fork()
        if pid == 0:
            for fd in (control.fileno(), woken, wake, *jobs.values()):
                os.close(fd)
            _judge.main(fds[0], me, json.loads(request), isolation)
        jobs[pid] = fds[0]
    for pid in jobs:
        os.kill(pid, signal.SIGKILL)  # its child dies with it
    while jobs:
        _reap(jobs, wait=True)


def _reap(jobs: dict[int, int], wait: bool = False) -> None:
    ended: list[int] = []
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, 0 if wait and not ended else os.WNOHANG)[0]) != 0:
            ended.append(pid)
    for pid in ended:
        if pid in jobs:
            os.close(jobs.pop(pid))
