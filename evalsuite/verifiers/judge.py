"""`judge`: an LLM as judge, over any Model, and only where a rule cannot tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from evalsuite.errors import UsageError
from evalsuite.verifiers.base import ModelVerifier, Verifier, run_verifier
from evalsuite.verifiers.quoting import fence
from evalsuite.verifiers.rubrics import EXTRACT, RUBRICS, Rubric, Verdict, custom, read_final
from evalsuite.words.completion import Completion, Request, Sampling
from evalsuite.words.sample import Message, Sample
from evalsuite.words.score import Outcome, Score

_FIELD = re.compile(r"\{(question|target|response)\}")


@dataclass(frozen=True)
class JudgeVerifier(ModelVerifier):
    """Whether a judge model finds the answer right. Which model that is, is the run's business (`--judge MODEL`).

    `template` is a built-in rubric or a text of your own that holds {response}, and usually {question} and {target}:

    - `equal`: is the answer the same as the target, yes or no.
    - `simpleqa`: A correct, B incorrect, C not attempted, as parts of the Score (arXiv 2411.04368).
    - `browsecomp`: extracted answer, reasoning, correct yes or no (BrowseComp, Humanity's Last Exam).

    A `rule` that finds the answer right (value 1.0) decides without the judge. With `rounds` 2 the judge first extracts the
    final answer, without seeing the target, and then compares only that. `sampling` is the judge's.

    The judge sees the answer and no reasoning, fenced as data (`quoting`). Its last verdict after its own thinking counts.
    Where it gives none it is asked once more, and then the Score is None: that failure is ours.
    """

    name: ClassVar[str] = "judge"
    version: ClassVar[int] = 1
    template: str = "equal"
    rule: Verifier | None = None
    rounds: int = 1
    sampling: Sampling = Sampling(max_tokens=4096)

    def __post_init__(self) -> None:
        if self.template not in RUBRICS and "{response}" not in self.template:
            raise UsageError(
                f"judge template {self.template[:60]!r} is neither one of {', '.join(RUBRICS)} nor a text that holds {{response}}"
            )
        if self.rounds not in (1, 2):
            raise UsageError(f"judge rounds is {self.rounds}: 1 scores the reply, 2 extracts the answer first")

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """The Score where no judge is needed: the rule accepts, or there is nothing to judge."""
        if not completion.answer_text.strip():
            parts = {"correct": 0.0, "incorrect": 0.0, "not_attempted": 1.0} if self._rubric.graded else {}
            return Score(0.0, "no_answer", feedback="the reply is empty", parts=parts)
        accepted = self._accepted(sample, completion)
        return accepted or Score(None, "error", feedback="only a judge model can tell, and none was given: add --judge MODEL")

    def ask(self, sample: Sample, completion: Completion) -> tuple[Request, ...]:
        """The first request; none where the reply is empty or the rule accepts it."""
        if not completion.answer_text.strip() or self._accepted(sample, completion):
            return ()
        request = self.read(sample, completion, ())
        assert isinstance(request, tuple)  # without replies there is always something to ask
        return request

    def read(self, sample: Sample, completion: Completion, replies: tuple[Completion, ...]) -> Score | tuple[Request, ...]:
        """The Score once the replies hold a verdict, else the next request."""
        left = iter(replies)
        text, extracted, rubric = completion.answer_text, None, self._rubric
        if self.rounds == 2:
            words = self._stage(sample, EXTRACT, text, read_final, "one line that reads Extracted answer: ...", left)
            if not isinstance(words, str):
                return words
            extracted = text = read_final(words) or ""
            if text.upper() == "NONE":
                return self._score("not_attempted", None, "the judge found no final answer in the reply")
        words = self._stage(sample, rubric.template, text, rubric.read, rubric.form, left)
        if not isinstance(words, str):
            return words
        found = rubric.read(words)
        if rubric.extracts:
            extracted = read_final(words)
            if found == "incorrect" and (extracted or "").upper() == "NONE":
                found = "not_attempted"
        answer = None if found == "not_attempted" else extracted or text.strip()[:500]
        return self._score(found, answer, f"judge: {found}; {words.strip()[-300:]}")

    def gold(self, sample: Sample) -> str | None:
        """The target, or the first of several."""
        target = sample.target[0] if isinstance(sample.target, list | tuple) and sample.target else sample.target
        return target if isinstance(target, str) else None

    def classes(self, sample: Sample, answers: Sequence[str | None]) -> list[int | None]:
        """As the rule tells answers apart; without one, by spelling."""
        return self.rule.classes(sample, answers) if self.rule else super().classes(sample, answers)

    @property
    def _rubric(self) -> Rubric:
        return RUBRICS.get(self.template) or custom(self.template)

    def _accepted(self, sample: Sample, completion: Completion) -> Score | None:
        if self.rule is None:
            return None
        score = run_verifier(self.rule, sample, completion)
        return score if score.value == 1.0 else None

    def _stage(
        self,
        sample: Sample,
        template: str,
        text: str,
        parse: Callable[[str], str | None],
        form: str,
        left: Iterator[Completion],
    ) -> str | Score | tuple[Request, ...]:
        """One question to the judge, put again once where `parse` finds nothing: the words it can read, or what to do."""
        messages: tuple[Message, ...] = (Message("user", self._fill(template, sample, text)),)
        said = ""
        for attempt in range(2):
            reply = next(left, None)
            if reply is None:
                return (Request(messages=messages, sampling=self.sampling, sample_id=sample.id),)
            # One that was cut off has not come to its verdict, whatever stands in it.
            if not reply.truncated and parse(reply.answer_text) is not None:
                return reply.answer_text
            said = reply.answer_text.strip()[-4000:]
            if attempt == 0:
                again = Message("user", f"That holds no verdict that can be read. Answer now with {form}.")
                messages = (*messages, Message("assistant", said or "(nothing)"), again)
        return Score(None, "error", feedback=f"the judge gave no verdict, asked twice; it said: {said[-300:]!r}")

    def _fill(self, template: str, sample: Sample, text: str) -> str:
        if sample.target is None:
            raise ValueError(f"sample {sample.id!r} has no target to judge by")
        question = sample.problem
        if sample.choices:
            question += "\n" + "\n".join(f"({chr(65 + i)}) {choice}" for i, choice in enumerate(sample.choices))
        target = str(sample.target)
        if isinstance(sample.target, list | tuple):
            target = "Any one of these:\n" + "\n".join(f"- {t}" for t in sample.target)
        values = {"question": question, "target": target, "response": fence(text, question, target)}
        return _FIELD.sub(lambda m: values[m[1]], template)  # one pass: braces in what is filled in are text

    def _score(self, verdict: Verdict | None, answer: str | None, feedback: str) -> Score:
        kinds = ("correct", "incorrect", "not_attempted")
        parts = {kind: float(kind == verdict) for kind in kinds} if self._rubric.graded else {}
        outcome: Outcome = "no_answer" if verdict == "not_attempted" else "ok"
        return Score(float(verdict == "correct"), outcome, answer=answer, feedback=feedback, parts=parts)
