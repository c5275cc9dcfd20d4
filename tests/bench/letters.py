"""The task of bench_train.py: in a module of its own, so that the verifier's workers can import it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from evalsuite import Completion, Prompt, Sample, Sampling, Score, Task, Verifier, ask


@dataclass(frozen=True)
class Letters(Verifier):
    """Share of small letters, also in an answer that was cut off."""

    name: ClassVar[str] = "letters"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        return Score(sum(c.islower() for c in completion.text) / max(1, len(completion.text)))


def task(texts: Sequence[str], new: int) -> Task:
    """One question per text, `new` tokens per answer."""
    return Task(
        name="letters",
        samples=tuple(ask(text, id=str(i), target="") for i, text in enumerate(texts)),
        prompt=Prompt(name="bare", user="{problem}", plain="{problem}"),
        verifier=Letters(),
        sampling=Sampling(max_tokens=new),
    )
