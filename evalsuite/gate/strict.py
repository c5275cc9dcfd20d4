"""Reading a YAML file strictly: keys that nobody knows, keys given twice and wrong values are errors that name their place."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import UsageError

Reader = Callable[[Any, str], Any]  # (value, where it stands) -> checked value; raises UsageError
Keys = Mapping[str, tuple[str, Reader]]  # key -> (the field it fills, its reader); a field's first key is its name


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises UsageError with the line of a mistake; a key given twice is one."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        if (node := yaml.compose(text, Loader=yaml.SafeLoader)) is not None:
            _refuse_twice(path, node, set())
        return yaml.safe_load(text)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}; the shortest one that works is `baseline: main`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UsageError(f"{path}{line}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-02-30
        raise UsageError(f"{path}: not YAML: {str(error) or type(error).__name__}") from None


def section(value: Any, where: str, keys: Keys) -> dict[str, Any]:
    """A mapping with these keys only, as fields with checked values. An empty section (`gate:`) has none."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(where, value, "a mapping with the keys " + _names(keys))
    out: dict[str, Any] = {}
    for key, item in value.items():
        if key not in keys:
            raise UsageError(f"{at(where, key)}: no such key{nearest(str(key), keys)}; allowed: {_names(keys)}")
        name, read = keys[key]
        if name in out:
            raise UsageError(f"{at(where, key)}: {_first(keys, name)} is given under two names")
        out[name] = read(item, at(where, key))
    return out


def at(where: str, key: object) -> str:
    """The path of a key below `where`, which is `FILE:` or `FILE: key.key`."""
    return f"{where} {key}" if where.endswith(":") else f"{where}.{key}"


def wrong(where: str, value: object, allowed: str) -> UsageError:
    """The error for a value that is not what is allowed there."""
    hint = ""
    if isinstance(value, str) and _is_number(value) and "number" in allowed:
        hint = f" (YAML takes {value} as a text: write {float(value):.15g})"
    elif isinstance(value, int | float) and allowed.startswith("a text"):
        hint = ' (write it in quotes: "...")'
    return UsageError(f"{where} is {reprlib.repr(value)}, and it must be {allowed}{hint}")


def nearest(name: str, names: Iterable[str]) -> str:
    """` (nearest: x)`, or nothing where no name is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f" (nearest: {near[0]})" if near else ""


def _refuse_twice(path: Path, node: Any, seen: set[int]) -> None:
    """Raises UsageError for a key that stands twice in one mapping: YAML itself would silently take the last."""
    if id(node) in seen or isinstance(node.value, str):
        return
    seen.add(id(node))
    keys: set[str] = set()
    for item in node.value:
        if not isinstance(item, tuple):
            _refuse_twice(path, item, seen)
            continue
        key, value = item
        if isinstance(key.value, str):
            if key.value in keys:
                raise UsageError(f"{path}:{key.start_mark.line + 1}: key {key.value!r} is given twice")
            keys.add(key.value)
        _refuse_twice(path, value, seen)


def _names(keys: Keys) -> str:
    return ", ".join(dict.fromkeys(_first(keys, name) for name, _ in keys.values()))


def _first(keys: Keys, field: str) -> str:
    return next(key for key, (name, _) in keys.items() if name == field)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
