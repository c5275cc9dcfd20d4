"""`Sample`: one question. `Message` and `Image`: what a prompt is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Image:
    """An image part of a message: a path, a data URI, an http(s) URL, or the encoded bytes. Opened only where it is used."""

    source: str | bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is text, or a tuple of text and `Image` parts in order."""

    role: str
    content: str | tuple[str | Image, ...]

    @property
    def text(self) -> str:
        """The text parts, joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part for part in self.content if isinstance(part, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One question of a task.

    `id` is stable across machines and library versions and unique in its task. `messages` is the conversation so far,
    usually one user turn that holds the bare problem; the task's `Prompt` wraps it. `target` is JSON-like data: a string, a
    tuple of accepted strings, or what the verifier documents. `cluster` names what makes questions dependent (the same
    image, passage or template): samples that share one are not independent evidence. `privileged` (a solution, an evidence
    box, a hidden rule) is for verifiers and teacher contexts only and never reaches an evaluation prompt.
    """

    id: str
    messages: tuple[Message, ...]
    target: Any = None
    choices: tuple[str, ...] = ()
    tests: Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None
    privileged: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("messages", "choices", "tools"):  # a list would make the sample unhashable where it is cached
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def problem(self) -> str:
        """Text of the last user turn."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    def public(self) -> Sample:
        """The sample as a prompt may see it: without `target`, `tests` and `privileged`."""
        return replace(self, target=None, tests=None, privileged={})

    def digest(self) -> str:
        """Content hash over everything that defines the question and its gold, and not its id (16 hex digits).

        Two runs are paired by (task, digest): the same question under a new id still pairs, an edited one does not.
        """
        parts = [
            [(m.role, _plain(m.content)) for m in self.messages],
            _plain(self.target),
            list(self.choices),
            _plain(self.tests),
            _plain(self.tools),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def ask(problem: str, **fields: Any) -> Sample:
    """A Sample whose only turn is `problem` from the user: `ask("1+1?", id="0", target="2")`."""
    return Sample(messages=(Message("user", problem),), **fields)


def _plain(value: Any) -> Any:
    """JSON-like form of nested fields; images by the hash of their bytes or by their source string."""
    if isinstance(value, Image):
        source = value.source
        return {"image": source if isinstance(source, str) else hashlib.sha256(source).hexdigest()}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return value
