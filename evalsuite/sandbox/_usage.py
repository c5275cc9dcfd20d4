"""How much of a processor a process had, and how long it waited for one."""

from __future__ import annotations

STARVED = 0.1  # share of its time that a program may spend waiting for a processor


def starved(pid: int, seconds: float) -> bool:
    """Whether a process that ran out of `seconds` of wall time was ready to run, and not let, for a good part of them."""
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            running, waiting = (int(n) / 1e9 for n in file.read().split()[:2])
    except (OSError, ValueError):
        return False  # a kernel without these numbers
    return running < 0.9 * seconds and waiting > STARVED * seconds
