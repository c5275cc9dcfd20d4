"""Programs against tests, in every style that benchmarks have."""

from __future__ import annotations

from typing import Any

import pytest
from judged import fails, passes

from evalsuite import sandbox
from evalsuite.errors import UsageError
from evalsuite.sandbox import Limits, call, run

pytestmark = pytest.mark.usefixtures("isolated")

ADD = "def add(a, b):\n    return a + b\n"


def test_a_score_says_what_ran_and_what_held_it() -> None:
    score = passes(ADD, "assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'")
    assert score.parts["tests"] == 2 and score.parts["compiled"] == 1.0 and score.parts["timed_out"] == 0.0
    assert 0 < score.parts["cpu_seconds"] < 1 and "starved" not in score.parts
    assert score.isolation.split() == [layer for layer, why in sandbox.layers().items() if why is None]


@pytest.mark.parametrize(
    "tests", ["def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(sum)", "x = sum\nassert x(1, 2) == 3"]
)
def test_a_function_named_as_a_builtin_may_be_a_value(tests: str) -> None:
    passes("def sum(a, b):\n    return a + b\n", tests)


@pytest.mark.parametrize("tests", ["", " \n# nothing\n", [""], {"code": ""}])
def test_empty_tests_are_an_error_of_ours(tests: Any) -> None:
    with pytest.raises(UsageError, match=r"empty|code"):
        run(ADD, tests)


@pytest.mark.parametrize(
    "tests",
    ["def check(candidate):\n    pass\n", "import unittest\nclass T(unittest.TestCase):\n    pass\n", "x = 1", ["pass"]],
)
def test_tests_that_ask_nothing_are_no_pass(tests: str) -> None:
    assert "no test ran" in fails(ADD, tests, "add")


def test_tests_that_import_what_is_not_there_are_an_error_of_ours() -> None:
    with pytest.raises(UsageError, match="nosuchmodule"):
        run(ADD, "import nosuchmodule\nassert add(1, 2) == 3")


def test_feedback_is_about_the_test_that_failed() -> None:
    words = fails(ADD, ["assert add(1, 2) == 3", "assert add(1, 2) == 4"])
    assert words == "test 2: assert add(1, 2) == 4\n  add(1, 2) returned 3\n  got 3, expected 4"
    words = fails(ADD, "assert add(1, 2) == 3\ny = add(3, 1) + 'a'")
    assert "expected" not in words and "TypeError" in words
    words = fails("def f():\n    return list(range(1000))\n", "assert f() == [*range(999), 7]")
    assert "(from item 999: [999], expected [7])" in words


@pytest.mark.parametrize(
    ("tests", "entry_point"),
    [
        ("def check(candidate):\n    assert candidate(1, 2) == 3\n", "add"),
        ("def check(candidate):\n    assert candidate(1, 2) == 3\n", None),
        ("def check(candidate):\n    assert candidate(1, 2) == 3\ndef test_check():\n    check(add)\ntest_check()\n", "add"),
        (["assert add(1, 2) == 3", "assert add(0, 0) == 0"], None),
        (
            "import unittest\nclass TestAdd(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(add(1, 2), 3)\n",
            None,
        ),
        ("def test_it():\n    assert add(1, 2) == 3\n", None),
        ("if add(1, 2) != 3:\n    raise ValueError('no')\n", None),
        ({"inputs": [[1, 2], ["a", "b"]], "outputs": [3, "ab"]}, "add"),
        ({"code": "assert add(x, 2) == 3", "setup": "x = 1"}, None),
    ],
)
def test_every_style_of_function_tests(tests: Any, entry_point: str | None) -> None:
    passes(ADD, tests, entry_point)
    fails(ADD.replace("+", "*"), tests, entry_point)
    fails("unrelated = 1", tests, entry_point)


def test_methods_of_a_class_as_leetcode_has_them() -> None:
    program = "class Solution:\n    def twice(self, x):\n        return (x, x)\n"
    passes(program, "assert Solution().twice(2) == (2, 2)")
    passes(program, {"inputs": [[4]], "outputs": [(4, 4)]}, "Solution.twice")
    fails(program, {"inputs": [[4]], "outputs": [[4, 4]]}, "Solution.twice")
    passes(program, {"inputs": [[4]], "outputs": [[4, 4]], "json_values": True}, "Solution.twice")


