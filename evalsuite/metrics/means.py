"""All pairs of many runs by their mean over tasks: what `evalsuite compare` says of one pair's "mean of N tasks", for all at once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.aggregate import TOO_FEW, cluster_numbers
from evalsuite.metrics.multiple import Ranking, adjust
from evalsuite.metrics.student import t_tail

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Values:
    """A task: `values` (R, Q) of R runs on the same Q questions, none missing; `samples` (R,) behind each value on average (for a
    metric @k: over k); `clusters` (Q,) labels of questions that belong together, None where all stand alone."""

    values: Floats
    samples: Floats
    clusters: Sequence[Hashable] | None = None


def rank_means(tasks: Sequence[Values], *, correction: str, alpha: float = 0.05) -> Ranking:
    """All pairs of the R runs that every one of `tasks` (at least one) has, by the mean over tasks of their differences.

    Every task weighs the same. Centre and error of a task are those of `metrics.compare` with target `population`, in the sums of
    `metrics.compare_many`; over tasks they come together as in `comparison.contrast.Overall`: errors add in squares, degrees of
    freedom by Welch and Satterthwaite. Correction is over all pairs. Bands as in `Ranking`; without a test where a task has
    fewer than 5 independent questions.
    """
    runs = len(tasks[0].values)
    means = np.mean([task.values.mean(axis=1) for task in tasks], axis=0)
    p, upper = np.full((runs, runs), math.nan), np.triu_indices(runs, 1)
    of_tasks = [_centre_error(task) for task in tasks]
    if all(groups >= TOO_FEW for _, _, groups in of_tasks):
        centre = np.mean([c for c, _, _ in of_tasks], axis=0)[upper]
        squares = [error[upper] ** 2 for _, error, _ in of_tasks]
        total = np.sum(squares, axis=0)
        t = np.abs(centre) * len(tasks) / np.sqrt(total)
        dfs = total**2 / np.sum([s**2 / (groups + 1) for s, (_, _, groups) in zip(squares, of_tasks)], axis=0)
        p[upper] = [min(2 * t_tail(x, df), 1.0) for x, df in zip(t.tolist(), dfs.tolist())]
        p.T[upper] = p[upper]
    adjusted = np.full_like(p, math.nan)
    adjusted[upper] = adjust(p[upper], correction)
    adjusted = np.fmax(adjusted, adjusted.T)
    sure = np.nan_to_num(adjusted, nan=1.0) <= alpha
    above, below = sure & (means[None, :] > means[:, None]), sure & (means[None, :] < means[:, None])
    bands = tuple((1 + int(a.sum()), runs - int(b.sum())) for a, b in zip(above, below))
    return Ranking(means=means, p=p, adjusted=adjusted, bands=bands)


def _centre_error(task: Values) -> tuple[Floats, Floats, int]:
    """(R, R) centre and error of every pair's difference, as in `metrics.compare`, and the number of clusters."""
    v, labels = task.values, cluster_numbers(task.clusters, task.values[0])
    n, groups = v.shape[1], int(labels.max(initial=-1)) + 1
    sizes = np.bincount(labels, minlength=groups).astype(float)
    sums = np.stack([np.bincount(labels, row, minlength=groups) for row in v])  # (R, G)
    gram, totals, cross = sums @ sums.T, sums.sum(axis=1), sums @ sizes
    step = 1 / np.minimum(task.samples[:, None], task.samples[None, :])
    squares = np.diag(gram)[:, None] + np.diag(gram)[None, :] - 2 * gram  # sum_g (sum of differences)^2
    centre = (totals[:, None] - totals[None, :]) / (n + 2)
    # sum_g (D_g - size_g centre)^2, and the two pseudo-questions (+-step - centre)^2
    spread = squares - 2 * centre * (cross[:, None] - cross[None, :]) + centre**2 * (sizes**2).sum() + 2 * (step**2 + centre**2)
    return centre, np.sqrt((groups + 2) / (groups + 1) * np.maximum(spread, 0)) / (n + 2), groups
