"""`Prompt`: how a sample becomes messages, as data, so that it can be hashed, named and swapped (`--prompt NAME`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evalsuite.words.sample import Message, Sample


class Shot(NamedTuple):
    """A worked example: the bare problem and the full text of a good answer."""

    problem: str
    answer: str
    choices: tuple[str, ...] = ()


class Rendered(NamedTuple):
    """One prompt in both forms: `messages` for chat models, `plain` text for models without a chat template."""

    messages: tuple[Message, ...]
    plain: str
    plain_stop: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A template. `{problem}` and `{choices}` are replaced; every other brace is left alone, so LaTeX needs no escapes.

    `user` wraps the last user turn; `system` goes first unless the command line brings its own. `plain` is the text form
    for base models, `plain_stop` what ends its answer. Shots become user and assistant turns, or `plain` blocks with the
    answer appended after `gap`. `choice` formats one option.
    """

    name: str
    user: str = "{problem}"
    system: str | None = None
    plain: str = "{problem}"
    gap: str = " "
    plain_stop: tuple[str, ...] = ()
    choice: str = "({letter}) {text}"

    def render(self, sample: Sample, shots: Sequence[Shot] = (), system: str | None = None) -> Rendered:
        """Messages and text for `sample`, which is stripped of target and privileged fields before anything is read."""
        sample = sample.public()
        head = [m for m in sample.messages if m.role == "system"]
        if system is not None or self.system is not None:
            head = [Message("system", system if system is not None else self.system or "")]
        turns: list[Message] = []
        blocks: list[str] = [m.text for m in head]
        for shot in shots:
            turns += [Message("user", self._fill(self.user, shot.problem, shot.choices)), Message("assistant", shot.answer)]
            blocks.append(self._fill(self.plain, shot.problem, shot.choices) + self.gap + shot.answer)
        body = [m for m in sample.messages if m.role != "system"]
        last = max((i for i, m in enumerate(body) if m.role == "user"), default=-1)
        for i, message in enumerate(body):
            turns.append(self._wrap(message, sample.choices) if i == last else message)
        blocks.append(self._fill(self.plain, sample.problem, sample.choices))
        return Rendered((*head, *turns), "\n\n".join(blocks), self.plain_stop)

    def _wrap(self, message: Message, choices: tuple[str, ...]) -> Message:
        if isinstance(message.content, str):
            return Message(message.role, self._fill(self.user, message.content, choices))
        # Images keep their place ahead of the wrapped text.
        images = tuple(part for part in message.content if not isinstance(part, str))
        return Message(message.role, (*images, self._fill(self.user, message.text, choices)))

    def _fill(self, template: str, problem: str, choices: tuple[str, ...]) -> str:
        lines = (self.choice.replace("{letter}", chr(65 + i)).replace("{text}", c) for i, c in enumerate(choices))
        # One pass from the template's side: braces inside the problem are never read as fields.
        head, found, tail = template.partition("{problem}")
        options = "\n".join(lines)
        return head.replace("{choices}", options) + (problem + tail.replace("{choices}", options) if found else "")
