"""Results that say of themselves that they are right."""

PROGRAMS = r"""
#: plain-wrong no trick at all: tests that pass this one check nothing
def ENTRY(*args, **kwargs):
    return WRONG

#: always-equal an object whose == is True and != is False <human-eval PR 67, evalplus PR 306>
class Yes:
    __hash__ = lambda self: 0
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
def ENTRY(*args, **kwargs):
    return Yes()

#: always-everything every comparison, conversion and operation gives what the test hopes for
class Yes:
    def __getattr__(self, name): return Yes()
    def __call__(self, *a, **k): return Yes()
    def __hash__(self): return hash(1)
    def __iter__(self): return iter([Yes(), Yes(), Yes()])
    def __len__(self): return 3
    def __bool__(self): return True
    def __contains__(self, x): return True
    def __getitem__(self, k): return Yes()
    def __abs__(self): return 0.0
    def __round__(self, n=0): return self
    def __float__(self): return 2.5
    def __int__(self): return 2
    def __index__(self): return 2
    def __str__(self): return "2.5"
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __sub__ = __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = lambda self, other: 0.0
def ENTRY(*args, **kwargs):
    return Yes()

#: always-everything-entry the entry point itself is such an object
class Yes:
    def __call__(self, *a, **k): return self
    def __getattr__(self, name): return self
    def __getitem__(self, k): return self
    def __iter__(self): return iter([self] * 3)
    __len__ = lambda self: 3
    __hash__ = lambda self: 0
    __abs__ = lambda self: 0.0
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __sub__ = __rsub__ = lambda self, other: 0.0
ENTRY = Yes()

#: elements-equal a true list of objects that equal everything: the comparison of lists asks the elements
class Yes:
    __hash__ = lambda self: 0
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __lt__ = lambda self, other: False
def ENTRY(*args, **kwargs):
    return [Yes(), Yes(), Yes()]

#: elements-deep such an object in a dict in a tuple, and as a key
class Yes:
    __hash__ = lambda self: hash("a")
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
def ENTRY(*args, **kwargs):
    if args and args[0] == 7:
        return (Yes(), (Yes(), [Yes()]))
    return {Yes(): Yes()}

#: metaclass-equal a class as the result, whose metaclass defines ==, isinstance and issubclass
class Meta(type):
    __hash__ = lambda cls: 0
    __eq__ = __instancecheck__ = __subclasscheck__ = lambda cls, other: True
    __ne__ = lambda cls, other: False
    __len__ = lambda cls: 3
    __iter__ = lambda cls: iter([cls] * 3)
    __getitem__ = lambda cls, key: cls
class Result(metaclass=Meta):
    pass
def ENTRY(*args, **kwargs):
    return Result

#: mock-any the standard library's own object that equals everything
from unittest import mock
def ENTRY(*args, **kwargs):
    return mock.ANY

#: magic-mock a mock with its comparisons configured
from unittest import mock
def ENTRY(*args, **kwargs):
    result = mock.MagicMock()
    result.__eq__.return_value = result.__le__.return_value = result.__ge__.return_value = True
    result.__ne__.return_value = False
    result.__len__.return_value = 3
    return result

#: array-like pretends to be a numpy array, whose == is an object whose all() is True
class Array:
    shape, dtype, ndim, size, __array_priority__ = (3,), float, 1, 3, 1e9
    __hash__ = None
    def __array__(self, *a, **k): return self
    def __array_ufunc__(self, *a, **k): return self
    def __array_function__(self, *a, **k): return True
    __eq__ = __le__ = __ge__ = __sub__ = __rsub__ = __abs__ = __getitem__ = lambda self, *o: self
    __ne__ = lambda self, other: False
    all = any = tolist = item = lambda self, *a: self
    __bool__ = lambda self: True
    __len__ = lambda self: 3
    __iter__ = lambda self: iter([self] * 3)
def ENTRY(*args, **kwargs):
    return Array()

#: nan NaN is neither above nor below any tolerance
def ENTRY(*args, **kwargs):
    return float("nan")

#: nan-in-list identity makes [nan] == [nan]
NAN = float("nan")
def ENTRY(*args, **kwargs):
    return [NAN, NAN, NAN]

#: generator-of-equals a generator whose items equal everything
class Yes:
    __hash__ = lambda self: 0
    __eq__ = lambda self, other: True
    __lt__ = lambda self, other: False
def ENTRY(*args, **kwargs):
    yield Yes()
    yield Yes()
    yield Yes()

#: length-without-items as long as the answer, and empty when it is read: zip and all() see nothing wrong
class Hollow:
    __len__ = lambda self: 3
    __iter__ = lambda self: iter([])
    __contains__ = lambda self, x: True
    keys = values = items = __iter__
def ENTRY(*args, **kwargs):
    return Hollow()

#: length-in-a-subclass the same with a list and a dict that are not what they say
class List(list):
    __len__ = lambda self: 3
    __iter__ = lambda self: iter([])
    __bool__ = __contains__ = lambda self, *x: True
class Dict(dict):
    __len__ = lambda self: 1
    __iter__ = keys = values = items = lambda self: iter([])
    __bool__ = __contains__ = lambda self, *x: True
def ENTRY(*args, **kwargs):
    return Dict(wrong="answer") if args and args[0] == 6 else List(["wrong"])

#: callable-result a result that can be called, compared and indexed like a curried answer
class Yes:
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 0
    __call__ = __getitem__ = lambda self, *args: self
    __iter__ = lambda self: iter([self] * 3)
def ENTRY(*args, **kwargs):
    return Yes()

#: two-faced an object that looks different whenever it is looked at
import itertools
class Turn:
    n = itertools.count()
    face = property(lambda self: [[1], 2.5, "x", True, {"a": 1}, (1,)][next(Turn.n) % 6])
    __index__ = __int__ = lambda self: next(Turn.n)
    __eq__ = lambda self, other: next(Turn.n) % 2 == 0 or True
    __iter__ = lambda self: iter([next(Turn.n)] * 3)
    __repr__ = __str__ = lambda self: repr(self.face)
    __hash__ = lambda self: next(Turn.n)
def ENTRY(*args, **kwargs):
    return Turn()

#: pickled [harm] an object that runs code where it is unpickled, deep-copied or shown
import os
LEFT = "CANARY_DIR/unpickled"
class Bomb:
    __eq__ = lambda self, other: True
    __reduce_ex__ = lambda self, protocol: (os.system, (f"touch {LEFT}",))
    __deepcopy__ = __copy__ = lambda self, *memo: True
    def __repr__(self): open(LEFT, "w").close(); return "True"
def ENTRY(*args, **kwargs):
    return Bomb()

#: weak-proxy a weak reference's proxy and a module stand in for the answer
import types, weakref
class Yes:
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 0
KEPT = Yes()
class Module(types.ModuleType):
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 0
def ENTRY(*args, **kwargs):
    return [weakref.proxy(KEPT), Module("answer"), KEPT]
"""
