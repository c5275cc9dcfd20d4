r"""`MathVerifier`: is the final answer of a completion the target? Exact first, then by structure, then symbolically.

`extract(text)` finds the answer, `equal(target, answer)` compares two answers; both work alone. Neither evaluates code, and
both refuse oversized input before anything parses it, so a direct call is safe from any thread; a deadline is the pool's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, ClassVar

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.math import gates, symbolic, units
from evalsuite.verifiers.math.exact import Number, number
from evalsuite.verifiers.math.extraction import Extracted, extract
from evalsuite.verifiers.math.normalize import clean, flat
from evalsuite.verifiers.math.structural import same
from evalsuite.verifiers.math.values import Expr, Group, Listing, Relation, Union, Value, Words, read
from evalsuite.verifiers.math.wording import same_choice
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

__all__ = ["Extracted", "MathVerifier", "equal", "extract"]


@lru_cache(maxsize=8192)
def _read(text: str) -> tuple[str, Value]:
    """Cleaned text and structure of an answer; `Words` for what is too large to parse."""
    if not gates.fit(text):
        return text, Words(text)
    cleaned = clean(text)
    return (cleaned, read(cleaned)) if gates.fit(cleaned) else (cleaned, Words(cleaned))


@lru_cache(maxsize=4096)
def gold_text(target: str) -> str:
    """The answer inside a target: the whole of it, or what a solution text boxes or marks with ####."""
    if "boxed" in target or "####" in target or (len(target) > 200 and len(target.split()) > 20):
        found = extract(target)
        if found is not None:
            return found.listed or found.answer
        return target.rpartition("boxed{")[2]
    return target


def equal(target: str, answer: str, *, tolerance: float | None = None) -> bool:
    """Whether `answer` is right where `target` is: LaTeX or plain text, gold first (not symmetric).

    `tolerance` is an absolute error that numbers may have (OlympiadBench); without it integers and rationals compare exactly.
    Never raises on any text; what is too large to parse is only right if it is the target verbatim.
    """
    target = gold_text(str(target))
    if not answer.strip():
        return False
    if target.strip() == answer.strip():
        return True
    if not gates.fit(answer) or not gates.fit(target) or units.money_differs(target, answer):
        return False
    (gold_clean, gold), (answer_clean, value) = _read(target), _read(answer)
    if gold_clean and flat(gold_clean) == flat(answer_clean):
        return True
    if same_choice(gold_clean, answer_clean):
        return True
    if tolerance is not None and _within(gold, value, Fraction(str(tolerance))):
        return True
    return same(gold, value)


def _within(gold: Value, answer: Value, tolerance: Fraction) -> bool:
    if isinstance(gold, Listing | Group) and isinstance(answer, Listing | Group):
        return len(gold.items) == len(answer.items) and all(_within(g, a, tolerance) for g, a in zip(gold.items, answer.items))
    values = [
        v.value if isinstance(v, Number) else symbolic.decimal_of(v.text) if isinstance(v, Expr) else None
        for v in (gold, answer)
    ]
    return values[0] is not None and values[1] is not None and abs(values[1] - values[0]) <= tolerance


