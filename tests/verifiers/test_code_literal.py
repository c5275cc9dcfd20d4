"""Literals as answers, inputs as answers, and programs that are fit to ask about."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evalsuite import Completion, Score, Verifier, ask
from evalsuite.verifiers.base import run_verifier
from evalsuite.verifiers.code.literal import LiteralVerifier, NotLiteral, canonical, parse, same
from evalsuite.verifiers.code.preimage import PreimageVerifier, parse_arguments
from evalsuite.verifiers.code.validity import check_program
from evalsuite.words.thinking import split

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(string.printable) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
HOSTILE = [
    "9**9**9",
    "9" * 9000,
    "1" + "+1" * 4900,
    "-" * 9990 + "1",
    "not " * 2400 + "1",
    "[" * 5000,
    "[" * 3000 + "]" * 3000,
    "a" + ".a" * 4900,
    "a" + "()" * 4000,
    "lambda:" * 1400 + "1",
    "'" + "a" * 20000 + "'",
    "__import__('os').getcwd()",
    "list('ab')",
    "f'{1}'",
    "[1 for _ in range(9)]",
    "{[]: 1}",
    "{**{}}",
    "...",
    "*[1]",
    "x := 1",
    "1; 2",
    "True if 1 else 2",
    "\x00",
    "'\ud800'",
    "",
]


def said(text: str, target: Any, verifier: Verifier | None = None, tests: Any = None) -> Score:
    sample = ask("?", id="x", target=target, tests=tests)
    return run_verifier(verifier or LiteralVerifier(), sample, Completion(text, finish_reason="stop"))


# Literals


@given(PLAIN)
def test_what_repr_writes_is_read_again(value: Any) -> None:
    assert same(parse(repr(value)), value)
    assume(split(repr(value)).answer == repr(value))  # a tag of reasoning is one wherever it stands
    assert said(f"So:\n```output\n{value!r}\n```", repr(value)).value == 1.0


@given(PLAIN, PLAIN)
def test_equal_keys_are_equal_values_of_equal_types(a: Any, b: Any) -> None:
    if canonical(a) == canonical(b):
        assert a == b and type(a) is type(b)
    if type(a) is type(b) is str:
        assert same(a, b) == (a == b)


@pytest.mark.parametrize(
    ("one", "two"),
    [("1", "True"), ("1", "1.0"), ("0", "False"), ("(1, 2)", "[1, 2]"), ("[1]", "[True]"), ("{'a': 1}", "{'a': 1.0}"), ("'1'", "1"),
     ("{1, 2}", "[1, 2]"), ("None", "'None'"), ("{1: 2}", "{True: 2}"), ("''", "b''"), ("{1}", "{1.0}"), ("set()", "{}")],
)  # fmt: skip
def test_types_are_told_apart(one: str, two: str) -> None:
    assert said(two, one).value == said(one, two).value == 0.0
    assert said(one, one).value == said(two, two).value == 1.0


@pytest.mark.parametrize(
    ("one", "two"),
    [("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"), ("{1, 2}", "{2, 1}"), ("'a'", '"a"'), ("10", "0xa"), ("1000", "1_000"), ("0.0", "-0.0"),
     ("[1, 2]", "[1,\n 2,]"), ("'ab'", "'a' 'b'"), ("100.0", "1e2"), ("(1,)", "(1, )")],
)  # fmt: skip
def test_how_a_value_is_written_does_not_matter(one: str, two: str) -> None:
    assert said(f"```output\n{two}\n```", one).value == 1.0
    assert LiteralVerifier().classes(ask("?", id="x"), [one, two, None, "x y", "x  y"]) == [0, 0, None, 1, 2]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_no_literals(text: str) -> None:
    with pytest.raises(NotLiteral):
        parse(text)
    for shape in ("{}", "```output\n{}\n```", "\\boxed{{{}}}", "```input\n{}\n```"):
        assert said(shape.format(text), "1").value == 0.0
        tests = {"program": "def f(x):\n    return x", "entry_point": "f", "output": "1"}
        assert said(shape.format(text), "1", PreimageVerifier(), tests).value == 0.0


@given(st.text(max_size=200))
def test_any_text_is_a_literal_or_none(text: str) -> None:
    assert said(text, "[1, 'zxqv']").value == 0.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("```output\n[1, 2]\n```", 1.0),
        ("```output\n[1]\n```\nNo, wait:\n```output\n[1, 2]\n```", 1.0),
        ("```output\n[1, 2]\n```\nNo, wait:\n```output\n[1]\n```", 0.0),
        ("```output\n[1, 2]\n```\nwhich is what this prints:\n```python\nprint(f())\n```", 1.0),  # the tag goes first
        ("It is \\boxed{[1, 2]}.", 1.0),
        ("It is \\boxed{\\texttt{[1, 2]}}.", 1.0),
        ("\\boxed{[1, 2]} or \\boxed{[1]}", 0.0),
        ("\\boxed{[1]} or \\boxed{[1, 2]}", 0.0),
        ("\\boxed{[1]}. Wait, no.\n\\boxed{[1, 2]}", 1.0),
        ("<answer>[1, 2]</answer>", 1.0),
        ("```\n[1, 2]\n```", 1.0),
        ("```python\n[1, 2]\n```", 1.0),
        ("Thus\nOutput: [1, 2]", 1.0),
        ("The final answer is: `[1, 2]`", 1.0),
        ("[1, 2]", 1.0),
        ("```output\n[1, 2]", 1.0),  # a stop string took the fence
        ("The list [1, 2]", 0.0),
        ("[1, 2]\nor\n[1]", 0.0),
        ("```output\n```", 0.0),
    ],
)
def test_where_an_answer_stands(text: str, value: float) -> None:
    assert said(text, "[1, 2]").value == value


def test_braces_escaped_for_latex() -> None:
    assert said("\\boxed{\\{'a\\_b': 1\\}}", "{'a_b': 1}").value == 1.0
    assert said("\\boxed{'a\\\\_b'}", repr("a\\_b")).value == 1.0  # a backslash that Python escaped stays


def test_what_a_score_says() -> None:
    score = said("1.0", "1")
    assert (score.value, score.answer, score.parts) == (0.0, "1.0", {"parsed": 1.0})
    assert score.feedback == "1.0 has the right value and the wrong type"
    assert said("2", "1").feedback == "2 is not what the program returns"
    assert said("two", "1").parts == {"parsed": 0.0}
    assert said(" ", "1").outcome == "no_answer"
    assert said("<think>\n```output\n1\n```</think>", "1").outcome == "no_answer"
    assert said("1", 1).outcome == "error"  # a broken sample is our failure


# Inputs

PROGRAM = "def f(numbers, k):\n    while k == 0:\n        pass\n    return [n * k for n in numbers]\n"
QUESTION = {"program": PROGRAM, "entry_point": "f", "output": "[3, 6]"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1], 2", ([1], 2)),
        ("f([1], 2)", ([1], 2)),
        ("([1], 2)", ([1], 2)),
        ("[1], k=2", ([1], 2)),
        ("k=2, numbers=[1]", ([1], 2)),
        ("[1], 2,", ([1], 2)),
        (" [1],\n2 # so", ([1], 2)),
        ("'f(', 'b)'", ("f(", "b)")),
    ],
)
def test_arguments_are_read(text: str, found: tuple[Any, ...]) -> None:
    assert parse_arguments(text, "f", ("numbers", "k")) == found


def test_one_parameter_takes_a_tuple_as_it_is() -> None:
    assert parse_arguments("(1, 2)", "f", ("pair",)) == ((1, 2),)
    assert parse_arguments("f((1, 2))", "f", ("pair",)) == ((1, 2),)


@pytest.mark.parametrize(
    "text",
    ["[1]", "1, 2, 3", "[1], 2), f([1], 2", "f([1], 2) + 0", "*[[1], 2]", "**{}", "[1], j=2", "[1], numbers=2", "k=1, k=2", "g([1], 2)",
     "[1], n", "[1], int(2)", "[1], 1 + 1", "", "[1], 2; 3", "[1]\n2", "([1], 2, 3)", "lambda: 0, 1"],
)  # fmt: skip
def test_arguments_that_are_none(text: str) -> None:
    with pytest.raises(NotLiteral):
        parse_arguments(text, "f", ("numbers", "k"))


@pytest.mark.usefixtures("isolated")
def test_every_input_that_gives_the_output_is_right() -> None:
    for text in ("[1, 2], 3", "[3, 6], 1", "[-3, -6], -1", "f([1, 2], k=3)", "(3, 6), True"):
        score = said(f"```input\n{text}\n```", "[1, 2], 3", PreimageVerifier(), QUESTION)
        assert (score.value, score.outcome, score.feedback) == (1.0, "ok", ""), text
        assert "pid" in score.isolation
    assert PreimageVerifier().gold(ask("?", id="x", target="[1, 2], 3")) == "```input\n[1, 2], 3\n```"


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2], 4", r"f([1, 2], 4): returns [4, 8], not [3, 6]"),
        ("[1, 2], 3.0", "returns [3.0, 6.0], not [3, 6]"),
        ("1, 2", "TypeError"),
        ("[1, 2]", "not the 2 arguments that f(numbers, k) takes"),
        ("[0x" + "f" * 3000 + "], 2", "<a number of 12001 bits>"),
    ],
)
def test_inputs_that_do_not(text: str, words: str) -> None:
    score = said(text, "[1, 2], 3", PreimageVerifier(), QUESTION)
    assert (score.value, score.outcome) == (0.0, "ok") and words in score.feedback and len(score.feedback) < 1000


@pytest.mark.usefixtures("isolated")
def test_an_input_that_hangs_the_program_is_worth_nothing() -> None:
    score = said("[1, 2], 0", "[1, 2], 3", PreimageVerifier(timeout=0.5), QUESTION)
    assert (score.value, score.outcome) == (0.0, "timeout") and "out of time" in score.feedback and score.seconds < 1.5


def test_inputs_of_one_class_are_the_same_and_not_those_that_are_right() -> None:
    sample = ask("?", id="x", tests=QUESTION)
    answers = ["[1, 2], 3", "f([1,2], k=3)", "[3, 6], 1", None, "nothing", "nothing "]
    assert PreimageVerifier().classes(sample, answers) == [0, 0, 1, None, 2, 3]


@pytest.mark.parametrize(
    "tests", [None, {}, {**QUESTION, "output": [3, 6]}, {**QUESTION, "entry_point": "g"}, {**QUESTION, "output": "x"}]
)
def test_a_broken_question_is_our_failure(tests: Any) -> None:
    assert said("[1], 2", "[1], 2", PreimageVerifier(), tests).outcome == "error"


# Programs of others

WORDS = [(["aa", "b", "ccc", "dd", "e"],)]


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("def f(x:", "not Python"),
        ("def g(x):\n    return 1", "no function 'f'"),
        ("def f():\n    return 1", "takes no arguments"),
        ("import random\ndef f(x):\n    return random.random()", "line 1: imports random"),
        ("def f(x):\n    from time import time\n    return time()", "line 2: imports time"),
        ("from os import path\ndef f(x):\n    return x", "imports os"),
        ("import os.path as p\ndef f(x):\n    return x", "imports os.path"),
        ("def f(x):\n    return hash(x)", "line 2: calls hash"),
        ("def f(x):\n    return eval('x')", "line 2: calls eval"),
        ("import numpy as np\ndef f(x):\n    return np.random.rand()", "uses np.random"),
        ("x = 1\n" * 9000, "longer than"),
        ("def f(x):\n    return " + "(" * 300 + ")" * 300, "not Python"),
    ],
)
def test_problems_that_can_be_seen(program: str, problem: str) -> None:
    assert problem in (check_program(program, [(1,)]) or "")


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize(
    ("program", "inputs", "problem"),
    [
        ("def f(x):\n    return 1 // x", [(1,), (0,)], r"f(0): line 2"),
        ("def f(x):\n    return print(x)", [(1,)], "f(1) returns None"),
        ("def f(x):\n    return object()", [(1,)], "no plain data"),
        ("def f(x):\n    return str(object())", [(1,)], "address in memory"),
        ("def f(x):\n    return range(x)", [(1,)], "no literal writes"),
        ("n = 0\ndef f(x):\n    global n\n    n += 1\n    return n", [(1,), (2,)], "not deterministic: f(1) returns 1, then 2"),
        ("def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)", [(1,), (2,)], "not deterministic"),
        ("def f(w):\n    return list(set(w))", WORDS, "not deterministic"),
        ("def f(w):\n    return ''.join({x for x in w})", WORDS, "not deterministic"),
        ("def f(w):\n    s = set(w)\n    return s.pop()", WORDS, "not deterministic"),
        (
            "def f(w):\n    out = []\n    for x in frozenset(w):\n        out.append(x)\n    return out",
            WORDS,
            "not deterministic",
        ),
        ("def f(w):\n    return f'{set(w)}'", WORDS, "not deterministic"),
        ("def f(w):\n    return [*set(w)]", WORDS, "not deterministic"),
    ],
)
def test_problems_that_show_when_it_runs(program: str, inputs: list[Any], problem: str) -> None:
    assert problem in (check_program(program, inputs, timeout=5) or "")


@pytest.mark.usefixtures("isolated")
def test_a_program_that_never_ends_is_no_good() -> None:
    assert "out of time" in (check_program("def f(x):\n    while True: pass", [(1,)], timeout=0.5) or "")


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("def f(x):\n    return x + 1", [(1,), (2,)]),
        ("def f(w):\n    return sorted(set(w)), len({x[0] for x in w}), {x for x in w}", WORDS),
        ("def f(w):\n    return sum(len(x) for x in set(w))", WORDS),
        ("def f(w):\n    return list({len(x) for x in w})", WORDS),  # whole numbers have an order that stays
        ("def f(x):\n    x.append(1)\n    return x.pop(), [*x]", [([1, 2],)]),
        ("import math, re\nfrom collections import deque\ndef f(input):\n    return math.gcd(input, 4)", [(6,)]),
        ('"""Text."""\nfrom __future__ import annotations\ndef f(x: int) -> int:\n    return x + 1', [(1,)]),
    ],
)
def test_good_programs(program: str, inputs: list[Any]) -> None:
    assert check_program(program, inputs, timeout=5) is None
