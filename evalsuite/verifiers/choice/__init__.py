"""`ChoiceVerifier`: the letter of a multiple-choice answer, or the text of the option where it is the whole answer."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.choice.read import option_of, option_texts, read
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score


@dataclass(frozen=True)
class ChoiceVerifier(Verifier):
    """One letter out of `sample.choices` (A, B, ...; any letter where the sample lists none).

    `target` is the letter, the text of an option, or a sequence of accepted ones. Read, in this order, from the last
    `\\boxed{}`, the last closed `<answer>`, the last explicit phrase ("the answer is C", "I choose (C)", "**C**",
    "答案：C"), a reply or a first or last line that is or begins with an option label, and a last sentence that ends in
    one. The text of an option counts where it fills such a slot and fits one option only.

    Several letters in one slot ("A or B", "(A)(B)(C)(D)") and a letter next to another option's text are wrong; a
    restated list of options, prose without a choice, and capitals that are words ("A close look", "I think") are not
    answers. Lower-case letters count only inside a box, a tag, or alone behind an explicit phrase.
    """

    name: ClassVar[str] = "choice"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """1.0 for the right letter. Raises ValueError for a target that is no option of the sample."""
        accepted = targets(sample)
        said = read(completion.answer_text, sample.choices)
        if said is None:
            return Score(0.0, "no_answer", feedback="no option was chosen")
        if not said.letters:
            return Score(0.0, "ok", said.text[:200], "the answer is not one of the options")
        answer = ",".join(sorted(said.letters))
        if len(said.letters) > 1:
            return Score(0.0, "ok", answer, f"several options in one answer: {answer}")
        if answer in accepted:
            return Score(1.0, "ok", answer)
        beyond = sample.choices and ord(answer) - ord("A") >= len(sample.choices)
        return Score(0.0, "ok", answer, f"there is no option {answer}" if beyond else f"{answer} is not the right option")

    def gold(self, sample: Sample) -> str:
        """The accepted letter behind an explicit phrase."""
        return f"Answer: {targets(sample)[0]}"

    def key(self, sample: Sample, completion: Completion) -> Hashable:
        """(accepted letters, options, what was chosen)."""
        return targets(sample), sample.choices, read(completion.answer_text, sample.choices)


def targets(sample: Sample) -> tuple[str, ...]:
    """The accepted letters of a sample. Raises ValueError where a target is neither a letter nor one option's text."""
    given = (sample.target,) if isinstance(sample.target, str) else tuple(sample.target or ())
    letters: list[str] = []
    for target in given:
        plain = re.fullmatch(r"\s*[(\[]?([A-Za-z])[)\].:]?\s*", str(target))
        letter = plain.group(1).upper() if plain else option_of(str(target), option_texts(sample.choices))
        if letter is None or (sample.choices and ord(letter) - ord("A") >= len(sample.choices)):
            raise ValueError(f"sample {sample.id!r}: target {target!r} is none of its {len(sample.choices)} options")
        letters.append(letter)
    if not letters:
        raise ValueError(f"sample {sample.id!r} has no target")
    return tuple(letters)
