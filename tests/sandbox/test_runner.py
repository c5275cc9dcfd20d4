"""Programs against tests, in every style that benchmarks have."""

from __future__ import annotations

from typing import Any

import pytest

from evalsuite import Score, sandbox
from evalsuite.errors import UsageError
from evalsuite.sandbox import Limits, call, run

pytestmark = pytest.mark.usefixtures("isolated")

ADD = "def add(a, b):\n    return a + b\n"


def passes(program: str, tests: Any, entry_point: str | None = None, **options: Any) -> Score:
    score = run(program, tests, entry_point, **options)
    assert (score.value, score.outcome) == (1.0, "ok"), score.feedback
    assert score.parts["passed"] == 1.0 and not score.feedback
    return score


def fails(program: str, tests: Any, entry_point: str | None = None, **options: Any) -> str:
    score = run(program, tests, entry_point, **options)
    assert score.value == 0.0 and score.parts["passed"] < 1.0, "a wrong program passed"
    return score.feedback


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
    "tests", ["def check(candidate):\n    pass\n", "import unittest\nclass T(unittest.TestCase):\n    pass\n", "x = 1"]
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


def test_arguments_that_are_mutated_in_place() -> None:
    program = (
        "def f(a, d, s):\n    a.sort(); a.append(9); d['k'].append(1); d['new'] = 2; s.discard(1)\n"
        "def rot(m):\n    m[:] = [list(r) for r in zip(*m[::-1])]\n"
    )
    tests = """
inner = [0]
a, d, s = [3, 1], {'k': inner}, {1, 2}
assert f(a, d, s) is None
assert a == [1, 3, 9]
assert d == {'k': [0, 1], 'new': 2} and s == {2}
assert inner == [0, 1]
m = [[1, 2], [3, 4]]
rot(m)
assert m == [[3, 1], [4, 2]]
pairs = [(2, 'b'), (1, 'a')]
f(pairs, {'k': []}, set())
assert pairs[0] == (1, 'a')
"""
    passes(program.replace("a.append(9)", "a.append(9) if 3 in a else None"), tests)
    passes("def same(x):\n    x.append(1)\n    return x\n", "a = []\nassert same(a) is a\nassert a == [1]")


def test_an_argument_that_cannot_cross_back_fails_the_call() -> None:
    fails("def f(x):\n    x.append(x)\n    return x\n", "assert f([1]) == [1]")
    fails("def f(x):\n    x.append(x)\n", "d = [1]\nf(d)\nassert d == [1]")


def test_generators_are_consumed_with_a_bound() -> None:
    program = "def gen(n):\n    for i in range(n):\n        yield i\ndef ever():\n    while True:\n        yield 1\n"
    passes(program, "assert list(gen(1000)) == list(range(1000))\nassert [x for x, _ in zip(ever(), range(5))] == [1] * 5")
    passes(program, "g = gen(3)\nassert next(g) == 0\nassert list(g) == [1, 2]\nassert list(g) == []\nassert next(g, 7) == 7")
    passes("def f(x):\n    return map(str, x)\n", "assert list(f([1, 2])) == ['1', '2']")
    assert "1,000,000" in fails(program, "assert len(list(ever())) == 3")


def test_helpers_constants_and_objects_by_name() -> None:
    program = (
        "LIMIT = 7\nclass Node:\n    def __init__(self, v):\n        self.v = v\n        self.next = None\ndef total(n):\n"
    )
    program += "    return 0 if n is None else n.v + total(n.next)\ndef helper(x):\n    return x + LIMIT\n"
    passes(
        program,
        "assert helper(1) == 8 and LIMIT == 7\nn = Node(1)\nn.next = Node(2)\nassert total(n) == 3\nassert n.next.v == 2",
    )
    passes(program, "n = Node(1)\nassert isinstance(n, Node)\nassert n.next is None\nassert not isinstance(3, Node)")
    passes("import math\ndef f(x):\n    return math.sqrt(x)\n", "assert math.isclose(f(4), 2)")  # the judge's own math
    passes("def apply(f, x):\n    return f(f(x))\n", "assert apply(lambda v: v * 2, 3) == 12\nassert apply(str, 3) == '3'")
    passes("def adder(n):\n    return lambda x: x + n\n", "assert adder(2)(3) == 5")