@dataclass(frozen=True)
class MathVerifier(Verifier):
    r"""Final answers of mathematics: numbers, expressions, tuples, sets, intervals, matrices, relations, choices, words.

    `Sample.target` is a string, or a tuple of accepted alternatives; with `metadata["multiple"]` true the tuple lists values
    that must all be given, in any order. `metadata["error"]` is an absolute tolerance (OlympiadBench), `tolerance` the same
    for a whole task. `integer` says that targets are integers ("025", "27.0"); one that is not raises ValueError, our
    failure. The answer is the last `\boxed{}`, else an explicit answer phrase, else the last formula or number.
    """

    name: ClassVar[str] = "math"
    version: ClassVar[int] = 1
    deadline: ClassVar[float | None] = 2.5
    integer: bool = False
    tolerance: float | None = None

    def verify(self, sample: Sample, completion: Completion) -> Score:
        targets = self._targets(sample)
        found = extract(completion.answer_text)
        if found is None:
            return Score(0.0, "no_answer", feedback=r"no final answer found: put it in \boxed{}")
        shown, expected = found.answer[:400], " or ".join(targets)[:400]
        if len(found.answer) > gates.LONGEST and found.answer not in targets:
            return Score(0.0, answer=shown, feedback=f"the answer has {len(found.answer)} characters; expected {expected}")
        tolerance = self._tolerance(sample)
        right = any(_judge(target, found, tolerance) for target in targets) or _verbatim(completion.answer_text, found, targets)
        if right and _restates(sample.problem, targets, found.answer):
            return Score(0.0, answer=shown, feedback=f"{shown} only restates the question; expected {expected}")
        verdict = f"{shown} is right" if right else f"{shown} is not {expected}"
        if not right and found.listed:
            verdict = f"several answers were given ({found.listed[:200]}); expected {expected}"
        return Score(float(right), answer=shown, feedback=verdict, parts={"boxed": float(found.how == "box")})

    def gold(self, sample: Sample) -> str | None:
        targets = self._targets(sample)
        return rf"\boxed{{{gold_text(targets[0])}}}" if targets else None

    def key(self, sample: Sample, completion: Completion) -> Hashable | None:
        found = extract(completion.answer_text)
        if found is None:
            return (None,)
        return (
            self._targets(sample),
            found.answer
            if len(found.answer) <= gates.LONGEST
            else hashlib.sha256(found.answer.encode(errors="replace")).digest(),
            found.listed,
            found.guesses,
            self._tolerance(sample),
            sample.problem,
        ) + (() if found.how == "box" else (completion.answer_text[:301],))

    def classes(self, sample: Sample, answers: Sequence[str | None]) -> list[int | None]:
        tolerance = self._tolerance(sample)
        spellings: dict[str, int] = {}
        literals: dict[Any, int] = {}
        first: list[str] = []
        out: list[int | None] = []
        for answer in answers:
            if answer is None:
                out.append(None)
                continue
            if answer not in spellings:
                cleaned, value = _read(answer)
                literal = (value.value, value.percent, value.base, value.unit) if isinstance(value, Number) else flat(cleaned)
                if literal not in literals:
                    literals[literal] = next(
                        (
                            n
                            for n, seen in enumerate(first)
                            if equal(seen, answer, tolerance=tolerance) or equal(answer, seen, tolerance=tolerance)
                        ),
                        len(first),
                    )
                    if literals[literal] == len(first):
                        first.append(answer)
                spellings[answer] = literals[literal]
            out.append(spellings[answer])
        return out

    def _targets(self, sample: Sample) -> tuple[str, ...]:
        target = sample.target
        if target is None:
            raise ValueError(f"sample {sample.id!r} has no target")
        many = tuple(str(t) for t in target) if isinstance(target, list | tuple) else (str(target),)
        for text in many:
            if not flat(clean(gold_text(text[:20000]))):
                raise ValueError(f"sample {sample.id!r} has a target without an answer in it: {text[:80]!r}")
        if self.integer:
            many = tuple(_whole(t) for t in many)
        return (", ".join(many),) if sample.metadata.get("multiple") and len(many) > 1 else many

    def _tolerance(self, sample: Sample) -> float | None:
        error = sample.metadata.get("error")
        return self.tolerance if error in (None, "", "None") else float(error)


def _whole(target: str) -> str:
    literal = number(clean(gold_text(target)))
    if literal is None or literal.value.denominator != 1:
        raise ValueError(f"target {target!r} is not an integer")
    return str(literal.value)


def _verbatim(text: str, found: Extracted, targets: tuple[str, ...]) -> bool:
    """Whether the whole text is the target: an answer in words, such as "odd $n$", that holds a formula."""
    return found.how != "box" and len(text) <= 300 and any(flat(clean(text)) == flat(clean(t)) != "" for t in targets)


def _judge(target: str, found: Extracted, tolerance: float | None) -> bool:
    if found.listed is None:
        if equal(target, found.answer, tolerance=tolerance):
            return True
        again = re.split(r",? or |,? ?\(?i\.e\.,? ", found.answer) if found.how != "box" and len(found.answer) <= 100 else []
        return len(again) == 2 and all(equal(target, part.rstrip(") "), tolerance=tolerance) for part in again)
    if isinstance(_read(gold_text(target))[1], Listing | Union | Group):
        return equal(target, found.listed, tolerance=tolerance) or (
            not found.guesses and equal(target, found.answer, tolerance=tolerance)
        )
    parts = re.split(r", | or ", found.listed) if found.guesses else [found.answer]
    return all(equal(target, part, tolerance=tolerance) for part in parts)


_COMPUTED = re.compile(
    r"[-+*^!|]|\\(?:frac|binom|sum|prod|int|lim|sqrt|gcd|lcm|log|ln|exp|sin|cos|tan|cot|sec|csc|lfloor|lceil|max|min|arc[a-z]+)|\b(?:gcd|lcm|log|ln)\b"
)


def _restates(problem: str, targets: tuple[str, ...], answer: str) -> bool:
    """Whether an accepted answer is a formula copied from the question instead of its value."""
    cleaned, value = _read(answer)
    short = flat(cleaned)
    if not problem or not isinstance(value, Expr | Relation) or len(short) < 2 or not _COMPUTED.search(cleaned):
        return False
    if any(flat(clean(t)) == short for t in targets):
        return False
    question = flat(clean(problem[-20000:]))
    at = question.find(short)
    while at >= 0:
        before, after = question[max(0, at - 1) : at], question[at + len(short) : at + len(short) + 1]
        # Part of a larger formula, as 1+x in 1+x^2, is not the question.
        if not (before and before in "^_/*+-0123456789\\") and not (after and after in "^_/*+-!0123456789"):
            return True
        at = question.find(short, at + 1)
    return False
