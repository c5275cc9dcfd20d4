"""`Sampled`: rows that the policy wrote. Questions go to the sampler rank by rank, and every rank gets all rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError, IncompleteError
from evalsuite.loop import run_async

from .collect import Collector
from .prompts import Prompts
from .rows import Rollout

if TYPE_CHECKING:
    from accelerate import Accelerator


class Sampled:
    """Groups of `samples` completions of the questions in `prompts`; `export()` writes the weights for a sampler of its own."""

    def __init__(
        self, prompts: Prompts, collector: Collector, samples: int, accelerator: Accelerator, export: Callable[[], Path]
    ) -> None:
        self._prompts, self._collector, self._samples = prompts, collector, samples
        self._accelerator, self._export = accelerator, export

    @property
    def cursor(self) -> int:
        """Groups taken so far."""
        return self._prompts.cursor

    @cursor.setter
    def cursor(self, value: int) -> None:
        self._prompts.cursor = value

    def __len__(self) -> int:
        return len(self._prompts)

    def rollouts(self, groups: int, advance: Callable[[int], None]) -> list[Rollout]:
        """Scored rollouts of the next `groups` questions, in the order of the groups. Raises as `Collector.collect`, on every rank."""
        first = self._prompts.cursor
        questions = [(first + i, question) for i, question in enumerate(self._prompts.take(groups))]
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        sampler = self._collector.sampler
        sampler.update(self._export)
        sampler.wake()
        error: EvalsuiteError | None = None
        own: list[Rollout] = []
        try:
            own = run_async(self._collector.collect(questions[rank::world], samples=self._samples, advance=advance))
        except EvalsuiteError as failure:
            if world == 1:
                raise
            error = failure
        finally:
            sampler.sleep()
        if world == 1:
            return own
        from accelerate.utils import gather_object

        if failed := [text for text in gather_object([str(error) if error else ""]) if text]:
            raise error or IncompleteError(f"another process failed: {failed[0]}")
        return sorted(gather_object(own), key=lambda rollout: (rollout.group, rollout.index))
