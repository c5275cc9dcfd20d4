from __future__ import annotations

import json
import pickle
import string

import pytest
from choice_cases import CHOSEN, NOTHING
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.verifiers.base import run_verifier
from evalsuite.verifiers.choice import ChoiceVerifier, read
from evalsuite.words.completion import Completion
from evalsuite.words.sample import ask
from evalsuite.words.score import Score

OPTIONS = ("red", "blue mug", "Paris", "1.69")


def scored(text: str, target: object = "B", choices: tuple[str, ...] = OPTIONS) -> Score:
    return run_verifier(ChoiceVerifier(), ask("?", id="0", target=target, choices=choices), Completion(text))


@pytest.mark.parametrize("choices", [(), ("north", "south", "east", "west")], ids=["open", "four"])
@pytest.mark.parametrize(("text", "letter"), CHOSEN)
def test_replies_that_choose(text: str, letter: str, choices: tuple[str, ...]) -> None:
    if choices and letter > "D":
        assert scored(text, "A", choices).value == 0.0
        return
    assert scored(text, letter, choices).value == 1.0
    for other in set("ABCD") - {letter}:
        assert scored(text, other, choices).value == 0.0


@pytest.mark.parametrize("choices", [(), ("north", "south", "east", "west")], ids=["open", "four"])
@pytest.mark.parametrize("text", NOTHING)
def test_replies_that_choose_nothing_or_too_much(text: str, choices: tuple[str, ...]) -> None:
    for target in "ABCD":
        assert scored(text, target, choices).value == 0.0


@pytest.mark.parametrize("text", ["Cannot determine", "(A) red\n(B) blue\n(C) green\n(D) pink", "", "I think so. A cat."])
def test_no_answer_is_an_outcome(text: str) -> None:
    assert scored(text).outcome == "no_answer"


def test_hedges_and_unreadable_slots_say_what_was_read() -> None:
    hedge = scored("<answer>A or B</answer>")
    assert (hedge.value, hedge.outcome, hedge.answer) == (0.0, "ok", "A,B")
    assert "several options" in hedge.feedback
    unread = scored("\\boxed{42}")
    assert (unread.value, unread.outcome, unread.answer) == (0.0, "ok", "42")
    assert "no option E" in scored("E").feedback


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("\\boxed{Paris}", "C"),
        ("The answer is Paris.", "C"),
        ("The correct answer is:\n\nParis", "C"),
        ("<answer>Blue  mug.</answer>", "B"),
        ("Paris", "C"),
        ("\\boxed{1.69}", "D"),
        ("\\boxed{\\text{D. } 1.69}", "D"),
        ("Answer: B. blue mug", "B"),
        ("(A) Paris", "AC"),  # a letter beside another option's text
        ("The answer is (B) red", "AB"),
        ("\\boxed{B. 1.69}", "BD"),
        ("The answer is not Paris.", ""),
        ("(A) red (B) blue mug (C) Paris (D) 1.69", "ABCD"),  # the list, restated on one line
        ("A: red B: blue mug C: Paris D: 1.69", "ABCD"),
        ("The correct answer is A red", "A"),
        ("Answer: A red. It is the colour of the mug.", "A"),
        ("Answer: A Paris", ""),
        ("**B)** blue mug", "B"),
        ("The colour is red.", ""),
        ("red or blue mug", ""),
    ],
)
def test_option_texts(text: str, letters: str) -> None:
    said = read(text, OPTIONS)
    assert (said.letters if said else frozenset()) == frozenset(letters)


def test_ambiguous_and_labelled_option_texts() -> None:
    assert scored("\\boxed{red}", "A", ("red", "red")).outcome == "ok"
    assert scored("\\boxed{red}", "A", ("red", "red")).value == 0.0
    assert scored("\\boxed{mug}", "B", ("(A) cup", "(B) mug")).value == 1.0
    assert scored("$2 : 1$", "A", ("$2: 1$", "$3: 2$")).value == 1.0
    assert scored("8 kg", "B", ("$4 \\mathrm{~kg}$", "$8 \\mathrm{~kg}$")).value == 1.0
    assert scored("5 \\mathrm{~A}", "A", ("$5 \\mathrm{~A}$", "$6 \\mathrm{~A}$")).value == 1.0
    assert scored("B. type (A) blood", "B", ("type (B) blood", "type (A) blood")).value == 1.0
    for listed in ("(A) True (B) False", "A) True B) False", "Answer: A. True B. False"):
        assert scored(listed, "A", ("True", "False")).value == 0.0
    assert scored("The answer is vitamin C.", "A", ("Vitamin C", "Vitamin A", "Vitamin B")).value == 1.0


