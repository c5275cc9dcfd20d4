"""What one program may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one untrusted program; past one, the program meets an error or its end, never the machine.

    `memory` is bytes of address space per process, `disk` bytes in its own temporary directory (and of any one file),
    `output` bytes of standard output that are kept, `files` open files, `threads` threads of all its processes together,
    `processes` processes at a time, itself included. One process means that fork and exec are refused.
    """

    memory: int = 2 << 30
    disk: int = 64 << 20
    output: int = 16 << 20
    files: int = 128
    threads: int = 64
    processes: int = 1

    def __post_init__(self) -> None:
        for name in ("memory", "disk", "output", "files", "threads", "processes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
