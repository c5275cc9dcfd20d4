"""Tests see a program's functions and objects as in plain Python, but for what they claim about themselves."""

from __future__ import annotations

from typing import Any

import pytest
from judged import fails, passes

pytestmark = pytest.mark.usefixtures("isolated")


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


def test_constants_alone_are_tests() -> None:
    passes("LIMIT = 7\n", ["assert LIMIT == 7"])
    passes("LIMIT = 7\n", "if LIMIT != 7:\n    raise ValueError")


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


def test_coroutines_can_be_awaited() -> None:
    program = "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x + 1\n"
    passes(program, "import asyncio\nassert asyncio.run(f(1)) == 2")
    passes(program, "import asyncio\nasync def go():\n    return await f(1) + await f(2)\nassert asyncio.run(go()) == 5")
    fails(program, "assert f(1) == 2")
    fails(program, "assert f(1) != 2")


def test_truth_is_the_objects_own_and_identity_stays() -> None:
    program = "import re\nNODE = object()\ndef find(x):\n    return re.match('a', x)\ndef same():\n    return NODE\n"
    passes(program, "assert find('a')\nassert not find('b')\nassert find('b') is None and same() is not None\nassert not None")
