"""The reward that a trainer's worker process makes from its settings, once."""

from __future__ import annotations

import difflib
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.rewards.core import Reward, reward

TASKS = "EVALSUITE_REWARD_TASKS"  # task specs, separated by commas
SETTINGS = ("tasks", "weights", "data_dir", "offline", "deadline", "include", "limit")

_LOCK = threading.Lock()
_made: dict[str, Reward] = {}


def named_reward(tasks: str | Sequence[str] | None = None, **settings: Any) -> Reward:
    """The reward of these tasks (a list, or separated by commas), by default of EVALSUITE_REWARD_TASKS. Thread-safe.

    `settings` are those arguments of `evalsuite.reward` that SETTINGS names. Made when first asked for and kept. Raises
    UsageError where no task is named and for other settings, and as `evalsuite.reward` does.
    """
    if unknown := [name for name in settings if name not in SETTINGS]:
        near = difflib.get_close_matches(unknown[0], SETTINGS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"reward_kwargs: no setting {unknown[0]!r}; {hint}there are {', '.join(SETTINGS)}")
    tasks = tasks or os.environ.get(TASKS, "")
    words = tasks.split(",") if isinstance(tasks, str) else tasks
    names = [word.strip() for word in words if word.strip()]
    if not names:
        raise UsageError(f"which tasks? set {TASKS}=TASK[,TASK...] where the reward runs (Ray workers: in their runtime_env)")
    plain = _plain(settings)
    key = repr((names, sorted(plain.items())))
    with _LOCK:  # trainers call from many threads at once
        if key not in _made:
            _made[key] = reward(*names, **plain)
        return _made[key]


def _plain(value: Any) -> Any:
    """Dicts and lists where a configuration has its own kinds of them."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
