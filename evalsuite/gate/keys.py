"""The keys of `evalsuite.ci.yaml`: which there are and what each may hold."""

from __future__ import annotations

import dataclasses
import datetime
import math
import re
from collections.abc import Callable
from typing import Any

from evalsuite.errors import UsageError
from evalsuite.gate.strict import Keys, Reader, at, nearest, section, wrong
from evalsuite.words.completion import Sampling

ALL = "@all"
_LIMITED = re.compile(r"(.+):(?:sub|smoke)(\d+)")


def _number(
    allowed: str, ok: Callable[[float], bool], *, whole: bool = False, scale: int = 1, optional: bool = False
) -> Reader:
    """Reads a finite number that is `ok`; `scale` 100 turns percentage points into a share."""
    allowed += " or null" if optional else ""

    def read(value: Any, where: str) -> Any:
        if value is None and optional:
            return None
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value) or not ok(value):
            raise wrong(where, value, allowed)
        return value if scale == 1 else value / scale

    return read


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(where, value, "a text that is not empty")
    return value.strip()


def _one_of(*allowed: str) -> Reader:
    def read(value: Any, where: str) -> str:
        if value not in allowed:
            raise wrong(where, value, " or ".join(allowed) + (nearest(value, allowed) if isinstance(value, str) else ""))
        return str(value)

    return read


def _name(value: Any, where: str) -> str:
    """The name of a baseline: one folder, never a path out of its folder."""
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.+-]*", value):
        raise wrong(where, value, "a text of letters, digits and . _ + - (the name of a baseline)")
    return value


def _optional(read: Reader) -> Reader:
    return lambda value, where: None if value is None else read(value, where)


def _sampling(field: str) -> Reader:
    """A field of Sampling, which says itself what it may hold."""

    def read(value: Any, where: str) -> Any:
        if field == "stop":
            value = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
        try:
            Sampling(**{field: value})
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from None
        return value

    return read


def _by_name(read: Reader) -> Reader:
    """A mapping from names to what `read` reads."""

    def read_all(value: Any, where: str) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise wrong(where, value, "a mapping by name")
        return {_text(name, f"{where}: the name"): read(item, at(where, name)) for name, item in value.items()}

    return read_all


def _section(keys: Keys) -> Reader:
    return lambda value, where: section(value, where, keys)


def _baseline(value: Any, where: str) -> dict[str, Any]:
    return section(value, where, BASELINE) if isinstance(value, dict) else {"name": _name(value, where)}


def _profiles(value: Any, where: str) -> dict[str, Any]:
    profiles: dict[str, Any] = _by_name(_section(PROFILE))(value, where)
    if not profiles:
        raise wrong(where, value, "a mapping with at least one profile, such as `pr: {tasks: [gsm8k]}`")
    return profiles


def _day(value: Any, where: str) -> datetime.date:
    if isinstance(value, str):
        try:
            value = datetime.date.fromisoformat(value)
        except ValueError:
            raise wrong(where, value, "a day such as 2026-12-31") from None
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise wrong(where, value, "a day such as 2026-12-31")
    return value


def _tasks(value: Any, where: str) -> dict[str, dict[str, Any]]:
    """Entries of a profile's tasks -> changed fields of their rules. Empty: every task of the baseline."""
    if value in (ALL, [ALL]):
        return {}
    if not isinstance(value, list) or not value:
        raise wrong(where, value, f'a list of tasks, or "{ALL}" (as when it is left out) for every task of the baseline')
    out: dict[str, dict[str, Any]] = {}
    for i, entry in enumerate(value):
        here, changes = f"{where}[{i}]", {}
        if isinstance(entry, dict) and len(entry) == 1:
            ((entry, given),) = entry.items()
            changes = section(given, at(here, entry), RULE)
        if not isinstance(entry, str) or not entry.strip() or "," in entry:
            raise wrong(here, entry, "one task, `gsm8k` or `gsm8k: {limit: 100}`")
        if entry == ALL:
            raise UsageError(f'{here}: "{ALL}" stands alone; what differs for single tasks goes to gate.overrides')
        spec = entry.strip()
        if short := _LIMITED.fullmatch(spec):
            if "limit" in changes:
                raise UsageError(f"{here}: {spec} and limit are two limits of one task")
            spec, changes["limit"] = short[1], _LIMIT(int(short[2]), here)
        if spec in out:
            raise UsageError(f"{here}: task {spec} stands twice in this list")
        out[spec] = changes
    return out


