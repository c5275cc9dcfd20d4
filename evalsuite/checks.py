"""What `evalsuite tasks test` holds every sample of a task to, so that a task is as trustworthy as the verifier's own tests."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from evalsuite.errors import UsageError
from evalsuite.sources import Loaded
from evalsuite.verifiers.base import ModelVerifier, Verifier
from evalsuite.verifiers.code import CodeVerifier
from evalsuite.words.completion import Completion
from evalsuite.words.prompt import Prompt, Rendered, Shot
from evalsuite.words.sample import Message, Sample
from evalsuite.words.score import Score
from evalsuite.words.task import Task

EMPTY = ("", " \n\n ")
GARBAGE = ("zxqv blorf wug", "\\boxed{zxqv blorf}", "Answer: zxqv blorf", "<answer> zxqv blorf </answer>")
OTHERS = 4  # other samples' golds tried on each sample
LONG = 16  # characters from which a text cannot stand in a prompt by chance
PATIENCE = 2.0  # seconds that one hostile program may take
_CANARY = "CANARY-5f1d3c9e77"
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30}|/\d{1,30})?")


class Scorer(Protocol):
    """The part of the pool that the checks use."""

    def score(self, verifier: Verifier, items: Mapping[Any, tuple[Sample, Completion]]) -> Mapping[Any, Score]:
        """The Score of every item, by key."""
        ...

    def call(self, verifier: Verifier, method: str, items: Mapping[Any, tuple[Any, ...]]) -> Mapping[Any, Any]:
        """`getattr(verifier, method)(*args)` of every item, by key; something else where it failed."""
        ...


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of one task: `n` things were looked at. `detail` says what failed, or what a reader should know.

    With an `exempt_reason` the check was not made: the task declares that it cannot have it, and why.
    """

    name: str
    passed: bool
    n: int
    detail: str = ""
    exempt_reason: str | None = None


def check_task(task: Task, loaded: Loaded, pool: Scorer, shots: Sequence[Shot] = ()) -> list[CheckResult]:
    """All checks over all samples, in the order of `CHECKS`, then, for programs, of `CODE_CHECKS`.

    `shots` are the task's worked examples.

    A verifier that asks a model is checked on what its rules decide; a check of which they decide nothing is exempt.
    Raises UsageError where the task is exempt from something that is no check.
    """
    for name in task.exempt:
        if name not in (known := CHECKS | CODE_CHECKS):
            raise UsageError(f"task {task.name}: exempt from {name!r}, which is no check; checks: {', '.join(known)}")
    work = _Work(task, loaded.samples, tuple(shots), pool)
    return [
        CheckResult(name, True, 0, exempt_reason=task.exempt[name]) if name in task.exempt else check(name, work)
        for name, check in (CHECKS | (CODE_CHECKS if isinstance(task.verifier, CodeVerifier) else {})).items()
    ]


