"""Short ways to say what the pool is given and what it leaves behind."""

from __future__ import annotations

import time
from pathlib import Path

from evalsuite import Completion, ask


def item(text, target="1", sample_id="0", **fields):
    return ask("q", id=sample_id, target=target), Completion(text=text, **fields)


def say(text):
    return {0: item(text)}


def alive(pid):
    """Whether the process runs; a zombie that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(pids, seconds=10.0):
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return [pid for pid in pids if alive(pid)]


def pids(team):
    return [worker._process.pid for worker in team._team]
