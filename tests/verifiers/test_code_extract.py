"""Which program an answer gives: fences, continuations of a prefix, bare programs. Nothing is run here."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.verifiers.code.extract import Block, blocks, join, program

ADD = "def add(a, b):\n    return a + b"
PREFIX = 'import math\n\n\ndef half(x):\n    return x / 2\n\n\ndef area(r):\n    """ Area of a circle.\n    >>> area(0)\n    0.0\n    """\n'
BODY = "    return math.pi * r * r"


def fenced(text: str, tag: str = "python", fence: str = "```") -> str:
    return f"{fence}{tag}\n{text}\n{fence}\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no code", []),
        ("a ```inline``` b\n```x``` c", []),
        (fenced("x = 1"), [("python", "x = 1")]),
        (fenced("x = 1", "Python3 title=a.py"), [("python3", "x = 1")]),
        (fenced("x = 1", "{python}"), [("python", "x = 1")]),
        (fenced("x = 1", "{.python .numberLines}"), [("python", "x = 1")]),
        (fenced("x = 1", " python:main.py"), [("python", "x = 1")]),
        (fenced("ls", "c++") + fenced("x", ""), [("c++", "ls"), ("", "x")]),
        (fenced("x = 1", "py", "~~~~"), [("py", "x = 1")]),
        ("````\n```\nx\n```\n````", [("", "```\nx\n```")]),  # a longer fence contains shorter ones
        ("~~~\n```\nx\n~~~", [("", "```\nx")]),  # of the other kind
        ("```\n```", []),  # empty
        ("```python\nx = 1", [("python", "x = 1")]),  # stopped at the stop string
        ("```python\r\nx = 1\r\ny = 2\r\n```\r\n", [("python", "x = 1\ny = 2")]),
        ("1. So:\n   ```python\n   if x:\n       y\n  z\n   ```\ntext", [("python", "if x:\n    y\nz")]),
        ("\t```\n\tx\n\t```", [("", "x")]),
        # Fences in a docstring are indented further than a closing fence may be.
        ('```python\ndef f():\n    """\n    ```\n    f()\n    ```\n    """\n```', [("python", 'def f():\n    """\n    ```\n    f()\n    ```\n    """')]),
        ("```\nx\n``` y\n```", [("", "x\n``` y")]),  # a closing fence has no tag
    ],
)  # fmt: skip
def test_blocks(text: str, found: list[tuple[str, str]]) -> None:
    assert blocks(text) == [Block(*block) for block in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (fenced("x = 0") + fenced("x = 1"), "x = 1"),
        (fenced("x = 1", "PY") + fenced("x = 2", ""), "x = 1"),  # a tag goes before none
        (fenced("x = 1", "") + fenced("pip install x", "bash"), "x = 1"),
        (fenced("x = 1") + fenced("3", "output") + fenced("{}", "json") + fenced("y", "text"), "x = 1"),
        (fenced("int x;", "cpp"), None),
        (fenced("ls", "bash") + "x = 1", None),
        ("I do not know.", None),
        ("", None),
        ("```\n\n```", None),
        (ADD, ADD),  # a bare program
        ("\n" + ADD + "\n\n", ADD),
        ("[BEGIN]\n" + ADD + "\n[DONE]\n", ADD),
        (ADD + "\n[DONE]", ADD),
        ("Here it is:\n" + ADD, None),
        ("print(int(input()) + 1)", "print(int(input()) + 1)"),
        ("zxqv", None),
        ("42", None),
        ("Answer: zxqv", None),  # an annotation, to Python
        ("# a comment", None),
        ("x = '\x00'", None),
        ("x = '\ud800'", None),
        ("(" * 500, None),
        ("-" * 100_000 + "1", None),
    ],
)
def test_program_without_a_prefix(text: str, expected: str | None) -> None:
    assert program(text) == expected


def test_blocks_that_show_the_usage_are_not_the_program() -> None:
    usage = fenced("print(add(1, 2))\n# 3")
    for text in (fenced(ADD) + usage, fenced(ADD) + usage + usage, fenced("x = 0") + fenced(ADD) + usage):
        assert program(text, "add") == ADD
    assert program(fenced(ADD) + usage) == "print(add(1, 2))\n# 3"  # whose usage, without an entry point?
    assert program(fenced(ADD) + fenced("def test():\n    add(1, 2)"), "add") == ADD
    assert program(fenced("def other(): pass") + usage, "add") == "print(add(1, 2))\n# 3"
    method = "class Solution:\n    def add(self, a, b):\n        return a + b"
    assert program(fenced(method) + fenced("Solution().add(1, 2)"), "Solution.add") == method


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [
        (BODY, False, PREFIX + BODY),
        ("\n" + BODY + "\n", False, PREFIX + "\n" + BODY + "\n"),
        # The complete function: the head before the stub stays, the stub goes.
        ("def area(r):\n" + BODY, True, PREFIX[: PREFIX.index("def area")] + "def area(r):\n" + BODY),
        ("def area(r):\n" + BODY, False, PREFIX[: PREFIX.index("def area")] + "def area(r):\n" + BODY),
        # Only alone does it compile.
        ("from __future__ import annotations\ndef area(r):\n    return 3", True, "from __future__ import annotations\ndef area(r):\n    return 3"),
        # A body that starts with a nested def, as it should be and with its first indentation lost.
        ("    def square(x):\n        return x * x\n    return square(r)", False, PREFIX + "    def square(x):\n        return x * x\n    return square(r)"),
        ("def square(x):\n        return x * x\n    return square(r)", False, PREFIX + "    def square(x):\n        return x * x\n    return square(r)"),
        ("return 3", False, PREFIX + "    return 3"),
        ("x = 2\nif r:\n    x = 3\nreturn x", True, PREFIX + "    x = 2\n    if r:\n        x = 3\n    return x"),
        # Nothing is repaired that compiles.
        ("area = half", True, PREFIX + "area = half"),
        # What a base model says after the function is cut off where it breaks the parse.
        (BODY + "\n\nThis is the area of a circle.", False, PREFIX + BODY + "\n"),
        (BODY + "\n\nIt's \"done\" (", False, PREFIX + BODY + "\n"),
        (BODY + "\n\n\ndef other(x):\n    return [x,\n", False, PREFIX + BODY + "\n\n"),
        (BODY + "\n```\n\nSome words", False, PREFIX + BODY),
        (BODY + "\nreturn 7", False, PREFIX + BODY),
        ("return 3\n    and so on", False, PREFIX + "    return 3"),
        ("def area(r):\n    return 3\n\nThat is all", False, PREFIX[: PREFIX.index("def area")] + "def area(r):\n    return 3\n"),
        # ... and nothing but that is no program.
        ("", False, None),
        ("    # later\n", False, None),
        ("I cannot do that.", False, None),
        ("Sorry", False, None),
        ("zxqv blorf wug", False, None),
        # A block is the program that was given, right or wrong.
        ("    return (", True, PREFIX + "    return ("),
        ("def area(r):\n    return (", True, PREFIX[: PREFIX.index("def area")] + "def area(r):\n    return ("),
    ],
)  # fmt: skip
def test_join(text: str, whole: bool, expected: str | None) -> None:
    assert join(PREFIX, text, "area", whole=whole) == expected
    assert join(PREFIX, text, whole=whole) == expected  # the last definition of the prefix


def test_a_body_that_runs_on_into_the_function_again_is_still_a_body() -> None:
    text = BODY + "\n\n\ndef area(r):\n    '''again, and cut off"
    assert join(PREFIX, text, "area") == PREFIX + BODY + "\n\n"


def test_joining_to_a_method() -> None:
    stub = "class Solution:\n    def add(self, a: int, b: int) -> int:\n"
    assert join(stub, "        return a + b", "Solution.add") == stub + "        return a + b"
    full = "class Solution:\n    def add(self, a, b):\n        return a + b"
    assert join("from typing import List\n\n" + stub, full, "Solution.add", whole=True) == "from typing import List\n\n" + full


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BODY, PREFIX + BODY),
        (BODY + "\n```\n\nIn words:\n```python\nx = 1\n```", PREFIX + BODY),  # a continuation needs no fence
        ("Sure!\n" + fenced(BODY), PREFIX + BODY),
        ("Sure!\n" + fenced("def area(r):\n" + BODY) + fenced("area(1)"), PREFIX[: PREFIX.index("def area")] + "def area(r):\n" + BODY),
        ("    ```python\n    return 3\n    ```", PREFIX + "    return 3"),
        (fenced("x", "bash"), None),
        ("", None),
    ],
)  # fmt: skip
def test_program_with_a_prefix(text: str, expected: str | None) -> None:
    assert program(text, "area", PREFIX) == expected


def test_recorded_continuations_compile(data_dir: Path) -> None:
    """GPT-4's completions of HumanEval: bodies (19 start with a nested def) and complete functions, none in a fence."""
    rows = map(json.loads, (data_dir / "humaneval/recorded/gpt-4_simple.jsonl").read_text().splitlines())
    for row in rows:
        found = program(row["solution"], row["entry_point"], row["prompt"])
        assert (found is None) == (not row["solution"].strip())
        if row["is_solved"]:
            compile(found, "x", "exec")
            assert f"def {row['entry_point']}(" in found


