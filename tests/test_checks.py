"""The checks of `evalsuite tasks test`: a sound task passes all of them, and each kind of defect fails its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import pytest

from evalsuite import Completion, Prompt, Request, Sample, Score, Shot, Task, Verifier, ask
from evalsuite.checks import CHECKS, GARBAGE, CheckResult, check_task
from evalsuite.sources import Where, load
from evalsuite.verifiers.base import ModelVerifier, run_verifier
from evalsuite.words.sample import Message


class Direct:
    """The pool's two methods, in this process."""

    def score(self, verifier: Verifier, items: Mapping[Hashable, tuple[Sample, Completion]]) -> dict[Hashable, Score]:
        return {key: run_verifier(verifier, *item) for key, item in items.items()}

    def call(self, verifier: Verifier, method: str, items: Mapping[Hashable, tuple[Any, ...]]) -> dict[Hashable, Any]:
        out: dict[Hashable, Any] = {}
        for key, args in items.items():
            try:
                out[key] = getattr(verifier, method)(*args)
            except ValueError as error:
                out[key] = error
        return out


@dataclass(frozen=True)
class Rational(Verifier):
    """Exact fractions; `slack` makes it as wrong as a float tolerance would."""

    name: ClassVar[str] = "rational"
    slack: Fraction = Fraction(0)

    def verify(self, sample: Sample, completion: Completion) -> Score:
        said = self._read(completion.answer_text)
        if said is None:
            return Score(0.0, "no_answer")
        return Score(float(abs(said - Fraction(sample.target)) <= self.slack), "ok", completion.answer_text)

    def classes(self, sample: Sample, answers: Any) -> list[int | None]:
        values = [None if a is None else self._read(a) for a in answers]
        numbers: list[int | None] = []
        for i, value in enumerate(values):
            twin = next((k for k in range(i) if value is not None and abs(values[k] - value) <= self.slack), None)  # type: ignore[operator]
            numbers.append(None if value is None else i if twin is None else numbers[twin])
        return numbers

    @staticmethod
    def _read(text: str) -> Fraction | None:
        try:
            return Fraction(text.strip())
        except ValueError:
            return None


PROMPT = Prompt(name="bare", plain="Q: {problem}\nA:")


def make(samples: Any = None, verifier: Verifier | None = None, **fields: Any) -> Task:
    if samples is None:
        samples = [ask(f"what is {n}?", id=str(n), target=str(n)) for n in range(20)]
    return Task(**({"samples": samples, "prompt": PROMPT, "verifier": verifier or Rational(), "name": "toy"} | fields))


def run(task: Task, shots: tuple[Shot, ...] = (), pool: Any = None) -> dict[str, CheckResult]:
    results = check_task(task, load(task, Where()), pool or Direct(), shots)
    assert [r.name for r in results] == list(CHECKS)
    return {r.name: r for r in results}


def failed(results: dict[str, CheckResult]) -> set[str]:
    return {name for name, r in results.items() if not r.passed}


def test_a_sound_task_passes_and_says_how_much_was_looked_at() -> None:
    results = run(make(prompts=(dataclasses.replace(PROMPT, name="other", user="Please: {problem}"),)))
    assert failed(results) == set()
    counts = {name: r.n for name, r in results.items()}
    # 20 samples; 2 empty and 4 garbage answers, 4 other golds each; 20 golds again and 20 x 6 answers twice; 2 prompts, 2 forms.
    assert counts == {
        "gold": 20,
        "empty": 40,
        "garbage": 80,
        "other_gold": 80,
        "repeatable": 140,
        "privileged": 40,
        "unique_ids": 20,
        "prompts": 80,
    }


def test_the_same_through_the_real_pool() -> None:
    from evalsuite.verifiers import make as make_verifier
    from evalsuite.verifiers.pool import Pool

    samples = [ask(f"say {word}", id=word, target=word) for word in ("ab", "cd", "ef", "gh")]
    with Pool(workers=1) as pool:
        assert failed(run(make(samples, make_verifier("exact")), pool=pool)) == set()
        wrong = [*samples, ask("no target", id="none")]
        results = run(make(wrong, make_verifier("exact")), pool=pool)
    assert "gold" in failed(results) and "none: PoolFailure" in results["gold"].detail


def test_a_gold_that_is_not_accepted() -> None:
    bad = [ask("a", id="a", target="1"), ask("b", id="b", target="two")]
    results = run(make(bad))
    assert failed(results) >= {"gold"}
    assert results["gold"].detail == "1 of 2: b: gold 'two' got 0 (no_answer)"


