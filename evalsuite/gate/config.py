"""`evalsuite.ci.yaml`: what the gate measures, how much it may spend, and what fails it.

Percentage points (`margin_pp: 3`) stand only in the file; here every value is a share in [0, 1] (`margin` 0.03). A profile is
the file's top level with the profile's own keys over it. The whole file is checked, not only the profile that runs.
"""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalsuite import registry
from evalsuite.errors import UsageError
from evalsuite.gate.keys import TOP
from evalsuite.gate.strict import at, nearest, read_yaml, section, wrong

_N, _MAX_N = 4, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRule:
    """How one task is measured and judged.

    `spec` names it as `--tasks` does. `limit`: the first so many questions, a share of them below 1, None for all. `n` samples
    per question at the first look, `max_n` at the last. `margin`: the largest drop that counts as none, in (0, 1]. `floor`: the
    lowest value allowed, in [0, 1], or None. `target`: `benchmark` or `population`.
    """

    spec: str
    limit: int | float | None = None
    n: int = _N
    max_n: int = _MAX_N
    margin: float = 0.03
    floor: float | None = None
    target: str = "benchmark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one gate run may spend: samples per question, tokens (prompts too), US dollars, minutes. None: no limit."""

    max_n: int = _MAX_N
    tokens: int | None = None
    usd: float | None = None
    minutes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Secondary limits. None: reported, never fails.

    `completion_tokens_ratio`: candidate / baseline, at least 1 (1.10: up to 10 % more). `truncation`, `no_answer`: the rise of
    the share of samples, in [0, 1].
    """

    completion_tokens_ratio: float | None = None
    truncation: float | None = None
    no_answer: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile, resolved.

    `baseline` and `anchor` are names under `baselines_dir`. `tasks` has one rule per entry as written, which may be a suite or
    a glob; () means every task of the baseline. `sampling` overrides fields of each task's own Sampling. `overrides` are
    changed fields of TaskRule by task. `quarantine`: the last day until which a task is reported and cannot fail the gate.
    """

    name: str
    baseline: str
    baselines_dir: Path
    anchor: str | None
    max_age_days: float | None
    tasks: tuple[TaskRule, ...]
    sampling: Mapping[str, Any]
    budget: Budget
    alpha: float
    on_inconclusive: str
    guards: Guards
    quarantine: Mapping[str, datetime.date]
    default: TaskRule
    overrides: Mapping[str, Mapping[str, Any]]

    def rule(self, task: str, listed: str | None = None) -> TaskRule:
        """The rule of one task. `listed`: the entry of `tasks` that names it, where that is a suite, a family or a glob.

        Later wins: the gate's defaults, what is said of `listed`, the task's own override, the task's own entry.
        """
        entries = {rule.spec: rule for rule in self.tasks}
        if task in entries:
            return entries[task]
        rule = replace(entries.get(listed or "", self.default), spec=task)
        return _apply(rule, self.overrides.get(task, {}), f"profile {self.name}: task {task}")

    def quarantined(self, task: str, day: datetime.date) -> bool:
        """Whether the task cannot fail the gate on this day."""
        return task in self.quarantine and day <= self.quarantine[task]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All profiles of one file, by name. `path` is None where there is no file."""

    path: Path | None
    profiles: Mapping[str, Profile]

    def profile(self, name: str | None = None) -> Profile:
        """The profile of this name; without one, the only one there is. Raises UsageError."""
        source = f"{self.path}:" if self.path else "there is no evalsuite.ci.yaml, so"
        if name is None:
            if len(self.profiles) > 1:
                raise UsageError(f"{source} there are several profiles: {', '.join(self.profiles)}; name one")
            return next(iter(self.profiles.values()))
        if name not in self.profiles:
            raise UsageError(
                f"{source} no profile {name!r}{nearest(name, self.profiles)}; profiles: {', '.join(self.profiles)}"
            )
        return self.profiles[name]


def default_config() -> Config:
    """Without a file: the profile `default`, every task of the baseline `main`, and all defaults."""
    return _config({}, None, ())


def load_config(path: Path, include: Iterable[str | Path] = ()) -> Config:
    """Read and check a configuration. `include`: task files of `--include-path`, so that their tasks are known by name.

    Raises UsageError that names the file and the line or key, what is allowed, and the nearest key.
    """
    raw = read_yaml(path)
    if raw is not None and not isinstance(raw, dict):
        raise wrong(f"{path}:", raw, "a mapping with the keys " + ", ".join(TOP))
    return _config(raw or {}, path, include)


def schedule(n: int, max_n: int) -> tuple[int, ...]:
    """Samples per question at each look: doubling from `n`, and `max_n` last. Raises ValueError unless 1 <= n <= max_n."""
    if not 1 <= n <= max_n:
        raise ValueError(f"n is {n} and max_n {max_n}: 1 <= n <= max_n")
    looks = [n]
    while looks[-1] < max_n:
        looks.append(min(2 * looks[-1], max_n))
    return tuple(looks)


def _config(raw: Mapping[Any, Any], path: Path | None, include: Iterable[str | Path]) -> Config:
    where = f"{path}:" if path else ""
    top = section(raw, where, TOP)
    profiles = {}
    for name, given in top.get("profiles", {"default": {}}).items():
        profiles[name] = _profile(name, top, given, at(at(where, "profiles"), name))
    _check_names(where, top, profiles, include)
    return Config(path=path, profiles=profiles)


def _profile(name: str, top: Mapping[str, Any], own: Mapping[str, Any], where: str) -> Profile:
    given = {s: _merge(top.get(s, {}), own.get(s, {})) for s in ("baseline", "sampling", "budget", "gate", "guards")}
    sampling, gate = dict(given["sampling"]), dict(given["gate"])
    sampling.pop("seeds", None)
    gate.pop("correction", None)
    n, budget = sampling.pop("n", None), dict(given["budget"])
    if n is None:
        n = min(_N, budget.get("max_n", _N))
    budget.setdefault("max_n", max(_MAX_N, n))
    if budget["max_n"] < n:
        raise UsageError(f"{where}: sampling.n is {n} and budget.max_n {budget['max_n']}; n is at most max_n")
    overrides = gate.pop("overrides", {})
    alpha = gate.pop("alpha", 0.05)
    default = _apply(TaskRule(spec="", n=n, max_n=budget["max_n"]), gate)
    rules = []
    for spec, changes in own.get("tasks", {}).items():
        rule = _apply(replace(default, spec=spec), overrides.get(spec, {}))
        rules.append(_apply(rule, changes, at(at(where, "tasks"), spec)))
    for task, changes in overrides.items():
        _apply(default, changes, at(at(where, "gate.overrides"), task))
    baseline = given["baseline"]
    return Profile(
        name=name,
        baseline=baseline.get("name", "main"),
        baselines_dir=Path(baseline.get("dir", "results/baselines")),
        anchor=baseline.get("anchor"),
        max_age_days=baseline.get("max_age_days"),
        tasks=tuple(rules),
        sampling=sampling,
        budget=Budget(**budget),
        alpha=alpha,
        on_inconclusive=own.get("on_inconclusive", "fail"),
        guards=Guards(**given["guards"]),
        quarantine=top.get("quarantine", {}),
        default=default,
        overrides=overrides,
    )


def _merge(top: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `top`, key by key; mappings inside both are merged as well."""
    out = dict(top)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = _merge(out[key], value) if both else value
    return out


