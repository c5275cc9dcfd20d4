"""TensorBoard: every folder with event files is a training run; its scalars become lines of train.jsonl under their own tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalsuite.imports.events import Scalar, read_scalars
from evalsuite.imports.record import Found, Training

LOOKS_FOR = "*tfevents* files (TensorBoard)"


def find(source: Path) -> Iterator[Found]:
    """The folders that have event files, one run each."""
    if source.is_file():
        if "tfevents" in source.name:
            yield Found(root=source.parent, main=source.parent, files=(source,))
        return
    folders: dict[Path, list[Path]] = {}
    for path in sorted(source.rglob("*tfevents*")):
        if path.is_file():
            folders.setdefault(path.parent, []).append(path)
    for folder, files in folders.items():
        yield Found(root=source, main=folder, files=tuple(files))


def read(found: Found) -> Training:
    """One run, named by its folder."""
    notes: list[str] = []
    lines, started, finished = by_step(read_all(found.files, notes))
    name = found.main.relative_to(found.root).as_posix()
    return Training(
        method=found.main.resolve().name if name == "." else name,
        scalars=lines,
        started=started,
        finished=finished,
        notes=notes,
    )


def read_all(files: Iterable[Path], notes: list[str]) -> Iterator[Scalar]:
    """The scalars of several files of one run, in order of their names, which begin with the time."""
    for path in files:
        yield from read_scalars(path, notes)


def by_step(scalars: Iterable[Scalar]) -> tuple[list[dict[str, Any]], str, str]:
    """A line per step, and when the first and the last value was written (UTC).

    What was written again for a step (a run that was resumed) replaces what was there. `step_time` is the time since the line
    before, in seconds. transformers puts `train/` before the names of what a Trainer logs, and writes `eval/` for `eval_`, on the way
    to TensorBoard: where it did, both are undone, so that curves meet those of other sources.
    """
    rows: dict[int, dict[str, float]] = {}
    walls: dict[int, float] = {}
    for s in scalars:
        rows.setdefault(s.step, {})[s.tag] = s.value
        walls[s.step] = s.wall
    names = _names({tag for row in rows.values() for tag in row})
    lines, before = [], None
    for step in sorted(rows):
        line: dict[str, Any] = {**{names[tag]: value for tag, value in rows[step].items()}, "step": step}
        if before is not None and walls[step] >= before and "step_time" not in line:
            line["step_time"] = walls[step] - before
        before = walls[step]
        lines.append(line)
    return lines, _time(min(walls.values(), default=0)), _time(max(walls.values(), default=0))


def _names(tags: set[str]) -> Mapping[str, str]:
    if "train/epoch" not in tags:  # which transformers' TensorBoardCallback always writes
        return {tag: tag for tag in tags}
    plain = {tag: tag.removeprefix("train/") if tag.startswith("train/") else tag.replace("eval/", "eval_", 1) for tag in tags}
    return plain if len(set(plain.values())) == len(plain) else {tag: tag for tag in tags}


def _time(wall: float) -> str:
    try:
        return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if wall else ""
    except (ValueError, OverflowError, OSError):  # NaN, or beyond the years that there are
        return ""
