"""What a person sees while it trains: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

SHOWN = (
    ("reward", "reward"),
    ("score", "score"),
    ("length", "completions/mean_length"),
    ("loss", "loss"),
    ("entropy", "entropy"),
)


class Watch(Protocol):
    """What the loop reports to."""

    def start(self, folder: Path, step: int, steps: int) -> None:
        """A run begins, or goes on after `step`."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know, in one line."""
        ...

    def rollouts(self, rows: int) -> None:
        """So many completions more have been scored."""
        ...

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """An update is made."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class Lines:
    """A line at most every `every` seconds, and one for the last step."""

    def __init__(self, stream: TextIO | None = None, every: float = 10.0) -> None:
        self._stream, self._every = stream or sys.stderr, every
        self._steps, self._printed = 0, time.monotonic()

    def start(self, folder: Path, step: int, steps: int) -> None:
        """Names the folder."""
        self._steps = steps
        self._say(f"run: {folder}" + (f" (going on after step {step})" if step else ""))

    def note(self, text: str) -> None:
        """Says it."""
        self._say(text)

    def rollouts(self, rows: int) -> None:
        """Not told: a line per step is enough."""

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Says how it stands, if it is time."""
        if step == self._steps or time.monotonic() - self._printed > self._every:
            self._printed = time.monotonic()
            self._say(f"step {step}/{self._steps}  {_text(metrics)}")

    def close(self) -> None:
        """Nothing to leave."""

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Bar:
    """A rich bar with the numbers of the last step."""

    def __init__(self) -> None:
        self._bars: Any = None
        self._task: Any = None
        self._rows = 0

    def start(self, folder: Path, step: int, steps: int) -> None:
        """Names the folder and draws the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        console.print(f"run: {folder}" + (f" (going on after step {step})" if step else ""), highlight=False, soft_wrap=True)
        columns = (TextColumn("training"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
        self._bars = Progress(*columns, TextColumn("{task.fields[text]}"), console=console)
        self._bars.start()
        self._task = self._bars.add_task("training", total=steps, completed=step, text="")

    def note(self, text: str) -> None:
        """Says it above the bar."""
        self._bars.console.print(text, highlight=False, soft_wrap=True)

    def rollouts(self, rows: int) -> None:
        """Counts completions while a batch is being collected."""
        self._rows += rows
        self._bars.update(self._task, text=f"{self._rows} completions")

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Moves the bar."""
        self._rows = 0
        self._bars.update(self._task, completed=step, text=_text(metrics))

    def close(self) -> None:
        """Stops drawing."""
        if self._bars is not None:
            self._bars.stop()


class Silent(Lines):
    """For callers with a display of their own."""

    def _say(self, text: str) -> None:
        return None


def make_watch() -> Watch:
    """A bar where stderr is a terminal, lines where it is not."""
    return Bar() if sys.stderr.isatty() else Lines()


def _text(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{label} {metrics[name]:.3g}" for label, name in SHOWN if name in metrics)
