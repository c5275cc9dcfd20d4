"""What setrlimit(2) bounds, and the privileges that could lift it."""

from __future__ import annotations

import ctypes
import os
import resource

from evalsuite.sandbox.isolation._libc import capset, prctl
from evalsuite.sandbox.limits import Limits

_SET_DUMPABLE, _SET_NO_NEW_PRIVS = 4, 38
_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
_NOTHING = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, 64 bits each


def drop_privileges() -> None:
    """No capability, none to be had by exec, no core dump (a helper of the system's may take one whatever RLIMIT_CORE says).

    Raises OSError.
    """
    prctl(_SET_NO_NEW_PRIVS, 1)
    capset(_HEADER, _NOTHING)
    prctl(_SET_DUMPABLE, 0)


def set_rlimits(limits: Limits, counted: bool) -> None:
    """Soft and hard limits of this process and its children. Raises OSError or ValueError.

    `counted`: the kernel counts tasks (threads are tasks) for this sandbox alone. The judge, which has the same user, is one.
    """
    bounds = {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if counted:
        bounds[resource.RLIMIT_NPROC] = 1 + limits.processes + limits.threads
    for name, bound in bounds.items():
        hard = resource.getrlimit(name)[1]
        if hard != resource.RLIM_INFINITY:
            bound = min(bound, hard)
        resource.setrlimit(name, (bound, bound))


def tasks_are_counted() -> bool:
    """Whether RLIMIT_NPROC holds for this user. The kernel exempts uid 0 of the machine, whatever namespace it is in.

    Tried in a forked process, which gives up its capabilities and then tries to fork.
    """
    pid = os.fork()
    if pid == 0:
        counted = 2
        try:
            capset(_HEADER, _NOTHING)
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
            if os.fork() == 0:
                os._exit(0)
            counted = 0
        except BlockingIOError:
            counted = 1
        finally:
            os._exit(counted)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