def test_programs_that_read_standard_input() -> None:
    tests = {"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7"]}
    for program in (
        "a, b = map(int, input().split())\nprint(a + b)",
        "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
        "print(sum(map(int, open(0).read().split())))",
        "import os\nos.write(1, b'%d' % sum(map(int, os.read(0, 99).split())))\nos._exit(0)",
        "import atexit, sys\natexit.register(lambda: sys.stdout.write(str(sum(map(int, sys.stdin.read().split())))))",
        "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__':\n    main()\n    raise SystemExit",
        "import threading\nthreading.Thread(target=lambda: print(sum(map(int, input().split())))).start()",
    ):
        assert passes(program, tests).parts["tests"] == 2
    assert "line 1: got '3', expected '7'" in fails("print(3)", tests)
    assert "ValueError" in fails("print(3)\nraise ValueError('x')", tests)
    score = run("a, b = map(int, input().split())\nprint(3)", tests, partial=True)
    assert score.value == 0.5 and score.outcome == "ok"


def test_each_standard_input_meets_a_fresh_process() -> None:
    program = "import os\nprint(os.path.exists('seen'))\nopen('seen', 'w').close()"
    passes(program, {"inputs": ["", ""], "outputs": ["False", "False"]})


def test_output_by_tokens_says_what_differs() -> None:
    tests = {"inputs": [""], "outputs": ["a b"], "compare": "tokens"}
    passes("print('A')\nprint('b')", tests)
    assert "token 2: got 'c', expected 'b'" in fails("print('a c')", tests)


def test_trusted_helpers_of_the_task_are_not_the_programs() -> None:
    tests = {"code": "def check(c):\n    assert ok(c(1))\n", "helpers": "def ok(x):\n    return x == 2\ndef f(x): pass\n"}
    passes("def f(x):\n    return 2\n", tests, "f")
    fails("def f(x):\n    return 3\ndef ok(x):\n    return True\n", tests, "f")


def test_builtin_names_belong_to_the_tests_unless_they_are_the_question() -> None:
    passes("def sum(a, b):\n    return a * b\n", ["assert sum(10, 15) == 150"])
    passes("def sum(a, b):\n    return a * b\n", "assert sum(10, 15) == 150", "sum")
    fails("set = lambda x: 0\ndef f(x):\n    return x\n", "assert set(f([1])) == set([2])")
    fails("import builtins\nbuiltins.set = set = lambda x: 0\ndef f(x):\n    return x\n", "assert set(f([1])) == set([2])")


def test_scripts_use_what_contests_use() -> None:
    for program in (
        "print(7)\nexit(0)",
        "print(open('/dev/stdin').read().strip())\nimport sys\nsys.stdout.close()",
        "\ufeffprint(7)",
        "print(7)\nprint(__file__[:0], end='')",
    ):
        passes(program, {"inputs": ["7\n"], "outputs": ["7\n"]})


