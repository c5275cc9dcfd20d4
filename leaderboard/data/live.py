"""Runs that are being written: how far they are, what they score so far, and whether anybody still writes them.

Logs grow; each is read on from where it was left, by the log's own rule: a line is real only when it ends in a newline.
"""

from __future__ import annotations

import os
import platform
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evalsuite.metrics import Aggregate, aggregate
from evalsuite.runlog import slug
from evalsuite.runlog.log import decode

from ..catalog import Catalog, Run

BLOCK = 32 << 20  # bytes read of a log in one go: a very long one is caught up with in several
WINDOW = 60.0  # seconds over which the rate is taken
SILENT = 300.0  # seconds without a line after which a run on another machine is taken for dead

Key = tuple[str, int]


class Tail:
    """The log of one task of a run, as far as it was read. `update` reads on."""

    def __init__(self, folder: Path, task: str) -> None:
        self.folder, self.task = folder, task
        self.problem = ""
        self._files: dict[Path, tuple[int, int]] = {}  # inode, and the offset of the first line not read yet
        self._cells: dict[Key, tuple[float | None, int]] = {}  # (value, tokens) of each sample's last row
        self._sums: dict[str, tuple[float, int]] = {}  # sum and number of the values of each question
        self.written, self.done, self.tokens = 0.0, 0, 0  # time of the last line; samples with a value; completion tokens

    def update(self) -> bool:
        """Read what is new, at most BLOCK bytes of each file; whether all was read. Begins anew where a file was replaced."""
        whole = True
        for path in sorted((self.folder / "log").glob(f"{slug(self.task)}.*.jsonl")):
            try:
                with open(path, "rb") as file:
                    whole &= self._read(path, file)
            except OSError as error:
                self.problem = f"{path.name} cannot be read: {error.strerror or error}"
        return whole

    @property
    def errors(self) -> int:
        """Samples whose last row has no value: a failed request, or a completion that was not scored yet."""
        return len(self._cells) - self.done

    def so_far(self) -> Aggregate:
        """The average over the questions that have a value, with its interval. Which questions these are is no random choice."""
        some = [(total, n) for total, n in self._sums.values() if n]
        return aggregate([total / n for total, n in some], samples_per_question=[n for _, n in some])

    def _read(self, path: Path, file: Any) -> bool:
        stat = os.fstat(file.fileno())
        inode, offset = self._files.get(path, (stat.st_ino, 0))
        if inode != stat.st_ino or stat.st_size < offset:
            self._files, self._cells, self._sums, self.problem = {}, {}, {}, ""
            offset = self.done = self.tokens = 0
        file.seek(offset)
        block = file.read(BLOCK)
        while not (end := block.rfind(b"\n") + 1) and (more := file.read(BLOCK)):
            block += more  # a line that is longer than a block
        for number, line in enumerate(block[:end].splitlines()):
            try:
                self._take(decode(line), first=offset == 0 and number == 0)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self.problem = f"{path.name} has a line that is no sample's ({type(error).__name__}: {error})"
        self._files[path] = stat.st_ino, offset + end
        self.written = max(self.written, stat.st_mtime)
        return len(block) < BLOCK

    def _take(self, row: dict[str, Any], *, first: bool) -> None:
        if first and "id" not in row:
            return  # the header
        value = (row.get("score") or {}).get("value")
        tokens = int((row.get("completion") or {}).get("completion_tokens") or 0)
        key = (row["id"], row["i"])
        self._count(key, *self._cells.get(key, (None, 0)), -1)  # of one sample, the last row counts
        self._cells[key] = value, tokens
        self._count(key, value, tokens, 1)

    def _count(self, key: Key, value: float | None, tokens: int, sign: int) -> None:
        self.tokens += sign * tokens
        if value is not None:
            total, n = self._sums.get(key[0], (0.0, 0))
            self._sums[key[0]] = total + sign * value, n + sign
            self.done += sign


@dataclass(frozen=True)
class Pace:
    """Samples and tokens per second over the last WINDOW seconds that were watched; None before there are two looks."""

    samples: float | None = None
    tokens: float | None = None


