"""The judge's view of a program: functions to call, and objects that stay where they are.

What comes back is plain data, or a `Remote`. A Remote can be called, looked into and handed back to the program, and it can
never be compared: whatever its class says about equality or order stays in the program, and the test that asked fails.
"""

from __future__ import annotations

import builtins
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from select import poll
from typing import Any

from evalsuite.sandbox._codec import MUTABLE, NOTHING, Broken, Channel, NotPlain, decode, encode

ITEMS = 1_000_000  # that one iterator of a program may give
_CHUNK = 256
_NEVER = (StopIteration, StopAsyncIteration)  # raised in the judge these would end an iteration of the tests


class Gone(BaseException):
    """The program is no more, or what it says is no answer. Not for `except Exception` of a test."""


class ProgramError(Exception):
    """An exception of a class that the judge does not raise as itself."""


class Unsupported(BaseException):
    """The tests use what cannot cross to a program. Their fault, not the program's."""


class Opaque(TypeError):
    """A test asked for the value of something that is no plain data."""


_MALFORMED = (Broken, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


class Link:
    """Requests to one program, and its answers.

    `calls` is told every call that a test makes: name, encoded arguments, result or error. `call_seconds` bounds the time
    until an answer (`limit`); `overdue` says that it ran out, and `gone` that the program can no longer be asked, and why.
    """

    def __init__(self, fd: int, call_seconds: float | None = None) -> None:
        self._channel = Channel(fd, os.read, os.write)
        self._poll = poll()
        self._poll.register(fd, 1)  # POLLIN
        self.limit = call_seconds
        self._functions: list[Callable[..., Any]] = []
        self._errors: dict[int, type[Exception]] = {}
        self.sizes: dict[int, int] = {}  # number of an object -> how many items it has, since the last call
        self.calls: Callable[[str, Any, Any, BaseException | None], None] = lambda *_: None
        self.overdue = False
        self.gone = ""

    def hello(self) -> dict[str, str]:
        """What the program's end says once it is confined: layer -> why it is missing."""
        kind, missing = self._receive()
        if kind != "ready" or not isinstance(missing, dict):
            raise self._lost("the sandbox said something else than that it is ready")
        return missing

    def script(self, source: str, prelude: str, seed: str, seconds: float | None) -> str | None:
        """Run a whole program. Returns its traceback, "" for none; None where it ended itself without a word."""
        self.limit = seconds
        self._channel.send(["script", source, prelude, seed])
        try:
            answer = self._receive()
        except Gone:
            if self.overdue:
                raise
            return None
        return str(answer[1]) if len(answer) == 2 and answer[0] == "exit" else ""

    def load(self, source: str, prelude: str, seed: str) -> None:
        """Run a program's module code. Raises as the program does."""
        self.ask("load", source, prelude, seed)

    def ask(self, kind: str, *rest: Any) -> list[Any]:
        """One request. Returns what came back, still encoded. Raises what the program raised, or Gone."""
        if self.gone:
            raise Gone(self.gone)
        try:
            self._channel.send([kind, *rest])
        except OSError:
            raise self._lost("the program has ended") from None
        except NotPlain as error:
            raise Unsupported(f"the tests pass a value that is too large: {error}") from None
        until = None if self.limit is None else time.monotonic() + self.limit
        while True:
            answer = self._receive(until)
            raised = None
            try:
                head, *body = answer
                if head == "ok" and body:
                    return body
                if head == "raise":
                    raised = self._error(body[0])
                else:
                    number, args, kwargs = body
                    function = self._functions[number]
                    values = [self.take(a) for a in args]
                    named = {str(k): self.take(v) for k, v in kwargs.items()}
            except _MALFORMED as wrong:
                raise self._lost(f"the program's answer cannot be read ({type(wrong).__name__})") from None
            if raised is not None:
                raise raised
            try:
                self._channel.send(["reply", *self._call_back(function, values, named)])
            except OSError:
                raise self._lost("the program has ended") from None

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> Any:
        """`target(*args, **kwargs)` in the program; changes that it makes to its arguments happen here too."""
        sent = [self.give(a) for a in args], {k: self.give(v) for k, v in kwargs.items()}
        self.sizes.clear()
        try:
            answer = self.ask("call", target, *sent)
            result = self._result(answer, args, kwargs)
        except BaseException as error:
            self.calls(name, sent, None, error)
            raise
        self.calls(name, sent, result, None)
        return result

    def _result(self, answer: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            if len(answer) > 1 and answer[1] is not None:
                after, named = answer[1]
                for old, new in zip(args, after, strict=True):
                    update(old, self.take(new))
                for k, new in named.items():
                    update(kwargs[k], self.take(new))
            body = answer[0]
            if type(body) is dict and body.keys() == {"a"}:
                return args[body["a"]]
            return self.take(body)
        except _MALFORMED as wrong:
            raise self._lost(f"the program's answer cannot be read ({type(wrong).__name__})") from None

    def lookup(self, name: str) -> Any:
        """What the program calls `name`. Raises NameError. A module of the standard library is the judge's own."""
        found = self.take(self.ask("name", name)[0])
        if isinstance(found, Remote):
            if found._evalsuite_kind == "m":
                if found._evalsuite_id[1] not in sys.stdlib_module_names or found._evalsuite_id[1] not in sys.modules:
                    raise NameError(f"name {name!r} is a module of the program's")
                return sys.modules[found._evalsuite_id[1]]
            found._evalsuite_label = name
        return found

    def give(self, value: Any) -> Any:
        """A test's value on its way to the program."""
        try:
            return encode(value, self._give_other)
        except (NotPlain, RecursionError) as error:
            raise Unsupported(f"the tests pass a value that cannot cross: {error}") from None

    def _give_other(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote | _Data):
            return value._evalsuite_ref()
        if isinstance(value, type) and value in self._errors.values():
            return {"E": [next(n for n, t in self._errors.items() if t is value), value.__name__]}
        name = getattr(value, "__name__", None)
        if isinstance(name, str) and getattr(builtins, name, None) is value:
            return {"B": name}
        if hasattr(type(value), "__next__"):
            items = list(itertools.islice(value, ITEMS + 1))
            if len(items) > ITEMS:
                raise Unsupported("the tests pass an iterator that does not end")
            return {"I": self.give(items)}
        if callable(value) and not isinstance(value, type):
            self._functions.append(value)
            return {"F": len(self._functions) - 1}
        raise Unsupported(f"the tests pass {type(value).__name__}, which is no plain data")

    def take(self, data: Any) -> Any:
        """A program's value on its way to the tests. Raises Gone for what is malformed."""
        try:
            return decode(data, self._take_other)
        except (Broken, RecursionError) as error:
            raise self._lost(f"the program's answer cannot be read ({error})") from None

    def _take_other(self, key: str, body: Any) -> Any:
        if key == "B" and isinstance(getattr(builtins, str(body), None), type):
            return getattr(builtins, body)
        if key == "E":
            return self._class(body)
        if key in ("h", "g", "w", "m"):
            number, name = body if key != "m" else (-1, body)
            if type(number) is int and type(name) is str:
                return (RemoteCoroutine if key == "w" else Remote)(self, key, number, name[:80])
        if key == "p":
            number, name, content = body
            plain = self.take(content)
            value = _DATA[type(plain)](plain)
            value._evalsuite_remote = Remote(self, "p", number, str(name)[:80])
            return value
        raise Broken("an unknown value")

    def _class(self, body: Any) -> type[Exception]:
        """The judge's own class for an exception class of the program, under its nearest builtin one."""
        number, name, base = body
        known = getattr(builtins, str(base), None)
        if not isinstance(known, type) or not issubclass(known, Exception) or issubclass(known, _NEVER):
            known = ProgramError
        if name == base and known is not ProgramError:
            return known
        return self._errors.setdefault(number, type(str(name)[:80], (known,), {}))

    def _error(self, body: Any) -> Exception:
        kind, message = self._class(body["class"]), str(body["message"])[:500]
        try:
            error = kind(message)
        except TypeError:  # UnicodeDecodeError and its like want more than a message
            error = ProgramError(f"{kind.__name__}: {message}")
        error.program_trace = str(body["trace"])[:2000]  # type: ignore[attr-defined]
        return error

    def _lost(self, why: str) -> Gone:
        self.gone = self.gone or why
        return Gone(why)

    def _call_back(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        try:
            return ["ok", self.give(function(*args, **kwargs))]
        except Exception as error:  # noqa: BLE001 - a function of the tests may raise, and the program sees it
            return ["raise", [type(error).__name__, str(error)[:500]]]

    def _receive(self, until: float | None = None) -> list[Any]:
        if until is None and self.limit is not None:
            until = time.monotonic() + self.limit
        try:
            while (message := self._channel.take()) is NOTHING:
                if until is not None and not self._poll.poll(max(0.0, until - time.monotonic()) * 1000):
                    self.overdue = True
                    raise self._lost("no answer in time")
                self._channel.feed()
        except (EOFError, OSError):
            raise self._lost("the program has ended") from None
        except Broken as error:
            raise self._lost(f"the program's answer cannot be read ({error})") from None
        if type(message) is not list or not message:
            raise self._lost("the program's answer cannot be read")
        return message


class Remote:
    """An object of the program's: a function, a class, an instance, an iterator (kind "g")."""

    __slots__ = ("_evalsuite_buffer", "_evalsuite_id", "_evalsuite_kind", "_evalsuite_label", "_evalsuite_link")

    def __init__(self, link: Link, kind: str, number: int, name: str) -> None:
        put = object.__setattr__
        put(self, "_evalsuite_link", link)
        put(self, "_evalsuite_kind", kind)
        put(self, "_evalsuite_id", (number, name))
        put(self, "_evalsuite_label", name)
        put(self, "_evalsuite_buffer", None)

    def _evalsuite_ref(self) -> dict[str, Any]:
        return {self._evalsuite_kind: list(self._evalsuite_id)}

    def _evalsuite_opaque(self, *_: Any) -> Any:
        raise Opaque(f"the program gave {self!r}, which has no value that a test can see")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _evalsuite_opaque
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self._evalsuite_id[1]} object>"

    def __str__(self) -> str:
        return self._evalsuite_text("str")

    def __format__(self, spec: str) -> str:
        return format(self._evalsuite_text("str"), spec)

    def _evalsuite_text(self, how: str) -> str:
        text = self._evalsuite_link.ask("text", self._evalsuite_ref(), how)[0]
        return text if type(text) is str else self._evalsuite_opaque()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._evalsuite_link.call(self._evalsuite_ref(), args, kwargs, self._evalsuite_label)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__name__", "__qualname__", "__doc__"):
            raise AttributeError(name)
        link = self._evalsuite_link
        value = link.take(link.ask("get", self._evalsuite_ref(), name)[0])
        if isinstance(value, Remote):
            object.__setattr__(value, "_evalsuite_label", f"{self._evalsuite_label}.{name}")
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_evalsuite_label":
            object.__setattr__(self, name, value)
        else:
            self._evalsuite_link.ask("set", self._evalsuite_ref(), name, self._evalsuite_link.give(value))

    def __getitem__(self, key: Any) -> Any:
        link = self._evalsuite_link
        return link.take(link.ask("item", self._evalsuite_ref(), link.give(key))[0])

    def __setitem__(self, key: Any, value: Any) -> None:
        link = self._evalsuite_link
        link.ask("set_item", self._evalsuite_ref(), link.give(key), link.give(value))

    def __bool__(self) -> bool:
        return self._evalsuite_link.ask("truth", self._evalsuite_ref())[0] is True  # it could have returned that itself

    def __len__(self) -> int:
        size = self._evalsuite_link.ask("len", self._evalsuite_ref())[0]
        if type(size) is not int or not 0 <= size <= ITEMS:
            self._evalsuite_opaque()
        try:
            given = sum(1 for _ in itertools.islice(self, size + 1))
        except Opaque:
            raise
        except Exception:  # noqa: BLE001 - it has a length and cannot be iterated over
            given = size
        return size if given == size else self._evalsuite_opaque()

    def _evalsuite_size(self, size: int) -> int:
        """However often it is iterated over, the number of items is one until the next call."""
        link = self._evalsuite_link
        if link.sizes.setdefault(self._evalsuite_id[0], size) != size:
            self._evalsuite_opaque()
        return size

    def __instancecheck__(self, value: Any) -> bool:
        return self._evalsuite_link.ask("isinstance", self._evalsuite_link.give(value), self._evalsuite_ref())[0] is True

    def __iter__(self) -> Iterator[Any]:
        link = self._evalsuite_link
        if self._evalsuite_kind == "g":
            return self._evalsuite_items()
        return self._evalsuite_counted(link.take(link.ask("iter", self._evalsuite_ref())[0]))

    def _evalsuite_counted(self, items: Any) -> Iterator[Any]:
        given = 0
        for item in items:
            given += 1
            yield item
        self._evalsuite_size(given)

    def __next__(self) -> Any:
        if self._evalsuite_kind != "g":
            raise TypeError(f"{self!r} is not an iterator")
        return next(self._evalsuite_items())

    def _evalsuite_items(self) -> Iterator[Any]:
        """Always the same generator, so that several loops share what is left. Fetches more at a time as it goes on."""
        if self._evalsuite_buffer is None:
            object.__setattr__(self, "_evalsuite_buffer", self._evalsuite_fetch())
        return self._evalsuite_buffer

    def _evalsuite_fetch(self) -> Iterator[Any]:
        link, chunk, given, ended = self._evalsuite_link, 1, 0, False
        while not ended:
            answer = link.ask("next", self._evalsuite_ref(), chunk)
            if len(answer) != 2 or type(answer[0]) is not list or len(answer[0]) > chunk:
                raise link._lost("the program's answer cannot be read")
            ended = answer[1] is not False
            given += len(answer[0])
            if given > ITEMS:
                raise Opaque(f"the program's iterator gives more than {ITEMS:,} items")
            yield from map(link.take, answer[0])
            chunk = min(2 * chunk, _CHUNK)


class RemoteCoroutine(Remote):
    """A coroutine of the program's. Awaited in the judge, it runs to its end in an event loop of the program's."""

    __slots__ = ()

    def send(self, _: Any) -> Any:
        link = self._evalsuite_link
        raise StopIteration(link.take(link.ask("await", self._evalsuite_ref())[0]))

    def __next__(self) -> Any:
        return self.send(None)

    def throw(self, *error: Any) -> Any:
        raise error[0]

    def close(self) -> None:
        """It has never begun here."""

    def __await__(self) -> Iterator[Any]:
        link = self._evalsuite_link
        return link.take(link.ask("await", self._evalsuite_ref())[0])
        yield


class _Data:
    """Mixed into an immutable kind of data: the value is the judge's own, what else it has is asked of the program."""

    _evalsuite_remote: Remote

    def _evalsuite_ref(self) -> dict[str, Any]:
        return self._evalsuite_remote._evalsuite_ref()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._evalsuite_remote, name)


_DATA = {base: type(base.__name__, (_Data, base), {}) for base in (tuple, str, int, float, bytes, frozenset)}


def update(old: Any, new: Any) -> None:
    """Give a test's own object the contents that the program's copy of it has now; objects inside stay themselves."""
    kind = type(old)
    if kind is not type(new):
        return
    if kind is tuple:
        for o, n in zip(old, new):
            update(o, n)
    elif kind is list:
        old[:] = [*map(_merged, old, new), *new[len(old) :]]
    elif kind is bytearray:
        old[:] = new
    elif kind is set:
        old.clear()
        old.update(new)
    elif kind is deque:
        old.clear()
        old.extend(new)
    elif kind in MUTABLE:  # the kinds of dict
        merged = {k: _merged(old[k], n) if k in old else n for k, n in new.items()}
        old.clear()
        dict.update(old, merged)


def _merged(old: Any, new: Any) -> Any:
    if type(old) is type(new):
        if type(old) in MUTABLE:
            update(old, new)
            return old
        if type(old) is tuple and len(old) == len(new):
            return tuple(map(_merged, old, new))
    return new
