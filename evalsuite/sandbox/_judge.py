"""The trusted process of one program: makes its cell, starts it, runs the tests, and says how they went.

The child is forked before the tests are read, so that they have never been in its memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import resource
import shutil
import signal
import socket
import threading
import warnings
from collections.abc import Mapping
from typing import Any

from evalsuite.sandbox import _child
from evalsuite.sandbox._channel import Channel, frame
from evalsuite.sandbox._codec import NotPlain, encode
from evalsuite.sandbox._objects import DATA, Remote
from evalsuite.sandbox._record import Record, show
from evalsuite.sandbox._remote import Gone, Link, Unsupported
from evalsuite.sandbox._tests import candidate, run_calls, run_code
from evalsuite.sandbox._usage import starved
from evalsuite.sandbox.isolation import Isolation
from evalsuite.sandbox.limits import Limits
from evalsuite.sandbox.output import first_difference, same_output

MEMORY = 3 << 30  # bytes that a judge may allocate: results are large, never endless
VALUES = 16 << 20  # bytes of results that `call` hands on
STACK = 128 << 20  # bytes, for programs that recurse in C
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent's ends; at once if that has happened already."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() not in (parent, 0):  # 0: the parent is outside of our pid namespace
        os._exit(1)


class Cell:
    """The child and what the judge holds of it."""

    def __init__(self, isolation: Isolation, limits: Limits, cpu_seconds: int, script: bool) -> None:
        self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        missing = isolation.separate(limits.disk)  # which hides it
        ours, theirs = socket.socketpair()
        self.stdin = self.stdout = None
        if script:
            self.stdin, self.stdout = os.memfd_create("stdin"), os.memfd_create("stdout")
        judge = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._become(judge, isolation, limits, cpu_seconds, theirs.detach())
            finally:
                os._exit(1)
        theirs.close()
        self.link = Link(Channel(ours.detach(), os.read, os.write))
        self.missing = missing | self.link.hello()

    def _become(self, judge: int, isolation: Isolation, limits: Limits, cpu_seconds: int, fd: int) -> None:
        die_with_parent(judge)
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, self.stdin), (1, self.stdout), (2, None)):
            os.dup2(null if source is None else source, target)
        hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
        resource.setrlimit(resource.RLIMIT_STACK, (STACK if hard == resource.RLIM_INFINITY else min(hard, STACK), hard))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        if limits.processes > 1:
            os.register_at_fork(after_in_child=threading._after_fork)  # type: ignore[attr-defined]
        missing = isolation.confine(limits)
        os.dup2(fd, 3, inheritable=False)
        os.closerange(4, 4096)
        _child.main(3, missing)

    def kill(self) -> tuple[int, float]:
        """End the program and all its processes. Returns its wait status, and the seconds of CPU that it had."""
        for send in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        return status, usage.ru_utime + usage.ru_stime


def main(fd: int, zygote: int, request: Mapping[str, Any], isolation: Isolation) -> None:
    """Serve the one program that the caller at the other end of `fd` sends. Never returns."""
    try:
        die_with_parent(zygote)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        limits = Limits(**request["limits"])
        cell = Cell(isolation, limits, request["cpu_seconds"], request["script"])
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        warnings.simplefilter("ignore")
        os.chdir(isolation.scratch)  # tests see the files of their program
        channel = Channel(fd, os.read, os.write)
        channel.send([os.getpid(), cell.pid, cell.missing])
        try:
            job = channel.receive()
            random.seed(job["seed"])
            result = judge(cell, job, limits)
        except Unsupported as error:
            cell.kill()
            result = {"wrong": str(error)}
        if "mount" in cell.missing:  # then its directory is not its own, and stays
            os.chmod(isolation.scratch, 0o700)  # it may have locked us out
            for entry in os.scandir(isolation.scratch):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)
        channel.send(result)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # nobody waits any more
    finally:
        os._exit(0)


def judge(cell: Cell, job: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Run the tests of a job and end its program. Raises Unsupported."""
    record = Record(cell.link, job.get("number", 0))
    result: dict[str, Any] = {"compiled": True}
    try:
        if job["kind"] == "script":
            record.least = 1
            result["compiled"] = _script(cell, job, limits, record)
        elif _loaded(cell.link, job, record, result):
            cell.link.limit = job["call_seconds"]
            if job["kind"] == "values":
                result["values"] = _values(cell.link, job)
            else:
                (run_code if job["kind"] == "code" else run_calls)(cell.link, job, record)
    except Gone:
        pass  # the link says why
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever tests raise outside of a case, they have failed
        if isinstance(error, ModuleNotFoundError) and not hasattr(error, "program_trace"):
            raise Unsupported(f"the tests import {error.name}, which is not there") from None
        record.fail("the tests ended before their time", error)
    waits = cell.link.overdue and starved(cell.pid, job["call_seconds"] or 0.0, cell.proc)
    status, seconds = cell.kill()
    return result | {
        "passed": record.passed,
        "failed": record.failed,
        "tests": max(record.least, record.count),
        "failures": record.failures,
        "gone": cell.link.gone and f"{cell.link.gone}{_why(status)}",
        "overdue": cell.link.overdue,
        "cpu_spent": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU,
        "starved": waits,
        "cpu_seconds": seconds,
    }


