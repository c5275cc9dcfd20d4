"""The reward that a trainer's worker process makes from a setting, once."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from evalsuite.errors import UsageError
from evalsuite.rewards.core import Reward, reward

TASKS = "EVALSUITE_REWARD_TASKS"  # task specs, separated by commas

_LOCK = threading.Lock()
_made: dict[tuple[str, ...], Reward] = {}


def named_reward(specs: str | Sequence[str] | None = None) -> Reward:
    """The reward of these tasks (a list, or separated by commas), by default of EVALSUITE_REWARD_TASKS. Thread-safe.

    Made when first asked for and kept. Raises UsageError where no task is named, and as `evalsuite.reward` does.
    """
    specs = specs or os.environ.get(TASKS, "")
    words = specs.split(",") if isinstance(specs, str) else specs
    tasks = tuple(word.strip() for word in words if word.strip())
    if not tasks:
        raise UsageError(f"which tasks? set {TASKS}=TASK[,TASK...] where the reward runs (Ray workers: in their runtime_env)")
    with _LOCK:  # trainers call from many threads at once
        if tasks not in _made:
            _made[tasks] = reward(*tasks)
        return _made[tasks]
