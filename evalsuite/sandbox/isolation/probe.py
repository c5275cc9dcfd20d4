"""Do the walls hold? A child that is confined tries them."""

from __future__ import annotations

import _thread
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from evalsuite.sandbox.isolation._libc import prctl
from evalsuite.sandbox.limits import Limits

_SET_PDEATHSIG = 1
_SECONDS = 10.0
_LIMITS = Limits(disk=1 << 20, threads=2)

Reasons = dict[str, str]


def probe(separate: Callable[[int], Reasons], confine: Callable[[Limits], Reasons], scratch: str) -> Reasons:
    """Layer -> why it is missing or does not hold; "all" where the probe itself came to no end."""
    reader, writer = os.pipe()
    judge = os.fork()
    if judge == 0:
        try:
            os.close(reader)
            _judge(writer, separate, confine, scratch)
        finally:
            os._exit(0)
    os.close(writer)
    data = b""
    end = time.monotonic() + _SECONDS
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
    found: Reasons = {}
    for line in data.decode(errors="replace").splitlines():
        layer, _, reason = line.partition("\t")
        found.setdefault(layer, reason)  # the first is the cause
    if "end" not in found:
        found.setdefault("all", "the probe of it came to no end")
    return found


def _judge(writer: int, separate: Callable[[int], Reasons], confine: Callable[[Limits], Reasons], scratch: str) -> None:
    prctl(_SET_PDEATHSIG, signal.SIGKILL)
    _say(writer, separate(_LIMITS.disk))
    if strangers := [name for _, name in socket.if_nameindex() if name != "lo"]:
        _say(writer, {"net": f"the machine's network is there: {', '.join(strangers)}"})
    child = os.fork()
    if child == 0:
        try:
            prctl(_SET_PDEATHSIG, signal.SIGKILL)
            _say(writer, confine(_LIMITS))
            for layer, reason in _holes(scratch):
                _say(writer, {layer: reason})
            _say(writer, {"end": ""})
        except (OSError, RuntimeError) as error:
            _say(writer, {"all": f"the probe of it failed: {error}"})
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _say(writer: int, reasons: Reasons) -> None:
    os.write(writer, "".join(f"{layer}\t{reason}\n" for layer, reason in reasons.items()).encode())


def _holes(scratch: str) -> Iterator[tuple[str, str]]:
    if os.getpid() != 1:
        yield "pid", f"the child is process {os.getpid()}, not 1"
    own = os.statvfs(".")
    if not os.statvfs("/").f_flag & os.ST_RDONLY or own.f_blocks * own.f_frsize > _LIMITS.disk or os.path.exists("/proc/self"):
        yield "mount", "files outside can be changed, /proc seen or the disk filled"
    if not (_refused(os.listdir, "/") and _refused(os.open, os.path.dirname(scratch), os.O_RDONLY)):
        yield "landlock", "folders outside can be read"
    fd = os.open("probe", os.O_WRONLY | os.O_CREAT)
    os.close(fd)
    os.unlink("probe")
    if resource.getrlimit(resource.RLIMIT_AS)[1] > _LIMITS.memory or _threads() > _LIMITS.threads:
        yield "rlimits", "memory or threads are not bounded"
    if not (_refused(socket.socket) and _refused(_fork)):
        yield "seccomp", "sockets and processes can be made"
    for end in socket.socketpair():
        end.close()


def _refused(call: Callable[..., Any], *arguments: Any) -> bool:
    try:
        call(*arguments)
    except PermissionError:
        return True
    return False


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _threads() -> int:
    """How many more can be started, up to one more than there should."""
    lock = _thread.allocate_lock()
    lock.acquire()
    for count in range(_LIMITS.threads + 1):
        try:
            _thread.start_new_thread(lock.acquire, ())
        except RuntimeError:
            return count
    return _LIMITS.threads + 1
