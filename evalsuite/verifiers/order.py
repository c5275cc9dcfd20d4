"""`OrderVerifier`: an order of steps, where every order that respects the dependencies is right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import ClassVar

from evalsuite.verifiers.base import Verifier
from evalsuite.verifiers.slots import answer_tags, boxes, last_line, strung
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample
from evalsuite.words.score import Score

_MAX_SLOT = 10_000  # characters; a longer "order" is not an answer
# What may stand between labels: punctuation, arrows, brackets, "Step", "then", LaTeX arrows and text wrappers.
_GLUE = re.compile(
    r"(?:[\s,;:.|>=→⇒➜➡➔⟶⟹、#\ufe0f~$*`'\"(){}\[\]–—-]|\\(?:text|textbf|mathrm|to|rightarrow|longrightarrow|Rightarrow|quad|left|right|[,;:! ])"
    r"|<|\bsteps?(?=\d|\b)|\b(?:then|and|finally|first|next)\b)+",
    re.IGNORECASE,
)
_LABEL_LINE = re.compile(r"(?:order|sequence|answer|ordering|permutation)\b[^:\n]{0,60}?(?::|\bis\b)", re.IGNORECASE)
# Words that take back an order named earlier on the same line; without one, two orders on a line are a hedge.
_TAKEN_BACK = frozenset(
    "no not never wait but actually rather instead wrong incorrect invalid fails violates breaks reversed".split()
)


@dataclass(frozen=True)
class OrderVerifier(Verifier):
    """A permutation of step labels that is a linear extension of a partial order.

    `sample.tests` is `{"steps": n or labels, "before": [[i, j], ...]}`: `n` stands for the labels "1".."n", and `i` must
    come before `j`. Every label has to appear exactly once; any topological order scores 1.0, everything else 0.0. Read
    from the last `\\boxed{}`, else the last closed `<answer>`, else the last line ("2,1,3", "B A C", "Step 2 -> Step 1") or the
    last lines with one label each. Slots that are strung together and differ, or two orders on one line, are no order.
    `parts["precedence"]` is the fraction of constraints that a full permutation satisfies (1.0 without constraints).
    """

    name: ClassVar[str] = "order"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        """1.0 for a valid order. Raises ValueError for a sample that is malformed or cyclic (our failure)."""
        labels, before = partial_order(sample)
        topological(labels, before)
        slot = _slot(completion.answer_text, labels)
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
        labels, before = partial_order(sample)
        return labels, before, _slot(completion.answer_text, labels)


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


def _slot(text: str, labels: Sequence[str]) -> tuple[str, bool] | None:
    """The text that should hold the order, and whether it was an explicit slot (box or tag); None for an empty reply."""
    found = boxes(text) or answer_tags(text)
    if found and found[-1].content.strip():
        joined = strung(text, found)
        same = len({slot.content.strip() for slot in joined}) == 1
        return (found[-1].content if same else text[joined[0].start : joined[-1].end])[:_MAX_SLOT], True
    line = last_line(text)
    if line is None:
        return None
    line = line[:_MAX_SLOT]
    if (column := _column(text, labels)) is not None:
        return column, False
    label = max(_LABEL_LINE.finditer(line), key=lambda m: m.end(), default=None)
    if label is None or _another(line[: label.end()], _read(line[label.end() :], labels), labels):
        return line, False
    return line[label.end() :], False


def _column(text: str, labels: Sequence[str]) -> str | None:
    """The last lines of one label each, where there are as many as labels or more."""
    column: list[str] = []
    for line in reversed(text[-_MAX_SLOT:].splitlines()):
        if not line.strip():
            continue
        order = _read(line, labels)
        if order is None or len(order) != 1:
            if line.strip(" ,:").casefold() == "or":  # another column stands before it
                return None
            break
        column += order
    return ", ".join(reversed(column)) if 1 < len(labels) <= len(column) else None


def _another(before: str, order: list[str] | None, labels: Sequence[str]) -> bool:
    """Whether another full order stands in `before` and is not taken back ("3,2,1 or the order is 1,2,3")."""
    run: list[str] = []
    open_order = False
    for word in _words(before):
        read = _read(word, labels)
        if read is not None:
            run = read if len(read) > 1 else [*run, *read][-len(labels) :]
            open_order = open_order or (sorted(run) == sorted(labels) and run != order)
            continue
        run = []
        open_order = open_order and word.casefold() not in _TAKEN_BACK and not word.casefold().endswith("n't")
    return open_order


def _words(slot: str) -> list[str]:
    return [word for word in _GLUE.sub(" ", unicodedata.normalize("NFKC", slot)).split(" ") if word]


def _read(slot: str, labels: Sequence[str]) -> list[str] | None:
    """The labels in the order of the slot; None where anything else stands between them."""
    known = {unicodedata.normalize("NFKC", label).casefold(): label for label in labels}
    folded = len(known) == len(labels)
    known = known if folded else {unicodedata.normalize("NFKC", label): label for label in labels}
    words = _words(slot)
    # "BAC", "213": one word of one-character labels.
    if len(words) == 1 and len(labels) > 1 and all(len(label) == 1 for label in labels):
        words = list(words[0])
    order = [known.get(word.casefold() if folded else word) for word in words]
    return [label for label in order if label] if order and None not in order else None
