"""Files that grow while a training run writes them: read from where the last reading ended."""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.runlog.log import decode

_SEEN = 4096  # bytes before the place where reading goes on that must still be what was read


class Growing:
    """What the rows of a log file add up to. Subclasses fold rows; sessions may share one.

    `version` changes with the contents. `problem` says in words why reading stopped before the end, '' where it did not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 0
        self.problem = ""
        self._lock = threading.Lock()
        self._begin()

    def clear(self) -> None:
        """Forget everything."""
        raise NotImplementedError

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one row, which has a step."""
        raise NotImplementedError

    def refresh(self) -> int:
        """Read what has come since, and return `version`. An unfinished last line is left for the next time.

        A file that is not what it was (cut back to a checkpoint and written on, or replaced) is read anew.
        """
        with self._lock:
            try:
                with open(self.path, "rb") as file:
                    if not self._goes_on(file):
                        self._begin()
                        file.seek(0)
                    self._read(file)
            except OSError as error:
                self._begin()
                self.problem = f"{self.path.name} cannot be read: {error.strerror}"
            return self.version

    def _begin(self) -> None:
        self.offset, self._lines, self._tail, self.problem = 0, 0, b"", ""
        self.version += 1
        self.clear()

    def _goes_on(self, file: Any) -> bool:
        """Whether the bytes before the offset are those that were read; leaves the file at the offset."""
        file.seek(self.offset - len(self._tail))
        return bool(file.read(len(self._tail)) == self._tail)

    def _read(self, file: Any) -> None:
        self.problem = ""
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                row = decode(line)
                if isinstance(row.get("step"), int):
                    self.add(row)
            except (ValueError, TypeError, KeyError) as error:
                self.problem = f"{self.path.name}:{self._lines + 1}: not a log line ({error}); what comes after it is not shown"
                break
            self._lines += 1
            self.offset += len(line)
            self.version += 1
            self._tail = (self._tail + line)[-_SEEN:]


class Scalars(Growing):
    """The scalars of `train.jsonl` by name. Several rows may have the same step: those of training and those of an evaluation.

    Scalars for whose names `without` is true are left out.
    """

    def __init__(self, path: Path, without: Callable[[str], bool] = lambda name: False) -> None:
        self._without = without
        super().__init__(path)

    def clear(self) -> None:
        self._columns: dict[str, tuple[array[float], array[float]]] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if number and name != "step" and not self._without(name):
                steps, values = self._columns.setdefault(name, (array("d"), array("d")))
                steps.append(row["step"])
                values.append(value)

    @property
    def names(self) -> list[str]:
        """In the order of their first appearance."""
        return list(self._columns)

    def get(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(T,) steps, ascending, and (T,) values; both empty for a name that is not there."""
        with self._lock:
            steps, values = (np.array(column, dtype=float) for column in self._columns.get(name, ((), ())))
        if len(steps) > 1 and (np.diff(steps) < 0).any():
            order = np.argsort(steps, kind="stable")
            steps, values = steps[order], values[order]
        return steps, values

    def last(self, name: str) -> float | None:
        """The newest value."""
        _, values = self.get(name)
        return float(values[-1]) if len(values) else None


class Groups(Growing):
    """The groups of `samples.jsonl`: samples of one question in one batch. Texts are not kept."""

    def clear(self) -> None:
        self._groups: dict[tuple[int, str, int], list[float]] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        group = self._groups.setdefault((row["step"], str(row["task"]), int(row["group"])), [0, 0.0, 0, 0, 0])
        reward, value = row.get("reward"), row["score"].get("value")
        if reward is not None:
            group[0] += 1
            group[1] += float(reward)
        if value is not None:
            group[2] += 1
            group[3] += value >= 1.0
            group[4] += value <= 0.0

    def table(self) -> dict[str, np.ndarray]:
        """Columns of a row per group in order of steps: `step`, `reward` (mean; NaN without any), `scored`, `right` and `wrong`
        (samples that have a value, whose value is 1 or more, and 0 or less)."""
        with self._lock:
            keys = [step for step, _, _ in self._groups]
            rows = np.array(list(self._groups.values()), dtype=float).reshape(-1, 5)
        with np.errstate(invalid="ignore"):
            mean = rows[:, 1] / np.where(rows[:, 0] > 0, rows[:, 0], np.nan)
        found = {
            "step": np.array(keys, dtype=float), "reward": mean, "scored": rows[:, 2], "right": rows[:, 3], "wrong": rows[:, 4]
        }  # fmt: skip
        order = np.argsort(found["step"], kind="stable")
        return {name: column[order] for name, column in found.items()}
