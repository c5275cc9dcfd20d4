"""What two runs depended on, and where that differs: what makes them not comparable, and what is only mentioned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from evalsuite.verifiers import VERIFIERS

# Fields of a task's identity that must agree, and the judge's. A seed draws other samples of the same thing.
FIELDS = ("version", "data", "prompt", "sampling", "verifier", "judge")
_RULES = frozenset(VERIFIERS) - {"judge"}
_MISSING = object()


def mismatches(a: Mapping[str, Any], b: Mapping[str, Any], task: str) -> dict[str, str]:
    """Fields of FIELDS in which the manifests `a` and `b` differ for a task, each with what it was and is.

    `{"sampling": "temperature 0.6 -> 1.0"}`. Empty where the two numbers mean the same.
    """
    one, two = (identity_of(m, task) for m in (a, b))
    return {field: ", ".join(_changes(one.get(field), two.get(field))) for field in FIELDS if one.get(field) != two.get(field)}


def identity_of(manifest: Mapping[str, Any], task: str) -> dict[str, Any]:
    """What the numbers of a task stand for, under the names in FIELDS; empty where the manifest does not say."""
    told = dict(manifest.get("tasks", {}).get(task, {}).get("identity") or {})
    if not told:
        return {}
    # A verifier that is not ours may ask the judge as well.
    rule = told.get("verifier", {}).get("name") in _RULES
    told["prompt"] = {**told.get("prompt", {}), "num_fewshot": told.get("num_fewshot", 0)}
    told["judge"] = None if rule else manifest.get("identity", {}).get("judge")
    return {field: told.get(field) for field in FIELDS}


def mentions(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    """What a number should not depend on and that differs all the same: libraries, engine, hardware, precision.

    What only one of them has belongs to its engine and is not named.
    """
    one, two = (
        {k: v for k, v in {**m.get("environment", {}), **_only(m.get("model", {}), _ENGINE)}.items() if k not in _WHERE}
        for m in (a, b)
    )
    packages = one.get("packages", {}), two.get("packages", {})
    if all(packages):
        one["packages"], two["packages"] = _only(packages[0], packages[1]), _only(packages[1], packages[0])
    known = {k for k in one if one[k] is not None and two.get(k) is not None}
    return tuple(_changes(_only(one, known), _only(two, known)))


def _only(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k in names}


_ENGINE = ("backend", "dtype", "quantization", "chat", "attn_implementation")
_WHERE = ("host", "folder", "recorded", "unsafe_code")  # says where a run was made, not how


def _changes(one: Any, two: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in dict.fromkeys((*one, *two)):
            if one.get(key, _MISSING) != two.get(key, _MISSING):
                yield from _changes(one.get(key, _MISSING), two.get(key, _MISSING), f"{path}.{key}" if path else str(key))
    else:
        yield f"{path} {_show(one)} -> {_show(two)}".strip()


def _show(value: Any) -> str:
    return "(none)" if value is _MISSING or value is None else f"{value!s:.60}"
