"""Honest programs that use what the language and its library offer, with results of every kind."""

PROGRAMS = r'''
#: lru-cache
from functools import cache, lru_cache
@lru_cache(maxsize=None)
def f(n):
    return n if n < 2 else f(n - 1) + f(n - 2)
#=
assert f(200) == 280571172992510140037611932413038677189525
assert [f(i) for i in range(6)] == [0, 1, 1, 2, 3, 5]

#: dataclasses-and-named-tuples
from collections import namedtuple
from dataclasses import asdict, dataclass, field
from typing import NamedTuple
@dataclass(order=True)
class Item:
    weight: float
    name: str = field(compare=False)
Point = namedtuple("Point", "x y")
class Pair(NamedTuple):
    a: int
    b: int = 2
def f(weights):
    items = sorted(Item(w, f"i{w}") for w in weights)
    p = Point(1, 2)._replace(x=5)
    return [asdict(i) for i in items], p.x + p.y + Pair(1).b
#=
assert f([2, 1]) == ([{"weight": 1, "name": "i1"}, {"weight": 2, "name": "i2"}], 9)

#: named-tuple-result
from collections import namedtuple
Point = namedtuple("Point", "x y")
def f(x):
    return Point(x, -x)
#=
assert f(1) == (1, -1)
assert f(2)[1] == -2

#: counter-results
from collections import Counter, OrderedDict, defaultdict, deque
def f(kind, text):
    if kind == "counter": return Counter(text)
    if kind == "ordered": return OrderedDict(sorted(Counter(text).items()))
    if kind == "deque": return deque(text, maxlen=2)
    groups = defaultdict(list)
    for i, c in enumerate(text): groups[c].append(i)
    return groups
#=
from collections import deque
assert f("counter", "aab") == {"a": 2, "b": 1}
assert f("ordered", "aab") == {"a": 2, "b": 1}
assert list(f("deque", "aab")) == ["a", "b"]
assert f("default", "aab") == {"a": [0, 1], "b": [2]}
assert dict(f("default", "ab"))["b"] == [1]

#: generators-inside
def primes():
    n, found = 2, []
    while True:
        if all(n % p for p in found):
            found.append(n)
            yield n
        n += 1
def f(k):
    p = primes()
    return [next(p) for _ in range(k)]
#=
assert f(6) == [2, 3, 5, 7, 11, 13]

#: generator-result
def f(n):
    for i in range(n): yield i * i
#=
assert list(f(4)) == [0, 1, 4, 9]
assert sum(f(3)) == 5

#: exact-numbers
from decimal import Decimal, getcontext
from fractions import Fraction
def f(a, b):
    getcontext().prec = 30
    return str(Decimal(a) / Decimal(b)), str(Fraction(a, b)), float(Fraction(a, b))
#=
assert f(1, 8) == ("0.125", "1/8", 0.125)

#: standard-library
import bisect, heapq, itertools, math, re, string, textwrap, statistics, operator, functools, collections, random, copy
def f(xs):
    heap = list(xs)
    heapq.heapify(heap)
    return (heapq.heappop(heap), bisect.bisect(sorted(xs), 2), list(itertools.accumulate(xs)), math.comb(5, 2),
            re.sub(r"\d+", "#", "a12b3"), string.ascii_lowercase[:3], statistics.mean(xs), functools.reduce(operator.mul, xs))
#=
assert f([3, 1, 2]) == (1, 2, [3, 4, 6], 10, "a#b#", "abc", 2, 6)

#: numpy-if-there-is
try:
    import numpy as np
except ImportError:
    np = None
def f(xs):
    return int(np.array(xs).sum()) if np is not None else sum(xs)
#=
assert f([1, 2, 3]) == 6

#: random-with-a-seed
import random
def f(seed, n):
    random.seed(seed)
    first = [random.randint(1, 6) for _ in range(n)]
    random.seed(seed)
    return first == [random.randint(1, 6) for _ in range(n)] and len({random.random() for _ in range(n)}) == n
#=
assert f(1, 20) is True

#: closures-and-state
calls = []
def make():
    count = 0
    def step(x):
        nonlocal count
        count += 1
        calls.append(x)
        return count, list(calls)
    return step
f = make()
#=
assert f("a") == (1, ["a"])
assert f("b") == (2, ["a", "b"])

#: callable-object
class Adder:
    def __init__(self, k): self.k = k
    def __call__(self, x): return x + self.k
f = Adder(3)
#=
assert f(4) == 7

#: class-inside
class Stack:
    def __init__(self): self._items = []
    def push(self, x): self._items.append(x); return self
    def __len__(self): return len(self._items)
    @property
    def top(self): return self._items[-1]
    @classmethod
    def of(cls, xs):
        stack = cls()
        for x in xs: stack.push(x)
        return stack
def f(xs):
    return Stack.of(xs).top, len(Stack.of(xs))
#=
assert f([1, 2]) == (2, 2)

#: main-guard
def f(x):
    return x + 1
def main():
    raise SystemExit("not when imported")
if __name__ == "__main__":
    main()
#=
assert f(1) == 2

#: input-mutated-in-place
def f(xs):
    xs.sort()
    xs.append(sum(xs))
    return xs
#=
data = [3, 1, 2]
out = f(data)
assert out == [1, 2, 3, 6]
assert data == [1, 2, 3, 6]

#: input-mutated-no-result
def f(nums, k):
    nums[:] = nums[-k:] + nums[:-k]
#=
data = [1, 2, 3, 4]
assert f(data, 1) is None
assert data == [4, 1, 2, 3]

#: results-of-every-kind
RESULTS = {
    "tuple": (1, (2, 3)), "set": {1, 2}, "frozenset": frozenset({(1, 2)}), "dict": {(1, 2): [3], None: {4}}, "bytes": b"\x00\xff",
    "complex": 1 + 2j, "none": None, "bool": True, "inf": float("inf"), "negative zero": -0.0, "big": 3 ** 500, "empty": [[], (), {}, set(), ""],
    "range": list(range(3)), "negative": -(2 ** 70), "nan": float("nan"), "tiny": 5e-324, "bytearray": bytearray(b"ab"),
}
def f(kind):
    return RESULTS[kind]
#=
import math
assert f("tuple") == (1, (2, 3)) and type(f("tuple")) is tuple
assert f("set") == {1, 2} and isinstance(f("set"), set)
assert f("frozenset") == frozenset({(1, 2)})
assert f("dict") == {(1, 2): [3], None: {4}}
assert f("bytes") == b"\x00\xff"
assert f("complex") == 1 + 2j
assert f("none") is None
assert f("bool") is True
assert f("inf") == math.inf
assert math.copysign(1, f("negative zero")) == -1
assert f("big") == 3 ** 500
assert f("empty") == [[], (), {}, set(), ""]
assert f("range") == [0, 1, 2]
assert f("negative") == -(2 ** 70)
assert math.isnan(f("nan"))
assert f("tiny") == 5e-324
assert f("bytearray") == b"ab"

#: text-of-every-kind
def f(text):
    return text[::-1], len(text), text.upper()
#=
assert f("\u00e9\u4e2d\U0001f600") == ("\U0001f600\u4e2d\u00e9", 3, "\u00c9\u4e2d\U0001f600")
assert f("\ud800") == ("\ud800", 1, "\ud800")
assert f("a\x00\n\r") == ("\r\n\x00a", 4, "A\x00\n\r")

#: exceptions-as-specified
class Negative(ValueError):
    pass
def f(x):
    if x < 0: raise Negative(f"{x} is negative")
    if x > 9: raise KeyError(x)
    try: return 1 / x
    except ZeroDivisionError: return None
    finally: x = 0
#=
for bad, kind in ((-1, ValueError), (10, KeyError)):
    try:
        f(bad)
        assert False, "no exception"
    except kind:
        pass
assert f(0) is None
assert f(2) == 0.5

#: future-annotations
"""A module's docstring."""
from __future__ import annotations
from typing import Dict, Generic, List, Optional, Tuple, TypeVar, Union
T = TypeVar("T")
class Box(Generic[T]):
    def __init__(self, value: T) -> None: self.value = value
class Node:
    def __init__(self, value: int, next: Node | None = None) -> None: self.value, self.next = value, next
def f(xs: List[int], k: Optional[int] = None) -> Tuple[int, Dict[str, int]]:
    """Sum them.

    >>> f([1])
    (1, {'n': 1})
    """
    node: Node | None = None
    for x in xs: node = Node(x, node)
    total: int = 0
    while node: total, node = total + node.value, node.next
    return Box[int](total).value, {"n": len(xs) if k is None else k}
#=
assert f([1, 2, 3]) == (6, {"n": 3})
assert f([1], k=7) == (1, {"n": 7})

#: constants-and-helpers
PRIMES = (2, 3, 5, 7)
LIMIT: int = 10
def helper(n): return n in PRIMES
def f(xs): return [x for x in xs if helper(x) and x < LIMIT]
#=
assert f(range(12)) == [2, 3, 5, 7]
assert f([4]) == []

#: names-like-builtins
def check(x): return x > 1
def sum_(xs): return sum(xs)
list_ = [1, 2]
max = lambda xs: sorted(xs)[-1]
def f(xs): return max(xs) + sum_(list_), check(max(xs))
#=
assert f([1, 5]) == (8, True)

#: functions-as-arguments
def f(function, xs, default=0):
    return [function(x) for x in xs] or default
#=
assert f(abs, [-1, 2]) == [1, 2]
assert f(abs, [], default=5) == 5

#: match-and-walrus
def f(shape):
    match shape:
        case {"kind": "circle", "r": r}: return 3 * r * r
        case [x, y] if (area := x * y) > 0: return area
        case _: return None
#=
assert f({"kind": "circle", "r": 2}) == 12
assert f([2, 3]) == 6
assert f("?") is None

#: pickle-and-copy
import copy, json, pickle
def f(x):
    return pickle.loads(pickle.dumps(copy.deepcopy(x))) == x and json.loads(json.dumps(x)) == x
#=
assert f({"a": [1, None, 2.5]}) is True
'''
