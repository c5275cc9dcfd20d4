"""Rollouts in this process, from the very module that is trained: no weights are copied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalsuite import Request
from evalsuite.models.hf import HFModel
from evalsuite.models.vision import ImagePrompt


class LiveSampler:
    """The `hf` backend's decode loop over the trained module. Weights need no update, and there is nothing to put to sleep."""

    def __init__(self, module: Any, folder: Path, label: str, **arguments: Any) -> None:
        """`folder` has tokenizer and configuration; `label` names the weights in fingerprints."""
        self._module = module
        self.model = HFModel.live(module, folder, label=label, **arguments)

    def prompt_ids(self, request: Request) -> tuple[int, ...]:
        """The ids that the model reads for this request."""
        return self.model.prompt_ids(request)

    def images(self, request: Request) -> ImagePrompt | None:
        """The prompt with its images, where it has any."""
        return self.model.image_prompt(request)

    def expect(self, requests: int) -> None:
        """A rollout batch is batched the same way every time, so that the same run gives the same bits."""
        self.model.expect(requests)

    def update(self, export: Callable[[], Path]) -> None:
        """The weights are the policy's own."""

    def wake(self) -> None:
        """Sampling mode: no dropout."""
        self._module.eval()

    def sleep(self) -> None:
        """Training mode."""
        self._module.train()

    def close(self) -> None:
        """End the engine's thread; the module stays."""
        asyncio.run(self.model.close())
