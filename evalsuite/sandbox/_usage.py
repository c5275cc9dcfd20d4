"""How much of a processor a process had, and how long it waited for one."""

from __future__ import annotations

import os

STARVED = 0.1  # share of its time that a busy program may spend waiting for a processor


def starved(pid: int, seconds: float, proc: int | None = None) -> bool:
    """Whether a process that ran out of `seconds` of wall time was ready to run, and not let, for a good part of them.

    `proc` is an open /proc for who cannot see it any more.
    """
    path = f"/proc/{pid}/schedstat" if proc is None else f"{pid}/schedstat"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        try:
            running, waiting = (int(n) / 1e9 for n in os.read(fd, 200).split()[:2])
        finally:
            os.close(fd)
    except (OSError, ValueError):
        return False  # a kernel without these numbers
    return waiting > STARVED * seconds and 0.5 * seconds < running + waiting and running < 0.9 * seconds