class Watch:
    """Every running run of a results folder, for all who look at it."""

    def __init__(self) -> None:
        self._tails: dict[tuple[Path, str], Tail] = {}
        self._seen: dict[Path, deque[tuple[float, int, int]]] = {}
        self._lock = threading.Lock()

    def frame(self, catalog: Catalog, now: float) -> pd.DataFrame:
        """A row per task of every run that says it is running: `name`, `run`, `task`, `state`, `alive`, `progress` (share of
        the samples wanted that have a value), `samples` ("done / wanted"), `value`, `low`, `high`, `errors`, `tokens`, `rate`
        (samples per second), `token_rate`, `left` (seconds), the last three of the whole run. `now` is seconds since 1970.
        """
        runs = running(catalog)
        with self._lock:
            kept = {(run.path, task) for run in runs for task in run.tasks}
            self._tails = {key: tail for key, tail in self._tails.items() if key in kept}
            self._seen = {run.path: self._seen.get(run.path, deque()) for run in runs}
            lines = [line for run in runs for line in self._lines(catalog, run, now)]
        columns = ("name", "run", "task", "state", "alive", "progress", "samples", "value", "low", "high", "errors", "tokens",
                   "rate", "token_rate", "left")  # fmt: skip
        return pd.DataFrame(lines, columns=list(columns))

    def _lines(self, catalog: Catalog, run: Run, now: float) -> Iterable[dict[str, Any]]:
        tails = {task: self._tails.setdefault((run.path, task), Tail(run.path, task)) for task in run.tasks}
        whole = all([tail.update() for tail in tails.values()])
        wanted = {task: int(told.get("n_questions") or 0) * int(told.get("repeats") or 1) for task, told in run.tasks.items()}
        alive, state = pulse(run, max((t.written for t in tails.values()), default=0.0), now)
        done, tokens = sum(t.done for t in tails.values()), sum(t.tokens for t in tails.values())
        pace = self._pace(run.path, now, done, tokens) if whole and alive else Pace()
        missing = max(sum(wanted.values()) - done, 0)
        for task, tail in tails.items():
            a = tail.so_far()
            yield {
                "name": catalog.labels[run.key],
                "run": run.key,
                "task": str(run.tasks[task].get("label", task)),
                "state": tail.problem or (state if whole else "its log is still being read"),
                "alive": alive,
                "progress": min(tail.done / wanted[task], 1.0) if wanted[task] else None,
                "samples": f"{tail.done:,} / {wanted[task]:,}",
                "value": a.value,
                "low": a.low,
                "high": a.high,
                "errors": tail.errors,
                "tokens": tail.tokens,
                "rate": pace.samples,
                "token_rate": pace.tokens,
                "left": missing / pace.samples if pace.samples else None,
            }

    def _pace(self, path: Path, now: float, done: int, tokens: int) -> Pace:
        seen = self._seen[path]
        if seen and (now < seen[-1][0] or done < seen[-1][1]):
            seen.clear()
        if not seen or now - seen[-1][0] >= 1:  # several people may look at once
            seen.append((now, done, tokens))
        while len(seen) > 2 and now - seen[1][0] >= WINDOW:
            seen.popleft()
        (start, first, spent), (end, last, total) = seen[0], seen[-1]
        return Pace((last - first) / (end - start), (total - spent) / (end - start)) if end > start else Pace()


def running(catalog: Catalog) -> list[Run]:
    """The runs that say they are running."""
    return [run for run in catalog.runs.values() if run.status == "running" and not run.problem]


def pulse(run: Run, written: float, now: float) -> tuple[bool, str]:
    """Whether somebody still writes a run, and how that is known.

    On this machine by the process whose id stands in `.lock`; else by `written`, the time of the log's last line.
    """
    ago = f"last line {duration(now - written)} ago" if written else "no line yet"
    if run.manifest.get("environment", {}).get("host") == platform.node():
        try:
            pid = int((run.path / ".lock").read_text())
            os.kill(max(pid, 1), 0)
        except PermissionError:
            return True, f"alive, {ago}"  # somebody else's process
        except (OSError, ValueError, OverflowError):
            return False, f"stopped: its process is gone, {ago}; run its command again to go on"
        return True, f"alive (process {pid}), {ago}"
    if now - max(written, _touched(run.path)) < SILENT:
        return True, f"alive on {run.manifest.get('environment', {}).get('host') or 'another machine'}, {ago}"
    return False, f"silent: {ago}, on another machine"


def duration(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h 05 min`, `4 d`."""
    s = max(round(seconds), 0)
    if s < 90:
        return f"{s} s"
    if s < 5400:
        return f"{round(s / 60)} min"
    return f"{s // 3600} h {s % 3600 // 60:02d} min" if s < 48 * 3600 else f"{s // 86400} d"


def _touched(folder: Path) -> float:
    try:
        return (folder / "run.json").stat().st_mtime
    except OSError:
        return 0.0
