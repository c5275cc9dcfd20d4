"""The noise of a planned comparison, estimated from runs that exist: one of them, or a pair over the same questions."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.aggregate import TOO_FEW, cluster_numbers, clustered_error, per_question
from evalsuite.metrics.power import INTERACTION, Noise, usual_within

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What runs say about the next comparison: `noise`, of `n_questions` in `n_clusters` that have a value.

    `samples_a` is the harmonic mean of the first run's samples per question, so that within_a / samples_a is the mean sampling
    variance. `notes` say what had to be assumed.
    """

    noise: Noise
    n_questions: int
    n_clusters: int
    samples_a: float
    notes: tuple[str, ...]


def pilot(
    scores: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    samples: int | ArrayLike | None = None,
    within: ArrayLike | None = None,
) -> Pilot:
    """The noise of a comparison with one run, whose candidate is taken to be as noisy; arguments as in `paired.compare`.

    sigma^2 is the mean variance of a question's samples, over the questions with two. With one sample per question it is
    assumed (`power.usual_within`); where no samples of a question ever disagreed it is as if one had. What one run
    cannot show is assumed too: omega = .06, and that true differences cluster as the run's values do, so that the design effect is
    the ratio of clustered to unclustered variance of its mean, at least 1. Raises ValueError where no question has a value.
    """
    values, n, noise = per_question(scores, samples, within)
    labels = cluster_numbers(clusters, values)
    there = ~np.isnan(values)
    if not there.any():
        raise ValueError("no question has a value")
    values, n, noise, labels = values[there], n[there], noise[there], labels[there]
    sigma, note = _within(values, n, noise)
    groups = len(np.unique(labels))
    effect = 1.0
    if groups < len(values) and values.std() > 0:
        clustered, _ = clustered_error(values - values.mean(), labels, groups)
        single, _ = clustered_error(values - values.mean(), np.arange(len(values)), len(values))
        effect = max((clustered / single) ** 2, 1.0) if groups > 1 else 1.0
    return Pilot(
        noise=Noise(within_a=sigma, within_b=sigma, design_effect=effect, cluster_size=len(values) / groups),
        n_questions=len(values),
        n_clusters=groups,
        samples_a=_harmonic(n),
        notes=(*note, f"true differences are assumed to vary by {100 * INTERACTION:.0f} points from question to question"),
    )


def paired_pilot(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    samples_a: int | ArrayLike | None = None,
    samples_b: int | ArrayLike | None = None,
    within_a: ArrayLike | None = None,
    within_b: ArrayLike | None = None,
) -> Pilot:
    """The noise of another comparison like that of `a` and `b`; arguments as in `paired.compare`.

    With N questions and the (clustered) standard error SE of their mean difference, Var(d) = N SE^2 holds the design effect, and
    omega^2 is what sampling leaves of it: N SE^2 - mean(s_a^2/n_a + s_b^2/n_b), at least 0. Where a side has one sample per
    question only the sum is known: omega = .06 is assumed and the rest is sampling.
    Raises ValueError for fewer than 5 questions, or clusters, with a value in both.
    """
    (va, na, wa), (vb, nb, wb) = per_question(a, samples_a, within_a), per_question(b, samples_b, within_b)
    labels = cluster_numbers(clusters, va)
    there = ~(np.isnan(va) | np.isnan(vb))
    d, labels = (vb - va)[there], labels[there]
    groups = len(np.unique(labels))
    if groups < TOO_FEW:
        raise ValueError(f"{groups} independent questions have a value in both: at least {TOO_FEW} are needed")
    ka, kb = _harmonic(na[there]), _harmonic(nb[there])
    total = len(d) * clustered_error(d - d.mean(), labels, groups)[0] ** 2
    known_a, known_b = _measured(na[there], wa[there]), _measured(nb[there], wb[there])
    notes: tuple[str, ...] = ()
    if known_a is not None and known_b is not None:
        omega2 = max(total - known_a / ka - known_b / kb, 0.0)
    else:
        omega2 = min(INTERACTION**2, total)
        known_a, known_b = _split(total - omega2, known_a, known_b, ka, kb)
        notes = (
            "one sample per question: how much of the differences is sampling noise, which more samples lower, is assumed",
        )
    return Pilot(
        noise=Noise(within_a=known_a, within_b=known_b, interaction=math.sqrt(omega2), cluster_size=len(d) / groups),
        n_questions=len(d),
        n_clusters=groups,
        samples_a=ka,
        notes=notes,
    )


def _within(values: Floats, n: Floats, noise: Floats) -> tuple[float, tuple[str, ...]]:
    """sigma^2 of one run, and what was assumed of it."""
    measured = _measured(n, noise)
    if measured is None:
        # Not 0 for a run that has everything right, or wrong: as if there were one more question of both kinds.
        mean = (float(values.sum()) + 1) / (len(values) + 2)
        sigma = usual_within(min(max(mean, 0.0), 1.0))
        return sigma, (f"one sample per question: a variance of {sigma:.3f} between samples is assumed",)
    if measured == 0:
        return 1 / float(n.sum()), ("the samples of a question never disagreed; their variance is as if one had",)
    return measured, ()


def _measured(n: Floats, noise: Floats) -> float | None:
    """Mean variance of one sample, over the questions whose sampling variance is known; None where none is."""
    known = ~np.isnan(noise)
    return float((noise * n)[known].mean()) if known.any() else None


def _split(rest: float, a: float | None, b: float | None, k_a: float, k_b: float) -> tuple[float, float]:
    """Both sigma^2, so that a / k_a + b / k_b = rest where that can be; None is one that was not measured."""
    if a is None and b is None:
        return rest / (1 / k_a + 1 / k_b), rest / (1 / k_a + 1 / k_b)
    if a is None:
        assert b is not None
        return max(rest - b / k_b, 0.0) * k_a, b
    return a, max(rest - a / k_a, 0.0) * k_b


def _harmonic(n: Floats) -> float:
    return len(n) / float((1 / n).sum())
