"""The judge's view of a program's objects, which stay where they are.

They can be called, looked into and handed back, and never compared, calculated with or searched: whatever a class says about
equality, order, sums or membership stays in the program, and the test that asked fails.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.sandbox._remote import Link

ITEMS = 1_000_000  # that one iterator may give
_CHUNK = 4096
_PUBLIC = ("__name__", "__qualname__", "__doc__", "__wrapped__", "__annotations__", "__dict__")


class Opaque(TypeError):
    """A test asked for the value of something that is no plain data."""


class Remote:
    """An object of the program's: a function, a class, an instance ("h"), an iterator ("g")."""

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

    def _evalsuite_ask(self, kind: str, *rest: Any) -> Any:
        """The first part of the answer to a request about this object, taken in."""
        link = self._evalsuite_link
        return link.take(link.ask(kind, self._evalsuite_ref(), *rest)[0])

    def _evalsuite_name(self) -> str:
        return f"<{self._evalsuite_id[1]} object>"

    def _evalsuite_opaque(self, *_: Any) -> Any:
        raise Opaque(f"the program gave {self._evalsuite_name()}, which has no value that a test can see")

    def __eq__(self, other: object) -> bool:
        return True if other is self else self._evalsuite_opaque()

    def __ne__(self, other: object) -> bool:
        return False if other is self else self._evalsuite_opaque()

    __lt__ = __le__ = __gt__ = __ge__ = _evalsuite_opaque
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return self._evalsuite_text("repr")

    def __str__(self) -> str:
        return self._evalsuite_text("str")

    def __format__(self, spec: str) -> str:
        return format(self._evalsuite_text("str"), spec)

    def _evalsuite_text(self, how: str) -> str:
        text = self._evalsuite_ask("text", how)
        return text if type(text) is str else self._evalsuite_opaque()

    def __bool__(self) -> bool:
        return self._evalsuite_ask("truth") is True  # it could have returned that itself

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._evalsuite_link.call(self._evalsuite_ref(), args, kwargs, self._evalsuite_label)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in _PUBLIC:
            raise AttributeError(name)
        link = self._evalsuite_link
        value = link.lent(link.ask("get", self._evalsuite_ref(), name))
        if isinstance(value, Remote):
            object.__setattr__(value, "_evalsuite_label", f"{self._evalsuite_label}.{name}")
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_evalsuite_label":
            object.__setattr__(self, name, value)
        else:
            self._evalsuite_ask("set", name, self._evalsuite_link.give(value))

    def __delattr__(self, name: str) -> None:
        self._evalsuite_operator("delattr", name)

    def __getitem__(self, key: Any) -> Any:
        link = self._evalsuite_link
        return link.lent(link.ask("item", self._evalsuite_ref(), link.give(key)))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._evalsuite_ask("set_item", self._evalsuite_link.give(key), self._evalsuite_link.give(value))

    def __delitem__(self, key: Any) -> None:
        self._evalsuite_operator("delitem", key)

    def __contains__(self, item: Any) -> bool:
        if self._evalsuite_kind != "g":
            self._evalsuite_opaque()
        return any(item is v or item == v for v in self)

    def __enter__(self) -> Any:
        return self._evalsuite_operator("methodcaller", "__enter__")

    def __exit__(self, *error: Any) -> bool:
        return self._evalsuite_operator("methodcaller", "__exit__", None, None, None) is True

    def __deepcopy__(self, _: Any) -> Any:
        return self._evalsuite_operator("deepcopy")

    __copy__ = __deepcopy__

    def _evalsuite_operator(self, name: str, *operands: Any) -> Any:
        return self._evalsuite_ask("operator", name, *map(self._evalsuite_link.give, operands))

    def __len__(self) -> int:
        size = self._evalsuite_ask("len")
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
        """However often it is iterated over, the number of items is one until it may have changed."""
        if self._evalsuite_link.sizes.setdefault(self._evalsuite_id[0], size) != size:
            self._evalsuite_opaque()
        return size

    def __instancecheck__(self, value: Any) -> bool:
        return self._evalsuite_link.ask("isinstance", self._evalsuite_link.give(value), self._evalsuite_ref())[0] is True

    def __iter__(self) -> Iterator[Any]:
        if self._evalsuite_kind == "g":
            return self._evalsuite_items()
        return self._evalsuite_counted(self._evalsuite_ask("iter"))

    def _evalsuite_counted(self, items: Any) -> Iterator[Any]:
        given = 0
        for item in items:
            given += 1
            yield item
        self._evalsuite_size(given)

    def __next__(self) -> Any:
        if self._evalsuite_kind != "g":
            raise TypeError(f"{self._evalsuite_name()} is not an iterator")
        if self._evalsuite_buffer is not None:
            return next(self._evalsuite_buffer)
        for item in self._evalsuite_fetch(1):
            return item
        raise StopIteration

    def _evalsuite_items(self) -> Iterator[Any]:
        """Always the same generator, so that several loops share what is left."""
        if self._evalsuite_buffer is None:
            object.__setattr__(self, "_evalsuite_buffer", self._evalsuite_fetch(_CHUNK))
        return self._evalsuite_buffer

    def _evalsuite_fetch(self, most: int) -> Iterator[Any]:
        """What is left, more at a time as it goes on; with `most` 1 only the next."""
        link, chunk, given, ended = self._evalsuite_link, 1, 0, False
        while not ended:
            answer = link.ask("next", self._evalsuite_ref(), chunk)
            if len(answer) != 3 or type(answer[0]) is not list or len(answer[0]) > chunk:
                raise link._lost("the program's answer cannot be read")
            ended = answer[1] is not False
            given += len(answer[0])
            if given > ITEMS:
                raise Opaque(f"the program's iterator gives more than {ITEMS:,} items")
            yield from map(link.take, answer[0])
            if answer[2] is not None:
                raise link.failure(answer[2])
            if most == 1:
                return
            chunk = min(2 * chunk, most)


class RemoteCoroutine(Remote):
    """A coroutine of the program's. Awaited in the judge, it runs to its end in an event loop of the program's."""

    __slots__ = ()

    def send(self, _: Any) -> Any:
        raise StopIteration(self._evalsuite_ask("await"))

    def __next__(self) -> Any:
        return self.send(None)

    def throw(self, *error: Any) -> Any:
        raise error[0]

    def close(self) -> None:
        """It has never begun here."""

    def __await__(self) -> Iterator[Any]:
        return self._evalsuite_ask("await")
        yield


class Data:
    """Mixed into an immutable kind of data: the value is the judge's own, what else it has is asked of the program."""

    _evalsuite_remote: Remote

    def _evalsuite_ref(self) -> dict[str, Any]:
        return self._evalsuite_remote._evalsuite_ref()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._evalsuite_remote, name)


DATA: dict[type, Any] = {base: type(base.__name__, (Data, base), {}) for base in (tuple, str, int, float, bytes, frozenset)}