def test_canonical_bodies_are_joined_as_they_are(data_dir: Path) -> None:
    with gzip.open(data_dir / "humaneval/HumanEval.jsonl.gz", "rt") as file:
        for row in map(json.loads, file):
            whole = row["prompt"] + row["canonical_solution"]
            assert program(row["canonical_solution"], row["entry_point"], row["prompt"]) == whole
            assert program(fenced(row["canonical_solution"]), row["entry_point"], row["prompt"]).rstrip() == whole.rstrip()


LINES = st.lists(st.sampled_from(["```", "```python", "~~~", "    ```", "````", "def f(x):", "    return x", "x = (", "", "It's so.", "def g():", "\t1", "[DONE]", "'''"]), max_size=20)  # fmt: skip


@given(LINES.map("\n".join) | st.text(max_size=200), st.sampled_from([None, "f", "A.f"]), st.sampled_from([None, "", PREFIX, "def f(x):\n", "def f(x): return "]))  # fmt: skip
def test_any_text_gives_a_program_or_none(text: str, entry: str | None, prefix: str | None) -> None:
    found = program(text, entry, prefix)
    assert found is None or found.strip()
    assert found == program(text.replace("\n", "\r\n"), entry, prefix) or "\r" in text


@given(
    st.lists(st.sampled_from(["```", "~~~", "x = 1", "    y", "", "# é"]), min_size=1, max_size=8).map("\n".join),
    st.integers(0, 6),
)
def test_what_stands_in_a_longer_fence_comes_out_as_it_is(text: str, indent: int) -> None:
    margin = " " * indent
    shown = "\n".join(margin + line for line in f"````py\n{text}\n````".split("\n"))
    assert blocks(f"Text\n{shown}\nmore") == ([Block("py", text)] if text.strip() else [])


