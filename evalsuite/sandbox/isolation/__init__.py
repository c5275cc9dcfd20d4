"""The walls around one untrusted program, without a daemon or root. Standard library only; anything but Linux has none."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence

from evalsuite.sandbox.limits import Limits

if sys.platform == "linux":
    from evalsuite.sandbox.isolation import namespaces
    from evalsuite.sandbox.isolation._libc import why
    from evalsuite.sandbox.isolation.landlock import Landlock
    from evalsuite.sandbox.isolation.probe import probe
    from evalsuite.sandbox.isolation.rlimits import drop_privileges, set_rlimits, tasks_are_counted
    from evalsuite.sandbox.isolation.seccomp import Seccomp

__all__ = ["LAYERS", "Isolation"]

LAYERS = ("user", "pid", "net", "ipc", "mount", "landlock", "rlimits", "seccomp")

_COUNTED_SINCE = (5, 14)  # Linux: RLIMIT_NPROC per user namespace


class Isolation:
    """Made once in the zygote, used by each of its forks: `separate` in the judge, then `confine` in the child.

    `scratch` is an existing empty directory of ours, the program's own place; it may read the files and folders of
    `readable` (missing ones are skipped) and the usual devices, and change nothing else. A layer that is missing keeps no
    other from being applied, and nothing here raises for one: both calls return the reasons by layer.
    """

    def __init__(self, scratch: str, readable: Sequence[str]) -> None:
        self.scratch = os.path.abspath(scratch)
        self._missing: dict[str, str] = {}
        if sys.platform != "linux":
            self._missing = dict.fromkeys(LAYERS, f"{sys.platform} has none: run programs on Linux")
            return
        self._landlock = Landlock(self.scratch, readable)
        self._seccomp = Seccomp()
        # Shared by programs one after another: with the filter there is no socket to leave anything with.
        self._network = None if self._seccomp.missing else namespaces.Network()
        self._kernel = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
        self._exempt = os.getuid() == 0 and not tasks_are_counted()
        self._uncounted: str | None = "no user namespace"

    def separate(self, disk: int) -> dict[str, str]:
        """New namespaces for the child that this single-threaded, dumpable process forks next; `disk` bytes of scratch.

        This process too finds all files but those in `scratch` read-only afterwards, no network, and /proc empty but for
        a descriptor of it that was opened before. It can start no thread; the first child that it forks is pid 1, and
        after that one has ended it can fork no more.
        """
        missing = dict(self._missing)
        if missing:
            return missing
        uid, gid = os.geteuid(), os.getegid()
        self._uncounted = self._leave_root()
        namespaces.enter(self._network, missing)
        if "user" in missing:
            self._uncounted = self._uncounted or "no user namespace to count them in"
            if self._exempt:
                os.setresuid(0, -1, -1)  # what other programs of this machine have is not this one's
        else:
            _attempt("user", missing, lambda: namespaces.map_ids(uid, gid))
        if "user" in missing and uid != 0:
            missing.setdefault("mount", "no user namespace to mount in")
        if "mount" not in missing:
            _attempt("mount", missing, lambda: namespaces.mount_scratch(self.scratch, disk))
        return missing

    def _leave_root(self) -> str | None:
        """Why RLIMIT_NPROC will not hold, if so. Root's real user id becomes nobody's; the effective one opens files."""
        if self._kernel < _COUNTED_SINCE:
            return "Linux before 5.14 counts all tasks of the user"
        if not self._exempt:
            return None
        try:
            os.setresuid(namespaces.NOBODY, -1, -1)
        except OSError as error:
            return f"those of root are not counted (setresuid: {error.strerror})"
        return None

    def confine(self, limits: Limits) -> dict[str, str]:
        """Enter `scratch` and give up everything else, for good. For the child, before it has read the program.

        The program cannot get back what is taken here, nor outlive a PR_SET_PDEATHSIG that the caller has set. The
        descriptors of this object are closed. The program's end of any socket must be of a stream: datagrams can be sent
        to whichever socket of the machine has a path.
        """
        missing = dict(self._missing)
        if missing:
            return missing
        one_process = limits.processes == 1
        _attempt("mount", missing, lambda: os.chdir(self.scratch))
        _attempt("user", missing, drop_privileges)
        if self._landlock.missing:
            missing["landlock"] = self._landlock.missing
        else:
            _attempt("landlock", missing, self._landlock.apply)
        self._landlock.close()
        if self._network:
            self._network.close()
        _attempt("rlimits", missing, lambda: set_rlimits(limits, counted=self._uncounted is None))
        if self._uncounted:
            missing.setdefault("rlimits", f"threads and processes are not bounded: {self._uncounted}")
        if self._seccomp.missing:
            missing["seccomp"] = self._seccomp.missing
        else:
            _attempt("seccomp", missing, lambda: self._seccomp.apply(one_process))
        return missing

    def detect(self) -> dict[str, str | None]:
        """Layer -> None where it holds, else why not. Forks a judge with a child that tries the walls; about 10 ms."""
        if self._missing:
            return {layer: self._missing[layer] for layer in LAYERS}
        missing = probe(self.separate, self.confine, self.scratch)
        return {layer: missing.get(layer, missing.get("all")) for layer in LAYERS}


def _attempt(layer: str, missing: dict[str, str], action: Callable[[], None]) -> None:
    try:
        action()
    except OSError as error:
        missing.setdefault(layer, why(error))
    except ValueError as error:  # of setrlimit
        missing.setdefault(layer, str(error))
