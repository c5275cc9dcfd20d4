"""Progress on stderr: bars with running score, tokens/s and ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from evalsuite.loop import Cell


class Progress(Protocol):
    """What the run loop reports to."""

    def start(self, name: str, total: int, done: Iterable[Cell]) -> None:
        """A task begins: `total` samples, of which `done` are there from an earlier run."""
        ...

    def advance(self, name: str, cells: list[Cell]) -> None:
        """These samples are finished."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know while it happens, in one line."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class _Tally:
    """Running numbers of one task."""

    def __init__(self, total: int, done: Iterable[Cell]) -> None:
        self.total, self.finished, self.scored, self.value, self.tokens, self.errors = total, 0, 0, 0.0, 0, 0
        self.add(done)
        self.before, self.tokens = self.finished, 0
        self.began: float | None = None

    def advance(self, cells: Iterable[Cell], since: float) -> float:
        """Count these cells; `since` is when work was last seen anywhere, where this task's clock starts. Returns now."""
        self.began = since if self.began is None else self.began
        self.add(cells)
        return time.monotonic()

    def add(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            self.finished += 1
            self.tokens += cell.tokens or 0
            if cell.value is None:
                self.errors += 1
            else:
                self.scored += 1
                self.value += cell.value

    def text(self) -> str:
        seconds = max(time.monotonic() - self.began, 1e-6) if self.began is not None else 1e-6
        parts = [f"score {self.value / self.scored:.3f}" if self.scored else "score -"]
        if self.tokens:
            parts.append(f"{self.tokens / seconds:,.0f} tok/s")
        if self.errors:
            parts.append(f"{self.errors} errors")
        new = self.finished - self.before
        if new and self.finished < self.total:
            parts.append(f"ETA {_clock((self.total - self.finished) * seconds / new)}")
        return "  ".join(parts)


class PlainProgress:
    """A line per task at most every `every` seconds, and one when it is complete."""

    def __init__(self, stream: TextIO | None = None, every: float = 10.0) -> None:
        self._stream, self._every = stream or sys.stderr, every
        self._tallies: dict[str, _Tally] = {}
        self._printed: dict[str, float] = {}
        self._active = time.monotonic()

    def start(self, name: str, total: int, done: Iterable[Cell]) -> None:
        tally = self._tallies[name] = _Tally(total, done)
        self._printed[name] = self._active = time.monotonic()
        if tally.before:
            print(f"{name}: {tally.before} of {total} samples are there from before", file=self._stream)

    def advance(self, name: str, cells: list[Cell]) -> None:
        tally = self._tallies[name]
        self._active = now = tally.advance(cells, self._active)
        if tally.finished >= tally.total or now - self._printed[name] >= self._every:
            self._printed[name] = now
            print(f"{name}: {tally.finished}/{tally.total}  {tally.text()}", file=self._stream, flush=True)

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to restore."""


class BarProgress:
    """A rich bar per task."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            console=Console(stderr=True),
        )
        self._tallies: dict[str, tuple[Any, _Tally]] = {}
        self._active = time.monotonic()
        self._bars.start()

    def start(self, name: str, total: int, done: Iterable[Cell]) -> None:
        tally, self._active = _Tally(total, done), time.monotonic()
        self._tallies[name] = (self._bars.add_task(name, total=total, completed=tally.finished, text=""), tally)

    def advance(self, name: str, cells: list[Cell]) -> None:
        bar, tally = self._tallies[name]
        self._active = tally.advance(cells, self._active)
        self._bars.update(bar, completed=tally.finished, text=tally.text())

    def note(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        self._bars.stop()


class NoProgress:
    """Silence."""

    def start(self, name: str, total: int, done: Iterable[Cell]) -> None:
        """Nothing."""

    def advance(self, name: str, cells: list[Cell]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def make_progress() -> Progress:
    """Bars where stderr is a terminal, lines where it is not."""
    return BarProgress() if sys.stderr.isatty() else PlainProgress()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