@pytest.mark.parametrize(
    "text",
    [
        "`" * 300_000,
        "```\n" * 100_000,
        ("    " * 20 + "\n") * 10_000,
        "\t" * 300_000 + "x",
        "def area(r):\n" * 30_000,
        "    if r:\n" * 30_000,
        "    x = [\n" * 30_000,
        "    return 1\n" + "word word\n" * 30_000,
        "    x\n" * 60_000 + "(",
        "class " * 60_000,
    ],
)
def test_time_grows_no_faster_than_the_text(text: str) -> None:
    start = time.perf_counter()
    program(text, "area", PREFIX)
    program(text, "area")
    assert time.perf_counter() - start < 5.0


RIGHT = "def add(a, b):\n    return a + b"


@pytest.mark.parametrize(
    "after",
    [
        "def test_add():\n    assert add(1, 2) == 3\n\ntest_add()",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(add(1, 2), 3)",
        "from solution import add\nassert add(1, 2) == 3",
        "def helper(x):\n    return x",
        "print(add(1, 2))",
    ],
)
def test_what_follows_the_program_is_not_the_program(after: str) -> None:
    assert program(f"```python\n{RIGHT}\n```\nfor example\n```python\n{after}\n```", "add") == RIGHT


@pytest.mark.parametrize(
    "other", ["add = lambda a, b: a + b", "from operator import add", "if True:\n    def add(a, b): return a + b"]
)
def test_every_way_of_binding_the_name_counts(other: str) -> None:
    assert program(f"```python\n{RIGHT}\n```\nbetter:\n```python\n{other}\n```\n```\nadd(1, 2)\n```", "add") == other


def test_a_fence_may_follow_a_tag_of_the_answer() -> None:
    assert program(f"<answer>```python\n{RIGHT}\n```\n</answer>", "add") == RIGHT
    assert program(f"So: ```python\n{RIGHT}\n```", "add") == RIGHT
