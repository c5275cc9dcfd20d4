"""Samples that a training run drew, by step: its `samples.jsonl`, of which only the step in question is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evalsuite.errors import UsageError
from evalsuite.runlog.log import decode

from ..catalog import Training
from .browse import START, verdict

SAMPLES = "samples.jsonl"
COLUMNS = ("id", "group", "i", "verdict", "score", "reward", "advantage", "kept", "answer", "tokens", "finish", "text")
ORDERS = ("as in the run", "highest reward first", "lowest reward first", "largest advantage first", "longest first")
_BY = {
    "highest reward first": ("reward", False),
    "lowest reward first": ("reward", True),
    "largest advantage first": ("size", False),
    "longest first": ("tokens", False),
}
_STEP = re.compile(rb'\{"step":\s*(\d+)\b')


@dataclass(frozen=True)
class Part:
    """The samples of one step: `count` lines in the bytes from `start` to `end` of the file."""

    step: int
    start: int
    end: int
    count: int


def parts(training: Training) -> list[Part]:
    """The steps of which there are samples, in order; empty where there are none. An unfinished last line is none yet.

    Reads the file once, and no more of a line than its step: 1 GB takes about a second. Raises UsageError for a file that cannot be
    read, or has a line without a step.
    """
    path = training.path / SAMPLES
    found: list[Part] = []
    for number, (start, line) in enumerate(_lines(path), 1):
        match = _STEP.match(line)
        if match is None and number == 1:
            continue  # the header
        step = int(match.group(1)) if match else _step(path, number, line)
        if found and found[-1].step == step:
            found[-1] = Part(step, found[-1].start, start + len(line), found[-1].count + 1)
        else:
            found.append(Part(step, start, start + len(line), 1))
    return found


def rollouts(training: Training, part: Part) -> list[dict[str, Any]]:
    """The samples of a step, with the columns of an evaluation's samples where they have them, and `group`, `reward`, `advantage`,
    `kept`. Raises UsageError for a damaged line."""
    path = training.path / SAMPLES
    try:
        with open(path, "rb") as file:
            file.seek(part.start)
            lines = file.read(part.end - part.start).splitlines()
        return [_row(decode(line)) for line in lines]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}: a line of step {part.step} is not a sample ({error}). The file was edited or damaged"
        ) from None


def table(
    rows: Sequence[dict[str, Any]], *, text: str = "", kept: str = "all", verdicts: Sequence[str] = (), order: str = ORDERS[0]
) -> pd.DataFrame:
    """Columns COLUMNS of the rows that fit, the row's position as index. `text` is looked for in id, answer and response;
    `kept` is `all`, `kept` or `left out`; `order` one of ORDERS."""
    sought = text.casefold()
    frame = pd.DataFrame(
        [
            (r["id"], r["group"], r["i"], verdict(r["value"], r["outcome"]), r["value"], r["reward"], r["advantage"], r["kept"],
             r["answer"], r["completion_tokens"], r["finish_reason"], (r["text"] or "")[:START])
            for r in rows
        ],
        columns=list(COLUMNS),
    )  # fmt: skip
    fits = (
        [any(sought in str(r[k] or "").casefold() for k in ("id", "answer", "text")) for r in rows]
        if sought
        else [True] * len(rows)
    )
    fitting = pd.Series(fits, dtype=bool)
    if kept != "all":
        fitting &= frame["kept"] == (kept == "kept")
    if verdicts:
        fitting &= frame["verdict"].isin(list(verdicts))
    frame = frame[fitting]
    if order == ORDERS[0]:
        return frame
    by, ascending = _BY[order]
    return (
        frame.assign(size=pd.to_numeric(frame["advantage"]).abs())
        .sort_values(by, ascending=ascending, kind="stable")
        .drop(columns="size")
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines and where they begin."""
    if not path.is_file():
        return
    at = 0
    try:
        with open(path, "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield at, line
                at += len(line)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _step(path: Path, number: int, line: bytes) -> int:
    try:
        return int(decode(line)["step"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path}:{number}: not a sample of a step. The file was edited or damaged") from None


def _row(row: dict[str, Any]) -> dict[str, Any]:
    score = row.get("score") or {}
    return {
        **{k: row.get(k) for k in ("step", "task", "id", "group", "i", "text", "finish_reason", "reward", "advantage", "kept")},
        "completion_tokens": row.get("tokens"),
        **{k: score.get(k) for k in ("value", "outcome", "answer", "feedback", "seconds")},
        "parts": dict(score.get("parts") or {}),
    }