def test_trusted_helpers_of_the_task_are_not_the_programs() -> None:
    tests = {"code": "def check(c):\n    assert ok(c(1))\n", "helpers": "def ok(x):\n    return x == 2\ndef f(x): pass\n"}
    passes("def f(x):\n    return 2\n", tests, "f")
    fails("def f(x):\n    return 3\ndef ok(x):\n    return True\n", tests, "f")


def test_builtin_names_belong_to_the_tests_unless_they_are_the_question() -> None:
    passes("def sum(a, b):\n    return a * b\n", ["assert sum(10, 15) == 150"])
    passes("def sum(a, b):\n    return a * b\n", "assert sum(10, 15) == 150", "sum")
    fails("set = lambda x: 0\ndef f(x):\n    return x\n", "assert set(f([1])) == set([2])")
    fails("import builtins\nbuiltins.set = set = lambda x: 0\ndef f(x):\n    return x\n", "assert set(f([1])) == set([2])")


def test_exceptions_reach_the_tests_as_what_they_are() -> None:
    program = "class Mine(ValueError):\n    pass\ndef f(x):\n    raise {0: Mine, 1: KeyError, 2: StopIteration, 3: SystemExit}[x]('why')\n"
    passes(program, "try:\n    f(0)\nexcept Mine as e:\n    assert str(e) == 'why'\nelse:\n    assert False")
    passes(
        program,
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertRaises(KeyError, f, 1)\n        self.assertRaises(ValueError, f, 0)",
    )
    fails(program, "assert all(map(lambda x: f(x) == 0, [2, 2]))")  # StopIteration would end the map, and all([]) is True
    assert "SystemExit" in fails(program, "f(3)")


def test_results_that_are_no_plain_data_are_never_equal() -> None:
    program = """
class E:
    def __eq__(self, other): return True
    def __ne__(self, other): return True
    def __lt__(self, other): return True
    def __bool__(self): return True
    __gt__ = __le__ = __ge__ = __lt__
    __hash__ = None
    __class__ = int
class I(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def f(): return E()
def g(): return I(4)
def h(): return [{I(4)}]
"""
    for test in (
        "f() == 1",
        "f() != 1",
        "not (f() == 1)",
        "f() < 1",
        "f() in [1]",
        "[f()] == [1]",
    ):
        assert "no value that a test can see" in fails(program, f"assert {test}")
    fails(program, "assert g() == 3")
    fails(program, "assert h() == [{3}]")


def test_named_tuples_and_enumerations_are_their_data_and_themselves() -> None:
    program = "import collections, enum\nP = collections.namedtuple('P', 'x y')\nclass C(enum.IntEnum):\n    RED = 1\n"
    program += "def f():\n    return P(1, 2)\ndef g():\n    return C.RED\ndef flip(p):\n    return P(p.y, p.x)\n"
    passes(program, "p = f()\nassert p == (1, 2) and p.x == 1 and [p] == [(1, 2)] and flip(p) == (2, 1)\nassert p == P(1, 2)")
    passes(program, "assert g() == 1 and g().name == 'RED' and C.RED == 1")
    lies = "class T(tuple):\n    __eq__ = lambda *a: True\n    __iter__ = lambda s: iter([9])\n    __hash__ = None\ndef f():\n    return T([1])\n"
    fails(lies, "assert f() == (9,)")
    passes(lies, "assert f() == (1,)")


def test_classes_with_state_are_used_by_tests() -> None:
    program = """
from collections import OrderedDict
class LRU(OrderedDict):
    def __init__(self, n):
        super().__init__()
        self.n = n
    def get(self, k):
        return super().get(k, -1)
    def put(self, k, v):
        self[k] = v
        if len(self) > self.n:
            self.popitem(last=False)
"""
    passes(
        program,
        "c = LRU(2)\nc.put(1, 1)\nassert len(c) == 1\nc.put(2, 2)\nc.put(3, 3)\nassert len(c) == 2 and c.get(1) == -1 and c[3] == 3 and list(c) == [2, 3]",
    )
    lies = "class L(list):\n    def __len__(self):\n        return 2\ndef f():\n    return L()\n"
    assert "no value" in fails(lies, "r = f()\nassert len(r) == 2 and all(a == b for a, b in zip(r, [1, 2]))")


