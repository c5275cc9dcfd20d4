"""From a run to plans: how many questions and samples find a difference of a given size, and what they cost."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalsuite.errors import NotComparableError, UsageError
from evalsuite.price import Price, prices
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import read_rollup

if TYPE_CHECKING:
    from evalsuite.metrics.pilot import Pilot

SAMPLES = (1, 2, 4, 8, 16, 32, 64)
_GREEDY = "greedy decoding (temperature 0): more samples would repeat the first, so only n = 1 is planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One plan: `samples` per question of the candidate (of both runs, where both vary).

    `needed` questions find the difference asked for (None: no number does); `enough` says whether the baseline has them.
    `detectable` is what all its questions find, in [0, 1] (None: nothing). The cost is of one run over the needed
    questions, or over all where they are not enough: samples, tokens, seconds, US dollars; None where the baseline does not
    know. The `cheapest` option is the one with the fewest samples among those that are enough.
    """

    samples: int
    needed: int | None
    enough: bool
    detectable: float | None
    total_samples: int
    completion_tokens: float | None
    prompt_tokens: float | None
    seconds: float | None
    cost: float | None
    cheapest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPower:
    """The options of one task, and what they are computed from.

    `questions` have a value in the baseline (and in the candidate, if there is one); the whole task has `full_size` (None: not known).
    `baseline_samples` is the harmonic mean of the baseline's samples per question. The noise is that of `metrics.power.Noise`.
    """

    task: str
    label: str
    questions: int
    full_size: int | None
    baseline_samples: float
    within_a: float
    within_b: float
    interaction: float
    design_effect: float
    cluster_size: float
    options: tuple[Option, ...]
    notes: tuple[str, ...]


def power_options(
    baseline: RunDir,
    mde: float,
    *,
    tasks: Sequence[str] = (),
    candidate: RunDir | None = None,
    both: bool = False,
    target_power: float = 0.8,
    alpha: float = 0.05,
    one_sided: bool = False,
) -> list[TaskPower]:
    """Options of 1 to 64 samples per question, for `tasks` of the baseline (all unless given). The metric is avg.

    `mde` in (0, 1] is the true difference of means to be found with `target_power`, in a paired comparison at `alpha`. The
    baseline has the samples that it has, and the candidate's vary; with `both`, both vary. Variances are the baseline's own,
    or with a `candidate` those of the pairs; what they do not show is assumed, and noted.

    Raises UsageError for a run that is not done or a name that is no task of it, NotComparableError where baseline and
    candidate share too few questions, ValueError for numbers out of range.
    """
    manifest = _finished(baseline)
    if candidate is not None:
        _choose(tasks or list(manifest["tasks"]), candidate.path.name, _finished(candidate))
    chosen = _choose(tasks, baseline.path.name, manifest)
    price, unpriced = prices(baseline)
    asked: dict[str, Any] = {"target_power": target_power, "alpha": alpha, "one_sided": one_sided}
    out = []
    for name, facts in chosen.items():
        pilot = _pilot(baseline, candidate, name)
        greedy = facts["identity"]["sampling"]["temperature"] == 0 and manifest["model"].get("backend") != "replay"
        held = 1.0 if greedy else pilot.samples_a
        plans = [(float(k) if both else held, k) for k in (SAMPLES[:1] if greedy else SAMPLES)]
        options = [_option(mde, pilot, k_a, k_b, price[name], asked) for k_a, k_b in plans]
        out.append(
            TaskPower(
                task=name,
                label=facts["label"],
                questions=pilot.n_questions,
                full_size=facts["full_size"],
                baseline_samples=held,
                **dataclasses.asdict(pilot.noise),
                options=_with_cheapest(options),
                notes=(*((_GREEDY,) if greedy else ()), *pilot.notes, *((unpriced,) if unpriced else ())),
            )
        )
    return out


def _finished(run: RunDir) -> dict[str, Any]:
    """The manifest of a run that is done. Raises UsageError for another."""
    manifest = run.manifest()
    status = manifest.get("status", "unknown")
    if status != "done":
        raise UsageError(f"run {run.path.name} is not finished (status: {status}); run its command again to finish it")
    return manifest


def _choose(tasks: Sequence[str], run: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's facts of these tasks, of all where none is named. Raises UsageError with the nearest names."""
    there = manifest["tasks"]
    for name in tasks:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(there)}"
            raise UsageError(f"no task {name!r} in run {run}; {hint}")
    return {name: there[name] for name in tasks or there}


def _pilot(baseline: RunDir, candidate: RunDir | None, task: str) -> Pilot:
    import numpy as np

    from evalsuite.comparison.pairs import clusters, pair, values
    from evalsuite.metrics.pilot import paired_pilot, pilot
    from evalsuite.metrics.reduce import parse_metric

    avg, a = parse_metric("avg"), read_rollup(baseline, task)
    value, within = values(a, avg)
    if candidate is None:
        try:
            return pilot(value, clusters=clusters(a, np.arange(len(value))), samples=a.n, within=within)
        except ValueError as error:
            raise UsageError(f"{task} in run {baseline.path.name}: {error}") from None
    b = read_rollup(candidate, task)
    pairs = pair(a, b)
    other, other_within = values(b, avg)
    try:
        found = paired_pilot(
            value[pairs.a],
            other[pairs.b],
            clusters=clusters(a, pairs.a),
            samples_a=a.n[pairs.a],
            samples_b=b.n[pairs.b],
            within_a=within[pairs.a],
            within_b=other_within[pairs.b],
        )
    except ValueError as error:
        raise NotComparableError(f"{task} in {baseline.path.name} and {candidate.path.name}: {error}") from None
    missing = len(value) - found.n_questions
    note = (f"{missing} of the baseline's {len(value)} questions have no value in both runs",) if missing else ()
    return dataclasses.replace(found, notes=(*found.notes, *note))


def _option(mde: float, pilot: Pilot, k_a: float, k_b: int, price: Price, asked: Mapping[str, Any]) -> Option:
    from evalsuite.metrics.power import OutOfReach, detectable_difference, required_questions

    try:
        needed = required_questions(mde, pilot.noise, k_a, k_b, **asked)
    except OutOfReach:
        needed = None
    enough = needed is not None and needed <= pilot.n_questions
    total = k_b * (needed if needed is not None and enough else pilot.n_questions)

    def of_all(one: float | None) -> float | None:
        return None if one is None else one * total

    detectable = detectable_difference(pilot.n_questions, pilot.noise, k_a, k_b, **asked)
    return Option(
        samples=k_b,
        needed=needed,
        enough=enough,
        detectable=None if detectable != detectable else detectable,
        total_samples=total,
        completion_tokens=of_all(price.completion_tokens),
        prompt_tokens=of_all(price.prompt_tokens),
        seconds=of_all(price.seconds),
        cost=of_all(price.cost),
    )


def _with_cheapest(options: Sequence[Option]) -> tuple[Option, ...]:
    reaching = [option for option in options if option.enough]
    best = min(reaching, key=lambda option: option.total_samples, default=None)
    return tuple(dataclasses.replace(option, cheapest=option is best) for option in options)
