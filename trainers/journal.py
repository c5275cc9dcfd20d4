"""What a training run leaves on disk while it goes: a line per step, a line per sample, mirrors for those who watch elsewhere."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import UnavailableError, UsageError
from evalsuite.runlog.log import LogWriter, read_lines

from .rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

SCALARS = "train.jsonl"
SAMPLES = "samples.jsonl"
MIRRORS = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb"}  # name -> package


class Journal:
    """`train.jsonl` (one object per step: `step` and scalars under TRL's metric names) and `samples.jsonl` in a run's folder.

    Both are append-only, and a line is real only when it ends in a newline. `resume` drops what lies past a checkpoint, so that a
    resumed run's files are those of an uninterrupted one.
    """

    def __init__(self, folder: Path, step: int) -> None:
        """Go on after `step`."""
        for name in (SCALARS, SAMPLES):
            _cut(folder / name, step)
        self._scalars = LogWriter(folder / SCALARS, {"kind": "train"})
        self._samples = LogWriter(folder / SAMPLES, {"kind": "samples"})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One line. What is not a finite number is left out: JSON has no NaN."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self._scalars.append([{"step": step, **finite}])

    def samples(self, step: int, rows: Rows, advantages: Tensor) -> None:
        """A line per rollout of the batch that begins with update `step`: text, score, shaped reward, advantage, admitted or not."""
        per_row = advantages if advantages.dim() == 1 else advantages.sum(-1)
        columns = zip(rows.rollouts, rows.reward.tolist(), rows.keep.tolist(), per_row.tolist(), strict=True)
        self._samples.append(
            {
                "step": step,
                "task": r.task,
                "id": r.sample.id,
                "group": r.group,
                "i": r.index,
                "text": r.completion.text,
                "finish_reason": r.completion.finish_reason,
                "tokens": r.length,
                "score": r.score.to_dict(),
                "reward": reward if math.isfinite(reward) else None,
                "advantage": advantage,
                "kept": kept,
            }
            for r, reward, kept, advantage in columns
        )

    def close(self) -> None:
        """Force everything to disk."""
        self._scalars.close()
        self._samples.close()


def read_scalars(folder: Path) -> list[dict[str, Any]]:
    """The lines of `train.jsonl` in order, without the header; empty where there is none. Raises UsageError for a damaged file."""
    path = folder / SCALARS
    return [row for row in read_lines(path) if "step" in row] if path.exists() else []


def check_mirrors(names: Sequence[str]) -> None:
    """Raises UsageError for a name that is none, UnavailableError where a mirror's package is missing."""
    import importlib.util

    for name in names:
        if name not in MIRRORS:
            raise UsageError(f"--report-to {name}: one of {', '.join(MIRRORS)}")
        if importlib.util.find_spec(MIRRORS[name]) is None:
            raise UnavailableError(f"--report-to {name} needs a package that is missing: pip install {MIRRORS[name]}")


def _cut(path: Path, step: int) -> None:
    """Truncate a file where the first line of a later step begins: lines are in the order of their steps."""
    if not path.exists():
        return
    end = 0
    with path.open("rb") as file:
        for row, line in zip(read_lines(path), file, strict=False):  # an unfinished last line is no row
            if row.get("step", 0) > step:
                break
            end += len(line)
        else:
            return
    os.truncate(path, end)
