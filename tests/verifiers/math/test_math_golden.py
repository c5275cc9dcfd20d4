"""Hand-made golden answers, both ways: what must be accepted, what must not, and where the answer is found in a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalsuite.verifiers.math import MathVerifier, equal, extract
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask
from evalsuite.words.score import Score

HERE = Path(__file__).parent


def table(name: str) -> list[list[str]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("# ")]


def score(target: object, text: str, *, problem: str = "q", verifier: MathVerifier | None = None, **metadata: object) -> Score:
    sample = ask(problem, id="0", target=target, metadata=metadata)
    return (verifier or MathVerifier()).verify(sample, Completion(text))


@pytest.mark.parametrize(("gold", "answer"), table("accept.tsv"))
def test_accepts(gold: str, answer: str) -> None:
    assert score(gold, rf"So the final answer is $\boxed{{{answer}}}$.").value == 1.0


@pytest.mark.parametrize(("gold", "answer"), table("reject.tsv"))
def test_rejects(gold: str, answer: str) -> None:
    assert score(gold, rf"So the final answer is $\boxed{{{answer}}}$.").value == 0.0


@pytest.mark.parametrize(("gold", "text", "right"), table("texts.tsv"))
def test_finds_the_answer_in_a_text(gold: str, text: str, right: str) -> None:
    assert score(gold, text.replace("⏎", "\n")).value == float(right)


@pytest.mark.parametrize("gold", sorted({row[0] for row in table("accept.tsv") + table("reject.tsv")}))
def test_every_gold_is_right_for_itself(gold: str) -> None:
    sample = ask("q", id="0", target=gold)
    verifier = MathVerifier()
    assert verifier.verify(sample, Completion(verifier.gold(sample) or "")).value == 1.0


@pytest.mark.parametrize("text", ["", "   ", r"\boxed{}", r"\boxed{5", r"\boxed{4} then \boxed{5", "<think>5</think>"])
def test_no_answer_is_worth_nothing_and_says_so(text: str) -> None:
    result = score("5", text)
    assert (result.value, result.outcome, result.answer) == (0.0, "no_answer", None)
    assert "boxed" in result.feedback


def test_score_carries_the_extracted_answer_and_words() -> None:
    right, wrong = score("5", r"\boxed{x=5}"), score("5", r"\boxed{6}")
    assert (right.answer, right.outcome, right.parts) == ("x=5", "ok", {"boxed": 1.0})
    assert wrong.answer == "6" and "6" in wrong.feedback and "5" in wrong.feedback


def test_boxed_spam_only_the_last_counts() -> None:
    numbers = [rf"\boxed{{{n}}}" for n in range(1000)]
    assert score("57", "\n".join(numbers)).value == 0.0
    assert score("57", " ".join(numbers)).value == 0.0
    assert score("42", " ".join([r"\boxed{9}"] * 400) + r" hence \boxed{42}").value == 1.0
    assert score("9", " ".join([r"\boxed{9}"] * 400) + r" hence \boxed{42}").value == 0.0


def test_boxes_side_by_side_are_a_list_never_a_choice() -> None:
    assert score("1,-2", r"\boxed{-2} \quad \text{and} \quad \boxed{1}").value == 1.0
    assert score("2", r"\boxed{1} or \boxed{2}").value == 0.0
    assert score("2", r"\boxed{1}\boxed{2}").value == 0.0
    assert score("5", r"\boxed{5}, \boxed{5}").value == 1.0
    found = extract(r"\boxed{1} and \boxed{2}")
    assert found is not None and (found.answer, found.listed, found.guesses) == ("2", "1, 2", True)


def test_integer_targets_are_read_as_integers() -> None:
    aime = MathVerifier(integer=True)
    assert score("025", r"\boxed{25}", verifier=aime).value == 1.0
    assert score("27.0", r"\boxed{027}", verifier=aime).value == 1.0
    assert score("25", r"\boxed{25.5}", verifier=aime).value == 0.0
    with pytest.raises(ValueError, match="not an integer"):
        score("1/2", r"\boxed{1/2}", verifier=aime)


def test_tolerance_is_absolute_and_only_where_the_task_gives_one() -> None:
    assert score("4.2", r"\boxed{4.25}").value == 0.0
    assert score("4.2", r"\boxed{4.25}", error="1e-1").value == 1.0
    assert score("4.2", r"\boxed{4.4}", error="1e-1").value == 0.0
    assert score(r"\cos\frac{\pi}{5}", r"\boxed{0.8091}", error="1e-3").value == 1.0
    assert score(r"3 \times 10^{35}", r"\boxed{3.1 \cdot 10^{35}}", error="1e34").value == 1.0
    assert score("1.41", r"\boxed{\sqrt{2}}", verifier=MathVerifier(tolerance=0.01)).value == 1.0
    assert score("$1.68,0.45$", r"\boxed{1.6, 0.5}", error="1e-1").value == 1.0


def test_tuple_target_is_alternatives_or_with_multiple_all_of_them() -> None:
    assert score(("1/2", "0.25"), r"\boxed{0.25}").value == 1.0
    assert score(("1", "2"), r"\boxed{2}", multiple=True).value == 0.0
    assert score(("1", "2"), r"\boxed{2, 1}", multiple=True).value == 1.0
    assert score(("$69$,$84$",), r"\boxed{84} and \boxed{69}", multiple=True).value == 1.0


def test_restating_the_question_is_wrong() -> None:
    assert score("391", r"\boxed{17 \times 23}", problem=r"What is $17 \times 23$?").value == 0.0
    assert score("391", r"\boxed{391}", problem=r"What is $17 \times 23$?").value == 1.0
    assert score("x^2-4", r"\boxed{(x-2)(x+2)}", problem="Expand $(x-2)(x+2)$.").value == 0.0
    assert score("24", r"\boxed{4!}", problem="Compute $4!$.").value == 0.0
    assert score("24", r"\boxed{4!}", problem="How many orders are there?").value == 1.0
    assert score("4", r"\boxed{\gcd(8,12)}", problem=r"Compute $\gcd(8,12)$.").value == 0.0
    assert score("x+1", r"\boxed{1+x}", problem="Let $f(x)=1+x^2$. Find $g$.").value == 1.0


def test_target_may_be_a_worked_solution() -> None:
    assert equal(r"Adding up, $x = \boxed{\frac{1}{2}}$, as wanted.", "0.5")
    assert equal("16 - 3 - 4 = 9\n9 * 2 = 18\n#### 18", "18")


def test_classes_group_equal_answers() -> None:
    sample = ask("q", id="0", target="1/2")
    answers = ["0.5", r"\frac12", None, "2", "x=2", r"\sqrt{4}", "1/3", "50\\%", "0.5"]
    assert MathVerifier().classes(sample, answers) == [0, 0, None, 1, 1, 1, 2, 0, 0]


def test_key_depends_on_what_the_score_depends_on() -> None:
    verifier = MathVerifier()
    sample, other = ask("q", id="0", target="5"), ask("q", id="1", target="6")
    one, two = Completion(r"first way \boxed{5}"), Completion(r"second way \boxed{5}")
    assert verifier.key(sample, one) == verifier.key(sample, two)
    assert verifier.key(sample, one) != verifier.key(other, one)
    assert verifier.key(sample, one) != verifier.key(sample, Completion(r"\boxed{5}\boxed{6}"))
    hash(verifier.key(sample, one))


def test_missing_target_is_our_failure() -> None:
    with pytest.raises(ValueError, match="no target"):
        score(None, r"\boxed{5}")


@pytest.mark.parametrize("target", ["", " ", "$", "$$", ".", "\\,", "\\quad", "{}", "\\$", "\\boxed{}"])
def test_a_target_without_an_answer_is_our_failure(target: str) -> None:
    with pytest.raises(ValueError, match="without an answer"):
        score(target, r"\boxed{5}")
    assert not equal(target, "5") and not equal("5", target)
