"""`OrderVerifier`: an order of steps, where every order that respects the dependencies is right."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import ClassVar

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.slots import answer_tags, boxes
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

_MAX_SLOT = 10_000  # characters; a longer "order" is not an answer
# What may stand between labels: punctuation, arrows, brackets, "Step", "then", LaTeX arrows and text wrappers.
_GLUE = re.compile(
    r"(?:[\s,;:.|>=→⇒➜~$*`'\"(){}\[\]–—-]|\\(?:text|textbf|mathrm|to|rightarrow|longrightarrow|Rightarrow|quad|left|right|[,;:! ])"
    r"|<|\bsteps?(?=\d|\b)|\b(?:then|and|finally|first|next)\b)+",
    re.IGNORECASE,
)
_LABEL_LINE = re.compile(r"(?:order|sequence|answer|ordering|permutation)\b[^:\n]{0,60}?(?::|\bis\b)", re.IGNORECASE)


@dataclass(frozen=True)
class OrderVerifier(Verifier):
    """A permutation of step labels that is a linear extension of a partial order.

    `sample.tests` is `{"steps": n or labels, "before": [[i, j], ...]}`: `n` stands for the labels "1".."n", and `i` must
    come before `j`. Every label has to appear exactly once; any topological order scores 1.0, everything else 0.0. Read
    from the last `\\boxed{}`, else the last closed `<answer>`, else the last line ("2,1,3", "B A C", "Step 2 -> Step 1").
    `parts["precedence"]` is the fraction of constraints that a full permutation satisfies (1.0 without constraints).
    """

    name: ClassVar[str] = "order"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """1.0 for a valid order. Raises ValueError for a sample that is malformed or cyclic (our failure)."""
        labels, before = partial_order(sample)
        topological(labels, before)
        slot = _slot(completion.answer_text)
        order = None if slot is None else _read(slot[0], labels)
        if slot is None or (order is None and not slot[1]):
            return Score(0.0, "no_answer", feedback="no order of the steps in a box, an <answer> or the last line")
        if order is None:
            return Score(0.0, "ok", slot[0].strip()[:200], "the answer is not a list of step labels")
        answer = ",".join(order)
        if sorted(order) != sorted(labels):
            return Score(0.0, "ok", answer[:200], f"not every one of {', '.join(labels)} exactly once")
        place = {label: i for i, label in enumerate(order)}
        broken = [(i, j) for i, j in before if place[i] > place[j]]
        parts = {"precedence": 1.0 - len(broken) / len(before) if before else 1.0}
        feedback = "; ".join(f"{i} must come before {j}" for i, j in broken[:5])
        return Score(0.0 if broken else 1.0, "ok", answer, feedback, parts)

    def gold(self, sample: Sample) -> str:
        """The first valid order by position of the labels."""
        return "\\boxed{" + ", ".join(topological(*partial_order(sample))) + "}"

    def key(self, sample: Sample, completion: Completion) -> Hashable:
        """(labels, constraints, text of the slot)."""
        return (*partial_order(sample), _slot(completion.answer_text))


def partial_order(sample: Sample) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Labels and constraints of a sample. Raises ValueError where `tests` is malformed."""
    tests = sample.tests or {}
    steps = tests.get("steps")
    if isinstance(steps, int) and not isinstance(steps, bool):
        steps = range(1, steps + 1)
    if not isinstance(steps, range | list | tuple) or not steps:
        raise ValueError(f"sample {sample.id!r}: tests['steps'] must be a positive number or a list of labels, not {steps!r}")
    labels = tuple(str(s) for s in steps)
    if len(set(labels)) != len(labels) or not all(re.fullmatch(r"\w+", label) for label in labels):
        raise ValueError(f"sample {sample.id!r}: step labels must be different words, not {labels!r}")
    pairs = tuple((str(i), str(j)) for i, j in tests.get("before", ()))
    unknown = {label for pair in pairs for label in pair} - set(labels)
    if unknown:
        raise ValueError(f"sample {sample.id!r}: tests['before'] names {sorted(unknown)}, steps are {labels!r}")
    return labels, pairs


def topological(labels: Sequence[str], before: Sequence[tuple[str, str]]) -> list[str]:
    """A linear extension, earliest label first where there is a choice (Kahn 1962). Raises ValueError on a cycle."""
    position = {label: i for i, label in enumerate(labels)}
    after: dict[str, list[str]] = {label: [] for label in labels}
    waiting = dict.fromkeys(labels, 0)
    for i, j in before:
        after[i].append(j)
        waiting[j] += 1
    ready = [position[label] for label in labels if not waiting[label]]
    heapify(ready)
    order: list[str] = []
    while ready:
        label = labels[heappop(ready)]
        order.append(label)
        for later in after[label]:
            waiting[later] -= 1
            if not waiting[later]:
                heappush(ready, position[later])
    if len(order) < len(labels):
        raise ValueError(f"the constraints have a cycle among {sorted(set(labels) - set(order))}")
    return order


def _slot(text: str) -> tuple[str, bool] | None:
    """The text that should hold the order, and whether it was an explicit slot (box or tag); None for an empty reply."""
    found = boxes(text) or answer_tags(text)
    if found and found[-1].content.strip():
        return found[-1].content[:_MAX_SLOT], True
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    line = lines[-1][:_MAX_SLOT]
    label = max(_LABEL_LINE.finditer(line), key=lambda m: m.end(), default=None)
    return (line[label.end() :] if label else line), False


def _read(slot: str, labels: Sequence[str]) -> list[str] | None:
    """The labels in the order of the slot; None where anything else stands between them."""
    exact = {label: label for label in labels}
    folded = {label.casefold(): label for label in labels}
    known = exact if len(folded) < len(exact) else folded | exact
    words = [w for w in _GLUE.sub(" ", slot).split(" ") if w]
    # "BAC", "213": one word of one-character labels.
    if len(words) == 1 and len(labels) > 1 and all(len(label) == 1 for label in labels):
        words = list(words[0])
    order = [known.get(w) or known.get(w.casefold()) for w in words]
    return [label for label in order if label] if order and None not in order else None
