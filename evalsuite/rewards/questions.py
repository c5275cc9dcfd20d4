"""Which question a row of a trainer is: by task and id, or by its exact prompt."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.plan import Plan
from evalsuite.words.sample import Message, Sample

Turns = str | Sequence[Message] | Sequence[Mapping[str, Any]]  # a prompt: its text, or its messages

COLUMNS = "the columns `task` and `id` that `evalsuite reward dataset` writes"


class Questions:
    """The samples of these plans by task and id, and by what their prompts say."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._plans = plans
        self._samples = {(plan.name, sample.id): sample for plan in plans.values() for sample in plan.samples}
        self._names = {_ordered(name): name for name in plans}

    def name(self, task: Any) -> str:
        """The name under which a task is here; its arguments may come in another order. Raises UsageError."""
        name = self._name(task) if isinstance(task, str) else None
        if name is None:
            raise UsageError(f"task {task!r} is not here; the tasks of this reward are {', '.join(self._plans)}")
        return name

    def find(self, task: str | None, sample_id: str | None, prompt: Turns | None, give: str) -> tuple[str, Sample]:
        """As `Reward.find`; `give` says in the error how a row names its question where this is asked."""
        if task is None and prompt is None and len(self._plans) == 1:
            (task,) = self._plans
        if isinstance(task, str) and sample_id is not None:
            spelt = self._name(task)
            if spelt is not None and (spelt, str(sample_id)) in self._samples:
                return spelt, self._samples[spelt, str(sample_id)]
        found = self._prompts.get(_key(prompt), []) if prompt is not None else []
        if len({(name, self._samples[name, key].digest()) for name, key in found}) == 1:
            name, key = found[0]
            return name, self._samples[name, key]
        if task is not None and sample_id is not None:
            tried = [f"task {task!r} has no sample {str(sample_id)!r} here"]
        else:
            tried = [f"id {str(sample_id)!r} came without a task"] if sample_id is not None else []
            tried += [f"task {task!r} came without an id"] if task is not None else []
        if prompt is not None:
            where = f"the prompt of {len(found)} questions" if found else "no question's prompt"
            tried.append(f"{_excerpt(prompt)!r} is {where}")
        raise UsageError(
            f"no question for a completion: {'; '.join(tried) or 'neither task and id nor a prompt came with it'}. "
            f"The tasks of this reward are {', '.join(self._plans)}; give {give}"
        )

    def _name(self, task: str) -> str | None:
        return task if task in self._plans else self._names.get(_ordered(task))

    @functools.cached_property
    def _prompts(self) -> dict[Hashable, list[tuple[str, str]]]:
        """(task, id) of the questions by what their prompts say."""
        found: dict[Hashable, list[tuple[str, str]]] = {}
        for (task, key), sample in self._samples.items():
            rendered = self._plans[task].render(sample)
            for spelt in {_key(rendered.messages), rendered.plain}:
                found.setdefault(spelt, []).append((task, key))
        return found


def content_text(content: Any) -> str:
    """The text of a message's content: a text, or the text blocks of a list, joined. Empty for None."""
    if isinstance(content, str) or content is None:
        return content or ""
    blocks = [block if isinstance(block, str) else block.get("text") for block in content]
    return "".join(text for text in blocks if text)


def _ordered(task: str) -> str:
    """A spec with its named arguments in one order: `sort_letters@size=8:level=1` asks for what `...@level=1:size=8` does."""
    name, at, arguments = task.partition("@")
    parts = arguments.split(":")
    return f"{name}@{':'.join(sorted(parts))}" if at and all("=" in part for part in parts) else task


def _key(prompt: Turns) -> Hashable:
    """What a prompt is compared by: its text, or the role and text of every turn."""
    if isinstance(prompt, str):
        return prompt
    turns = [(t.role, t.text) if isinstance(t, Message) else (t.get("role"), content_text(t.get("content"))) for t in prompt]
    return tuple(turns)


def _excerpt(prompt: Turns) -> str:
    text = prompt if isinstance(prompt, str) else str(_key(prompt[-1:]))
    return text if len(text) <= 120 else text[:117] + "..."
