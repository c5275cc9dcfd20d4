"""`ExactVerifier`: a short answer that must equal the target character by character."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.slots import answer_tags, boxes, last_line, strung
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

_WRAPPER = re.compile(r"\\(?:text|mathrm|mathbf|mathsf|mathit|mathtt)(?:bf|it|rm|sf|tt)?\s*\{(.*)\}", re.DOTALL)


@dataclass(frozen=True)
class ExactVerifier(Verifier):
    """Equality of strings, for answers that no normalisation may touch ("a" is an article to the SQuAD rules).

    Read from the last `\\boxed{}`, else the last closed `<answer>`, else the last line that is not empty; surrounding
    white space is dropped, and `\\text{}` and the like inside a box are unwrapped. Slots that are strung together ("or", a
    comma, nothing) and differ are one answer, and a wrong one. `target` is one string or a sequence of accepted ones.
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
    if not (slots := boxes(text) or answer_tags(text)):
        return last_line(text)
    joined = strung(text, slots)
    if len({_content(slot.content) for slot in joined}) > 1:
        return text[joined[0].start : joined[-1].end]
    return _content(slots[-1].content) or None


def _content(content: str) -> str:
    """What stands in a slot, without the LaTeX wrappers around the whole of it."""
    content = content.strip()
    for _ in range(3):
        if not (wrapped := _WRAPPER.fullmatch(content)):
            break
        content = wrapped.group(1).strip()
    return content


def _accepted(sample: Sample) -> tuple[str, ...]:
    target = sample.target
    accepted = (target,) if isinstance(target, str) else tuple(target or ())
    if not accepted or not all(isinstance(a, str) and a for a in accepted):
        raise ValueError(f"sample {sample.id!r}: the target must be a non-empty string or a sequence of them, not {target!r}")
    return accepted