def _apply(rule: TaskRule, changes: Mapping[str, Any], where: str = "") -> TaskRule:
    """The rule with changed fields. An `n` above the `max_n` of the whole gate lifts it for this task."""
    changed = replace(rule, **changes)
    if changed.n > changed.max_n and "max_n" not in changes:
        return replace(changed, max_n=changed.n)
    if changed.n > changed.max_n:
        raise UsageError(f"{where}: n is {changed.n} and max_n {changed.max_n}; n is at most max_n")
    return changed


def _check_names(where: str, top: Mapping[str, Any], profiles: Mapping[str, Profile], include: Iterable[str | Path]) -> None:
    """Raises UsageError where an override or a quarantine names a task that no profile can have: a slip of the pen."""
    listed = {rule.spec: None for profile in profiles.values() for rule in profile.tasks}
    named = [("gate.overrides", task) for task in top.get("gate", {}).get("overrides", {})]
    named += [("quarantine", task) for task in top.get("quarantine", {})]
    for profile in profiles.values():
        named += [(f"profiles.{profile.name}.gate.overrides", task) for task in profile.overrides]
    unlisted = [(place, task) for place, task in named if not any(fnmatch.fnmatchcase(task, spec) for spec in listed)]
    if not unlisted:
        return
    known = registry.index(include)
    # A suite, a family, a tag or the baseline's own tasks: members are known later, so any task there is may be one.
    is_open = any(not p.tasks for p in profiles.values()) or any(
        spec.partition("@")[0] not in known and not any(c in spec for c in "*?[") for spec in listed
    )
    for place, task in unlisted:
        if not (is_open and task.partition("@")[0] in known):
            near = nearest(task, [*listed, *(known if is_open else ())])
            raise UsageError(f"{at(at(where, place), task)}: no profile has this task{near}")
