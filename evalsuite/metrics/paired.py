"""Two runs over the same questions: is the difference real?

Everything is a difference `b - a` per question, so that what makes a question hard cancels. Two targets, always named:
`population` (new questions of this kind) and `benchmark` (these very questions, drawn again). Miller 2024 (arXiv 2411.00640)
for the variances, Agresti and Min 2005 for the idea of the pseudo-questions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.metrics.aggregate import FEW, TOO_FEW, Target, cluster_numbers, clustered_error, per_question
from evalsuite.metrics.student import t_quantile, t_tail, z_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean of `b - a` over questions, with what is known about it. All in the units of the values.

    `value` is the plain mean difference and `se` its standard error, without pseudo-questions. `low`, `high` are the two-sided
    95 % interval and `p` its two-sided p-value: both from `centre` +- t_df * `error`, where the two pseudo-questions are in;
    `shrunk` is what they leave of a difference in `centre`. `won`, `lost` and `same` count questions where b is above, below,
    equal to a. NaN where there is too little to say, with the reason in `notes`.
    """

    value: float
    low: float
    high: float
    p: float
    se: float
    centre: float
    error: float
    df: float
    mean_a: float
    mean_b: float
    won: int
    lost: int
    same: int
    n_questions: int
    n_clusters: int
    target: str
    shrunk: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def mde(self) -> float:
        """The smallest true difference that such a comparison finds with 80 % power at two-sided 5 %."""
        return self.detectable(0.05)

    def detectable(self, alpha: float) -> float:
        """The smallest true difference that such a comparison finds with 80 % power at two-sided `alpha`; NaN without an interval."""
        if math.isnan(self.error):
            return math.nan
        return (t_quantile(1 - alpha / 2, self.df) + t_quantile(0.80, self.df)) * self.error / self.shrunk

    def bounds(self, z: float) -> tuple[float, float]:
        """The interval whose ends are each passed with the chance that a standard normal has above `z` > 0.

        `bounds(1.645)` are one-sided 95 % bounds, with Student's t in place of the normal. NaN without an interval.
        """
        if math.isnan(self.error) or math.isnan(self.df):
            return math.nan, math.nan
        half = _t_for(z, self.df) * self.error
        return self.centre - half, self.centre + half

    def z(self, shift: float = 0.0) -> float:
        """(centre - shift) / error as the normal score of the same tail under Student's t. NaN without an interval."""
        if math.isnan(self.error) or math.isnan(self.df):
            return math.nan
        t = (self.centre - shift) / self.error
        tail = max(t_tail(abs(t), self.df), 1e-300)
        return math.copysign(-z_quantile(tail), t)


def compare(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    target: str = "population",
    samples_a: int | ArrayLike | None = None,
    samples_b: int | ArrayLike | None = None,
    within_a: ArrayLike | None = None,
    within_b: ArrayLike | None = None,
) -> Difference:
    """The paired difference `b - a` of two runs over the same questions in the same order.

    `a` and `b` are (Q, K) scores of single samples, NaN where one is missing, K not necessarily the same; or (Q,) values of
    questions, with `samples_*` behind each (1 unless given; one number or (Q,)) and `within_*` (Q,), the sampling variance of
    each value, for the `benchmark` target. A question without a value in either leaves. `clusters` (Q,) labels questions that
    are not independent.

    With d_q = b_q - a_q, N questions in G clusters, and two pseudo-questions of +1/K and -1/K that stand alone (K: the smaller
    mean number of samples; for a metric @k pass samples / k, as one value takes k), so that nothing has zero width, at the
    ceiling least of all:
    population: centre = sum d / (N+2); error^2 = G'/(G'-1) (N+2)^-2 sum_g (sum_{q in g} d_q - centre)^2, G' = G+2, df = G'-1.
    benchmark: centre = sum d / N; error^2 = N^-2 (sum_q (within_a + within_b) + 2/K^2), df by Satterthwaite. Needs K >= 2.
    Where all values lie in [0, 1] the interval is kept in [-1, 1]. Below 5 independent units there is no interval, below 10 it is noted.

    Raises ValueError for shapes that do not fit, an unknown target, or `benchmark` where a sampling variance is unknown.
    """
    if target not in get_args(Target):
        raise ValueError(f"target {target!r} is not one of {', '.join(get_args(Target))}")
    va, na, wa = per_question(a, samples_a, within_a)
    vb, nb, wb = per_question(b, samples_b, within_b)
    if va.shape != vb.shape:
        raise ValueError(f"{len(va)} questions in a and {len(vb)} in b: pairs need the same ones")
    labels = cluster_numbers(clusters, va)
    there = ~(np.isnan(va) | np.isnan(vb))
    if (na[there] <= 0).any() or (nb[there] <= 0).any():
        raise ValueError("samples_a and samples_b must be above 0 where a question has a value")
    va, vb, na, nb, wa, wb = (x[there] for x in (va, vb, na, nb, wa, wb))
    labels = labels[there]
    d, n = vb - va, int(there.sum())
    groups = len(np.unique(labels))
    close = np.isclose(d, 0.0, atol=1e-12)
    mean = float(d.mean()) if n else math.nan
    known: dict[str, Any] = {
        "value": mean,
        "mean_a": float(va.mean()) if n else math.nan,
        "mean_b": float(vb.mean()) if n else math.nan,
        "won": int((~close & (d > 0)).sum()),
        "lost": int((~close & (d < 0)).sum()),
        "same": int(close.sum()),
        "n_questions": n,
        "n_clusters": groups,
        "target": target,
    }
    units, unit = (
        (groups, "questions" if clusters is None else "clusters of questions") if target == "population" else (n, "questions")
    )
    if target == "benchmark" and n and bool(np.isnan(wa + wb).any()):
        raise ValueError("target 'benchmark' needs 2 samples of every question in both, and more than k for a metric @k")
    if target == "population":
        se, _ = clustered_error(d - mean, labels, groups)
    else:
        se = math.sqrt(float((wa + wb).sum())) / n if n else math.nan
    if units < TOO_FEW:
        nothing: dict[str, Any] = dict.fromkeys(("low", "high", "p", "centre", "error", "df"), math.nan)
        why = "no question has a value in both" if not n else f"only {units} {unit}: no interval below {TOO_FEW}"
        return Difference(**known, **nothing, se=se, notes=(why,))
    step = 1 / min(float(na.mean()), float(nb.mean()))
    if target == "population":
        centre, shrunk = float(d.sum()) / (n + 2), n / (n + 2)
        everything = np.concatenate([d, [step, -step]]) - centre
        error, df = clustered_error(everything, np.concatenate([labels, [labels.max() + 1, labels.max() + 2]]), groups + 2)
    else:
        # Sampling noise alone is no reason to draw the estimate towards 0.
        centre, shrunk = mean, 1.0
        total = float((wa + wb).sum()) + 2 * step**2
        error = math.sqrt(total) / n
        spread = wa**2 / np.maximum(na - 1, 1) + wb**2 / np.maximum(nb - 1, 1)
        df = total**2 / (float(spread.sum()) + 2 * step**4)
    half = t_quantile(0.975, df) * error
    share = bool(min(va.min(), vb.min()) >= 0 and max(va.max(), vb.max()) <= 1)
    return Difference(
        **known,
        low=max(centre - half, -1.0) if share else centre - half,
        high=min(centre + half, 1.0) if share else centre + half,
        p=min(2 * t_tail(abs(centre) / error, df), 1.0),
        se=se,
        centre=centre,
        error=error,
        df=df,
        shrunk=shrunk,
        notes=(f"only {units} {unit}: the interval is rough below {FEW}",) if units < FEW else (),
    )


