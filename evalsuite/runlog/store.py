"""A run's directory: manifest, lock, logs. Everything a later command may read of a run is found through here."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import BusyError, UsageError
from evalsuite.files import write_atomically
from evalsuite.runlog.log import LogWriter, read_lines

STATUSES = ("running", "done", "failed", "interrupted")


def slug(name: str, limit: int = 60) -> str:
    """`name` as a file name. A name that had to be changed gets a hash of the original, so that no two names meet."""
    safe = re.sub(r"[^A-Za-z0-9._@=-]+", "-", name).strip("-.")[:limit]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


class RunDir:
    """One run on disk. Reading needs no lock; `lock` is for the one process that writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @classmethod
    def find(cls, name: str | Path, root: Path) -> RunDir:
        """A run by its directory, or by its id (or a unique beginning of it) under `root`. Raises UsageError."""
        path = Path(name)
        if (path / "run.json").is_file():
            return cls(path)
        matches = sorted(p.parent for p in root.glob(f"{name}*/run.json")) if root.is_dir() and "/" not in str(name) else []
        if len(matches) == 1:
            return cls(matches[0])
        if matches:
            raise UsageError(f"{name!r} matches several runs: {', '.join(p.name for p in matches)}")
        raise UsageError(f"no run {name!r}: neither a directory with run.json nor an id under {root}")

    def lock(self) -> None:
        """Take the directory for writing until the process ends. Raises UsageError where that cannot be, or another has it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UsageError(
                f"--output_path: {self.path} cannot be written: {error.strerror}; name another folder with --output_path"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode() or "another process"
            os.close(lock)
            raise BusyError(
                f"{self.path} is being written by process {holder}. Wait for it, stop it, or use another --output_path"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def unlock(self) -> None:
        """Let the directory go."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def move_aside(self) -> None:
        """Put everything that is here under `.old` beside it: `--fresh` hides the old record, it does not destroy it."""
        old = self.path.parent / ".old" / f"{self.path.name}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        # run.json goes last: a kill on the way leaves a directory that is still a run.
        for entry in sorted(self.path.iterdir(), key=lambda e: e.name == "run.json"):
            if entry.name != ".lock":
                old.mkdir(parents=True, exist_ok=True)
                os.replace(entry, old / entry.name)

    def manifest(self) -> dict[str, Any]:
        """The contents of run.json; empty where there is none yet. Raises UsageError where it is damaged."""
        try:
            manifest = json.loads((self.path / "run.json").read_text())
            if not isinstance(manifest, dict):
                raise ValueError("not an object")
            return manifest
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise UsageError(f"{self.path / 'run.json'} is damaged ({error})") from None

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace run.json in one step: a reader sees the old one or the new one, never half of either."""
        write_atomically(self.path / "run.json", json.dumps(manifest, indent=1, default=str).encode())

    def writer(self, task: str, writer: str = "0") -> LogWriter:
        """The log of one task, opened for appending."""
        return LogWriter(self.path / "log" / f"{slug(task)}.{writer}.jsonl", {"task": task, "run": self.path.name})

    def rows(self, task: str) -> Iterator[dict[str, Any]]:
        """Log rows of one task, in order of writing: `{"id", "i", "seed", "completion"?, "score"?, "error"?}`.

        Reads `.jsonl` and, as baselines have them, `.jsonl.gz`. Raises UsageError for a damaged file, and for a baseline whose
        completions of this task are not in it.
        """
        name, folder = slug(task), self.path / "log"
        paths = sorted([*folder.glob(f"{name}.*.jsonl"), *folder.glob(f"{name}.*.jsonl.gz")])
        if not paths:
            self._refuse_absent(task)
        for path in paths:
            lines = read_lines(path)
            header = next(lines, None)
            if header is not None and header.get("task") == task:
                yield from lines

    def _refuse_absent(self, task: str) -> None:
        """Raises UsageError where this was imported, or is a baseline that has completions of `task`, but not in itself."""
        self.refuse_imported()
        baseline = self.manifest().get("baseline")
        if baseline is None or task not in baseline["completions"]:
            return
        advice = (
            f"they are kept in {baseline['fetch']}; bring them with: "
            f"evalsuite baseline fetch {baseline['name']} --dir {self.path.parent}"
            if baseline["fetch"]
            else "restore its log folder"
        )
        raise UsageError(f"baseline {baseline['name']} does not hold its completions of {task!r}: {advice}")

    def refuse_imported(self) -> None:
        """Raises UsageError where this run was imported: it has tables, and no log."""
        if imported := self.manifest().get("imported"):
            raise UsageError(
                f"run {self.path.name} was imported from {imported['from']}: it has no log to score again, replay, or keep as a "
                "baseline. `evalsuite convert` makes rows of recorded texts for `evalsuite run --model replay:FILE`"
            )

    def tasks(self) -> list[str]:
        """Names of the tasks in the manifest, in the order they were asked for."""
        return list(self.manifest().get("tasks", {}))
