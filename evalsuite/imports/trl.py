"""TRL: a trainer's output folder, with the log history of its state and the completions that `log_completions` wrote.

`trainer_state.json` (transformers' TrainerState) lies in each checkpoint, and in the folder itself after `save_state()`.
`completions/completions_<step>.parquet` has the columns step, prompt, completion, one per reward function, extra ones of the reward
functions' own, and advantage (trl/trainer/grpo_trainer.py).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.formats import read_records
from evalsuite.imports.record import Found, Training
from evalsuite.imports.tensorboard import by_step, read_all
from evalsuite.imports.trainings import group_of

LOOKS_FOR = "trainer_state.json and completions/completions_*.parquet (TRL)"

_STATE = "trainer_state.json"
_LAST = 1 << 53  # steps up to it are exact in a float
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_FIXED = ("step", "prompt", "completion", "advantage")


def find(source: Path) -> Iterator[Found]:
    """The output folders of trainers."""
    if source.is_file():
        candidates = [source] if source.name == _STATE or re.fullmatch(r"completions_\d+\.parquet", source.name) else []
    else:
        candidates = _files([*source.rglob(_STATE), *source.rglob("completions/completions_*.parquet")])
    folders = sorted({_output_of(path) for path in candidates})
    for folder in folders:
        states = sorted(_files(folder.glob(f"checkpoint-*/{_STATE}")), key=_step_of)
        if (folder / _STATE).is_file():
            states.append(folder / _STATE)
        completions = _files(folder.glob("completions/completions_*.parquet"))
        events = [] if states else _files(folder.rglob("*tfevents*"))
        yield Found(root=folder, main=folder, files=(*states[-1:], *events, *completions))


def read(found: Found) -> Training:
    """One training run. Its curves are the state's, or, of a run that never saved one, those of TensorBoard's files in its folder."""
    notes: list[str] = []
    state = next((path for path in found.files if path.name == _STATE), None)
    completions = [path for path in found.files if path.suffix == ".parquet"]
    started = finished = ""
    if state is not None:
        history, steps = _state(state)
        scalars: Iterable[Mapping[str, Any]] = _merged(history)
        finished = datetime.fromtimestamp(state.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    else:
        steps = 0
        scalars, started, finished = by_step(read_all([p for p in found.files if "tfevents" in p.name], notes))
        history = list(scalars)
    names = {m[1] for row in history for key in row if (m := re.fullmatch(r"rewards/(.+)/mean", key))}
    return Training(
        method=found.main.resolve().name,
        scalars=scalars,
        samples=_samples(completions, names),
        started=started or finished,
        finished=finished,
        steps=steps,
        notes=notes,
    )


def _files(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.is_file())


def _output_of(path: Path) -> Path:
    folder = path.parent
    return folder.parent if _CHECKPOINT.fullmatch(folder.name) or folder.name == "completions" else folder


def _step_of(path: Path) -> int:
    match = _CHECKPOINT.fullmatch(path.parent.name)
    return int(match[1]) if match else -1


def _state(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The log history, and the steps that were planned. Raises UsageError for what is no trainer's state."""
    try:
        state = json.loads(path.read_bytes())
        history, steps = [{**row, "step": int(row["step"])} for row in state["log_history"]], int(state.get("max_steps") or 0)
        if any(abs(step) > _LAST for step in (steps, *(row["step"] for row in history))):
            raise ValueError(f"a step beyond {_LAST}")
        return history, steps
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UsageError(f"{path}: not the state of a trainer, or damaged ({error!r})") from None


def _merged(history: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line per step: training, evaluation and the summary at the end log apart. Numbers only."""
    rows: dict[int, dict[str, Any]] = {}
    for row in history:
        numbers = {k: v for k, v in row.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        rows.setdefault(row["step"], {"step": row["step"]}).update(numbers)
    return [rows[step] for step in sorted(rows)]


def _samples(files: Sequence[Path], rewards: set[str]) -> Iterator[dict[str, Any]]:
    """Lines of samples.jsonl. A group is a stretch of equal prompts; the reward is the sum over the reward functions."""
    for path in sorted(files):
        group, i, last = -1, 0, None
        for record in read_records(path):
            if missing := [name for name in ("step", "prompt", "completion") if name not in record]:
                raise UsageError(f"{path} has no column {missing[0]!r}: not what TRL's log_completions writes")
            prompt = record["prompt"]
            if prompt != last:
                group, i, last = group + 1, 0, prompt
            yield _sample(record, rewards, group, i)
            i += 1


def _sample(record: Mapping[str, Any], rewards: set[str], group: int, i: int) -> dict[str, Any]:
    names = [n for n in record if n in rewards] or [n for n, v in record.items() if n not in _FIXED and isinstance(v, float)]
    parts = {n: float(v) for n in names if isinstance(v := record[n], int | float) and math.isfinite(v)}
    reward = math.fsum(parts.values()) if parts else None
    prompt = record["prompt"]
    outcome, why = ("ok", "") if reward is not None else ("error", "no reward")
    advantage = record.get("advantage")
    return {
        "step": int(record["step"]),
        "task": "trl",
        "id": group_of(prompt if isinstance(prompt, str) else json.dumps(prompt, sort_keys=True, default=str)),
        "group": group,
        "i": i,
        "prompt": prompt if isinstance(prompt, str) else "\n\n".join(_text(turn) for turn in prompt or ()),
        "text": _said(record["completion"]),
        "finish_reason": None,
        "tokens": None,
        "score": {"value": reward, "outcome": outcome, "feedback": why, "parts": parts},
        "reward": reward,
        "advantage": advantage if isinstance(advantage, float) and math.isfinite(advantage) else None,
        "kept": True,
    }


def _said(completion: Any) -> str:
    """The text of the last turn that is the assistant's."""
    if isinstance(completion, str):
        return completion
    return next((_text(turn) for turn in reversed(completion or ()) if turn.get("role") == "assistant"), "")


def _text(turn: Mapping[str, Any]) -> str:
    content = turn.get("content")
    return (
        content
        if isinstance(content, str)
        else "".join(str(p.get("text") or "") for p in content or () if isinstance(p, Mapping))
    )
