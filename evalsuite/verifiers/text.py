"""`TextVerifier`: short free-text answers by exact match, F1 and cover-EM under the SQuAD normalisation."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.slots import answer_tags
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

Metric = Literal["em", "f1", "cover_em"]
Extract = Literal["auto", "answer_tag", "last_line", "full"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
# What a search environment put into the transcript: Search-R1 and R1-Searcher. Unclosed, it runs to the end.
_OBSERVED = re.compile(
    r"<information>.*?(?:</information>|\Z)|<\|begin_of_documents\|>.*?(?:<\|end_of_documents\|>|\Z)", re.DOTALL
)
_LABEL = re.compile(r"(?:(?:so|therefore|thus),? )?(?:the )?(?:final )?answer(?:\s*[:：]| is:?)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class TextVerifier(Verifier):
    """The answer in words. `target` is one string or a sequence of accepted aliases; the best alias counts.

    `metric` chooses which number is the value; `parts` always holds all three (`em`, `f1`, `cover_em`), so that they
    are never mixed up: on the recorded Bamboogle rollouts they differ by up to 4 of 125 questions.

    `extract`: `answer_tag` is the Search-R1 protocol (arXiv 2503.09516): the last closed `<answer>...</answer>` of the
    model's own text, retrieved documents left out; no closed pair is `no_answer`. `last_line` is the last non-empty
    line, `full` the whole text. `auto` is `answer_tag` where the text has such a tag, else a reply of one line.

    Two properties of the official metrics to know: removing punctuation turns "3.5" into "35", and cover-EM (substring,
    as Search-R1 `subem_check`) pays for a list of candidates, which is why it is not the default value.
    """

    name: ClassVar[str] = "text"
    metric: Metric = "em"
    extract: Extract = "auto"

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise ValueError(f"metric {self.metric!r} is not one of {', '.join(get_args(Metric))}")
        if self.extract not in get_args(Extract):
            raise ValueError(f"extract {self.extract!r} is not one of {', '.join(get_args(Extract))}")

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """EM, F1 or cover-EM of the extracted answer. Raises ValueError for a sample without a usable target."""
        targets = aliases(sample)
        answer = self._extract(completion.answer_text)
        if answer is None:
            return Score(0.0, "no_answer", feedback=_MISSING[self.extract])
        parts = {name: max(measure(answer, target) for target in targets) for name, measure in MEASURES.items()}
        value = parts[self.metric]
        feedback = "" if value == 1.0 else f"{answer.strip()[:200]!r} does not match any accepted answer"
        return Score(value, "ok", answer.strip(), feedback, parts)

    def gold(self, sample: Sample) -> str:
        """The first alias, in the form that `extract` reads."""
        text = aliases(sample)[0]
        return f"<answer> {text} </answer>" if self.extract in ("auto", "answer_tag") else text

    def key(self, sample: Sample, completion: Completion) -> Hashable:
        """(aliases, extracted answer)."""
        return aliases(sample), self._extract(completion.answer_text)

    def classes(self, sample: Sample, answers: Sequence[str | None]) -> list[int | None]:
        """Answers that are equal after normalisation are one class."""
        return super().classes(sample, [None if a is None else normalise(a) for a in answers])

    def _extract(self, text: str) -> str | None:
        text = _OBSERVED.sub(" ", text)
        if self.extract == "full":
            return text if text.strip() else None
        tags = answer_tags(text)
        if self.extract == "answer_tag" or (self.extract == "auto" and re.search(r"</?answer>", text, re.IGNORECASE)):
            return tags[-1].content if tags else None
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or (self.extract == "auto" and len(lines) > 1):
            return None
        return _LABEL.sub("", lines[-1], count=1) if _LABEL.match(lines[-1]) else lines[-1]


_MISSING = {
    "auto": "no closed <answer>...</answer> and more than a one-line reply",
    "answer_tag": "no closed <answer>...</answer>",
    "last_line": "the reply is empty",
    "full": "the reply is empty",
}


def aliases(sample: Sample) -> tuple[str, ...]:
    """The accepted answers of a sample as strings. Raises ValueError where there is none."""
    target = sample.target
    accepted = (target,) if isinstance(target, str | int | float) else tuple(target or ())
    if not accepted:
        raise ValueError(f"sample {sample.id!r} has no accepted answer: target is {target!r}")
    return tuple(str(a) for a in accepted)


def normalise(text: str) -> str:
    """SQuAD normalisation (Rajpurkar et al. 2016): lower case, no punctuation, no a/an/the, single spaces.

    Where nothing is left ("The The", "A", "?"), the lower-cased text itself, so that such a gold is not matched by an
    empty answer nor covered by every answer. The official script returns the empty string there.
    """
    bare = " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())
    return bare or " ".join(text.lower().split())


def exact_match(answer: str, target: str) -> float:
    """1.0 if both are equal after normalisation."""
    return float(normalise(answer) == normalise(target))


def f1(answer: str, target: str) -> float:
    """Token F1 of the SQuAD script; yes, no and noanswer are all or nothing, as in the HotpotQA script."""
    said, gold = normalise(answer), normalise(target)
    if said != gold and not {"yes", "no", "noanswer"}.isdisjoint((said, gold)):
        return 0.0
    said_tokens, gold_tokens = said.split(), gold.split()
    common = sum((Counter(said_tokens) & Counter(gold_tokens)).values())
    # 2PR / (P + R) with P = common / said, R = common / gold.
    return 2.0 * common / (len(said_tokens) + len(gold_tokens)) if common else 0.0


def cover_em(answer: str, target: str) -> float:
    """1.0 if the normalised target is a substring of the normalised answer (Search-R1 `subem_check`)."""
    gold = normalise(target)
    return float(bool(gold) and gold in normalise(answer))


MEASURES: dict[str, Callable[[str, str], float]] = {"em": exact_match, "f1": f1, "cover_em": cover_em}