_COUNT = _number("a whole number of at least 1", lambda x: x >= 1, whole=True)
_LIMIT = _number("a whole number of at least 1, or a share between 0 and 1", lambda x: 0 < x < 1 or (x >= 1 and x == int(x)))
_AMOUNT = _number("a number above 0", lambda x: x > 0, optional=True)
_MARGIN = _number("a number of percentage points above 0, at most 100", lambda x: 0 < x <= 100, scale=100)
_RISE = _number("a number of percentage points from 0 to 100", lambda x: 0 <= x <= 100, scale=100, optional=True)
_TARGET = _one_of("benchmark", "population")

RULE: Keys = {
    "limit": ("limit", _LIMIT),
    "n": ("n", _COUNT),
    "max_n": ("max_n", _COUNT),
    "margin_pp": ("margin", _MARGIN),
    "floor": ("floor", _number("a number from 0 to 1", lambda x: 0 <= x <= 1, optional=True)),
    "target": ("target", _TARGET),
}
BASELINE: Keys = {
    "name": ("name", _name),
    "ref": ("name", _name),
    "anchor": ("anchor", _optional(_name)),
    "dir": ("dir", _text),
    "max_age_days": ("max_age_days", _AMOUNT),
}
SAMPLING: Keys = {
    "n": ("n", _COUNT),
    "seeds": ("seeds", _one_of("fixed")),  # the only kind there is
    **{f.name: (f.name, _sampling(f.name)) for f in dataclasses.fields(Sampling) if f.name != "repeats"},
}
BUDGET: Keys = {
    "max_n": ("max_n", _COUNT),
    "tokens": ("tokens", _number("a whole number of at least 1", lambda x: x >= 1, whole=True, optional=True)),
    "usd": ("usd", _AMOUNT),
    "minutes": ("minutes", _AMOUNT),
    "gpu_minutes": ("minutes", _AMOUNT),
}
GATE: Keys = {
    "alpha": ("alpha", _number("a number from 0.000001 to 0.5", lambda x: 1e-6 <= x < 0.5)),
    "margin_pp": ("margin", _MARGIN),
    "target": ("target", _TARGET),
    "correction": ("correction", _one_of("holm")),  # the only one there is
    "overrides": ("overrides", _by_name(_section(RULE))),
}
GUARDS: Keys = {
    "completion_tokens_ratio": (
        "completion_tokens_ratio",
        _number("a number of at least 1 (1.10: up to 10 % more)", lambda x: x >= 1, optional=True),
    ),
    "truncation_pp": ("truncation", _RISE),
    "no_answer_pp": ("no_answer", _RISE),
    "parse_fail_pp": ("no_answer", _RISE),
}
_SHARED: Keys = {
    "baseline": ("baseline", _baseline),
    "sampling": ("sampling", _section(SAMPLING)),
    "budget": ("budget", _section(BUDGET)),
    "gate": ("gate", _section(GATE)),
    "guards": ("guards", _section(GUARDS)),
}
PROFILE: Keys = {
    "tasks": ("tasks", _tasks),
    "on_inconclusive": ("on_inconclusive", _one_of("warn", "fail")),
    **_SHARED,
}
TOP: Keys = {**_SHARED, "quarantine": ("quarantine", _by_name(_day)), "profiles": ("profiles", _profiles)}