class _Work:
    """A task under test, with its golds scored once for the checks that need them."""

    def __init__(self, task: Task, samples: tuple[Sample, ...], shots: tuple[Shot, ...], pool: Scorer) -> None:
        self.task, self.samples, self.shots, self.pool = task, samples, shots, pool
        self.verifier = task.verifier
        golds = pool.call(self.verifier, "gold", {i: (sample,) for i, sample in enumerate(samples)})
        self.golds: dict[int, str] = {i: g for i, g in golds.items() if isinstance(g, str)}
        self.broken = {i: str(g) for i, g in golds.items() if not isinstance(g, str | None)}
        self._scores: dict[int, Score] | None = None

    @property
    def gold_scores(self) -> dict[int, Score]:
        """Scores of the golds that can be written down and are decided by rules, by the sample's place."""
        if self._scores is None:
            self._scores = self.score(self.verifier, {i: (self.samples[i], gold) for i, gold in self.golds.items()})
        return self._scores

    def score(self, verifier: Verifier, items: Mapping[Any, tuple[Sample, str]]) -> dict[Any, Score]:
        """Scores of texts; those that need the judge model are left out."""
        completions = {key: (sample, Completion(text, finish_reason="stop")) for key, (sample, text) in items.items()}
        if not isinstance(self.verifier, ModelVerifier):
            return dict(self.pool.score(verifier, completions))
        asked = self.pool.call(self.verifier, "ask", completions)
        broken = {key: Score(None, "error", feedback=f"ask: {q}") for key, q in asked.items() if not isinstance(q, tuple)}
        ruled = {key: completions[key] for key, questions in asked.items() if questions == ()}
        return broken | dict(self.pool.score(verifier, ruled))

    def result(self, name: str, n: int, wrong: list[str], note: str = "", asked: int | None = None) -> CheckResult:
        """The result of a check with these failures; `asked` is how many there would be with a judge."""
        if n == 0 and asked and isinstance(self.verifier, ModelVerifier):
            return CheckResult(name, True, 0, exempt_reason="every answer goes to the judge model; its rules decide none")
        if isinstance(self.verifier, ModelVerifier) and asked is not None and asked > n:
            note = "; ".join(filter(None, (note, f"{asked - n} more need the judge model")))
        if wrong:
            more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
            return CheckResult(name, False, n, f"{len(wrong)} of {n}: " + "; ".join(wrong[:3]) + more)
        return CheckResult(name, True, n, note)


def _gold(name: str, work: _Work) -> CheckResult:
    """The gold answer scores 1.0."""
    without = [
        f"{sample.id}: {work.broken.get(i, 'no gold can be written down')}"
        for i, sample in enumerate(work.samples)
        if i not in work.golds
    ]
    scores = work.gold_scores
    wrong = [f"{_at(work, i)} gold {work.golds[i][-60:]!r} got {_said(s)}" for i, s in scores.items() if s.value != 1.0]
    return work.result(name, len(scores) + len(without), without + wrong, asked=len(work.samples))


def _zero(texts: Sequence[str]) -> Callable[[str, _Work], CheckResult]:
    """A check that each of these texts scores 0 on every sample."""

    def check(name: str, work: _Work) -> CheckResult:
        items = {(i, j): (sample, text) for i, sample in enumerate(work.samples) for j, text in enumerate(texts)}
        scores = work.score(work.verifier, items)
        wrong = [f"{_at(work, i)} answer {texts[j]!r} got {_said(s)}" for (i, j), s in scores.items() if s.value != 0.0]
        return work.result(name, len(scores), wrong, asked=len(items))

    return check


def _other_gold(name: str, work: _Work) -> CheckResult:
    """The golds of other samples score 0, where they are different answers.

    Equal texts and accepted aliases are no different answers. Nor are answers that the verifier itself puts into one class
    (`1/2` and `0.5`), unless both are plain numbers: those are compared exactly here, whatever the verifier thinks.
    """
    items = {(i, j): (work.samples[i], work.golds[j]) for i, j in _pairs(work)}
    scores = work.score(work.verifier, items)
    hits = [(pair, score) for pair, score in scores.items() if score.value != 0.0]
    doubtful = {
        (i, j): (work.samples[i], (score.answer, *_texts(work.samples[i].target), *_answers(work, i)))
        for (i, j), score in hits
        if score.value == 1.0 and not _different_numbers(work.samples[i].target, work.samples[j].target)
    }
    classes = work.pool.call(work.verifier, "classes", doubtful) if doubtful else {}
    same = {
        p
        for p, numbers in classes.items()
        if isinstance(numbers, list) and numbers[0] is not None and numbers[0] in numbers[1:]
    }
    wrong = [
        f"{_at(work, i)} target {str(work.samples[i].target)[:60]!r}, "
        f"the gold {work.golds[j][-60:]!r} of {work.samples[j].id} got {_said(s)}"
        for (i, j), s in hits
        if (i, j) not in same
    ]
    example = next((f", such as {work.samples[i].target!r} = {work.samples[j].target!r}" for i, j in same), "")
    note = f"{len(same)} pairs left out as the same answer{example[:100]}" if same else ""
    return work.result(
        name, len(scores) - len(same), wrong, note or ("" if items else "no two different golds"), asked=len(items) - len(same)
    )