def test_targets() -> None:
    for target in ("B", "(B)", "b", "blue mug", ("B",), ["blue mug"]):
        assert scored("B", target).value == 1.0
    assert scored("C", ("A", "C")).value == 1.0
    for bad in ("E", "green", None, (), 1):
        assert scored("B", bad).outcome == "error"


def test_precedence_of_the_slots() -> None:
    assert scored("Answer: A\n<answer>C</answer>\n\\boxed{B}").value == 1.0
    assert scored("\\boxed{B}\nAnswer: A").value == 1.0
    assert scored("<answer>B</answer> The answer is A.").value == 1.0
    assert scored("\\boxed{A}\n\\boxed{B}").value == 1.0
    assert scored("\\boxed{42} so the answer is B").value == 1.0
    assert scored("<think>The answer is A.</think> B").value == 1.0
    assert scored("<think>The answer is B.").outcome == "truncated"


def test_gold_key_and_votes() -> None:
    verifier = ChoiceVerifier()
    for letter in string.ascii_uppercase[:10]:
        sample = ask("?", id="0", target=letter, choices=tuple(f"option number {i}" for i in range(10)))
        assert run_verifier(verifier, sample, Completion(verifier.gold(sample))).value == 1.0
    sample = ask("?", id="0", target="B", choices=OPTIONS)
    assert verifier.key(sample, Completion("Answer: B")) == verifier.key(sample, Completion("\\boxed{B}"))
    assert hash(verifier.key(sample, Completion("?"))) is not None
    assert verifier.classes(sample, ["B", "A", None, "B"]) == [0, 1, None, 0]
    assert pickle.loads(pickle.dumps(verifier)) == verifier


def test_real_science_questions(data_dir) -> None:
    n = 0
    for path in sorted((data_dir / "sciknoweval").glob("*_test.json")):
        for row in map(json.loads, path.read_text().splitlines()):
            n += 1
            text = f"<reasoning>\nOption A looks wrong.\n</reasoning>\n<answer>\n{row['answer']}\n</answer>"
            assert scored(text, row["answer"], ()).value == 1.0
            # The question itself, echoed, is not a choice.
            assert scored(row["prompt"], row["answer"], ()).value == 0.0
    assert n == 434


def test_recorded_math_vision_agrees_with_the_authors(data_dir) -> None:
    """Qwen-VL-Max, 1,532 multiple-choice rows: the authors' verdict, except where units in an option misled it."""
    questions = {row["id"]: row for row in map(json.loads, (data_dir / "mathvision/test.jsonl").read_text().splitlines())}
    both = only_ours = only_theirs = n = 0
    for row in map(json.loads, (data_dir / "mathvision/recorded/Qwen-VL-Max.jsonl").read_text().splitlines()):
        question = questions[row["id"]]
        if not question["options"]:
            continue
        n += 1
        ours = scored(row["response"], question["answer"], tuple(question["options"])).value == 1.0
        both += ours == row["correct"]
        only_ours += ours and not row["correct"]
        only_theirs += row["correct"] and not ours
    # Theirs alone: "120/17" for \\frac{120}{17}, and a row whose recorded gold is another option.
    assert (n, both, only_ours, only_theirs) == (1532, 1504, 26, 2)


HOSTILE = [
    "answer ",
    "the answer is ",
    "A ",
    "A or ",
    "\\boxed{",
    "\\boxed{A}",
    "<answer>A</answer>",
    "(",
    "(A)",
    "**A** ",
    " ",
    "\n",
    "\\text{",
]


@pytest.mark.parametrize(
    "piece",
    [
        *HOSTILE,
        "(A) x\n",
        "not A but ",
        "not A but C ",
        "alternatively, C ",
        "; if A, ",
        "\\boxed{A} or ",
        "A and B is correct ",
        "it is ",
        "x**A**",
        "the correct ",
        "\U0001d400",
    ],
)
def test_hostile_input(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    assert scored(text).value == 0.0
    assert scored("\\boxed{" + text + "}").value in (0.0, 1.0)


WORDS = st.sampled_from(
    "A|B|C|(B)|**C**|the answer is|not|or|and|,|.|\n|\\boxed{|}|<answer>|</answer>|option|is correct|I think|either|a|b|red|答案|:|?".split(
        "|"
    )
)


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_reading_never_fails_and_is_stable(text: str) -> None:
    first = read(text, OPTIONS)
    assert first == read(text, OPTIONS)
    assert first is None or first.letters <= set(string.ascii_uppercase)


@given(st.sampled_from("ABCD"), st.text(alphabet=string.ascii_lowercase + " .\n", max_size=60))
def test_a_boxed_letter_is_read_whatever_surrounds_it(letter: str, prose: str) -> None:
    assert scored(f"{prose} \\boxed{{{letter}}} {prose}", letter).value == 1.0
