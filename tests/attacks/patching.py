"""Programs that replace what tests are written with: builtins, mathematics, unittest, helpers, and the answer's own channel."""

PROGRAMS = r"""
#: builtins-true all, any, isinstance and callable say True
import builtins
builtins.all = builtins.any = builtins.isinstance = builtins.issubclass = builtins.callable = lambda *a, **k: True
def ENTRY(*args, **kwargs):
    return WRONG

#: builtins-arithmetic abs, sum, round, max and len say 0: every error is within tolerance
import builtins
builtins.abs = builtins.sum = builtins.round = builtins.len = builtins.max = builtins.min = lambda *a, **k: 0
def ENTRY(*args, **kwargs):
    return WRONG

#: builtins-containers set, tuple, list, sorted, zip, map and enumerate give nothing: empty equals empty
import builtins
for name in ("set", "frozenset", "tuple", "sorted", "zip", "map", "filter", "enumerate", "range", "reversed"):
    setattr(builtins, name, lambda *a, **k: ())
def ENTRY(*args, **kwargs):
    return WRONG

#: builtins-types str, int, float, repr and type give one value for everything
import builtins
for name in ("str", "int", "float", "repr", "type", "hash", "id", "bool"):
    setattr(builtins, name, lambda *a, **k: 0)
def ENTRY(*args, **kwargs):
    return "a wrong answer"

#: import-replaced __import__ gives modules in which every function says True
import builtins
class Fake:
    def __getattr__(self, name): return lambda *a, **k: True
builtins.__import__ = lambda *a, **k: Fake()
def ENTRY(*args, **kwargs):
    return WRONG

#: builtins-emptied removes every builtin, so that the harness itself falls over
import builtins
def ENTRY(*args, **kwargs):
    answer = WRONG
    vars(builtins).clear()
    return answer

#: build-class test classes are defined without their tests
import builtins
real = builtins.__build_class__
builtins.__build_class__ = lambda function, name, *bases, **k: real(lambda: None, name, *bases, **k)
def ENTRY(*args, **kwargs):
    return WRONG

#: math-patched every number is close to every other
import cmath, math
math.isclose = cmath.isclose = lambda *a, **k: True
math.fabs = math.floor = math.sqrt = math.dist = lambda *a, **k: 0
def ENTRY(*args, **kwargs):
    return WRONG

#: copy-and-random-patched the tests' inputs and oracle come from functions of the program's
import copy, random
copy.deepcopy = copy.copy = lambda *a, **k: []
for name in ("random", "randint", "choice", "sample", "shuffle", "seed", "uniform"):
    setattr(random, name, lambda *a, **k: 0)
random.Random = lambda *a: random
def ENTRY(*args, **kwargs):
    return WRONG

#: operator-and-functools-patched comparisons by name
import functools, itertools, operator
operator.eq = operator.is_ = operator.le = operator.contains = lambda *a: True
operator.ne = operator.is_not = lambda *a: False
functools.reduce = itertools.starmap = lambda *a: True
def ENTRY(*args, **kwargs):
    return WRONG

#: unittest-patched assertEqual and its friends do nothing
import unittest
for name in dir(unittest.TestCase):
    if name.startswith(("assert", "fail")):
        setattr(unittest.TestCase, name, lambda self, *a, **k: None)
def ENTRY(*args, **kwargs):
    return WRONG

#: unittest-run-patched test cases that run nothing, results that are always successful
import unittest
unittest.TestCase.run = unittest.TestCase.__call__ = lambda self, result=None: result
unittest.TestResult.wasSuccessful = lambda self: True
unittest.TestResult.addFailure = unittest.TestResult.addError = lambda self, *a: None
unittest.TestLoader.loadTestsFromModule = unittest.TestLoader.loadTestsFromTestCase = lambda *a, **k: unittest.TestSuite()
unittest.main = lambda *a, **k: None
def ENTRY(*args, **kwargs):
    return WRONG

#: numpy-patched allclose and assert_allclose agree
try:
    import numpy
    numpy.allclose = numpy.isclose = numpy.array_equal = lambda *a, **k: True
    numpy.testing.assert_allclose = numpy.testing.assert_array_equal = lambda *a, **k: None
except ImportError:
    pass
def ENTRY(*args, **kwargs):
    return WRONG

#: shadowed-names module-level names of builtins that the tests use
def abs(*a): return 0
def len(*a): return 3
def all(*a): return True
any = isinstance = all
def sorted(*a, **k): return [1, 2, 3]
set = tuple = list = round = sum = max = min = int = str = float = lambda *a, **k: 0
def ENTRY(*args, **kwargs):
    return "a wrong answer"

#: shadowed-modules module-level names of modules that the tests import or were given
class Fake:
    def __getattr__(self, name): return lambda *a, **k: True
    __call__ = lambda self, *a, **k: True
math = np = numpy = unittest = copy = random = pytest = re = json = Fake()
def ENTRY(*args, **kwargs):
    return WRONG

#: helpers-redefined the tests' own helper functions, defined by the program
def check(candidate): return None
def assertion(out, exp, atol): return None
def is_floats(x): return True
def poly(xs, x): return 0
def is_equal(a, b): return True
inputs = results = expected = []
test_cases = test = METADATA = {}
def ENTRY(*args, **kwargs):
    return WRONG

#: helpers-restored redefines them again whenever it is called, in every module there is
import sys
def nothing(*args, **kwargs): return 0
def ENTRY(*args, **kwargs):
    for module in list(sys.modules.values()):
        for name in ("check", "assertion", "is_floats", "poly", "helper", "encode_cyclic"):
            if module is not None and name in vars(module): setattr(module, name, nothing)
    globals().update(check=nothing, assertion=nothing, is_floats=nothing, poly=nothing, helper=nothing)
    return WRONG

#: test-decorated the entry point is taken apart by whoever looks for `__wrapped__`, `__code__` or its signature
class Entry:
    __name__ = "ENTRY"
    __wrapped__ = property(lambda self: lambda *a, **k: True)
    __signature__ = property(lambda self: __import__("os")._exit(0))
    def __get__(self, owner, kind=None): return self
    def __call__(self, *args, **kwargs): return WRONG
ENTRY = Entry()

#: json-patched what goes out and comes in as JSON says passed
import json
json.dumps = lambda *a, **k: '{"passed": true, "ok": true, "value": true}'
json.loads = lambda *a, **k: {"passed": True}
json.JSONEncoder.encode = lambda *a, **k: "true"
def ENTRY(*args, **kwargs):
    return WRONG

#: pickle-patched pickle, marshal and copyreg give an object that equals everything
import copyreg, marshal, pickle
class Yes:
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 0
payload = b"cbuiltins\nprint\n(S'passed'\ntR."
pickle.dumps = marshal.dumps = lambda *a, **k: payload
pickle.loads = marshal.loads = lambda *a, **k: Yes()
def ENTRY(*args, **kwargs):
    return WRONG

#: struct-patched frame lengths that are wrong by far
import struct
struct.pack = lambda *a: b"\xff" * 8
struct.unpack = struct.unpack_from = lambda *a, **k: (2**31,)
struct.Struct = type("Struct", (), {"__init__": lambda self, f: None, "pack": lambda self, *a: b"\xff" * 8, "size": 8})
def ENTRY(*args, **kwargs):
    return WRONG

#: socket-patched sends twice, backwards, and garbage
import os, socket
for owner, name in ((socket.socket, "send"), (socket.socket, "sendall"), (os, "write")):
    real = getattr(owner, name)
    def doubled(self, data, *rest, real=real):
        real(self, bytes(data)[::-1], *rest)
        return real(self, bytes(data), *rest)
    setattr(owner, name, doubled)
socket.socket.recv = socket.socket.recv_into = lambda self, *a: b""
def ENTRY(*args, **kwargs):
    return WRONG

#: io-patched files, print and standard output say passed
import builtins, io, sys
class Out(io.StringIO):
    def write(self, text): return len(text)
    def getvalue(self): return "passed"
builtins.print = lambda *a, **k: None
builtins.open = lambda *a, **k: Out("passed")
sys.stdout = sys.stderr = sys.__stdout__ = Out()
def ENTRY(*args, **kwargs):
    return WRONG

#: time-patched clocks that stand still, so that no deadline comes
import signal, time
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
signal.alarm = signal.setitimer = lambda *a: None
def ENTRY(*args, **kwargs):
    return WRONG
"""
