"""`Sampling`, `Request` and `Completion`: what is asked of a model and what it said."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from evalsuite.words.sample import Message
from evalsuite.words.thinking import Thought, split

_WHOLE, _NUMBER, _MAPPING = ((int,), "a whole number"), ((int, float), "a number"), ((Mapping,), "a mapping")
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "repeats": _WHOLE,
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "top_k": _WHOLE,
    "min_p": _NUMBER,
    "max_tokens": _WHOLE,
    "stop": ((tuple, list), "texts"),
    "thinking": ((bool, type(None)), "true or false"),
    "effort": ((str, type(None)), "a text"),
    "template_args": _MAPPING,
    "extra": _MAPPING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How completions are drawn. A task carries its paper's defaults; the command line overrides single fields.

    `repeats` samples per question; `temperature` 0 is greedy; `top_k` 0 and `min_p` 0 are off; `max_tokens` counts new
    tokens, thinking included. `stop` strings apply only after thinking has ended. `thinking` and `effort` go to the chat
    template (`enable_thinking`, `reasoning_effort`), as does `template_args`; `extra` goes to the engine verbatim.
    """

    repeats: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    max_tokens: int = 2048
    stop: tuple[str, ...] = ()
    thinking: bool | None = None
    effort: str | None = None
    template_args: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for f in fields(self):
            value, (kinds, words) = getattr(self, f.name), _KINDS[f.name]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise ValueError(f"sampling: {f.name} is {value!r}, and it must be {words}")
        if not all(isinstance(text, str) and text for text in self.stop):
            raise ValueError(f"sampling: stop is {self.stop!r}, and it must be texts that are not empty")
        if self.repeats < 1 or self.max_tokens < 1:
            raise ValueError(f"repeats ({self.repeats}) and max_tokens ({self.max_tokens}) must be at least 1")
        if not 0 <= self.temperature < math.inf or not 0 < self.top_p <= 1 or self.top_k < 0 or not 0 <= self.min_p <= 1:
            raise ValueError(
                f"sampling out of range: temperature {self.temperature} (>= 0), top_p {self.top_p} (0 < p <= 1), "
                f"top_k {self.top_k} (>= 0), min_p {self.min_p} (0..1)"
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON form of all fields."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        return row | {"stop": list(self.stop), "template_args": dict(self.template_args), "extra": dict(self.extra)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing to ask a model: `len(seeds)` samples of a continuation of `messages`.

    `task`, `sample_id` and `indices` (the index of each sample within its question) key the answer; `seeds` has one seed
    per index. `plain` is the same prompt as text, for a model without a chat template. `plain_stop` are the stop strings
    that the text form needs in addition.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    seeds: tuple[int, ...] = (0,)
    task: str = ""
    sample_id: str = ""
    indices: tuple[int, ...] = (0,)
    plain: str | None = None
    plain_stop: tuple[str, ...] = ()
    logprobs: bool = False
    tools: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if len(self.seeds) != len(self.indices):
            raise ValueError(f"{len(self.seeds)} seeds for {len(self.indices)} sample indices")

    @property
    def n(self) -> int:
        """Samples wanted."""
        return len(self.seeds)


def sample_seed(run_seed: int, task: str, sample_id: str, index: int) -> int:
    """Seed of one sample: 31 bits of sha256 over (run seed, task, sample id, index), the same on every machine."""
    key = f"{run_seed}\x1f{task}\x1f{sample_id}\x1f{index}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:4], "big") & 0x7FFFFFFF


@dataclass(frozen=True)
class Completion:
    """What the model said, verbatim and immutable.

    `text` is the visible output, thought tags included where the model wrote them; `reasoning` is a server's separate
    reasoning field. `finish_reason` is `stop`, `length`, `tool_calls`, `content_filter`, or None where it is not known.
    `opened` says that the prompt ended inside a thought. `token_ids` and `logprobs` (natural log, one per token) are
    there when asked for. `prompt_tokens` and `completion_tokens` are counts, `cost` in US dollars, `latency` in seconds.
    `tool_trace` holds calls, observations and turns of an episode.
    """

    text: str
    reasoning: str | None = None
    finish_reason: str | None = None
    opened: bool = False
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    latency: float | None = None
    tool_trace: tuple[Mapping[str, Any], ...] = ()

    @cached_property
    def thought(self) -> Thought:
        """Reasoning and answer, split after the last closed thought."""
        return split(self.text, opened=self.opened)

    @property
    def answer_text(self) -> str:
        """The text a verifier may read: what follows the last closed thought."""
        return self.thought.answer

    @property
    def truncated(self) -> bool:
        """Cut off: finish reason `length`, or a thought that was never closed."""
        return self.finish_reason == "length" or not self.thought.closed

    def to_dict(self) -> dict[str, Any]:
        """JSON form; fields at their default are left out."""
        row: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None and value != f.default:
                row[f.name] = list(value) if isinstance(value, tuple) else value
        row["text"] = self.text
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Completion:
        """Inverse of `to_dict`; unknown fields (written by a newer version) are ignored."""
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items() if k in known}
        return cls(**values)
