"""What two runs depended on, and where that differs: what makes them not comparable, and what is only mentioned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    one, two = (dict(m["tasks"][task]["identity"]) for m in (a, b))
    for side, manifest in ((one, a), (two, b)):
        shots = side.pop("num_fewshot", 0)
        side["prompt"] = {**side.get("prompt", {}), "num_fewshot": shots}
        # A verifier that is not ours may ask the judge as well.
        rule = side.get("verifier", {}).get("name") in _RULES
        side["judge"] = None if rule else manifest.get("identity", {}).get("judge")
    return {field: ", ".join(_changes(one.get(field), two.get(field))) for field in FIELDS if one.get(field) != two.get(field)}


def mentions(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    """What a number should not depend on and that differs all the same: libraries, engine, hardware, precision."""
    environments = (dict(m.get("environment", {})) for m in (a, b))
    settings = ({k: v for k, v in m.get("model", {}).items() if k in _ENGINE} for m in (a, b))
    one, two = ({**e, **s} for e, s in zip(environments, settings))
    for name in ("host", "recorded", "unsafe_code"):
        one.pop(name, None), two.pop(name, None)
    return tuple(_changes(one, two))


_ENGINE = ("backend", "dtype", "quantization", "chat", "attn_implementation")


def _changes(one: Any, two: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for key in dict.fromkeys((*one, *two)):
            if one.get(key, _MISSING) != two.get(key, _MISSING):
                yield from _changes(one.get(key, _MISSING), two.get(key, _MISSING), f"{path}.{key}" if path else str(key))
    else:
        yield f"{path} {_show(one)} -> {_show(two)}".strip()


def _show(value: Any) -> str:
    return "(none)" if value is _MISSING or value is None else f"{value!s:.60}"
