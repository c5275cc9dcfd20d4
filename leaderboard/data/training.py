"""Training curves: which scalars stand where, on which axis, how smooth, and which runs are seeds of one another."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..catalog import Catalog
from .series import Scalars

AXES = {"step": "step", "tokens": "tokens seen", "time": "training time (s)"}
_SUMS = {"tokens": ("num_tokens", "train/num_tokens"), "time": ("step_time", "train/step_time")}
EVAL = "Evaluation"
DEFAULT = (EVAL, "Reward", "Length", "Policy", "Ratio", "Optimiser")
# Sections by what their scalars' names look like, after a leading `train/` (TRL in TensorBoard) is gone; the first match counts.
_SECTIONS = (
    (EVAL, r"(eval|val|valid|validation|test)([/_-]|$)"),
    ("Outcomes", r"reward_std$|rewards/.*/std$|frac_(no_answer|timeout|unscorable|admitted)"),
    ("Reward", r"reward$|score$|rewards/|parts/|frac_reward_zero_std"),
    ("Length", r"completions?/|(mean|min|max)_length"),
    ("Policy", r"entropy|kl$|ppo_kl|approx_kl"),
    ("Ratio", r"clip_ratio|clip_?frac|ratio/|policy_ratio"),
    ("Sampling", r"sampling/|temperature"),
    ("Optimiser", r"loss|grad_norm|learning_rate|lr$"),
    ("Cost", r"time/|step_time|num_tokens|epoch|tokens_per|throughput|frac_skipped"),
)
OURS = frozenset(section for section, _ in _SECTIONS)
_OF_SAMPLES = ("Outcomes", "Reward", "Length", "Sampling")
# The first panels of a section, in this order; all others follow in the order of the file.
_FIRST = (
    "reward", "score", "frac_reward_zero_std", "completions/mean_length", "completions/clipped_ratio",
    "entropy", "kl", "ppo_kl", "ratio/p50", "ratio/effective_share", "loss", "grad_norm", "learning_rate",
)  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """A chart of one scalar: `name`, with bands between pairs of other scalars."""

    title: str
    name: str
    bands: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a chart: (T,) `x` and `y`; `smooth` is y smoothed, None where it is not; `bands` are (T', ) x, low, high.

    `number` is the position of the line among those that were chosen, for its colour and dash.
    """

    label: str
    number: int
    x: np.ndarray
    y: np.ndarray
    smooth: np.ndarray | None = None
    bands: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...] = ()
    whiskers: tuple[np.ndarray, np.ndarray] | None = None


_BANDS = {
    "completions/mean_length": ("length: mean, min-max", (("completions/min_length", "completions/max_length"),)),
    "ratio/p50": ("ratio: median, p10-p90, p01-p99", (("ratio/p01", "ratio/p99"), ("ratio/p10", "ratio/p90"))),
}


def bare(name: str) -> str:
    """A scalar's name without TensorBoard's leading `train/`."""
    return name.removeprefix("train/")


@functools.cache
def section_of(name: str) -> str:
    """The section a scalar belongs to: one of ours, else its own prefix, `Other` without one."""
    for section, pattern in _SECTIONS:
        if re.match(pattern, bare(name)):
            return section
    return bare(name).partition("/")[0] if "/" in bare(name) else "Other"


def of_samples(name: str) -> bool:
    """Whether a scalar says what a batch's completions were like, rather than what was learnt from them."""
    return section_of(name) in _OF_SAMPLES


def sections(names: Iterable[str]) -> dict[str, list[Panel]]:
    """Panels by section for these scalars: ours in their order, then the prefixes of other people's names.

    Ends of intervals, and ends of bands, have no panel of their own.
    """
    there = list(dict.fromkeys(names))
    panels: dict[str, list[Panel]] = {}
    known = set(there)
    ends: set[str] = set()
    for name in there:
        if name + "/low" in known and name + "/high" in known:
            ends |= {name + "/low", name + "/high"}
        title, bands = _BANDS.get(bare(name), ("", ()))
        start = name[: len(name) - len(bare(name))]
        whole = tuple((start + low, start + high) for low, high in bands if start + low in known and start + high in known)
        if whole:
            ends |= {end for band in whole for end in band}
        panels.setdefault(section_of(name), []).append(Panel(title if whole else name, name, whole))
    rank = {name: i for i, name in enumerate(_FIRST)}
    order = {section: i for i, (section, _) in enumerate(_SECTIONS)}
    return {
        section: sorted((p for p in panels[section] if p.name not in ends), key=lambda p: rank.get(bare(p.name), len(rank)))
        for section in sorted(panels, key=lambda s: (order.get(s, len(order)), s))
    }


