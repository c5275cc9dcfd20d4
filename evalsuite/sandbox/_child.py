"""The sandboxed end: runs the program and answers what the judge asks of it. Nothing here can be trusted, or needs to be.

The program may take this file apart at run time: it shares its interpreter. All it can send is data; what the data are
compared with has never been in this process.
"""

from __future__ import annotations

import atexit
import builtins
import copy
import importlib
import itertools
import linecache
import operator
import os
import random
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from evalsuite.sandbox._channel import Channel
from evalsuite.sandbox._codec import MUTABLE, Broken, Memo, NotPlain, decode, encode, refill

FILE = "program.py"
OWN: list[str] = []  # our modules; looked for in the zygote: every name that is looked at in a fork is a page copied
TRACE = 1500  # characters of a traceback
_TYPES = {t: t.__name__ for t in vars(builtins).values() if isinstance(t, type)}
# Immutable subclasses of data (named tuples, enumerations) cross as what they are, and as a reference.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    tuple: tuple.__iter__, str: str.__str__, int: int.__int__, float: float.__float__, bytes: bytes.__iter__,
    frozenset: frozenset.__iter__,
}  # fmt: skip
_BUILTIN_ERRORS = {t for t in _TYPES if issubclass(t, BaseException)}


class Program:
    """One loaded program, and the objects of it that the judge holds references to."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._names: dict[str, Any] = {}
        self._after: Any = None  # what a call has made of its arguments

    def serve(self, request: list[Any]) -> None:
        """Answer this request, and more until the judge closes the channel."""
        self._answer(*request)
        while True:
            self.step()

    def step(self) -> None:
        """Answer the next request."""
        self._answer(*self._channel.receive())

    def _reply(self) -> list[Any]:
        """What the judge says to a callback; it may ask the program in its turn first."""
        while True:
            kind, *rest = self._channel.receive()
            if kind == "reply":
                return rest
            self._answer(kind, *rest)

    def _answer(self, kind: str, *rest: Any) -> None:
        self._after = None
        try:
            answer = ["ok", *getattr(self, f"do_{kind}")(*rest)]
        except BaseException as error:  # noqa: BLE001 - whatever a program raises is its answer
            answer = ["raise", self._exception(error), self._after]
        try:
            self._channel.send(answer)
        except (NotPlain, RecursionError, MemoryError) as error:
            self._channel.send(["raise", self._exception(error), None])

    # What the judge may ask. Each returns the encoded result, and what else belongs to the answer.

    def do_load(self, source: str, prelude: str, seed: str) -> list[Any]:
        self._names = start(source, prelude, seed, "program")
        return [None]

    def do_name(self, name: str) -> list[Any]:
        if name not in self._names:
            raise NameError(f"name {name!r} is not defined", name=name)
        return self._lent(self._names[name])

    def do_call(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        memo = Memo()
        values = [self._in(a, memo) for a in args]
        named = {k: self._in(v, memo) for k, v in kwargs.items()}
        given = list(memo.objects)

        def encoded(memo: Memo) -> Any:
            # An argument that cannot cross back fails the call: the tests would go on with the one they gave.
            return [encode(v, self._other, memo) for v in values], {k: encode(v, self._other, memo) for k, v in named.items()}

        function, error, result = self._in(target), None, None
        try:
            result = function(*values, **named)
        except BaseException as raised:  # noqa: BLE001 - raised again below
            error = raised
        memo = Memo(given)
        if given and encoded(Memo()) != (args, kwargs):
            memo = Memo(given, told=False)
            self._after = encoded(memo)
        if error is not None:
            raise error
        return [self._out(result, memo), self._after]

    def do_get(self, target: Any, name: str) -> list[Any]:
        return self._lent(getattr(self._in(target), name))

    def do_set(self, target: Any, name: str, value: Any) -> list[Any]:
        setattr(self._in(target), name, self._in(value))
        return [None]

    def do_item(self, target: Any, key: Any) -> list[Any]:
        return self._lent(self._in(target)[self._in(key)])

    def do_fill(self, number: int, contents: Any) -> list[Any]:
        refill(self._objects[number], self._in(contents))
        return [None]

    def do_set_item(self, target: Any, key: Any, value: Any) -> list[Any]:
        self._in(target)[self._in(key)] = self._in(value)
        return [None]

    def do_len(self, target: Any) -> list[Any]:
        return [len(self._in(target))]

    def do_truth(self, target: Any) -> list[Any]:
        return [bool(self._in(target))]

    def do_await(self, target: Any) -> list[Any]:
        import asyncio

        return [self._out(asyncio.run(self._in(target)))]

    def do_iter(self, target: Any) -> list[Any]:
        return [self._reference("g", iter(self._in(target)))]

    def do_next(self, target: Any, count: int) -> list[Any]:
        items: list[Any] = []
        try:
            for value in itertools.islice(self._in(target), count):
                items.append(self._out(value))
        except BaseException as error:  # noqa: BLE001 - what came before it counts
            return [items, True, self._exception(error)]
        return [items, len(items) < count, None]

    def do_text(self, target: Any, how: str) -> list[Any]:
        return [str.__str__((str if how == "str" else repr)(self._in(target)))]

    def do_isinstance(self, value: Any, of: Any) -> list[Any]:
        return [bool(isinstance(self._in(value), self._in(of)))]

    def do_operator(self, target: Any, name: str, *operands: Any) -> list[Any]:
        left, *rest = map(self._in, (target, *operands))
        if name == "methodcaller":
            return [self._out(getattr(left, rest[0])(*rest[1:]))]
        if name == "deepcopy":
            return [self._out(copy.deepcopy(left))]
        if name == "delattr":
            delattr(left, *rest)
            return [None]
        return [self._out(getattr(operator, name)(left, *rest))]

    # Values in and out.

    def _lent(self, value: Any) -> list[Any]:
        """A value that stays the program's: a container also as a reference, so that the tests can change it."""
        lent = self._reference("h", value)["h"][0] if type(value) in MUTABLE else None
        return [self._out(value), lent]

    def _out(self, value: Any, memo: Memo | None = None) -> Any:
        try:
            return encode(value, self._other, memo or Memo())
        except (NotPlain, RecursionError):
            return self._reference("h", value)

    def _other(self, value: Any) -> Any:
        kind = type(value)
        if kind is type and value in _TYPES:
            return {"B": _TYPES[value]}
        if kind is types.ModuleType:
            return {"m": value.__name__}
        if isinstance(value, type) and issubclass(value, BaseException):
            return {"E": self._class(value)}
        if kind.__module__ == "numpy" and getattr(value, "shape", None) == ():
            return encode(value.item(), self._other)
        for base in _PLAIN:
            if base in kind.__mro__:
                number, name = self._reference("p", value)["p"]
                return {"p": [number, name, encode(base(_PLAIN[base](value)), self._other)]}
        if kind is types.CoroutineType:
            return self._reference("w", value)
        return self._reference("g" if hasattr(kind, "__next__") else "h", value)

    def _reference(self, key: str, value: Any) -> dict[str, Any]:
        number = self._numbers.setdefault(id(value), len(self._numbers))
        self._objects[number] = value  # held, so that its id stays its own
        return {key: [number, type(value).__name__]}

    def _in(self, data: Any, memo: Memo | None = None) -> Any:
        return decode(data, self._resolve, memo or Memo())

    def _resolve(self, key: str, body: Any) -> Any:
        if key in ("h", "g", "w", "p", "E"):
            return self._objects[body[0]]
        if key == "B":
            return getattr(builtins, body)
        if key == "S":
            module, _, name = body.partition(":")
            found = importlib.import_module(module)
            return operator.attrgetter(name)(found) if name else found
        if key == "I":
            return iter(self._in(body))
        if key == "F":
            return self._callback(body)
        raise Broken(key)

    def _callback(self, number: int) -> Callable[..., Any]:
        def function(*args: Any, **kwargs: Any) -> Any:
            self._channel.send(["callback", number, [self._out(a) for a in args], {k: self._out(v) for k, v in kwargs.items()}])
            how, body = self._reply()
            if how == "raise":
                raise getattr(builtins, body[0], RuntimeError)(body[1])
            return self._in(body)

        return function

    def _class(self, kind: type[BaseException]) -> list[Any]:
        """Numbers and names of an exception class and its bases, up to the builtin one that it stems from."""
        chain: list[Any] = []
        for base in kind.__mro__:
            if base in _BUILTIN_ERRORS:
                return [*chain, _TYPES[base]]
            if issubclass(base, BaseException):
                chain.append([self._reference("E", base)["E"][0], base.__name__])
        return [*chain, "Exception"]

    def _exception(self, error: BaseException) -> dict[str, Any]:
        try:
            text = str(error)[:500]
            own = {k: self._out(v) for k, v in vars(error).items() if not k.startswith("__")}
            args = [self._out(v) for v in error.args]
        except BaseException:  # noqa: BLE001 - the program's own __str__
            text, own, args = "", {}, []
        return {"class": self._class(type(error)), "message": text, "args": args, "own": own, "trace": trace(error)}


