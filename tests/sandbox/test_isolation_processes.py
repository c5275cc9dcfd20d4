"""Processes, limits, privileges and calls, tried from inside by the same three users."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

from isolated import LIBC, c, linux, tried

from evalsuite.sandbox.limits import Limits

pytestmark = linux


def test_other_processes_are_neither_seen_nor_signalled(world):
    outer = os.getpid()

    def check():
        return [
            os.getpid(), os.getppid(), os.path.exists(f"/proc/{outer}"), os.listdir(".") and None,
            tried(lambda: os.kill(outer, 0)), tried(lambda: os.kill(-1, 0)), tried(lambda: os.kill(0, signal.SIGCONT)),
            tried(lambda: os.setpriority(os.PRIO_PGRP, 0, 19)), tried(os.setsid), tried(lambda: os.setpgid(0, 0)),
        ]  # fmt: skip

    gone, refused = ["ProcessLookupError", errno.ESRCH], ["PermissionError", errno.EPERM]
    assert world.run(check) == [1, 0, False, [], gone, gone, *[refused] * 4]


def test_one_process_is_one(world):
    def check():
        actions = [
            os.fork,
            lambda: subprocess.run([sys.executable, "-c", ""], check=False),
            lambda: os.execv(sys.executable, ["python"]),
            lambda: os.posix_spawn(sys.executable, ["python"], {}),
            lambda: os.system("true") and os.fork(),
        ]
        return [tried(action) for action in actions] + [c("vfork"), c("syscall", 435, None, 0)]

    found = world.run(check)
    assert found[:-2] == [["PermissionError", errno.EPERM]] * 5
    assert found[-2:] == ["EPERM", "ENOSYS"]


def test_several_processes_are_bounded(world):
    def check():
        children = []
        while len(children) < 20:
            pid = tried(os.fork)
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            if isinstance(pid, list):
                break
            children.append(pid)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return [len(children), pid]

    assert world.run(check, Limits(processes=4, threads=1)) == [4, ["BlockingIOError", errno.EAGAIN]]


def test_threads_work_and_are_bounded(world):
    def check():
        done = threading.Event()
        threads = []
        while len(threads) < 20:
            thread = threading.Thread(target=done.wait)
            failed = tried(thread.start)
            if failed:
                break
            threads.append(thread)
        done.set()
        for thread in threads:
            thread.join()
        return [len(threads), failed]

    assert world.run(check) == [8, ["RuntimeError", None]]


def test_what_programs_do_all_the_time(world):
    async def pause():
        await asyncio.sleep(0.001)
        return "slept"

    def check():
        time.sleep(0.001)
        near, far = socket.socketpair()
        near.sendall(b"there")
        return [asyncio.run(pause()), far.recv(5).decode(), len(bytearray(50 << 20)), os.nice(0)]

    assert world.run(check) == ["slept", "there", 50 << 20, os.nice(0)]


# Limits and privileges.


def test_limits_are_set_and_stay(world):
    def check():
        names = ("AS", "FSIZE", "NOFILE", "CORE", "MEMLOCK", "MSGQUEUE")
        found = [resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in names]
        more = tried(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (65, 65)))
        return [found, more[0], tried(lambda: bytearray(2 << 30))[0], tried(lambda: [os.dup(1) for _ in range(64)])]

    (memory, *bounds), *errors = world.run(check)
    assert memory[0] == memory[1] >= 1 << 30 and bounds == [[bound, bound] for bound in (1 << 20, 64, 0, 0, 0)]
    assert errors == ["ValueError", "MemoryError", ["OSError", errno.EMFILE]]


def test_privileges_are_gone(world):
    def check():
        held, header, data = ctypes.c_int(), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[1] * 6)
        LIBC.capget(header, data)
        LIBC.prctl(2, ctypes.byref(held), 0, 0, 0)
        return [
            list(data), held.value, LIBC.prctl(39, 0, 0, 0, 0), LIBC.prctl(21, 0, 0, 0, 0), LIBC.prctl(3, 0, 0, 0, 0),
            c("prctl", 1, 0, 0, 0, 0), c("prctl", 4, 1, 0, 0, 0), c("setresuid", 0, 0, 0), tried(lambda: os.setuid(0))[0],
        ]  # fmt: skip

    assert world.run(check) == [[0] * 6, signal.SIGKILL, 1, 2, 0, "EPERM", "EPERM", "EPERM", "PermissionError"]


def test_calls_that_are_refused(world):
    def check():
        sockets = [tried(lambda: socket.socket(f)) for f in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)]  # noqa: B023
        sockets.append(tried(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)))
        others = [
            c("ptrace", 0, 0, 0, 0), c("unshare", 0x10000000), c("setns", 0, 0), c("mount", b"x", b".", b"tmpfs", 0, None),
            c("umount2", b".", 2), c("chroot", b"."), c("shmget", 0, 4096, 0o1600), c("msgget", 0, 0o1600),
            c("memfd_create", b"x", 0), c("personality", 0), c("inotify_add_watch", 0, b"/", 2), c("clone", None, None, 0x10000000),
        ]  # fmt: skip
        return [sockets, others]

    sockets, others = world.run(check)
    assert sockets == [["PermissionError", errno.EPERM]] * 4
    assert others == ["EPERM"] * 11 + ["EINVAL"]  # the C library refuses a clone without a stack itself
