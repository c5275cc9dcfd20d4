"""Comparison of printed output: what is tolerated, what is not, and that hostile text costs linear time."""

from __future__ import annotations

import time
from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.sandbox.output import first_difference, same_output

SAME = [
    ("3\n", "3"),
    ("", "\n \n"),
    ("  1 2 \r\n 3\n\n", "1 2\n3"),
    ("1.0", "1"),
    ("1e3", "1000.000"),
    ("+1 01", "1   1"),
    ("1_000", "1000"),
    ("0.1\tx", "0.1\tx"),
    ("YES\n1.50 2", "YES\n1.5 2.0"),
    ("nan", "nan"),
    ("-0", "0"),
]
DIFFERENT = [
    ("", "0"),
    ("1\n2", "1 2"),
    ("1\n\n2", "1\n2"),
    ("yes", "YES"),
    ("a  b", "a b"),
    ("x 1.0", "x 1"),
    ("0.333333", "0.3333333"),
    ("1 2 3", "1 2"),
    ("1\n2\n3", "1\n2"),
    ("NaN", "nan"),
    ("sNaN", "1"),
    ("nan 1", "nan 1.0"),
    ("50000000000000000", "50000000000000001"),
    ("1e999999999", "1e999999998"),
    ("1e99999999999999999999", "1e99999999999999999998"),
    ("True", "1"),
    ("0x10", "16"),
]


@pytest.mark.parametrize(("got", "expected"), SAME)
def test_lines_that_are_the_same(got, expected):
    assert same_output(got, expected)
    assert first_difference(got, expected) == ""


@pytest.mark.parametrize(("got", "expected"), DIFFERENT)
def test_lines_that_differ(got, expected):
    assert not same_output(got, expected)
    assert first_difference(got, expected)


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        ("1\n3\n-1\n2\n1 2", "1\n3 \n-1\n0\n\n2\n1 2 ", False),
        ("1\n3\n-1\n0\n2\n1 2", "1\n3 \n-1\n0\n\n2\n1 2 ", True),
        ("Yes", "YES", True),
        ("0.333333", "0.3333333", True),
        ("1.00001", "1", False),
        ("1.000009", "1", True),
        ("1000000000", "1000000001", False),
        ("1e999999999", "1", False),
        ("inf", "infinity", True),
        ("nan", "nan 1", False),
        ("abc 1", "abc 2", False),
    ],
)
def test_tokens(got, expected, same):
    assert same_output(got, expected, "tokens") is same
    assert (first_difference(got, expected, "tokens") == "") is same


def test_feedback_names_the_first_difference_and_is_bounded():
    assert first_difference("1\n2", "1\n3") == "line 2: got '2', expected '3'"
    assert first_difference("1", "1\n3") == "line 2: got nothing, expected '3'; 1 lines, expected 2"
    assert first_difference("1\n2\n3", "4") == "line 1: got '1', expected '4'; 3 lines, expected 1"
    assert first_difference("a B", "a c", "tokens") == "token 2: got 'b', expected 'c'"
    assert len(first_difference("x" * 10**6, "y" * 10**6)) < 400


@pytest.mark.parametrize("compare", ["lines", "tokens"])
def test_hostile_text_costs_linear_time(compare):
    size = 10**6
    texts = ["9" * size, "0." + "9" * size, "1e999999999 " * (size // 12), "\n" * size + "x", " " * size + "x", "1 " * size]
    start = time.perf_counter()
    for text in texts:
        assert not same_output(text, text + " 7", compare)
    assert time.perf_counter() - start < 5


def upstream(got: str, expected: str) -> bool:
    """LiveCodeBench's rule, written down again: equal lines, else equal lists of decimals."""
    ours, theirs = ([line.strip() for line in text.strip().split("\n")] for text in (got, expected))
    if len(ours) != len(theirs):
        return False
    for a, b in zip(ours, theirs):
        try:
            if a != b and [Decimal(x) for x in a.split()] != [Decimal(x) for x in b.split()]:
                return False
        except InvalidOperation:
            return False
    return True


texts = st.text(alphabet="01.e-+ \nnaiYES\t", max_size=12)


@given(texts, texts)
def test_lines_agree_with_upstream(got, expected):
    assert same_output(got, expected) == upstream(got, expected)


@given(texts)
def test_any_output_is_the_same_as_itself(text):
    assert same_output(text, f" {text}\n")
