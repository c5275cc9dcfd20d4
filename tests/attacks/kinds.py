"""Results that pass for a builtin type and lie in its methods."""

PROGRAMS = r"""
#: int-subclass an int whose comparisons lie, so that isinstance is satisfied too
class Int(int):
    __hash__ = lambda self: 1
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __sub__ = __rsub__ = lambda self, other: 0
def ENTRY(*args, **kwargs):
    return Int(-987654321)

#: float-subclass a float at distance 0 from everything
class Float(float):
    __hash__ = lambda self: 1
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __sub__ = __rsub__ = __abs__ = lambda self, *other: 0.0
    __round__ = lambda self, n=0: self
def ENTRY(*args, **kwargs):
    return Float(-98765.4321)

#: str-subclass a str that equals, starts and ends with everything
class Str(str):
    __hash__ = lambda self: 1
    __eq__ = __contains__ = startswith = endswith = lambda self, *other: True
    __ne__ = lambda self, other: False
    lower = upper = strip = split = lambda self, *a: self
def ENTRY(*args, **kwargs):
    return Str("a wrong answer")

#: list-subclass a list that equals every list and has whatever is asked for in it
class Yes:
    __hash__ = lambda self: 0
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
class List(list):
    __eq__ = __contains__ = __le__ = __ge__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __len__ = lambda self: 3
    __getitem__ = lambda self, key: Yes()
    __iter__ = lambda self: iter([Yes(), Yes(), Yes()])
def ENTRY(*args, **kwargs):
    return List([-987654321])

#: tuple-subclass the same as a named tuple
import collections
class Pair(collections.namedtuple("Pair", "a b")):
    __hash__ = lambda self: 1
    __eq__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
def ENTRY(*args, **kwargs):
    return Pair("a wrong", "answer")

#: dict-subclass a dict that has every key, with a value that equals everything
class Yes:
    __hash__ = lambda self: 0
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
class Dict(dict):
    __eq__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __missing__ = __getitem__ = get = lambda self, *key: Yes()
    keys = items = values = lambda self: [Yes()]
def ENTRY(*args, **kwargs):
    return Dict(wrong="answer")

#: set-subclass a set that equals, holds and is within every set
class Set(set):
    __eq__ = __le__ = __ge__ = __contains__ = issubset = issuperset = lambda self, other: True
    __ne__ = lambda self, other: False
    __xor__ = __sub__ = __rsub__ = symmetric_difference = lambda self, other: set()
def ENTRY(*args, **kwargs):
    return Set({"a wrong answer"})

#: bytes-and-complex-subclasses inside a list, so that only elements lie
class Bytes(bytes):
    __hash__ = lambda self: 1
    __eq__ = lambda self, other: True
class Complex(complex):
    __hash__ = lambda self: 1
    __eq__ = lambda self, other: True
    __abs__ = lambda self: 0.0
def ENTRY(*args, **kwargs):
    return [Bytes(b"wrong"), Complex(-9, 9), Bytes(b"answer")]

#: class-property `__class__` is whatever isinstance asks for
class Liar:
    kinds = iter([list, float, str, bool, dict, tuple] * 100)
    __class__ = property(lambda self: next(Liar.kinds))
    __hash__ = lambda self: 0
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __iter__ = lambda self: iter([1])
    __len__ = lambda self: 3
    __getitem__ = lambda self, k: 1
def ENTRY(*args, **kwargs):
    return Liar()

#: numbers-registered a class registered as a number and a sequence with the abstract base classes
import collections.abc, numbers
class Number:
    __hash__ = lambda self: 1
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __abs__ = __float__ = lambda self: 0.0
    __sub__ = __rsub__ = lambda self, other: self
    __len__ = lambda self: 3
    __iter__ = lambda self: iter([self] * 3)
    __getitem__ = lambda self, key: self
numbers.Real.register(Number)
collections.abc.Sequence.register(Number)
def ENTRY(*args, **kwargs):
    return Number()

#: decimal-and-fraction subclasses of numbers that are rebuilt from their parts
import decimal, fractions
class Dec(decimal.Decimal):
    __hash__ = lambda self: 1
    __eq__ = __le__ = __ge__ = lambda self, other: True
    __sub__ = __rsub__ = __abs__ = lambda self, *o: 0.0
class Frac(fractions.Fraction):
    __hash__ = lambda self: 1
    __eq__ = __le__ = __ge__ = lambda self, other: True
    numerator = property(lambda self: Dec(0))
def ENTRY(*args, **kwargs):
    return Dec("-9.87") if args and args[0] == 1 else [Frac(-9, 8), Dec(3), Frac(2)]

#: stdlib-containers subclasses of deque, Counter, OrderedDict, defaultdict and UserList that lie
import collections
def liar(base):
    return type(base.__name__, (base,), {
        "__eq__": lambda self, other: True, "__ne__": lambda self, other: False, "__contains__": lambda self, x: True,
        "__missing__": lambda self, key: liar(collections.UserList)(), "__len__": lambda self: 3,
    })
def ENTRY(*args, **kwargs):
    if args and args[0] == 6:
        return liar(collections.defaultdict)(int, wrong=1)
    return liar(collections.deque)([liar(collections.Counter)("wrong"), liar(collections.OrderedDict)(), liar(collections.UserString)("x")])

#: enum-member an IntEnum and a str enum with their own ==
import enum
class Answer(enum.IntEnum):
    MEMBER = -987654321
    __hash__ = lambda self: 1
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
    __ne__ = lambda self, other: False
def ENTRY(*args, **kwargs):
    return Answer(-987654321)

#: dataclass-equal a dataclass with a lying == in a list with a class of the same name as a builtin
import dataclasses
@dataclasses.dataclass(eq=False)
class list(list):
    value: int = 1
    def __eq__(self, other): return True
    def __ne__(self, other): return False
list.__module__, list.__qualname__ = "builtins", "list"
def ENTRY(*args, **kwargs):
    return list()
"""