def start(source: str, prelude: str, seed: str, name: str) -> dict[str, Any]:
    """Run a program's module code in a fresh module of that name. Returns its namespace. Raises what it raises."""
    random.seed(seed)
    module = types.ModuleType(name)
    sys.modules[name] = module
    sys.argv = [FILE]
    module.__file__ = FILE
    source = source.removeprefix("\ufeff")
    if prelude:
        exec(compile(prelude, "prelude.py", "exec", dont_inherit=True), module.__dict__)
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    code = compile(source, FILE, "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module.__dict__


def run_script(source: str, prelude: str, seed: str) -> list[Any]:
    """Run a program to its end, as `python program.py` does. Returns ["exit", "" or its traceback]."""
    failure = ""
    plain_open, streams = builtins.open, {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}

    def open_(file: Any, *args: Any, **kwargs: Any) -> Any:  # these are links into /proc, which is not there
        return plain_open(os.dup(streams[file]) if isinstance(file, str) and file in streams else file, *args, **kwargs)

    builtins.open = open_
    try:
        start(source, prelude, seed, "__main__")
    except SystemExit:
        pass  # however it ends itself, its output decides
    except BaseException as error:  # noqa: BLE001 - a crash is reported, not raised
        failure = trace(error) or type(error).__name__
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.__stdout__):
            if stream is not None and not stream.closed:
                stream.flush()
    except BaseException as error:  # noqa: BLE001 - as above
        failure = failure or trace(error)
    return ["exit", failure]


