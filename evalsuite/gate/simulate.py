"""Gates of a baseline against itself, many at once: the samples of both sides are drawn, the rule is the real one.

`differences` and `settle` are `metrics.paired.compare` and `gate.decide.decide` for many draws at a time; tests hold them equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from evalsuite.gate.decide import FAIL, IMPROVED, INCONCLUSIVE, PASS
from evalsuite.gate.outlook import Outlook
from evalsuite.metrics.sequential import crossing_probability, pocock_constant

VERDICTS = (INCONCLUSIVE, PASS, FAIL, IMPROVED)  # codes are positions
_CELLS = 400_000  # draws times questions at once
_USUAL = 0.35  # correlation of the samples of one question where the baseline has one of each (metrics.power)
_SURE = 1e6  # weight of a prior whose questions are all alike


@dataclass(frozen=True, slots=True)
class Questions:
    """The true values of Q questions, as the baseline leaves them open: Beta(`right`, `wrong`), both (Q,).

    `share` in (0, 1]: the variance of a sample, as a share of what it would be if samples were right or wrong.
    """

    right: Any
    wrong: Any
    share: float


def questions(o: Outlook) -> Questions:
    """By empirical Bayes: a Beta prior for all questions by moments, then what each question's own samples say.

    The variance of the values minus their mean sampling variance is that of the true values. Where every question has one
    sample, 35 % of the variance is (`metrics.power`). A graded sample counts as 1 / `share` samples that are right or wrong.
    """

    mean = (float((o.values * o.n).sum()) + 0.5) / (float(o.n.sum()) + 1)  # not 0 or 1 where all were right or wrong
    spread, known = mean * (1 - mean), o.n > 1
    total = float(o.values.var())
    if known.any() and total > 0:
        within = float((o.within * o.n)[known].mean())
        between = min(max(total - within * float((1 / o.n).mean()), 0.0), 0.999 * spread)
    else:
        within, between = (1 - _USUAL) * total, _USUAL * (total or spread)
    share = 1.0 if o.binary else min(max(within / (spread - between), 1e-3), 1.0)
    weight = min(spread / between - 1, _SURE) if between > 0 else _SURE
    own = o.n / share
    return Questions(mean * weight + own * o.values, (1 - mean) * weight + own * (1 - o.values), share)


def simulate(tasks: Sequence[Outlook], alpha: float, draws: int, seed: int) -> Iterator[tuple[Any, Any, Any]]:
    """Blocks of gates: (rows, T) codes of verdicts, (rows, T) the look each was decided at, (rows, T) shares of moved questions."""
    import numpy as np

    rng, models = np.random.default_rng(seed), [questions(o) for o in tasks]
    most = max(1, min(100, _CELLS // max(len(o.values) for o in tasks)))
    for done in range(0, draws, most):
        rows = min(most, draws - done)
        looks = [_looks(o, model, rng, rows) for o, model in zip(tasks, models)]
        codes, at = settle(tasks, [found[:3] for found in looks], alpha)
        yield codes, at, np.stack([found[3] for found in looks], axis=1)


def _looks(o: Outlook, model: Questions, rng: Any, rows: int) -> tuple[Any, Any, Any, Any]:
    """(rows, L) centres, errors and degrees of freedom, and (rows,) the share of questions that moved at the first look."""
    import numpy as np

    chance = rng.beta(model.right, model.wrong, (rows, len(o.values)))
    a, a_sq = _draw(o.n, chance, model.share, rng)
    b, b_sq, before = np.zeros_like(a), np.zeros_like(a), 0
    found = []
    for k, target in zip(o.looks, o.targets):
        more, more_sq = _draw(np.full_like(o.n, k - before), chance, model.share, rng)
        b, b_sq, before = b + more, b_sq + more_sq, k
        found.append(differences(o, (a, a_sq), (b, b_sq), k, target))
    centre, error, df, moved = (np.stack(column, axis=1) for column in zip(*found))
    return centre, error, df, moved[:, 0]


def _draw(n: Any, chance: Any, share: float, rng: Any) -> tuple[Any, Any]:
    """(rows, Q) sums and sums of squares of `n` (Q,) samples of mean `chance`."""
    import numpy as np

    if share == 1.0:
        counts = rng.binomial(n, chance).astype(float)
        return counts, counts
    total, squares, weight = np.zeros_like(chance), np.zeros_like(chance), 1 / share - 1
    inside = np.clip(chance, 1e-9, 1 - 1e-9)
    for i in range(int(n.max(initial=0))):
        x = np.where(i < n, rng.beta(inside * weight, (1 - inside) * weight), 0.0)
        total, squares = total + x, squares + x * x
    return total, squares


def differences(o: Outlook, a: tuple[Any, Any], b: tuple[Any, Any], k: int, target: str) -> tuple[Any, Any, Any, Any]:
    """`centre`, `error` and `df` of `metrics.paired.compare`, (rows,), and the share of questions that differ.

    `a`, `b`: (rows, Q) sums and sums of squares, of the baseline's samples and of `k` per question. Where nothing moved the
    target is the population, as in `Gate.measure`.
    """
    import numpy as np

    from evalsuite.metrics.aggregate import TOO_FEW, cluster_numbers

    (va, wa), (vb, wb) = _values(*a, o.n), _values(*b, k)
    d = vb - va
    count, step = d.shape[1], 1 / min(float(o.n.mean()), k)
    moved = (np.abs(d) > 1e-12).mean(axis=1)
    centre = d.sum(axis=1) / (count + 2)
    labels = cluster_numbers(o.clusters, o.values)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    groups, sizes = len(starts), np.diff(np.append(starts, count))
    sums = np.add.reduceat(d[:, order], starts, axis=1) if groups < count else d
    squares = ((sums - sizes * centre[:, None]) ** 2).sum(axis=1) + 2 * (step**2 + centre**2)
    error = np.sqrt((groups + 2) / (groups + 1) * squares) / (count + 2)
    df = np.full(len(d), groups + 1.0)
    if groups < TOO_FEW:
        error = np.full(len(d), math.nan)
    if target == "benchmark":
        total = (wa + wb).sum(axis=1) + 2 * step**2
        spread = (wa**2 / (o.n - 1) + wb**2 / (k - 1)).sum(axis=1) + 2 * step**4
        there = moved > 0
        enough = count >= TOO_FEW
        centre = np.where(there, d.mean(axis=1), centre)
        error = np.where(there, np.sqrt(total) / count if enough else math.nan, error)
        df = np.where(there, total**2 / spread, df)
    return centre, error, df, moved


def _values(total: Any, squares: Any, n: Any) -> tuple[Any, Any]:
    """Means and their sampling variances, NaN for one sample."""
    import numpy as np

    mean = total / n
    with np.errstate(invalid="ignore", divide="ignore"):
        return mean, np.maximum(squares - total * mean, 0.0) / (n - 1) / n


def settle(tasks: Sequence[Outlook], looks: Sequence[tuple[Any, Any, Any]], alpha: float) -> tuple[Any, Any]:
    """Verdicts as codes (rows, T), and the number of the look (rows, T) that gave each, from 0.

    `looks`: per task (rows, L) centres, errors (NaN: no interval) and degrees of freedom. Round after round every task
    without a decision takes one more look, and `decide` speaks about all of them.
    """
    import numpy as np

    from evalsuite.metrics.multiple import holm

    drops = [_p(-centre / error, df, o.fractions, alpha) for o, (centre, error, df) in zip(tasks, looks)]
    sides = [_sides(o, *found, alpha) for o, found in zip(tasks, looks)]
    rows = len(drops[0])
    codes, at = np.zeros((rows, len(tasks)), dtype=int), np.zeros((rows, len(tasks)), dtype=int)
    p = np.full((rows, len(tasks)), math.inf)
    for look in range(max(len(o.looks) for o in tasks)):
        for t, o in enumerate(tasks):
            if look < len(o.looks):
                going = codes[:, t] == 0
                at[going, t] = look
                p[going, t] = np.minimum(p[going, t], drops[t][going, look])  # NaN stays NaN
        failing = np.zeros(p.shape, dtype=bool)
        for row in np.flatnonzero((p <= alpha).any(axis=1)):
            failing[row] = holm(p[row]) <= alpha
        for t, (passes, better, worse) in enumerate(sides):
            here = at[:, t], np.arange(rows)
            passed, improved, below = (side[here[1], here[0]] for side in (passes, better, worse))
            codes[:, t] = np.where(improved, 3, np.where(passed, 1, np.where(below & failing[:, t], 2, 0)))
    return codes, at


def _sides(o: Outlook, centre: Any, error: Any, df: Any, alpha: float) -> tuple[Any, Any, Any]:
    """Whether the lower bound is above -margin, above 0, and the upper bound below 0."""
    half = _t_at(pocock_constant(alpha, o.fractions), df) * error
    return centre - half > -o.rule.margin, centre - half > 0, centre + half < 0


def _p(t: Any, df: Any, fractions: tuple[float, ...], alpha: float) -> Any:
    """p-values of a drop over all planned looks where they are at most about `alpha`, 1 where they are more; NaN stays."""
    import numpy as np

    from evalsuite.metrics.student import t_tail, z_quantile

    critical = pocock_constant(alpha, fractions)
    z, log_p = _crossings(critical, fractions)
    out = np.where(np.isnan(t), math.nan, 1.0)
    for where in zip(*np.nonzero(t >= 0.999 * _t_at(critical, df))):
        score = -z_quantile(max(t_tail(float(t[where]), float(df[where])), 1e-300))
        out[where] = math.exp(np.interp(score, z, log_p))
    return out


@lru_cache(maxsize=64)
def _crossings(critical: float, fractions: tuple[float, ...]) -> tuple[list[float], list[float]]:
    """Normal scores, and the logarithm of the chance that any look passes each: interpolated, it is right to 4 digits."""
    z = [0.99 * critical + i * 0.06 for i in range(90)]
    return z, [math.log(max(crossing_probability(x, fractions), 1e-14)) for x in z]


def _t_at(z: float, df: Any) -> Any:
    """Student's t with the tail that a standard normal has above `z`, for an array of degrees of freedom >= 1."""
    import numpy as np

    grid, t = _t_table(z)
    return np.exp(np.interp(np.log(df), grid, t))


@lru_cache(maxsize=64)
def _t_table(z: float) -> tuple[list[float], list[float]]:
    from evalsuite.metrics.student import t_quantile

    tail = 0.5 * math.erfc(z / math.sqrt(2))
    grid = [i * 0.03 for i in range(-1, 470)]  # df up to more than a million
    return grid, [math.log(t_quantile(1 - tail, math.exp(x))) for x in grid]