@pytest.mark.parametrize(
    "test",
    ["abs(f() - 2) < 1e-6", "2 - f() == 0", "2 in f()", "f() + 1 == 3", "float(f()) == 2.0", "round(f()) == 2", "-f() == -2"],
)
def test_objects_are_no_numbers_whatever_they_say(test: str) -> None:
    program = "class A:\n    def __sub__(s, *o): return 0\n    __rsub__ = __abs__ = __sub__\n    def __float__(s): return 2.0\n"
    program += "    def __contains__(s, x): return True\n    def __add__(s, o): return 3\n    def __neg__(s): return -2\n"
    program += "    def __round__(s, *n): return 2\n    __index__ = __int__ = __round__\ndef f():\n    return A()\n"
    fails(program, f"assert {test}")


HONEST = {
    "branches not taken": (
        "def f(x): return [x]",
        "r = f(3)\nif isinstance(r, list):\n    assert r == [3]\nelse:\n    assert r == (3,)\n",
    ),
    "helper not called": ("def f(x): return x", "def helper(a):\n    assert a\nassert f(1) == 1\n"),
    "helper that may fail": (
        "def f(x): return x",
        "def must(x):\n    assert x > 0\ntry:\n    must(f(-1))\n    ok = False\nexcept AssertionError:\n    ok = True\nassert ok\n",
    ),
    "class body": (
        "class S:\n    def add(self, a, b): return a + b\n",
        "import unittest\nclass T(unittest.TestCase):\n    s = S()\n    def test(self): self.assertEqual(self.s.add(1, 2), 3)\n",
    ),
    "setUpClass": (
        "def f(x): return x * x",
        "import unittest\nclass T(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls): cls.v = f(2)\n    def test(self): self.assertEqual(self.v, 4)\n",
    ),
    "pytest class": ("def f(x): return x", "class TestF:\n    def test_one(self):\n        assert f(1) == 1\n"),
    "async test": ("async def f(x): return x + 1", "async def test_it():\n    assert await f(1) == 2\n"),
    "own exceptions": (
        "class A(Exception): pass\nclass B(A):\n    def __init__(s, c): super().__init__('m', c); s.code = c\ndef f(): raise B(7)\n",
        "try:\n    f()\nexcept A as e:\n    assert e.code == 7 and e.args == ('m', 7)\nelse:\n    assert 0\n",
    ),
    "decode error": (
        "def f(b): return b.decode()",
        "try:\n    f(b'\\xff')\nexcept UnicodeDecodeError:\n    pass\nassert f(b'a') == 'a'",
    ),
    "generator raises late": (
        "def f():\n    yield 1\n    yield 2\n    raise ValueError('x')\n",
        "g = f()\nassert next(g) == 1\nassert next(g) == 2\nout = []\ntry:\n    for x in f(): out.append(x)\nexcept ValueError: pass\nassert out == [1, 2]",
    ),
    "children": (
        "class T:\n    def __init__(s, v): s.v = v; s.c = []\ndef total(t): return t.v + sum(map(total, t.c))\n",
        "r = T(1)\nr.c.append(T(2))\nr.c[0].c.append(T(3))\nassert total(r) == 6",
    ),
    "a list of the program's": (
        "LOG = []\ndef f(x): LOG.append(x); return len(LOG)\n",
        "f(1)\nf(2)\nassert LOG == [1, 2]\nLOG.clear()\nassert f(3) == 1",
    ),
    "rows that are swapped": (
        "def f(m): m.sort(key=len)",
        "a, b = [1, 2], [3]\nm = [a, b]\nf(m)\nassert m == [b, a] and m[0] is b and a == [1, 2]",
    ),
    "identity": (
        "class N: pass\ndef f(x): return x\n",
        "n = N()\nassert f(n) is n and f(n) == n\nl = [[1]]\nassert f(l) is l and f([l, l])[0] is l",
    ),
    "mutated before it raises": (
        "def f(x):\n    x.append(1)\n    raise ValueError\n",
        "l = []\ntry:\n    f(l)\nexcept ValueError: pass\nassert l == [1]",
    ),
    "a default factory": (
        "def f(d):\n    d['a'] += 1\n    return d\n",
        "from collections import defaultdict\nassert f(defaultdict(int)) == {'a': 1}",
    ),
    "slices and dates": (
        "def f(x, s): return x[s]\ndef y(d): return d.year",
        "from datetime import datetime\nassert f([1, 2, 3], slice(1, None)) == [2, 3]\nassert y(datetime(2020, 1, 2)) == 2020",
    ),
    "functions of the library": (
        "def f(g, x): return g(x)",
        "import math, collections\nassert f(math.sqrt, 4) == 2 and f(collections.Counter, 'aa') == {'a': 2} and f(len, 'ab') == 2",
    ),
    "repr of an object": ("class P:\n    def __repr__(s): return 'P()'\n", "assert repr(P()) == 'P()' and f'{P()}' == 'P()'"),
    "with": (
        "class C:\n    n = 0\n    def __enter__(s): s.n = 1; return s\n    def __exit__(s, *a): s.n = 2\n",
        "c = C()\nwith c as d:\n    assert c.n == 1\nassert c.n == 2",
    ),
    "files that the program wrote": (
        "def f():\n    open('x.txt', 'w').write('hi')\n",
        "f()\nassert open('x.txt').read() == 'hi'",
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_what_passes_in_plain_python_passes(name: str) -> None:
    program, tests = HONEST[name]
    names: dict[str, Any] = {"__name__": "plain"}
    exec(program, names)
    if not name.startswith("files"):
        exec(tests, names)
    passes(program, tests)


WRONG = {
    "a fake module": (
        "class math:\n    isclose = staticmethod(lambda *a, **k: True)\ndef f(x): return 5\n",
        "assert math.isclose(f(1), 2.0)",
    ),
    "a builtin beside a class": (
        "class S:\n    @staticmethod\n    def f(x): return []\ndef len(x): return 3\n",
        "assert len(S.f(1)) == 3",
    ),
    "shared rows": ("def grid(n): return [[0] * n] * n\n", "g = grid(2)\ng[0][0] = 1\nassert g == [[1, 0], [0, 0]]"),
    "a shallow copy": ("def clone(m): return m[:]\n", "m = [[1]]\nc = clone(m)\nc[0][0] = 9\nassert m == [[1]]"),
    "an async test": ("async def f(x): return x", "async def test_it():\n    assert await f(1) == 2\n"),
    "a numeral of 5000 digits": ("def f(): return 10 ** 5000", "assert f() == 10 ** 5000 + 1"),
    "a test's own function": ("def f(g): return g(1)", "assert f(lambda x: x) == 2"),
    "a value that the tests cannot pass on": (
        "def f(g, xs):\n    x = []\n    for _ in range(299): x = [x]\n    g(x)\n",
        "assert f(lambda x: [x, [x]], [1]) == [1]",
    ),
    "the same list twice": ("def f(a, b): return a + b", "x = [1]\nassert f(x, x) == [1]"),
    "a skipped test": (
        "import unittest\ndef f(): raise unittest.SkipTest\n",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): assert f() == 1\n",
    ),
    "a program that is too long": ("#" + "x" * 5_000_000, "assert f() == 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails(name: str) -> None:
    fails(*WRONG[name])


def test_scripts_use_what_contests_use() -> None:
    for program in (
        "print(7)\nexit(0)",
        "print(open('/dev/stdin').read().strip())\nimport sys\nsys.stdout.close()",
        "\ufeffprint(7)",
        "print(7)\nprint(__file__[:0], end='')",
    ):
        passes(program, {"inputs": ["7\n"], "outputs": ["7\n"]})


def test_coroutines_can_be_awaited() -> None:
    program = "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x + 1\n"
    passes(program, "import asyncio\nassert asyncio.run(f(1)) == 2")
    passes(program, "import asyncio\nasync def go():\n    return await f(1) + await f(2)\nassert asyncio.run(go()) == 5")
    fails(program, "assert f(1) == 2")
    fails(program, "assert f(1) != 2")


def test_truth_is_the_objects_own_and_identity_stays() -> None:
    program = "import re\nNODE = object()\ndef find(x):\n    return re.match('a', x)\ndef same():\n    return NODE\n"
    passes(program, "assert find('a')\nassert not find('b')\nassert find('b') is None and same() is not None\nassert not None")


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
    late = call("def f(): \n    while True: pass", "f", [(), ()], timeout=0.3)
    assert len(late) == 2 and "out of time" in late[0].error


def test_the_same_program_scores_the_same() -> None:
    program = "import random\ndef f(n):\n    return [random.random() for _ in range(n)]\n"
    first, second = (call(program, "f", [(3,)])[0].value for _ in range(2))
    assert first == second
    assert call("def f():\n    return list({'a', 'b', 'c'})\n", "f", [()]) == call(
        "def f():\n    return list({'a', 'b', 'c'})\n", "f", [()]
    )
