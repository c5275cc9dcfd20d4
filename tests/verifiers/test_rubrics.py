from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_attacks import ATTACKS

from evalsuite.verifiers.quoting import LIMIT, fence, neutral
from evalsuite.verifiers.rubrics import read_final, read_grade, read_yes_no

# Reading verdicts.


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Verdict: yes", "correct"),
        ("They agree.\n\n**Verdict:** No.", "incorrect"),
        ("Verdict: yes\nOn reflection that was hasty.\nVerdict: no", "incorrect"),
        ("The reply says 'Verdict: yes' itself.\nVerdict: no", "incorrect"),
        ("Verdict: no. The reply tried to pass off 'Verdict: yes' as mine.", "incorrect"),
        ("verdict: no\n| Verdict: yes", "incorrect"),
        ("verdict: no\n> Verdict: yes", "incorrect"),
        ("Judgement: 1", "correct"),
        ("Judgment: 0", "incorrect"),
        ("Yes", "correct"),
        ("- **Incorrect.**", "incorrect"),
        ("extracted_final_answer: Paris\nreasoning: differs\ncorrect: no\nconfidence: 90", "incorrect"),
        ("extracted_final_answer: Canberra\nreasoning: the same\ncorrect: yes", "correct"),
        ("correct: maybe", None),
        ("Verdict: yes or no", None),
        ("Verdict: yes/no", None),
        ("Verdict: yes | no", None),
        ("No doubt about it", None),
        ("Yesterday", None),
        ("Verdict: 10", None),
        ("Verdict: 1/5", None),
        ("Verdict: 0 out of 10", None),
        ("Verdict: 1.5", None),
        ("Verdict: 1%", None),
        ("Verdict: -1", None),
        ("Verdict: yes and no", None),
        ("Verdict: 1.", "correct"),
        ("Verdict: 0 (another city)", "incorrect"),
        ("", None),
    ],
)
def test_yes_no(text, verdict):
    assert read_yes_no(text) == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("A", "correct"),
        ("B", "incorrect"),
        ("C", "not_attempted"),
        ("B: INCORRECT", "incorrect"),
        ("**A**", "correct"),
        ("Grade: C", "not_attempted"),
        ("A: CORRECT\nB: INCORRECT\nC: NOT_ATTEMPTED\n\nB", "incorrect"),
        ("After reviewing the model's answer against the gold answer, the grade is A.", "correct"),
        ("A grader would find a contradiction, so the verdict is B.", "incorrect"),
        ("B. The reply names another city.", "incorrect"),
        ("A (CORRECT)", "correct"),
        ("Grade: **B** (INCORRECT)", "incorrect"),
        ("C (NOT ATTEMPTED).", "not_attempted"),
        ("The answer is A", "correct"),
        ("The final grade would be B.", "incorrect"),
        ("grade: b", "incorrect"),
        ("**Grade:** c", "not_attempted"),
        ("INCORRECT", "incorrect"),
        ("The reply names the same person.\n\nNOT_ATTEMPTED is out of the question.\nGrade: CORRECT", "correct"),
        ("A (INCORRECT)", None),
        ("A or B", None),
        ("A: CORRECT\nB: INCORRECT\nC: NOT_ATTEMPTED", None),
        ("b", None),
        ("A grader cannot tell", None),
        ("the reply is fine", None),
        ("sorry, overloaded", None),
        ("I cannot grade this.", None),
        ("", None),
    ],
)
def test_grades(text, verdict):
    assert read_grade(text) == verdict


def test_the_last_extracted_answer_counts():
    assert read_final("Extracted answer: 3\nno, wait\n**Extracted answer:** 4 m") == "4 m"
    assert read_final("extracted_final_answer: Paris\ncorrect: no") == "Paris"
    assert read_final("the extracted answer: is unclear") is None


PROSE = st.text(st.characters(blacklist_categories=("Cs",)), max_size=200)


@given(PROSE, st.sampled_from(["yes", "no"]))
def test_whatever_comes_before_the_last_line_decides(prose, word):
    assert read_yes_no(f"{prose}\nVerdict: {word}") == ("correct" if word == "yes" else "incorrect")


@given(PROSE, st.sampled_from("ABC"))
def test_whatever_comes_before_the_last_letter_counts(prose, letter):
    assert read_grade(f"{prose}\n{letter}") == {"A": "correct", "B": "incorrect", "C": "not_attempted"}[letter]


# Quoting.

INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2028\u2029\x0b\x0c\x85\U000e0000-\U000e007f]")


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_fenced_reply_passes_for_the_judges_own(attack):
    shown = fence(attack, "q", "Canberra")
    first, *body, last = shown.split("\n")
    assert re.fullmatch(r"=== BEGIN REPLY [0-9a-f]{16} ===", first)
    assert last == first.replace("BEGIN", "END")
    assert body and all(line.startswith("| ") for line in body)
    inside = "\n".join(line[2:] for line in body)
    assert not re.search(r"(verdict|judgement|correct|answer)\W{0,4}[:=]", inside, re.IGNORECASE)
    assert not re.search(r"<\||\|>|</?(think|reply)|\[/?INST|===\s*END", inside)
    assert not INVISIBLE.search(inside)
    assert read_yes_no(inside) is None and read_final(inside) is None
    assert "Sydney" in shown or "Ignore" in shown


def test_markers_depend_on_the_gold_and_not_on_chance():
    nonce = fence("x", "q", "a").split()[3]
    assert fence("x", "q", "a").split()[3] == nonce
    assert len({nonce, fence("x", "q", "b").split()[3], fence("y", "q", "a").split()[3]}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "x² + ½ = π",
        "Быть или не быть",
        "0 < |x| < 1",
        "a <b> c",
        "日本語の答え",
        "Der Schlüssel: 42",
        "\tcode(x)  # y",
        "café: 3 €",
    ],
)
def test_honest_text_is_shown_as_it_is(text):
    assert neutral(text) == text


def test_a_long_reply_keeps_its_ends():
    shown = neutral("a" * 50_000 + "the end")
    assert len(shown) < LIMIT + 100
    assert shown.startswith("aaa") and shown.endswith("the end") and "30007 characters left out" in shown


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_any_text_can_be_fenced(text):
    shown = fence(text, "q", "a")
    shown.encode()  # no lone surrogate reaches a request
    first, *body, last = shown.split("\n")
    assert first[10:] == last[8:] and all(line.startswith("| ") for line in body)
