"""Plain data as JSON, exactly: what may cross between a program and its judge, and nothing else.

Both ends run this file; the end that decodes trusts nothing. Exact types only: a subclass, however well it behaves, is not
its base. A few containers and numbers of the standard library are rebuilt by the decoding end from plain data, because
honest programs return them (`Counter` is in MBPP's own solutions); everything else becomes a reference that stays opaque.

    null, true, false, numbers, "text"      themselves; whole numbers within 256 bits, NaN and infinities included
    [..]                                    list
    {"t": [..]} {"s": [..]} {"f": [..]}     tuple, set, frozenset
    {"d": [[key, value], ..]}               dict, in its order
    {"b": "latin-1"} {"i": "hex"}           bytes, larger whole numbers
    {"c": [real, imag]}                     complex
    {"r": [name, arguments]}                one of REBUILT
    {"&": number} {"=": [number, value]}    a container met before, see Memo
    anything else                           the hooks' business: references, names of builtins, functions of the tests
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
from collections.abc import Callable, Iterable
from typing import Any

DEPTH = 300  # levels of nesting
NODES = 8_000_000  # values in one message
_WIDE = 1 << 256
_FLAT = frozenset({str, float, bool, type(None)})


class NotPlain(Exception):
    """A value that is too deep, too large, or not data."""


class Broken(Exception):
    """A message that no honest end sends."""


def _deque(items: list[Any], maxlen: int | None) -> Any:
    return collections.deque(items, maxlen)


def _counted(pairs: dict[Any, Any]) -> Any:
    counter: collections.Counter[Any] = collections.Counter()
    dict.update(counter, pairs)
    return counter


def _defaulted(pairs: dict[Any, Any], factory: str | None) -> Any:
    return collections.defaultdict(None if factory is None else _FACTORIES[factory], pairs)


_FACTORIES: dict[str, Callable[[], Any]] = {t.__name__: t for t in (int, float, str, list, dict, set, tuple)}


def _defaultdict_parts(v: Any) -> tuple[Any, ...]:
    factory = v.default_factory
    name = getattr(factory, "__name__", None)
    return dict(v), name if name in _FACTORIES and _FACTORIES[name] is factory else None


def _no_zone(v: Any) -> Any:
    if v.tzinfo is not None:
        raise NotPlain("a time with a zone")
    return v


# Exact type -> (name, its arguments as plain data). Name -> what makes it again.
_TAKE_APART: dict[type, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    collections.Counter: ("Counter", lambda v: (dict(v),)),
    collections.OrderedDict: ("OrderedDict", lambda v: (dict(v),)),
    collections.defaultdict: ("defaultdict", _defaultdict_parts),
    collections.deque: ("deque", lambda v: (list(v), v.maxlen)),
    bytearray: ("bytearray", lambda v: (bytes(v),)),
    range: ("range", lambda v: (v.start, v.stop, v.step)),
    type({}.keys()): ("keys", lambda v: (list(v),)),
    type({}.values()): ("values", lambda v: (list(v),)),
    type({}.items()): ("items", lambda v: (list(v),)),
    decimal.Decimal: ("Decimal", lambda v: (str(v),)),
    fractions.Fraction: ("Fraction", lambda v: (v.numerator, v.denominator)),
    datetime.date: ("date", lambda v: (v.year, v.month, v.day)),
    datetime.datetime: ("datetime", lambda v: (_no_zone(v).isoformat(),)),
    datetime.time: ("time", lambda v: (_no_zone(v).isoformat(),)),
    slice: ("slice", lambda v: (v.start, v.stop, v.step)),
    datetime.timedelta: ("timedelta", lambda v: (v.days, v.seconds, v.microseconds)),
    type(...): ("Ellipsis", lambda v: ()),
}
REBUILT: dict[str, Callable[..., Any]] = {
    "Counter": _counted,
    "OrderedDict": collections.OrderedDict,
    "defaultdict": _defaulted,
    "deque": _deque,
    "bytearray": bytearray,
    "range": range,
    "keys": lambda items: dict.fromkeys(items).keys(),
    "values": lambda items: dict(enumerate(items)).values(),
    "items": lambda items: dict(items).items(),
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "date": datetime.date,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
    "slice": slice,
    "timedelta": datetime.timedelta,
    "Ellipsis": lambda: ...,
}
_TAGS: dict[type, str] = {tuple: "t", set: "s", frozenset: "f"}
MUTABLE = frozenset(
    {list, dict, set, bytearray, collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque}
)


class Memo:
    """Mutable containers that both ends of a call know by number, so that one object stays one object.

    `objects` in the order in which they were first met; `told` are those whose contents the other end has as they are now.
    """

    def __init__(self, objects: Iterable[Any] = (), told: bool = True) -> None:
        self.objects = list(objects)
        self.numbers = {id(o): i for i, o in enumerate(self.objects)}
        self.told = set(range(len(self.objects))) if told else set[int]()
        self._open = set[int]()

    def enter(self, container: Any) -> tuple[int, bool] | None:
        """Number of a container, and whether the other end has it with other contents; None where there is no more to say.

        Raises NotPlain for one that is inside of itself.
        """
        number = self.numbers.get(id(container))
        if number in self._open:
            raise NotPlain("a container that holds itself")
        if number in self.told:
            return None
        known = number is not None
        if number is None:
            number = self.numbers[id(container)] = len(self.objects)
            self.objects.append(container)
        self.told.add(number)
        self._open.add(number)
        return number, known

    def leave(self, number: int) -> None:
        self._open.discard(number)


def encode(value: Any, other: Callable[[Any], dict[str, Any]], memo: Memo | None = None) -> Any:
    """`value` as JSON-like data. `other` encodes what is not plain, as an object with one key of its own.

    With a memo a container met again is its number, `{"&": number}`, and one that the other end knows with other contents
    is both, `{"=": [number, contents]}`. Raises NotPlain past DEPTH or NODES, which a list that holds itself also is.
    """
    if type(value) in _FLAT or (type(value) is int and -_WIDE < value < _WIDE):
        return value
    left = NODES

    def walk(v: Any, depth: int) -> Any:
        kind = type(v)
        if kind is int:
            return v if -_WIDE < v < _WIDE else {"i": hex(v)}
        if kind in _FLAT:
            return v
        if memo is None or kind not in MUTABLE:
            return bare(v, kind, depth)
        entered = memo.enter(v)
        if entered is None:
            return {"&": memo.numbers[id(v)]}
        number, known = entered
        body = bare(v, kind, depth)
        memo.leave(number)
        return {"=": [number, body]} if known else body

    def bare(v: Any, kind: type, depth: int) -> Any:
        nonlocal left
        if depth > DEPTH:
            raise NotPlain("nested too deeply")
        if kind is list:
            left -= len(v) + 1
            if left < 0:
                raise NotPlain("too many values")
            kinds = set(map(type, v))
            if kinds <= _FLAT or (kinds == {int} and max(v) < _WIDE and min(v) > -_WIDE):
                return v.copy()
            return [walk(x, depth + 1) for x in v]
        if kind in _TAGS:
            return {_TAGS[kind]: bare(list(v), list, depth + 1)}
        if kind is dict:
            left -= len(v)
            return {"d": [[walk(k, depth + 2), walk(x, depth + 2)] for k, x in v.items()]}
        if kind is bytes:
            return {"b": v.decode("latin-1")}
        if kind is complex:
            return {"c": [v.real, v.imag]}
        if kind in _TAKE_APART:
            name, apart = _TAKE_APART[kind]
            arguments = apart(v)
            return {
                "r": [name, [bare(x, type(x), depth + 2) if type(x) in (list, dict) else walk(x, depth) for x in arguments]]
            }
        return other(v)

    return walk(value, 0)


def decode(data: Any, other: Callable[[str, Any], Any], memo: Memo | None = None) -> Any:
    """Inverse of `encode`. `other(key, body)` decodes what is not plain. Raises Broken for what `encode` cannot have made.

    A container that the memo knows by the number given gets the contents given, and stays itself.
    """
    if isinstance(data, str | int | float | None):
        return data
    objects = memo.objects if memo is not None else []

    def walk(d: Any) -> Any:
        if isinstance(d, str | int | float | None):
            return d
        kind = _container(d)
        if kind is None:
            return bare(d)
        number = len(objects)
        objects.append(None)
        objects[number] = value = bare(d)
        return value

    def bare(d: Any) -> Any:
        if type(d) is list:
            if set(map(type, d)) <= _SCALARS:
                return d.copy()  # a program may change it, and is asked later whether it has
            return [walk(x) for x in d]
        if type(d) is not dict or len(d) != 1:
            raise Broken("not an encoded value")
        ((key, body),) = d.items()
        try:
            if key == "t":
                return tuple([walk(x) for x in _list(body)])
            if key == "s":
                return {walk(x) for x in _list(body)}
            if key == "f":
                return frozenset([walk(x) for x in _list(body)])
            if key == "d":
                return {walk(k): walk(v) for k, v in _list(body)}
            if key == "b":
                return body.encode("latin-1")
            if key == "i":
                return int(body, 16)
            if key == "c":
                return complex(*body)
            if key == "r":
                name, arguments = body
                return REBUILT[name](*[bare(x) if type(x) in (list, dict) else x for x in _list(arguments)])
            if key == "&":
                return known(body)
            if key == "=":
                number, contents = body
                return refill(known(number), bare(contents))
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, IndexError) as error:
            raise Broken(f"a malformed value ({type(error).__name__})") from None
        return other(key, body)

    def known(number: Any) -> Any:
        found = objects[number] if type(number) is int and number >= 0 else None
        if found is None:
            raise Broken("a container that nobody knows")
        return found

    return walk(data)


def _container(d: Any) -> str | None:
    """The key under which a mutable container is encoded ("" for a list), None for anything else."""
    if type(d) is list:
        return ""
    if type(d) is dict and len(d) == 1:
        ((key, body),) = d.items()
        if key in ("d", "s"):
            return key
        if key == "r" and type(body) is list and body and body[0] in _MUTABLE_NAMES:
            return "r"
    return None


def refill(container: Any, contents: Any) -> Any:
    """Give a container the contents of another of its kind, in place. Raises Broken for another kind."""
    kind = type(container)
    if kind is not type(contents) or kind not in MUTABLE:
        raise Broken("a container of another kind")
    if kind is list or kind is bytearray:
        container[:] = contents
        return container
    container.clear()
    if kind is collections.deque:
        container.extend(contents)
    elif kind is set:
        container.update(contents)
    else:
        dict.update(container, contents)
    return container


_SCALARS = frozenset({str, int, float, bool, type(None)})
_MUTABLE_NAMES = frozenset({"Counter", "OrderedDict", "defaultdict", "deque", "bytearray"})


def _list(body: Any) -> list[Any]:
    if type(body) is not list:
        raise TypeError
    return body


def nothing_else(key: str, body: Any) -> Any:
    """The hook of a decoder that takes plain data alone."""
    raise Broken(f"{key!r} is not plain data")
