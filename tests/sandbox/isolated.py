"""A place to try the walls from inside: what a check finds in a confined child comes back through a pipe."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import select
import signal
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from evalsuite.sandbox.isolation import LAYERS, Isolation
from evalsuite.sandbox.limits import Limits

NOBODY = 65534
READABLE = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache"]
SMALL = Limits(memory=1 << 30, disk=1 << 20, files=64, threads=8)

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass
class Inside:
    """What a check gave in the child, the reasons of missing layers, seconds of `separate` and `confine`."""

    value: Any
    missing: dict[str, str]
    seconds: list[float]


class World:
    """A folder with a program's scratch and a secret of the same user beside it."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.base = Path(tempfile.mkdtemp())
        self.scratch, self.secret = self.base / "scratch", self.base / "secret"
        self.scratch.mkdir()
        self.secret.write_text("secret")
        self.secret.chmod(0o600)
        self.base.chmod(0o755)
        self.uid = os.getuid() if user == "self" or os.getuid() else NOBODY
        for path in (self.base, self.scratch, self.secret):
            os.chown(path, self.uid, -1)

    def become_user(self) -> None:
        if self.uid != os.getuid():
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            LIBC.prctl(4, 1, 0, 0, 0)  # dumpable, as a user's process is
        if self.user == "nested":
            gid = os.getgid()
            assert LIBC.unshare(0x10000000) == 0, os.strerror(ctypes.get_errno())
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {self.uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")

    def run(self, check, limits=SMALL, needs=LAYERS, readable=READABLE) -> Any:
        """What `check()` returns inside, or the name and errno of what it raises. Skips where a layer of `needs` is missing."""
        found = self.inside(check, limits, readable)
        for layer in needs:
            if layer in found.missing:
                pytest.skip(f"no {layer}: {found.missing[layer]}")
        return found.value

    def inside(self, check, limits=SMALL, readable=READABLE) -> Inside:
        # On top of what the tests of other rooms have mapped into this process; the zygote's is small.
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limits = replace(limits, memory=limits.memory + mapped)
        reader, writer = os.pipe()
        judge = os.fork()
        if judge == 0:
            try:
                os.close(reader)
                LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)
                self._judge(writer, check, limits, readable)
            except BaseException as error:  # noqa: BLE001 - reported
                os.write(writer, f"the judge failed: {error!r}".encode())
            finally:
                os._exit(0)
        os.close(writer)
        data, end = b"", time.monotonic() + 20
        try:
            while select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]:
                piece = os.read(reader, 1 << 16)
                if not piece:
                    break
                data += piece
        finally:
            os.close(reader)
            os.kill(judge, signal.SIGKILL)
            os.waitpid(judge, 0)
        return Inside(*json.loads(data))

    def _judge(self, writer, check, limits, readable) -> None:
        self.become_user()
        before = descriptors()
        walls = Isolation(str(self.scratch), readable)
        start = time.perf_counter()
        missing = walls.separate(limits.disk)
        seconds = [time.perf_counter() - start]
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)
        start = time.perf_counter()
        missing |= walls.confine(limits)
        seconds.append(time.perf_counter() - start)
        if descriptors() != before:
            value: Any = f"descriptors {before} became {descriptors()}"
        else:
            value = tried(check)
        os.write(writer, json.dumps([value, missing, seconds]).encode())
        os._exit(0)


def descriptors() -> list[int]:
    return [fd for fd in range(64) if tried(lambda: os.fstat(fd) and "open") == "open"]  # noqa: B023


def tried(action) -> Any:
    try:
        return action()
    except BaseException as error:  # noqa: BLE001 - reported
        return [type(error).__name__, getattr(error, "errno", None)]


def c(name, *arguments) -> str:
    """The name of the error that a function of the C library fails with, or what it returns."""
    result = getattr(LIBC, name)(*arguments)
    return errno.errorcode[ctypes.get_errno()] if result == -1 else str(result)