@pytest.mark.parametrize(
    ("program", "word"),
    [
        ("def add(a, b:\n    return 1", "SyntaxError"),
        ("raise RuntimeError('at the start')", "at the start"),
        ("import sys\nsys.exit(0)", "SystemExit"),
        ("import os\nos._exit(0)", "exit status 0"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV"),
        ("def add(a, b):\n    return a / 0", "line 2, in add: return a / 0"),
        ("def add(a, b):\n    return [a, b]", "add(1, 2) returned [1, 2]"),
        ("def add(a, b):\n    return 'x' * 10**10", "MemoryError"),
        ("def add(a, b):\n    return add(a, b)", "RecursionError"),
    ],
)
def test_feedback_names_the_failure(program: str, word: str) -> None:
    score = run(program, "assert add(1, 2) == 3")
    assert score.value == 0.0 and word in score.feedback and len(score.feedback) <= 1500
    assert score.parts["compiled"] == float(word != "SyntaxError")


def test_fractions_of_tests() -> None:
    tests = "for i in range(10):\n    assert f(i) == i\nassert f(10) == 10"
    score = run("def f(x):\n    return x if x < 5 else 0\n", tests, partial=True)
    assert score.value == score.parts["passed"] == 5 / 11 and score.parts["tests"] == 11
    assert run("def f(x):\n    return x if x < 5 else 0\n", tests).value == 0.0
    assert score.feedback.startswith("test 6: assert f(i) == i\n  f(5) returned 0\n  got 0, expected 5")


def test_a_failure_that_the_tests_wait_for_is_none() -> None:
    passes(ADD, "try:\n    assert add(1, 2) == 4\nexcept AssertionError:\n    pass\nassert add(1, 1) == 2")


def test_no_test_that_ran_is_no_pass() -> None:
    assert "no test ran" in fails("def f():\n    return []\n", "for x in f():\n    assert x == 1")
    fails("def f():\n    return []\n", "for x in f():\n    assert x == 1", partial=True)


def test_time_runs_out() -> None:
    score = run("def f():\n    while True: pass\n", "assert f() == 1", timeout=0.5)
    assert (score.value, score.outcome, score.parts["timed_out"]) == (0.0, "timeout", 1.0)
    assert 0.5 <= score.seconds < 1.0 and "out of time" in score.feedback
    score = run(
        "import time\ntime.sleep(5)",
        {"inputs": ["", ""], "outputs": ["", ""], "seconds_per_test": 0.2},
        timeout=5,
        partial=True,
    )
    assert score.outcome == "timeout" and score.seconds < 1.5 and "0.2 s for one test" in score.feedback
    program = "def f(x):\n    while x == 2: pass\n    return x\n"
    tests = {"inputs": [[1], [2], [3]], "outputs": [1, 2, 3], "seconds_per_test": 0.3}
    score = run(program, tests, "f", timeout=5, partial=True)
    assert score.value == 1 / 3 and score.outcome == "timeout"
    score = run("import time\ntime.sleep(9)\ndef f(): return 1", "assert f() == 1", timeout=0.3)
    assert score.outcome == "timeout" and "starved" not in score.parts  # asleep is not starved


def test_limits_hold() -> None:
    big = "def f(n):\n    return len(bytearray(n))\n"
    passes(big, "assert f(300_000_000) == 300_000_000")
    assert "MemoryError" in fails(big, "assert f(300_000_000) == 300_000_000", limits=Limits(memory=256 << 20))
    with pytest.raises(ValueError, match="memory"):
        Limits(memory=0)
    flood = "print('x' * 1000)"
    assert "bytes of output" in fails(flood, {"inputs": [""], "outputs": ["x" * 1000]}, limits=Limits(output=100))


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("assert f( == 1", "no Python"),
        ([], "code"),
        ([1], "code"),
        ({"inputs": ["a"], "outputs": []}, "one length"),
        ({"inputs": [1], "outputs": [1]}, "texts"),
        ({"cod": "x"}, "unknown cod"),
        ({"code": "x", "inputs": [], "outputs": []}, "either"),
        ({"code": "x = 1", "setup": 3}, "must be code"),
        ("class T: pass\nassert f(T()) == 1", "no plain data"),
    ],
)
def test_tests_that_cannot_be_run_are_an_error_of_ours(tests: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("def f(x=1):\n    return 1\n", tests)


def test_calls_give_values() -> None:
    results = call("def f(x):\n    return 1 / x if x < 9 else object()\n", "f", [(1,), (0,), (9,), (2,)])
    assert [r.value for r in results] == [1.0, None, None, 0.5]
    assert "ZeroDivisionError" in results[1].error and results[2].opaque and not results[0].error
    assert call("x = 1", "f", []) == []
    assert "NameError" in call("x = 1", "f", [()])[0].error
    named = call("import collections\nP = collections.namedtuple('P', 'x')\ndef f():\n    return [P(1)]\n", "f", [()])[0]
    assert named.value == [(1,)] and type(named.value[0]) is tuple
    late = call("def f(): \n    while True: pass", "f", [(), ()], timeout=0.3)
    assert len(late) == 2 and "out of time" in late[0].error


def test_the_same_program_scores_the_same() -> None:
    program = "import random\ndef f(n):\n    return [random.random() for _ in range(n)]\n"
    first, second = (call(program, "f", [(3,)])[0].value for _ in range(2))
    assert first == second
    assert call("def f():\n    return list({'a', 'b', 'c'})\n", "f", [()]) == call(
        "def f():\n    return list({'a', 'b', 'c'})\n", "f", [()]
    )