def _loaded(link: Link, job: Mapping[str, Any], record: Record, result: dict[str, Any]) -> bool:
    """Whether the program's module code has run. Raises Gone."""
    try:
        link.load(job["program"], job["prelude"], job["seed"])
        return True
    except Exception as error:  # noqa: BLE001 - of the program
        result["compiled"] = not isinstance(error, SyntaxError)
        record.fail("the program cannot be loaded", error)
        return False


def _script(cell: Cell, job: Mapping[str, Any], limits: Limits, record: Record) -> bool:
    """One run on one standard input. Returns whether the program compiled. Raises Gone."""
    assert cell.stdin is not None and cell.stdout is not None
    given = job["stdin"].encode("utf-8", "surrogateescape")
    written = 0
    while written < len(given):
        written += os.pwrite(cell.stdin, given[written:], written)
    failure = cell.link.script(job["program"], job["prelude"], job["seed"], job["call_seconds"])
    if failure is None:  # it ended without a word, as os._exit does; the output decides unless it crashed
        ended = os.waitid(os.P_PID, cell.pid, os.WEXITED | os.WNOWAIT)
        crashed = ended is not None and ended.si_code != os.CLD_EXITED
        failure = f"the program ended (signal {ended.si_status})" if crashed and ended else ""
        cell.link.gone = ""
    size = os.fstat(cell.stdout).st_size
    said = os.pread(cell.stdout, min(size, limits.output), 0).decode("utf-8", "replace")
    what = f"standard input {show(job['stdin'])}"
    if failure:
        record.fail(f"{what}\n  {failure}", None)
    elif size > limits.output:
        record.fail(f"{what}\n  more than {limits.output} bytes of output", None)
    elif same_output(said, job["expected"], job["compare"]):
        record.passed += 1
    else:
        record.fail(f"{what}\n  {first_difference(said, job['expected'], job['compare'])}", None)
    return not failure.rpartition("\n")[2].startswith(("SyntaxError", "IndentationError", "TabError"))


def _values(link: Link, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each call the encoded result, or why there is none."""
    function = candidate(link, job["entry_point"])
    values: list[dict[str, Any]] = []
    size = 0
    for args in link.take(job["inputs"]):
        try:
            value = encode(function(*args), _refuse)
            size += len(frame(value))
            if size > VALUES:
                raise NotPlain("the results are too large")
            values.append({"value": value})
        except NotPlain as error:
            values.append({"error": str(error), "opaque": True})
            size = 0 if size > VALUES else size
        except Exception as error:  # noqa: BLE001 - of the program: its value is that it has none
            values.append({"error": getattr(error, "program_trace", "") or f"{type(error).__name__}: {error}"[:400]})
    return values


def _refuse(value: Any) -> Any:
    for plain, kind in DATA.items():
        if type(value) is kind:  # a named tuple, an enumeration: its data
            return encode(plain(value), _refuse)
    name = value._evalsuite_name() if isinstance(value, Remote) else type(value).__name__
    raise NotPlain(f"the result is {name}, which is no plain data")


def _why(status: int) -> str:
    """A wait status in words, where it says something that the judge did not cause itself."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
        return f" ({signal.Signals(os.WTERMSIG(status)).name})"
    return f" (exit status {os.WEXITSTATUS(status)})" if os.WIFEXITED(status) else ""