def paired_stderr(a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable] | None = None) -> float:
    """Standard error of the mean of b - a over questions (Miller 2024, eq. 8), clustered where `clusters` is given.

    `a`, `b` as in `compare`. sqrt(G/(G-1)) / N * sqrt(sum_g (sum_{q in g} d_q - mean)^2); without clusters this is s_d / sqrt(N).
    """
    va, vb = per_question(a)[0], per_question(b)[0]
    if va.shape != vb.shape:
        raise ValueError(f"{len(va)} questions in a and {len(vb)} in b: pairs need the same ones")
    labels = cluster_numbers(clusters, va)
    there = ~(np.isnan(va) | np.isnan(vb))
    d, labels = (vb - va)[there], labels[there]
    return clustered_error(d - d.mean(), labels, len(np.unique(labels)))[0] if len(d) else math.nan


def mcnemar_mid_p(won: int, lost: int) -> float:
    """Two-sided mid-p of McNemar's test: `won` and `lost` of the discordant pairs, under equal chances.

    For one sample per question. The exact binomial tail counts the outcome seen by half (Fagerland et al. 2013).
    """
    if not (0 <= won < math.inf and 0 <= lost < math.inf) or int(won) != won or int(lost) != lost:
        raise ValueError(f"won {won} and lost {lost} are counts")
    won, lost = int(won), int(lost)  # numpy's would overflow
    n, few = won + lost, min(won, lost)
    if n == 0:
        return 1.0
    # In whole numbers to the end: they are far beyond a float's range from about 1000 pairs on.
    ways, below = 1, 0
    for i in range(few):
        below, ways = below + ways, ways * (n - i) // (i + 1)
    return min((2 * below + ways) / 2**n, 1.0)


def sign_flip_p(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable] | None = None, *, draws: int = 20_000, seed: int = 0
) -> float:
    """Two-sided p of the sign-flip permutation test of mean(b - a) = 0: each cluster's sum keeps or changes its sign.

    Exact up to 14 clusters with a difference, else from `draws` random flips, the data counted among them. A check on
    `compare` for few questions; it assumes differences symmetric about 0.
    """
    va, vb = per_question(a)[0], per_question(b)[0]
    if va.shape != vb.shape:
        raise ValueError(f"{len(va)} questions in a and {len(vb)} in b: pairs need the same ones")
    there = ~(np.isnan(va) | np.isnan(vb))
    sums = np.bincount(cluster_numbers(clusters, va)[there], (vb - va)[there])
    sums = sums[np.abs(sums) > 1e-12]
    if not len(sums):
        return 1.0
    seen = abs(float(sums.sum())) - 1e-9
    if len(sums) <= 14:
        signs = 1 - 2.0 * (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1)
        return float((np.abs(signs @ sums) >= seen).mean())
    rng = np.random.default_rng(seed)
    above = sum(
        int((np.abs(rng.choice([-1.0, 1.0], (1000, len(sums))) @ sums) >= seen).sum()) for _ in range(-(-draws // 1000))
    )
    return (above + 1) / (-(-draws // 1000) * 1000 + 1)


@lru_cache(maxsize=4096)
def _t_for(z: float, df: float) -> float:
    """Student's t with the tail that a standard normal has above `z` > 0."""
    return t_quantile(1 - 0.5 * math.erfc(z / math.sqrt(2)), df)