def _pairs(work: _Work) -> Iterator[tuple[int, int]]:
    """For each sample with a gold up to `OTHERS` others whose gold differs: its neighbours first, then spread over the set."""
    known = list(work.golds)
    accepted = {i: {_fold(t) for t in (*_texts(work.samples[i].target), work.golds[i])} for i in known}
    for place, i in enumerate(known):
        steps = [1, -1, *(len(known) * k // 7 + 2 for k in range(1, 7))]
        candidates = dict.fromkeys(known[(place + step) % len(known)] for step in steps)
        yield from [(i, j) for j in candidates if j != i and accepted[i].isdisjoint(accepted[j])][:OTHERS]


def _repeatable(name: str, work: _Work) -> CheckResult:
    """The same input gives the same Score: once more, past the cache."""
    first = work.gold_scores
    again = work.score(_Uncached(work.verifier), {i: (work.samples[i], work.golds[i]) for i in first})
    wrong = [
        f"{_at(work, i)} first {_said(s)}, then {_said(again[i])}" for i, s in first.items() if _fixed(s) != _fixed(again[i])
    ]
    texts = (*EMPTY, *GARBAGE)
    items = {(i, j): (sample, text) for i, sample in enumerate(work.samples[:50]) for j, text in enumerate(texts)}
    one, two = (work.score(_Uncached(work.verifier), items) for _ in range(2))
    wrong += [f"{_at(work, i)} answer {texts[j]!r} differs" for (i, j), s in one.items() if _fixed(s) != _fixed(two[i, j])]
    return work.result(name, len(first) + len(one), wrong, asked=len(work.samples) + len(items))


def _privileged(name: str, work: _Work) -> CheckResult:
    """No privileged text reaches a prompt, nor does a target that the question does not already hold.

    Looked for in every prompt of the task, in both forms, with all its worked examples; besides, each is rendered once
    with marked privileged fields, target and tests, of which nothing may come out.
    """
    wrong = []
    n = 0
    for prompt, sample in _prompts(work):
        shown = _squeeze(_text(prompt.render(sample, work.shots)))
        asked = _squeeze(" ".join([*(m.text for m in sample.messages), *sample.choices]))
        for text in map(_squeeze, _strings(sample.privileged)):
            if len(text) >= LONG and text in shown:
                wrong.append(f"{sample.id}: prompt {prompt.name!r} shows privileged {text[:60]!r}")
        for text in map(_squeeze, _texts(sample.target)):
            if len(text) >= LONG and text in shown and text not in asked:
                wrong.append(f"{sample.id}: prompt {prompt.name!r} shows the target {text[:60]!r}")
        marked = dataclasses.replace(sample, target=_CANARY, tests={"t": _CANARY}, privileged={"p": _CANARY})
        if _CANARY in _text(prompt.render(marked, work.shots)):
            wrong.append(f"{sample.id}: prompt {prompt.name!r} reads target, tests or privileged fields")
        n += 1
    return work.result(name, n, wrong)


def _unique_ids(name: str, work: _Work) -> CheckResult:
    """Sample ids are unique and not empty."""
    counts = Counter(sample.id for sample in work.samples)
    wrong = [f"{i!r} occurs {c} times" for i, c in counts.items() if c > 1] + ["an empty id"] * ("" in counts)
    return work.result(name, len(work.samples), wrong)


def _prompts_render(name: str, work: _Work) -> CheckResult:
    """Every prompt renders as messages and as text, and shows the question and every option."""
    wrong = []
    n = 0
    for prompt, sample in _prompts(work):
        rendered = prompt.render(sample, work.shots)
        for form, text in (("messages", _joined(rendered.messages)), ("plain text", rendered.plain)):
            n += 1
            if sample.problem not in text or not text.strip():
                wrong.append(f"{sample.id}: prompt {prompt.name!r} as {form} lacks the question")
            missing = [choice for choice in sample.choices if choice not in text]
            if missing:
                wrong.append(f"{sample.id}: prompt {prompt.name!r} as {form} lacks the option {missing[0][:60]!r}")
    return work.result(name, n, wrong)


def _attacks(name: str, work: _Work) -> CheckResult:
    """Programs that want to be paid without solving anything score below 1.

    Every attack is tried on a sample, and every sample with an attack. Those that run until they are stopped are left out:
    that they are stopped depends on no task.
    """
    package = importlib.import_module("evalsuite.attacks")  # it stands on top of the library, as tasks do
    verifier = work.verifier
    assert isinstance(verifier, CodeVerifier)
    scripts = [a for a in package.ATTACKS if not a.endless]
    functions = [a for a in scripts if a.kind == "function"]
    items = {}
    for k in range(max(len(work.samples), len(scripts))):
        i = k % len(work.samples)
        entry = package.entry_point_of({"entry_point": verifier.entry_point, **(work.samples[i].tests or {})})
        attack = (functions if entry else scripts)[k % len(functions if entry else scripts)]
        items[i, attack.name] = (work.samples[i], f"```python\n{attack.program(entry)}\n```")
    hasty = dataclasses.replace(verifier, timeout=min(verifier.timeout, PATIENCE))
    scores = work.score(hasty, items)
    wrong = [f"{_at(work, i)} attack {a!r} got {_said(s)}" for (i, a), s in scores.items() if s.value is None or s.value >= 1.0]
    return work.result(name, len(scores), wrong)


CHECKS: dict[str, Callable[[str, _Work], CheckResult]] = {
    "gold": _gold,
    "empty": _zero(EMPTY),
    "garbage": _zero(GARBAGE),
    "other_gold": _other_gold,
    "repeatable": _repeatable,
    "privileged": _privileged,
    "unique_ids": _unique_ids,
    "prompts": _prompts_render,
}
CODE_CHECKS: dict[str, Callable[[str, _Work], CheckResult]] = {"attacks": _attacks}


@dataclass(frozen=True)
class _Uncached(Verifier):
    """Another verifier without its cache key."""

    inner: Verifier
    name: ClassVar[str] = "uncached"

    def verify(self, sample: Sample, completion: Completion) -> Score:
        return self.inner.verify(sample, completion)


def _prompts(work: _Work) -> Iterator[tuple[Prompt, Sample]]:
    return ((prompt, sample) for prompt in (work.task.prompt, *work.task.prompts) for sample in work.samples)


def _joined(messages: Sequence[Message]) -> str:
    return "\n".join(message.text for message in messages)


def _text(rendered: Rendered) -> str:
    return f"{_joined(rendered.messages)}\n{rendered.plain}"


def _strings(value: Any) -> Iterator[str]:
    """All strings in nested data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for v in value.values():
            yield from _strings(v)
    elif isinstance(value, list | tuple):
        for v in value:
            yield from _strings(v)


def _texts(target: Any) -> tuple[str, ...]:
    """The accepted strings of a target."""
    return tuple(_strings(target))


def _answers(work: _Work, i: int) -> tuple[str, ...]:
    score = work.gold_scores.get(i)
    return (score.answer,) if score is not None and score.answer is not None else ()


def _different_numbers(a: Any, b: Any) -> bool:
    """Whether both targets are plain integers, decimals or fractions, and not equal."""
    if not (isinstance(a, str) and isinstance(b, str) and _NUMBER.fullmatch(a) and _NUMBER.fullmatch(b)):
        return False
    try:
        return Fraction(a) != Fraction(b)
    except ZeroDivisionError:
        return False


def _fold(text: str | None) -> str:
    return _squeeze(text or "").casefold()


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _fixed(score: Score) -> Score:
    return dataclasses.replace(score, seconds=0.0)


def _at(work: _Work, i: int) -> str:
    return f"{work.samples[i].id}:"


def _said(score: Score) -> str:
    value = "None" if score.value is None else f"{score.value:g}"
    return (
        f"{value} ({score.outcome}"
        + (f", answer {score.answer[:60]!r}" if score.answer else "")
        + (f", {score.feedback[:120]}" if score.value is None else "")
        + ")"
    )