def test_a_sample_without_a_gold() -> None:
    result = run(make([ask("a", id="a"), ask("b", id="b", target="1")]))["gold"]
    assert not result.passed and "a: no gold can be written down" in result.detail


@dataclass(frozen=True)
class Yes(Verifier):
    name: ClassVar[str] = "yes"
    empty: float = 1.0
    garbage: float = 1.0

    def verify(self, sample: Sample, completion: Completion) -> Score:
        text = completion.answer_text
        value = self.empty if not text.strip() else self.garbage if text in GARBAGE else float(text == sample.target)
        return Score(value, "ok", text)


def test_free_points() -> None:
    assert failed(run(make(verifier=Yes(garbage=0.0)))) == {"empty"}
    assert failed(run(make(verifier=Yes(empty=0.0)))) == {"garbage"}
    results = run(make(verifier=Yes(empty=0.25, garbage=0.0)))
    assert results["empty"].detail.startswith("40 of 40: 0: answer '' got 0.25") and results["empty"].detail.endswith(
        "(and 37 more)"
    )


def test_other_golds_that_are_accepted() -> None:
    results = run(make(verifier=Rational(slack=Fraction(1))))
    # Its `classes` agree with its `verify`, and still plain numbers that differ are different answers.
    assert failed(results) == {"other_gold"}
    assert "0: target '0', the gold '1' of 1 got 1" in results["other_gold"].detail


def test_equal_answers_in_other_words_are_left_out() -> None:
    targets = ["1/2", "0.5", "0.50", "3", "4"]
    results = run(make([ask(t, id=str(i), target=t) for i, t in enumerate(targets)]))
    assert failed(results) == set() and results["other_gold"].detail.startswith("6 pairs left out as the same answer, such as")
    assert results["other_gold"].n == 20 - 6


def test_one_answer_for_all_is_said() -> None:
    results = run(make([ask(f"{i}?", id=str(i), target="1") for i in range(3)]))
    assert (results["other_gold"].n, results["other_gold"].detail) == (0, "no two different golds")


def test_a_verifier_that_changes_its_mind() -> None:
    @dataclass(frozen=True)
    class Moody(Rational):
        said: list = field(default_factory=list)

        def verify(self, sample: Sample, completion: Completion) -> Score:
            score = super().verify(sample, completion)
            self.said.append(1)
            return dataclasses.replace(score, feedback=f"call {len(self.said)}")

    assert failed(run(make(verifier=Moody()))) == {"repeatable"}


def test_an_exception_is_not_a_zero() -> None:
    @dataclass(frozen=True)
    class Fragile(Rational):
        def verify(self, sample: Sample, completion: Completion) -> Score:
            return Score(float(Fraction(completion.answer_text) == Fraction(sample.target)), "ok", completion.answer_text)

    results = run(make(verifier=Fragile()))
    assert failed(results) == {"empty", "garbage"} and "got None (error, ValueError" in results["garbage"].detail


LEAK = "two sheep and two sheep are four sheep"


def test_privileged_text_in_a_prompt() -> None:
    clean = ask("2+2?", id="a", target="4", privileged={"solution": LEAK, "steps": ["short", {"x": LEAK}]})
    other = ask("3+3?", id="b", target="6")
    assert failed(run(make([clean, other]))) == set()
    inside = dataclasses.replace(clean, messages=(Message("user", f"2+2?\n(hint:  {LEAK.replace(' ', '  ')})"),))
    results = run(make([inside, other]))
    assert failed(results) == {"privileged"} and f"a: prompt 'bare' shows privileged '{LEAK}'" in results["privileged"].detail
    assert failed(run(make([clean, other]), shots=(Shot("2+2?", LEAK),))) == {"privileged"}
    short = dataclasses.replace(clean, privileged={"solution": "2+2"})  # too short to tell from chance
    assert failed(run(make([short, other]))) == set()


def test_a_prompt_that_reads_what_it_must_not() -> None:
    class Peeking(Prompt):
        def render(self, sample: Sample, shots: Any = (), system: Any = None) -> Any:
            rendered = super().render(sample, shots, system)
            return rendered._replace(plain=f"{rendered.plain} {sample.tests}")

    results = run(make(prompts=(Peeking(name="peeking"),)))
    assert failed(results) == {"privileged"} and "'peeking' reads target, tests or privileged" in results["privileged"].detail


