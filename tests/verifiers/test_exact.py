"""`ExactVerifier`: string equality after extraction, and nothing that could be talked around."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite import Completion, ask
from evalsuite.verifiers import make
from evalsuite.verifiers.base import run_verifier
from evalsuite.verifiers.exact import ExactVerifier, extract

VERIFIER = ExactVerifier()
SAMPLE = ask("sort dbca=", id="0", target="abcd")


def value(text: str, target: object = "abcd") -> float | None:
    return run_verifier(VERIFIER, ask("q", id="0", target=target), Completion(text)).value


@pytest.mark.parametrize("text", [
    "abcd",
    "  abcd\n",
    "sorted:\nabcd",
    "\\boxed{abcd}",
    "The answer is $\\boxed{\\text{abcd}}$.",
    "no \\boxed{dcba}, rather \\boxed{ abcd }",
    "<answer> abcd </answer>",
    "<answer>dcba</answer> wait <answer>abcd</answer> yes",
    "<think>dcba</think>abcd",
    "$\\boxed{\\textbf{abcd}}$",
    "\\boxed{\\mathrm{abcd}}",
    "\\boxed{\\mathbf{\\text{ abcd }}}",
    "\\boxed{abcd}, \\boxed{\\text{abcd}}",
    "\\boxed{dcba}\n\nWait, no. \\boxed{abcd}",
    "either way\nabcd",
])  # fmt: skip
def test_right(text: str) -> None:
    assert value(text) == 1.0


@pytest.mark.parametrize("text", [
    "abdc",
    "ABCD",
    "abcd.",
    "abcd or abdc",
    "abcd\nabdc",
    "abcd abdc",
    "a b c d",
    "abcde",
    "the answer is abcd",
    "\\boxed{abcd, abdc}",
    "abcd \\boxed{abdc}",
    "\\boxed{abcd} \\boxed{abdc}",
    "<answer>abcd</answer><answer>abdc</answer>",
    "<think>abcd</think>abdc",
    "\\boxed{bacd} or \\boxed{abcd}",
    "$\\boxed{bacd}$ or $\\boxed{abcd}$",
    "\\(\\boxed{bacd}\\) or maybe \\(\\boxed{abcd}\\)",
    "\\[\\boxed{bacd} \\text{ or } \\boxed{abcd}\\]",
    "\\boxed{bacd}\nor\n\\boxed{abcd}",
    "\\boxed{bacd}. Alternatively, \\boxed{abcd}",
    "\\boxed{bacd}\\boxed{abcd}",
    "<answer>bacd</answer><answer>abcd</answer>",
    "<answer>bacd</answer> or <answer>abcd</answer>",
    "bacd\nor\nabcd",
    "bacd or\nabcd",
])  # fmt: skip
def test_wrong(text: str) -> None:
    assert value(text) == 0.0


def test_articles_and_punctuation_are_letters_here() -> None:
    assert value("a", "a") == 1.0
    assert value("b", "ab") == value("ab", "b") == 0.0
    assert value("A.", "A.") == 1.0 and value("A", "A.") == 0.0


@pytest.mark.parametrize("text", ["", " \n ", "\\boxed{}", "<answer> </answer>", "<think>abcd</think>"])
def test_no_answer(text: str) -> None:
    assert run_verifier(VERIFIER, SAMPLE, Completion(text)).outcome == "no_answer"


def test_unfinished_thinking_is_truncated() -> None:
    score = run_verifier(VERIFIER, SAMPLE, Completion("<think> so abcd\nabcd"))
    assert (score.value, score.outcome) == (0.0, "truncated")


def test_several_accepted_strings_and_none() -> None:
    assert value("colour", ("color", "colour")) == 1.0
    score = run_verifier(VERIFIER, ask("q", id="0"), Completion("x"))
    assert (score.value, score.outcome) == (None, "error") and "target" in score.feedback


def test_it_is_found_by_name() -> None:
    assert make("exact") == VERIFIER
    assert VERIFIER.describe() == {"name": "exact", "version": 1}


@given(st.text(max_size=200))
def test_any_text_gets_a_verdict_that_its_key_determines(text: str) -> None:
    score = VERIFIER.verify(SAMPLE, Completion(text))
    assert score.value == float(extract(Completion(text).answer_text) == "abcd")
    assert VERIFIER.key(SAMPLE, Completion(text)) == (("abcd",), extract(Completion(text).answer_text))


@given(st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=30))
def test_the_gold_is_right_and_every_other_word_is_wrong(word: str) -> None:
    sample = ask("q", id="0", target=word)
    assert VERIFIER.verify(sample, Completion(VERIFIER.gold(sample))).value == 1.0
    assert VERIFIER.verify(sample, Completion(word + "x")).value == 0.0
