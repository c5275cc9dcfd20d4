"""What travels between the pool and its workers: length-prefixed pickles, and verifiers as bytes."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from evalsuite.words.score import Score

if TYPE_CHECKING:
    from evalsuite.verifiers.base import Verifier

HEADER = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class PoolFailure:
    """What `Pool.call` gives in place of a value: `outcome` is `timeout` (caused by the answer) or `error` (ours)."""

    outcome: Literal["timeout", "error"]
    message: str

    def score(self) -> Score:
        """0 where the answer caused it, None where we did."""
        return Score(0.0 if self.outcome == "timeout" else None, self.outcome, feedback=self.message)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A verifier as bytes, with the digest under which workers keep it and the path on which its imports are found."""

    digest: bytes
    payload: bytes
    path: tuple[str, ...]


def digest(data: bytes) -> bytes:
    """16 bytes that stand for `data`."""
    return hashlib.blake2b(data, digest_size=16).digest()


def frame(message: Any) -> bytes:
    """`message` with its length in front. What pickle refuses (a lambda in a sample's metadata) goes by cloudpickle."""
    try:
        body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        import cloudpickle

        body = cloudpickle.dumps(message)
    return HEADER.pack(len(body)) + body


class Inbox:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The messages that `data` completes."""
        self._data += data
        start = 0
        try:
            while len(self._data) - start >= HEADER.size:
                end = start + HEADER.size + HEADER.unpack_from(self._data, start)[0]
                if len(self._data) < end:
                    break
                body = memoryview(self._data)[start + HEADER.size : end]
                start = end
                try:
                    yield pickle.loads(body)
                except Exception as error:  # noqa: BLE001 - a result of a class that only the worker knows
                    text = f"the result cannot be read: {type(error).__name__}: {error}"
                    yield "done", PoolFailure("error", text), None
                finally:
                    body.release()
        finally:
            del self._data[:start]


def freeze(verifier: Verifier) -> Frozen:
    """`verifier` as bytes that a fresh interpreter can load.

    Classes of importable modules travel by name; those of `__main__`, of a notebook and of files that were loaded from a
    path (`--include_path`) travel by value.
    """
    import cloudpickle

    with _by_value():
        payload = cloudpickle.dumps(verifier)
    path = tuple(os.path.abspath(entry) for entry in sys.path)  # "" is wherever the parent stands now
    return Frozen(digest(payload), payload, path)


_REGISTERING = threading.Lock()  # cloudpickle keeps its list of modules for the whole process


@contextmanager
def _by_value() -> Iterator[None]:
    import cloudpickle

    with _REGISTERING:
        hidden = [m for name, m in list(sys.modules.items()) if _hidden(name, m)]
        taken = [m for m in hidden if m.__name__ not in cloudpickle.list_registry_pickle_by_value()]
        try:
            for module in taken:
                cloudpickle.register_pickle_by_value(module)
            yield
        finally:
            for module in taken:
                cloudpickle.unregister_pickle_by_value(module)


def _hidden(name: str, module: ModuleType | None) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or name != getattr(module, "__name__", None) or name in ("__main__", "__mp_main__"):
        return False  # built in, an alias, or always by value
    return not _importable(name, file, len(sys.path))


@functools.cache
def _importable(name: str, file: str, _path_length: int) -> bool:
    """Whether `import name` in another interpreter with this path would load `file`."""
    folder, base = os.path.split(file)
    if base == "__init__.py":
        folder = os.path.dirname(folder)
    package = name.rpartition(".")[0]
    if not package:
        return folder in sys.path or _found(name, None, file)
    parent = sys.modules.get(package)
    places = list(getattr(parent, "__path__", ()))
    parent_file = getattr(parent, "__file__", None)
    if parent_file is None:  # a namespace package: its folders are those of its name on the path
        places = [place for place in places if place in _namespace(package)]
    elif not _importable(package, parent_file, _path_length):
        return False
    return folder in places or _found(name, places, file)


def _found(name: str, places: list[str] | None, file: str) -> bool:
    # Not where its name says: perhaps `.` or a link on the path, or an editable install, which maps names to folders.
    spec = _spec(name, places)
    return spec is not None and spec.origin is not None and os.path.realpath(spec.origin) == os.path.realpath(file)


def _namespace(name: str) -> list[str]:
    """The folders that another interpreter would find for a namespace package."""
    above = name.rpartition(".")[0]
    spec = _spec(name, _namespace(above) if above else None)
    return list(spec.submodule_search_locations or ()) if spec is not None else []


def _spec(name: str, places: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if finder is PathFinder or getattr(finder, "__module__", "").startswith("__editable__"):
            spec = finder.find_spec(name, places)
            if spec is not None:
                return spec
    return None
