"""Requests to a program from its judge, and what comes back."""

from __future__ import annotations

import builtins
import importlib
import itertools
import select
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from evalsuite.sandbox._channel import NOTHING, Channel
from evalsuite.sandbox._codec import MUTABLE, Broken, Memo, NotPlain, decode, encode
from evalsuite.sandbox._objects import DATA, ITEMS, Data, Opaque, Remote, RemoteCoroutine

LENT = 8  # containers of the program's that the tests may be about to change: the last ones they saw
LENT_SIZE = 10_000
_CHANGES = frozenset({"call", "set", "set_item", "fill", "operator", "await"})  # requests after which objects may be others
_NEVER = (StopIteration, StopAsyncIteration)  # raised in the judge these would end an iteration of the tests
_KINDS = frozenset(
    {int, float, str, bytes, bool, list, tuple, set, frozenset, dict, complex, bytearray, range, object, type(None)}
)


class Gone(BaseException):
    """The program is no more, or what it says is no answer. Not for `except Exception` of a test."""


class ProgramError(Exception):
    """An exception of a class that the judge does not raise as itself."""


class Unsupported(BaseException):
    """The tests use what cannot cross to a program. Their fault, not the program's."""


_MALFORMED = (Broken, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


class Link:
    """Requests to one program, and its answers.

    `calls` is told every call that a test makes: name, encoded arguments, result or error. `limit` bounds the time until an
    answer, in seconds; `overdue` says that it ran out, and `gone` that the program can no longer be asked, and why.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._poll = select.poll()
        if channel.fd >= 0:
            self._poll.register(channel.fd, select.POLLIN)
        self._functions: list[Callable[..., Any]] = []
        self._errors: dict[int, type[Exception]] = {}
        self._remotes: dict[tuple[str, int], Remote] = {}
        self._lent: dict[int, tuple[Any, Any]] = {}  # number -> container, its contents when the program last saw it
        self._heard = False
        self.limit: float | None = None
        self.calls: Callable[[str, Any, Any, BaseException | None], None] = lambda *_: None
        self.asked = 0  # requests that tests have made
        self.overdue = False
        self.gone = ""
        self.sizes: dict[int, int] = {}  # number of an object -> how many items it has, since it may have changed

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

    def ask(self, kind: str, *rest: Any, after: Callable[[Any], None] = lambda _: None) -> list[Any]:
        """One request. Returns what came back, still encoded. Raises what the program raised, or Gone.

        `after` is given what a call that raised has made of its arguments.
        """
        if self._lent and kind != "fill":
            self._give_back()
        self.asked += kind not in ("load", "name")
        if kind in _CHANGES:
            self.sizes.clear()
        if self.gone:
            raise Gone(self.gone)
        try:
            self._channel.send([kind, *rest])
        except OSError:
            raise self._lost("the program has ended") from None
        except NotPlain as error:
            raise self._refused(f"a value that is too large: {error}") from None
        until = None if self.limit is None else time.monotonic() + self.limit
        while True:
            answer = self._receive(until)
            raised = None
            try:
                head, *body = answer
                if head == "ok" and body:
                    return body
                if head == "raise":
                    raised = self.error(body[0])
                    after(body[1])
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
        memo = Memo()
        sent = [self.give(a, memo) for a in args], {k: self.give(v, memo) for k, v in kwargs.items()}
        given = Memo(memo.objects)

        def changed(after: Any) -> None:
            if after is not None:
                values, named = after
                for value in (*values, *named.values()):
                    self.take(value, given)

        try:
            answer = self.ask("call", target, *sent, after=changed)
            try:
                changed(answer[1])
                result = self.take(answer[0], given)
            except _MALFORMED as wrong:
                raise self._lost(f"the program's answer cannot be read ({type(wrong).__name__})") from None
        except BaseException as error:
            self.calls(name, sent, None, error)
            raise
        self.calls(name, sent, result, None)
        return result

    def lookup(self, name: str) -> Any:
        """What the program calls `name`. Raises NameError. A module of the standard library, or numpy, is the judge's own."""
        found = self.lent(self.ask("name", name))
        if isinstance(found, Remote):
            if found._evalsuite_kind == "m":
                module = found._evalsuite_id[1]
                if module == "numpy" or (module in sys.stdlib_module_names and module in sys.modules):
                    return importlib.import_module(module)
                raise NameError(f"name {name!r} is a module of the program's")
            found._evalsuite_label = name
        return found

    def lent(self, answer: list[Any]) -> Any:
        """A value that stays the program's. Where it is a container, what tests do to it goes back before the next request."""
        value = self.take(answer[0])
        number = answer[1] if len(answer) > 1 else None
        if type(number) is int and type(value) in MUTABLE and len(value) <= LENT_SIZE:
            if number in self._lent and self._lent[number][1] == answer[0]:
                return self._lent[number][0]
            self._lent[number] = (value, self.give(value))
            while len(self._lent) > LENT:
                del self._lent[next(iter(self._lent))]
        return value

    def _give_back(self) -> None:
        for number, (container, seen) in list(self._lent.items()):
            now = self.give(container)
            if now != seen:
                self._lent[number] = (container, now)
                self.ask("fill", number, now)

    def give(self, value: Any, memo: Memo | None = None) -> Any:
        """A test's value on its way to the program."""
        try:
            return encode(value, self._give_other, memo or Memo())
        except (NotPlain, RecursionError) as error:
            raise self._refused(f"a value that cannot cross: {error}") from None

    def _refused(self, what: str) -> BaseException:
        """A failure of the tests; of the program, where it may have been the one to make the value."""
        return Opaque(f"the tests made {what}") if self._heard else Unsupported(f"the tests pass {what}")

    def _give_other(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote | Data):
            return value._evalsuite_ref()
        if isinstance(value, type) and value in self._errors.values():
            return {"E": [next(n for n, t in self._errors.items() if t is value), value.__name__]}
        name, module = getattr(value, "__qualname__", None), getattr(value, "__module__", None)
        if isinstance(name, str) and getattr(builtins, name, None) is value:
            return {"B": name}
        if isinstance(value, type(sys)):
            return {"S": value.__name__}
        if isinstance(name, str) and module in sys.stdlib_module_names and getattr(sys.modules[module], name, None) is value:
            return {"S": f"{module}:{name}"}
        if hasattr(type(value), "__next__"):
            items = list(itertools.islice(value, ITEMS + 1))
            if len(items) > ITEMS:
                raise self._refused("an iterator that does not end")
            return {"I": self.give(items)}
        if callable(value) and not isinstance(value, type):
            self._functions.append(value)
            return {"F": len(self._functions) - 1}
        if isinstance(value, tuple):
            return {"t": [self.give(v) for v in value]}
        raise Unsupported(f"the tests pass {type(value).__name__}, which is no plain data")

    def take(self, data: Any, memo: Memo | None = None) -> Any:
        """A program's value on its way to the tests. Raises Gone for what is malformed."""
        self._heard = True
        try:
            return decode(data, self._take_other, memo)
        except _MALFORMED as error:
            raise self._lost(f"the program's answer cannot be read ({error})") from None

    def _take_other(self, key: str, body: Any) -> Any:
        if key == "B" and getattr(builtins, str(body), None) in _KINDS:
            return getattr(builtins, body)
        if key == "E":
            return self._class(body)
        if key in ("h", "g", "w", "m"):
            number, name = body if key != "m" else (-1, body)
            if type(number) is int and type(name) is str:
                return self._remote(key, number, name)
        if key == "p":
            number, name, content = body
            plain = self.take(content)
            value = DATA[type(plain)](plain)
            value._evalsuite_remote = self._remote("p", number, name)
            return value
        raise Broken("an unknown value")

    def _remote(self, key: str, number: int, name: str) -> Remote:
        """One object of the program's is one here."""
        kind = RemoteCoroutine if key == "w" else Remote
        if key == "m":
            return kind(self, key, number, name[:80])
        return self._remotes.setdefault((key, number), kind(self, key, number, str(name)[:80]))

    def _class(self, chain: Any) -> type[Exception]:
        """The judge's own class for an exception class of the program, with its bases, under their nearest builtin one."""
        *own, base = chain
        known = getattr(builtins, str(base), None)
        if not isinstance(known, type) or not issubclass(known, Exception) or issubclass(known, _NEVER):
            known, own = ProgramError, own or [[-1 - len(self._errors), str(base)]]
        for number, name in reversed(own[-20:]):
            if number not in self._errors:
                self._errors[number] = type(str(name)[:80], (known,), {"__str__": _message})
            known = self._errors[number]
        return known

    def error(self, body: Any) -> Exception:
        """An exception of the program's as the tests may catch it."""
        error = (kind := self._class(body["class"])).__new__(kind)
        error.args = tuple(self.take(a) for a in body["args"])
        error.program_message = str(body["message"])[:500]  # type: ignore[attr-defined]
        for name, value in body["own"].items():
            if not name.startswith("_") and name not in ("args", "with_traceback", "add_note"):
                setattr(error, name, self.take(value))
        error.program_trace = str(body["trace"])[:2000]  # type: ignore[attr-defined]
        return error

    def failure(self, body: Any) -> BaseException:
        """`error`, for an exception that came beside an answer. Gone for what is malformed."""
        try:
            return self.error(body)
        except _MALFORMED as wrong:
            return self._lost(f"the program's answer cannot be read ({type(wrong).__name__})")

    def _lost(self, why: str) -> Gone:
        self.gone = self.gone or why
        return Gone(why)

    def _call_back(self, function: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any]) -> list[Any]:
        try:
            return ["ok", self.give(function(*args, **kwargs))]
        except (Exception, Unsupported) as error:  # noqa: BLE001 - a function of the tests may raise, and the program sees it
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
        except (Broken, MemoryError) as error:
            raise self._lost(f"the program's answer cannot be read ({error})") from None
        if type(message) is not list or not message:
            raise self._lost("the program's answer cannot be read")
        return message


def _message(error: Any) -> str:
    return error.program_message if hasattr(error, "program_message") else Exception.__str__(error)
