from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.verifiers.base import run_verifier
from evalsuite.verifiers.order import OrderVerifier, partial_order, topological
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Sample, ask
from evalsuite.words.score import Score

VERIFIER = OrderVerifier()


def puzzle(steps: object, *before: tuple[object, object]) -> Sample:
    return ask("?", id="0", tests={"steps": steps, "before": [list(pair) for pair in before]})


def scored(text: str, sample: Sample) -> Score:
    return run_verifier(VERIFIER, sample, Completion(text))


DIAMOND = puzzle(4, (1, 2), (1, 3), (2, 4), (3, 4))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,2,3,4", 1.0),
        ("1, 3, 2, 4", 1.0),
        ("[1, 3, 2, 4]", 1.0),
        ("1 -> 2 -> 3 -> 4", 1.0),
        ("1324", 1.0),
        ("so \\boxed{1 \\to 3 \\to 2 \\to 4}.", 1.0),
        ("\\boxed{4,3,2,1} no: \\boxed{1,2,3,4}", 1.0),
        ("<answer>Step 1, Step 2, Step 3, then Step 4</answer>", 1.0),
        ("Let me think.\nThe correct order is: 1, 2, 3, 4.", 1.0),
        ("The final answer is **1 → 2 → 3 → 4**", 1.0),
        ("１，２，３，４", 1.0),
        ("1、2、3、4", 1.0),
        ("1 ⟶ 2 ⟶ 3 ⟶ 4", 1.0),
        ("1 ➡ 2 ➡️ 3 ➔ 4", 1.0),
        ("#1, #2, #3, #4", 1.0),
        ("So:\n1\n3\n2\n4", 1.0),
        ("- Step 1\n- Step 2\n- Step 3\n- Step 4\n", 1.0),
        ("The order 4,3,2,1 is wrong; the order is 1,2,3,4", 1.0),
        ("The order 1,2,3,4 follows, so the answer is 1,2,3,4", 1.0),
        ("Steps 2 and 3 may be swapped, so the order is 1,2,3,4", 1.0),
        ("\\boxed{1,2,3,4}, \\boxed{1,2,3,4}", 1.0),
        ("4, 3, 2, 1", 0.0),
        ("\\boxed{4,3,2,1} or \\boxed{1,2,3,4}", 0.0),
        ("\\boxed{4,3,2,1}\\boxed{1,2,3,4}", 0.0),
        ("$\\boxed{4,3,2,1}$ or $\\boxed{1,2,3,4}$", 0.0),
        ("<answer>4,3,2,1</answer> or maybe <answer>1,2,3,4</answer>", 0.0),
        ("4,3,2,1 or the order is 1,2,3,4", 0.0),
        ("4321 or the order is 1234", 0.0),
        ("The order is 4,3,2,1. The order is 1,2,3,4", 0.0),
        ("4,3,2,1\nor\n1,2,3,4", 0.0),
        ("4\n3\n2\n1\nor\n1\n2\n3\n4", 0.0),
        ("4\n3\n2\n1\n\n1\n2\n3\n4", 0.0),
        ("1, 2, 3", 0.0),
        ("1, 2, 3, 4, 4", 0.0),
        ("1, 2, 3, 5", 0.0),
        ("\\boxed{1,2,3,4 or 1,3,2,4}", 0.0),
        ("<answer>1,2,3,4; 4,3,2,1</answer>", 0.0),
        ("\\boxed{1,2,3,4} \\boxed{4,3,2,1}", 0.0),
    ],
)
def test_written_orders(text: str, value: float) -> None:
    assert scored(text, DIAMOND).value == value


def test_partial_credit_is_a_part_only() -> None:
    score = scored("2, 1, 3, 4", DIAMOND)  # breaks one of four constraints
    assert (score.value, score.parts["precedence"], score.feedback) == (0.0, 0.75, "1 must come before 2")
    assert "precedence" not in scored("1, 2", DIAMOND).parts


def test_letters_words_and_no_answer() -> None:
    letters = puzzle(["A", "B", "C"], ("B", "A"))
    assert scored("BAC", letters).value == scored("b a c", letters).value == scored("B A C", letters).value == 1.0
    assert scored("ABC", letters).value == 0.0
    assert scored("mix, bake", puzzle(["mix", "bake"], ("mix", "bake"))).value == 1.0
    for text in ("", "I cannot tell.", "It is hard to say which of these 3 comes first"):
        assert scored(text, letters).outcome == "no_answer"
    assert scored("\\boxed{unknown}", letters).outcome == "ok"


@pytest.mark.parametrize(
    "sample",
    [
        puzzle(3, (1, 2), (2, 1)),
        puzzle(2, (1, 5)),
        puzzle(0),
        puzzle("abc"),
        puzzle(["a", "a"]),
        puzzle(["a b", "c"]),
        ask("?", id="0"),
    ],
)
def test_malformed_samples_are_our_failure(sample: Sample) -> None:
    assert scored("1,2,3", sample).outcome == "error"
    with pytest.raises(ValueError):
        VERIFIER.gold(sample)


@given(st.integers(2, 5), st.randoms(use_true_random=False))
def test_exactly_the_linear_extensions_are_right(n: int, rng: random.Random) -> None:
    hidden = rng.sample(range(1, n + 1), n)
    pairs = [(hidden[i], hidden[j]) for i in range(n) for j in range(i + 1, n) if rng.random() < 0.4]
    sample = puzzle(n, *pairs)
    labels, before = partial_order(sample)
    assert scored(VERIFIER.gold(sample), sample).value == 1.0
    right = 0
    for order in itertools.permutations(range(1, n + 1)):
        valid = all(order.index(i) < order.index(j) for i, j in pairs)
        score = scored(", ".join(map(str, order)), sample)
        assert score.value == float(valid)
        kept = sum(order.index(i) < order.index(j) for i, j in pairs)
        assert score.parts["precedence"] == pytest.approx(kept / len(pairs) if pairs else 1.0)
        right += valid
    assert right >= 1 and sorted(topological(labels, before)) == sorted(labels)


def test_hostile_input() -> None:
    for text in ("1," * 50_000, "\\boxed{" * 15_000, "\\boxed{" + "1 -> " * 20_000 + "}", "order: " * 15_000):
        assert scored(text, DIAMOND).value == 0.0
