"""Reads demonstrations from a data file: which question is a row about, and what is its answer?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite import Sample
from evalsuite.errors import UsageError
from evalsuite.formats import read_records
from evalsuite.plan import Plan


def read_demos(path: Path, plans: Sequence[Plan]) -> Iterator[tuple[Plan, Sample, str]]:
    """Question and text of every row, in order; `demos.demonstrations` describes rows.

    Raises UsageError, naming the record, for a row without an answer, or that fits no question or several.
    """
    questions = _Questions(plans)
    for number, row in enumerate(read_records(path), 1):
        try:
            text = _answer(row)
            plan, sample = questions.find(row)
        except ValueError as error:
            raise UsageError(f"{path}, record {number}: {error}") from None
        yield plan, sample, text


class _Questions:
    """All questions of some plans, by id and by the texts that can stand for them."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.tasks = [plan.name for plan in plans]
        self.by_id: dict[str, dict[str, tuple[Plan, Sample]]] = {}
        self.by_prompt: dict[str, dict[str, tuple[Plan, Sample]]] = {}
        for plan in plans:
            for sample in plan.loaded.samples:
                self.by_id.setdefault(sample.id, {})[plan.name] = plan, sample
                rendered = plan.render(sample)
                asked = [message.text for message in rendered.messages if message.role == "user"]
                for text in {_plain(text) for text in (sample.problem, rendered.plain, *asked[-1:])}:
                    self.by_prompt.setdefault(text, {})[f"{plan.name} {sample.id}"] = plan, sample

    def find(self, row: Mapping[str, Any]) -> tuple[Plan, Sample]:
        """The question of a row. Raises ValueError where it fits none, or several."""
        task = row.get("task")
        if task is not None and task not in self.tasks:
            raise ValueError(f"its task {task!r} is not among {', '.join(self.tasks)}")
        if row.get("id") is not None:
            what, found = f"id {str(row['id'])!r}", self.by_id.get(str(row["id"]), {})
        else:
            prompt = _text(row.get("prompt") if row.get("prompt") is not None else row.get("messages"))
            what, found = f"the prompt {prompt[:80]!r}", self.by_prompt.get(_plain(prompt), {})
        fitting = [(plan, sample) for plan, sample in found.values() if task in (None, plan.name)]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            raise ValueError(f"{what} is that of no question of {task or ', '.join(self.tasks)}")
        several = ", ".join(f"{plan.name} {sample.id}" for plan, sample in fitting[:3])
        raise ValueError(f"{what} is that of {len(fitting)} questions ({several}); give task and id")


def _answer(row: Mapping[str, Any]) -> str:
    """The text to learn. Raises ValueError where there is none."""
    for name in ("text", "completion", "messages"):
        value = row.get(name)
        if isinstance(value, list) and value and isinstance(value[-1], Mapping) and value[-1].get("role") == "assistant":
            value = value[-1].get("content")
        if isinstance(value, str) and value:
            return value
        if value is not None:
            raise ValueError(f"{name} is neither a text nor messages that end in the assistant's")
    raise ValueError(f'a row needs "text", "completion" or "messages"; this one has {", ".join(row) or "nothing"}')


def _text(prompt: Any) -> str:
    """A prompt, or the last user turn of messages. Raises ValueError for anything else."""
    if isinstance(prompt, str):
        return prompt
    turns = prompt if isinstance(prompt, list) else []
    for turn in reversed(turns):
        if isinstance(turn, Mapping) and turn.get("role") == "user" and isinstance(turn.get("content"), str):
            return turn["content"]
    raise ValueError('a row without "id" needs a "prompt" that is a text, or messages with a user turn of text')


def _plain(text: str) -> str:
    """Blanks do not count."""
    return " ".join(text.split())