def trace(error: BaseException) -> str:
    """The lines of a traceback that are the program's own: the last few, and the error itself; bounded."""
    try:
        if isinstance(error, SyntaxError):
            return "".join(traceback.format_exception_only(error))[-TRACE:].strip()
        frames = [f for f in traceback.extract_tb(error.__traceback__, limit=-60) if f.filename == FILE]
        lines = [f"line {f.lineno}, in {f.name}: {(f.line or '').strip()}"[:160] for f in frames[-4:]]
        text = "".join(traceback.format_exception_only(error)).strip()
        return "\n".join([*lines, text[:400]])[-TRACE:]
    except BaseException as failed:  # noqa: BLE001 - the program's own error classes are code too
        return type(failed).__name__


def streams() -> None:
    """Python's standard streams over the descriptors 0, 1 and 2 that are there now."""
    text = {"encoding": "utf-8", "errors": "surrogateescape", "closefd": False}
    sys.stdin = sys.__stdin__ = os.fdopen(0, **text)  # type: ignore[misc,call-overload]
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", **text)  # type: ignore[misc,call-overload]
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", **text | {"errors": "backslashreplace"})  # type: ignore[misc,call-overload]


def main(fd: int, missing: dict[str, str]) -> None:
    """Serve the judge at the other end of `fd`. Never returns."""
    channel = Channel(fd, os.read, os.write)
    for name in OWN:
        del sys.modules[name]
    try:
        channel.send(["ready", missing])
        request = channel.receive()
        if request[0] == "script":
            channel.send(run_script(*request[1:]))
        else:
            Program(channel).serve(request)
    finally:
        os._exit(0)