def test_a_long_target_in_a_worked_example() -> None:
    @dataclass(frozen=True)
    class Same(Verifier):
        name: ClassVar[str] = "same"

        def verify(self, sample: Sample, completion: Completion) -> Score:
            return Score(float(completion.answer_text == sample.target))

    samples = [ask("who?", id="a", target="Ada Augusta King, Countess of Lovelace"), ask("where?", id="b", target="there")]
    assert failed(run(make(samples, Same()))) == set()
    assert failed(run(make(samples, Same()), shots=(Shot("who?", samples[0].target),))) == {"privileged"}
    listed = [dataclasses.replace(samples[0], messages=(Message("user", f"who? {samples[0].target} or Bob"),)), samples[1]]
    assert failed(run(make(listed, Same()))) == set()  # the question itself holds it


def test_a_prompt_that_drops_the_question_or_the_options() -> None:
    samples = [ask(f"which {i}?", id=str(i), target=str(i), choices=(f"apple {i}", f"pear {i}")) for i in range(3)]
    shown = Prompt(name="all", user="{problem}\n{choices}", plain="{problem}\n{choices}")
    assert failed(run(make(samples, prompt=shown))) == set()
    results = run(make(samples, prompt=dataclasses.replace(shown, plain="{problem}")))
    assert (
        failed(results) == {"prompts"}
        and "0: prompt 'all' as plain text lacks the option 'apple 0'" in results["prompts"].detail
    )
    results = run(make(samples, prompt=dataclasses.replace(shown, user="Answer: {choices}")))
    assert failed(results) == {"prompts"} and "as messages lacks the question" in results["prompts"].detail


def test_ids() -> None:
    samples = tuple(ask(str(i), id=name, target=str(i)) for i, name in enumerate(("x", "x", "")))
    task = make(samples)
    from evalsuite.sources import Loaded

    results = {r.name: r for r in check_task(task, Loaded(samples, "inline", "toy", ""), Direct())}
    assert failed(results) == {"unique_ids"} and results["unique_ids"].detail == "2 of 3: 'x' occurs 2 times; an empty id"


def test_exemptions_are_not_run_and_keep_their_reason() -> None:
    results = run(make(verifier=Yes(), exempt={"empty": "silence is golden", "garbage": "so is noise"}))
    assert failed(results) == set()
    assert (results["empty"].n, results["empty"].exempt_reason) == (0, "silence is golden")


def test_an_exemption_from_nothing_is_an_error() -> None:
    from evalsuite.errors import UsageError

    with pytest.raises(UsageError, match=r"exempt from 'gould', which is no check; checks: gold, empty"):
        run(make(exempt={"gould": "typo"}))


@dataclass(frozen=True)
class Judged(ModelVerifier):
    """Rules take exact matches (and, with `strict`, nothing else); the judge gets the rest."""

    name: ClassVar[str] = "judged"
    rules: bool = True

    def ask(self, sample: Sample, completion: Completion) -> tuple[Request, ...]:
        decided = self.rules and (completion.answer_text == sample.target or not completion.answer_text.strip())
        return () if decided else (Request(messages=(), sampling=None),)  # type: ignore[arg-type]

    def read(self, sample: Sample, completion: Completion, replies: Any) -> Score:
        raise AssertionError("no judge in checks")

    def verify(self, sample: Sample, completion: Completion) -> Score:
        return Score(float(completion.answer_text == sample.target), "ok", completion.answer_text)


def test_verifiers_that_ask_a_model_are_checked_on_their_rules() -> None:
    results = run(make(verifier=Judged()))
    assert failed(results) == set()
    assert (results["gold"].n, results["empty"].n) == (20, 40)
    assert results["garbage"].exempt_reason == "every answer goes to the judge model; its rules decide none"


def test_rules_that_break_are_no_exemption() -> None:
    @dataclass(frozen=True)
    class Broken(Judged):
        def ask(self, sample: Sample, completion: Completion) -> tuple[Request, ...]:
            raise ValueError("no rubric")

    results = run(make(verifier=Broken()))
    assert {"gold", "empty", "garbage", "other_gold"} <= failed(results)
    assert "got None (error, ask: no rubric)" in results["empty"].detail


def test_a_verifier_whose_rules_decide_nothing() -> None:
    none = run(make(verifier=Judged(rules=False)))
    assert failed(none) == set() and none["gold"].exempt_reason is not None and none["prompts"].n == 40