def smoothed(values: np.ndarray, weight: float) -> np.ndarray:
    """The debiased exponential moving average that TensorBoard draws: s = w s + (1 - w) x from 0, divided by 1 - w^t.

    That is sum w^i x_{t-i} / sum w^i. `weight` w in [0, 1); 0 leaves the values alone. (T,) in, (T,) out.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"smoothing {weight} must be in [0, 1)")
    return np.asarray(pd.Series(values).ewm(alpha=1 - weight, adjust=True).mean()) if weight and len(values) else values


def place(scalars: Scalars, steps: np.ndarray, axis: str) -> np.ndarray | None:
    """Where steps lie on an axis of AXES: the tokens, or the seconds of training, up to and with each step; 0 before the first.

    None where the run does not say. Time is the sum of `step_time`, so pauses and evaluations are not in it.
    """
    if axis == "step":
        return steps
    for name in _SUMS[axis]:
        at, values = scalars.get(name)
        if len(at):
            totals = np.concatenate([[0.0], np.cumsum(values) if axis == "time" else values])
            return totals[np.searchsorted(at, steps, side="right")]
    return None


def recipes(catalog: Catalog, keys: Sequence[str], together: bool) -> dict[str, tuple[str, ...]]:
    """The lines to draw, by label: each run alone, or runs that differ in nothing but their seed `together`."""
    if not together:
        return {catalog.labels[key]: (key,) for key in keys}
    groups: dict[str, list[str]] = {}
    for key in keys:
        run = catalog.trainings[key]
        alike = key if run.seed is None else _seedless(run.manifest["identity"])  # an imported run does not say
        groups.setdefault(json.dumps([run.recipe, alike], sort_keys=True, default=str), []).append(key)
    found: dict[str, tuple[str, ...]] = {}
    for members in groups.values():
        label = catalog.labels[members[0]]
        if len(members) > 1:
            label = f"{re.sub(r' s[0-9]+( · .*)?$', '', label)} · {len(members)} seeds"
        found[f"{label} · {members[0][-6:]}" if label in found else label] = tuple(members)
    return found


def _seedless(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's curves depend on besides its seed, which its tasks have as well."""
    return {k: _seedless(v) if isinstance(v, Mapping) else v for k, v in identity.items() if k != "seed"}


def curves(lines: Mapping[str, Sequence[Scalars]], panel: Panel, axis: str, weight: float) -> list[Curve]:
    """The lines of a panel that have it. Evaluations are never smoothed, and have whiskers where their intervals are known.

    A line of several runs is their mean at the steps that all of them have, with a band from the lowest to the highest; each is
    smoothed before that.
    """
    found = []
    for number, (label, members) in enumerate(lines.items()):
        weight_here = 0.0 if section_of(panel.name) == EVAL else weight
        curve = _one(label, number, members[0], panel, axis, weight_here) if len(members) == 1 else None
        if len(members) > 1:
            curve = _several(label, number, members, panel, axis, weight_here)
        if curve is not None:
            found.append(curve)
    return found


def _one(label: str, number: int, scalars: Scalars, panel: Panel, axis: str, weight: float) -> Curve | None:
    steps, y = scalars.get(panel.name)
    x = place(scalars, steps, axis)
    if x is None or not len(y):
        return None
    bands = []
    for low, high in panel.bands:
        at, lows = scalars.get(low)
        there, highs = scalars.get(high)
        if len(at) and np.array_equal(at, there):
            bands.append((place(scalars, at, axis), lows, highs))
    ends = [dict(zip(*scalars.get(f"{panel.name}/{end}"))) for end in ("low", "high")]
    whiskers = tuple(np.array([end.get(step, np.nan) for step in steps]) for end in ends) if all(ends) else None
    return Curve(label, number, x, y, smoothed(y, weight) if weight else None, tuple(bands), whiskers)  # type: ignore[arg-type]


def _several(label: str, number: int, members: Sequence[Scalars], panel: Panel, axis: str, weight: float) -> Curve | None:
    all_steps = [scalars.get(panel.name) for scalars in members]
    common = functools.reduce(np.intersect1d, [steps for steps, _ in all_steps])
    xs = [place(scalars, common, axis) for scalars in members]
    if not len(common) or any(x is None for x in xs):
        return None
    at = [steps.searchsorted(common) for steps, _ in all_steps]
    raw = np.stack([y[i] for (_, y), i in zip(all_steps, at)])
    smooth = np.stack([smoothed(y, weight)[i] for (_, y), i in zip(all_steps, at)])
    x = np.mean(np.stack(xs), axis=0)  # type: ignore[arg-type]
    band = (x, smooth.min(axis=0), smooth.max(axis=0))
    return Curve(label, number, x, raw.mean(axis=0), smooth.mean(axis=0) if weight else None, (band,))
