"""The learning rate of a step, from the step's number alone: there is no state to save."""

from __future__ import annotations

import math


def learning_rate(step: int, steps: int, *, lr: float, warmup: int, schedule: str) -> float:
    """Of update `step` (from 0) of `steps`: linear warm-up over `warmup` updates, then constant, or falling to 0 at the end."""
    if step < warmup:
        return lr * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if schedule == "linear":
        return lr * max(0.0, 1.0 - done)
    return lr * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done))) if schedule == "cosine" else lr
