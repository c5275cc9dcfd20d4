"""`ExactVerifier`: a short answer that must equal the target character by character."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.slots import answer_tags, boxes
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score


@dataclass(frozen=True)
class ExactVerifier(Verifier):
    """Equality of strings, for answers that no normalisation may touch ("a" is an article to the SQuAD rules).

    Read from the last `\\boxed{}`, else the last closed `<answer>`, else the last line that is not empty; surrounding
    white space is dropped, and `\\text{}` inside a box is unwrapped. `target` is one string or a sequence of accepted ones.
    """

    name: ClassVar[str] = "exact"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """1.0 for an accepted string, else 0.0. Raises ValueError for a sample without one (our failure)."""
        accepted, answer = _accepted(sample), extract(completion.answer_text)
        if answer is None:
            return Score(0.0, "no_answer", feedback="the reply is empty")
        if answer in accepted:
            return Score(1.0, "ok", answer)
        return Score(0.0, "ok", answer[:200], f"{answer[:200]!r} is not the answer")

    def gold(self, sample: Sample) -> str:
        """The first accepted string."""
        return _accepted(sample)[0]

    def key(self, sample: Sample, completion: Completion) -> Hashable:
        """(accepted strings, extracted answer)."""
        return _accepted(sample), extract(completion.answer_text)


def extract(text: str) -> str | None:
    """The answer in `text`; None where there is nothing to read."""
    if slots := boxes(text):
        content = slots[-1].content.strip()
        if content.startswith("\\text{") and content.endswith("}"):
            content = content[len("\\text{") : -1].strip()
        return content or None
    if slots := answer_tags(text):
        return slots[-1].content.strip() or None
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), None)


def _accepted(sample: Sample) -> tuple[str, ...]:
    target = sample.target
    accepted = (target,) if isinstance(target, str) else tuple(target or ())
    if not accepted or not all(isinstance(a, str) and a for a in accepted):
        raise ValueError(f"sample {sample.id!r}: the target must be a non-empty string or a sequence of them, not {target!r}")
    return accepted
