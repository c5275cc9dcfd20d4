"""A task for an untrained model: the reward counts small letters, and a capital ends the answer. And verifiers that fail."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import ClassVar

from evalsuite import Completion, Prompt, Sample, Sampling, Score, Task, Verifier, ask


@dataclass(frozen=True)
class Small(Verifier):
    name: ClassVar[str] = "small"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        text = completion.text
        return Score(min(1.0, sum(c.islower() for c in text) / 4), answer=text)


@dataclass(frozen=True)
class Broken(Small):
    """Fails on answers with one of these letters."""

    letters: str = "aeiou"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        if set(self.letters) & set(completion.text):
            raise RuntimeError("the answer key is on fire")
        return super().verify(sample, completion)


def small(verifier: Verifier | None = None, n: int = 12, max_tokens: int = 12) -> Task:
    """Questions `say a=`, `say b=`, ..."""
    return Task(
        name="small",
        samples=tuple(ask(f"say {'abcdefghijklmnop'[i] * (1 + i % 3)}=", id=str(i), target="a") for i in range(n)),
        prompt=Prompt(name="bare", user="{problem}", plain="{problem}"),
        verifier=verifier or Small(),
        sampling=Sampling(max_tokens=max_tokens, temperature=1.0, stop=tuple(string.ascii_uppercase + string.digits)),
    )
