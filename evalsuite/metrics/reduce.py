"""Reducers: from the samples of one question to that question's value.

All are unbiased over the n samples drawn, so that a question's values can be averaged, compared and given intervals like
any other. Fewer samples than a metric needs give no value (NaN, or ValueError from the plain functions): never a smaller
number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.errors import UsageError
from evalsuite.metrics.counts import checked_counts, g_pass_at_k, mg_pass_at_k, pass_at_k, pass_hat_k

Floats = NDArray[np.float64]

_FORM = re.compile(r"avg|(?P<kind>avg@|pass@|pass\^|maj@|g_pass@|mg_pass@)(?P<k>[1-9]\d*)(?:_(?P<tau>\d*\.?\d+))?")
_KNOWN = "avg, avg@N, pass@K, pass^K, maj@K, g_pass@K_TAU (such as g_pass@8_0.5), mg_pass@K, part:NAME, part:NAME/WEIGHT"


@dataclass(frozen=True, slots=True)
class Metric:
    """One reducer by name. `kind` is `avg`, `pass@`, `pass^`, `maj@`, `g_pass@`, `mg_pass@` or `part`.

    `k` is the subset size (for `avg@N`, the samples wanted), `tau` the share of G-Pass@k, `part` the name of a component of
    `Score.parts` and `weight` that of a count by which questions weigh (`part:inst_strict/inst_count` is IFEval's share of
    instructions rather than the mean over prompts). Success in pass@k, pass^k and the G-Pass family means a value of exactly 1.0; partial credit is none.
    """

    kind: str
    k: int = 1
    tau: float = 0.0
    part: str = ""
    weight: str = ""

    @property
    def needs_n(self) -> int:
        """The fewest samples per question that give this metric."""
        return self.k

    @property
    def draws(self) -> int:
        """Samples that one value takes: k, and 1 for means. n samples are worth n / draws values, at most, to an interval."""
        return 1 if self.kind in ("avg", "part") else self.k

    @property
    def needs_classes(self) -> bool:
        """Whether `per_question` needs to know which samples gave the same answer."""
        return self.kind == "maj@"

    def label(self, n: int) -> str:
        """The name a table shows when each question has `n` samples. avg@n is pass@1; it goes by this one name."""
        if self.kind == "part":
            return f"part:{self.part}" + (f"/{self.weight}" if self.weight else "")
        if self.kind == "avg":
            return f"avg@{n}" if n > 1 else "avg"
        return f"{self.kind}{self.k}" + (f"_{self.tau:g}" if self.kind == "g_pass@" else "")

    def solid(self, n: int) -> bool:
        """Whether `n` samples are enough to report the metric: k <= n/2. Beyond, it is unbiased but at its noisiest."""
        return self.kind in ("avg", "part") or 2 * self.k <= n

    def per_question(self, values: ArrayLike, classes: Iterable[Hashable] | None = None) -> float:
        """The question's value from its samples: `values` (n,) with NaN where a sample has none; `classes` (n,) as in `maj_at_k`.

        Samples without a value are our failure: they leave n, and fewer than `k` that remain give NaN. For a `part`,
        `values` are that component's.
        """
        scores = np.asarray(values, dtype=float)
        there = ~np.isnan(scores)
        n = int(there.sum())
        if self.kind in ("avg", "part"):
            return float(scores[there].mean()) if n else math.nan
        if n < self.k:
            return math.nan
        if self.kind == "maj@":
            if classes is None:
                raise ValueError(f"{self.label(n)} needs the class of each answer")
            return float(maj_at_k(_numbered(classes)[there], scores[there], self.k))
        return _of_counts(self, n, int((scores[there] == 1.0).sum()))

    def within_variance(self, values: ArrayLike, classes: Sequence[Any] | None = None) -> Floats:
        """(Q,) sampling variance of each question's value: what remains when the questions stay the same.

        `values` is (Q, n), `classes` Q rows of n. See `jackknife_var`.
        """
        rows = np.asarray(values, dtype=float)
        return np.array([jackknife_var(self, row, None if classes is None else classes[q]) for q, row in enumerate(rows)])


def parse_metric(name: str) -> Metric:
    """The metric of that name: avg, avg@N, pass@K, pass^K, maj@K, g_pass@K_TAU, mg_pass@K, part:NAME or part:NAME/WEIGHT.

    pass@1 and pass^1 are the average and go by its name. Raises UsageError for any other name.
    """
    if match := re.fullmatch(r"part:([^/\s]+)(?:/([^/\s]+))?", name):
        return Metric("part", part=match[1], weight=match[2] or "")
    match = _FORM.fullmatch(name)
    if match is None or (match["tau"] is not None) != (match["kind"] == "g_pass@") or name == "mg_pass@1":
        raise UsageError(f"no metric {name!r}; there are {_KNOWN}")
    kind, k, tau = match["kind"], int(match["k"] or 1), float(match["tau"] or 0)
    if tau > 1:
        raise UsageError(f"metric {name!r}: the share of right samples, {tau:g}, must be between 0 and 1")
    if kind in (None, "avg@") or (kind in ("pass@", "pass^") and k == 1):
        return Metric("avg", k)
    return Metric(kind, k, tau)


def maj_at_k(classes: Iterable[Hashable], values: ArrayLike, k: ArrayLike) -> Any:
    """Expected value of the majority answer among k of the n samples, over all k-subsets, ties split evenly.

    `classes` (n,) are the samples' answers, or numbers of them: anything hashable, equal where the answers are. None, NaN and
    the number -1 are no answer, which cannot win: a subset without any is worth 0. `values` (n,) are the samples' values, as
    numbers or booleans; an answer is worth their mean, as equal answers are worth the same. A number as `k` gives a float, an
    array an array. Exact up to rounding, in time polynomial in n and k. Raises ValueError where k > n or k < 1, where the lengths
    differ, and for an answer whose value is missing (NaN).
    """
    labels, scores = _numbered(classes), np.asarray(values)
    if scores.dtype.kind in "US":
        raise ValueError(f"values must be numbers or booleans, and the answers come before them: {values!r}"[:200])
    scores = scores.astype(float)
    if labels.shape != scores.shape:
        raise ValueError(f"classes {labels.shape} and values {scores.shape} must be two vectors of one length")
    _, _, ks = checked_counts(len(labels), 0, k)
    answered = labels >= 0
    if np.isnan(scores[answered]).any():
        raise ValueError("an answer's value is missing (NaN): leave such samples out")
    sizes = np.bincount(labels[answered])
    worths = np.bincount(labels[answered], scores[answered]) / sizes
    groups = tuple(sorted(zip(sizes.tolist(), worths.tolist())))
    found = [_majority(groups, int((~answered).sum()), size) for size in ks.ravel().tolist()]
    return np.array(found).reshape(ks.shape) if ks.shape else found[0]


def _numbered(classes: Iterable[Hashable]) -> NDArray[np.int64]:
    """Answers numbered in order of appearance, -1 for none. Raises ValueError where one is not hashable."""
    seen: dict[Hashable, int] = {}

    def number(answer: Hashable) -> int:
        none = answer is None or answer != answer or answer == -1
        return -1 if none else seen.setdefault(answer, len(seen))

    try:
        return np.array([number(c) for c in classes], dtype=np.int64)
    except (TypeError, ValueError):
        raise ValueError("classes must be a vector of hashable answers: strings, numbers, tuples") from None


def jackknife_var(metric: Metric, values: ArrayLike, classes: Iterable[Hashable] | None = None) -> float:
    """Delete-one jackknife estimate of the variance of `metric` over the samples of one question; arguments as there.

    For a mean this is s^2/n exactly. NaN where deleting a sample leaves too few.
    """
    scores = np.asarray(values, dtype=float)
    there = ~np.isnan(scores)
    scores, n = scores[there], int(there.sum())
    if n < max(2, metric.k + 1 if metric.kind not in ("avg", "part") else 2):
        return math.nan
    if metric.kind in ("avg", "part"):
        return float(scores.var(ddof=1)) / n
    labels = np.zeros(n, dtype=np.int64) if classes is None else _numbered(classes)[there]
    # Samples alike in value and class leave the same rest behind: delete one of each kind.
    _, first, weight = np.unique(np.stack([scores, labels]), axis=1, return_index=True, return_counts=True)
    without = np.array([metric.per_question(np.delete(scores, i), np.delete(labels, i)) for i in first])
    mean = float(weight @ without) / n
    return (n - 1) / n * float(weight @ (without - mean) ** 2)


@lru_cache(maxsize=65536)
def _of_counts(metric: Metric, n: int, c: int) -> float:
    if metric.kind == "g_pass@":
        return float(g_pass_at_k(n, c, metric.k, metric.tau))
    return float({"pass@": pass_at_k, "pass^": pass_hat_k, "mg_pass@": mg_pass_at_k}[metric.kind](n, c, metric.k))


@lru_cache(maxsize=65536)
def _majority(groups: tuple[tuple[int, float], ...], unanswered: int, k: int) -> float:
    """maj@k for classes given as (size, worth).

    Drawing k of n without replacement is drawing each sample with chance k/n, given that k were drawn; so the classes'
    counts are independent binomials under one condition, and sums over them are products of polynomials. For each winning
    count x, `ways[0, t, s]` is the chance of s draws so far with t classes at x and none above; `ways[1]` is the same
    weighted by the summed worth of the classes at x. Classes smaller than x cannot reach it and go in as one.
    """
    n = unanswered + sum(size for size, _ in groups)
    if not groups:
        return 0.0
    total = 0.0
    for x in range(1, min(k, max(size for size, _ in groups)) + 1):
        rivals = [g for g in groups if g[0] >= x]
        ways = np.zeros((2, k // x + 1, k + 1))
        ways[0, 0] = _binomial(n - sum(size for size, _ in rivals), n, k)
        for size, worth in rivals:
            chance, new = _binomial(size, n, k), np.zeros_like(ways)
            for count in range(x):
                new[:, :, count:] += chance[count] * ways[:, :, : k + 1 - count]
            new[:, 1:, x:] += chance[x] * ways[:, :-1, : k + 1 - x]
            new[1, 1:, x:] += worth * chance[x] * ways[0, :-1, : k + 1 - x]
            ways = new
        total += float((ways[1, 1:, k] / np.arange(1, k // x + 1)).sum())
    best = max(worth for _, worth in groups)
    return min(total / float(_binomial(n, n, k)[k]), max(best, 0.0) if unanswered else best)


@lru_cache(maxsize=4096)
def _binomial(size: int, n: int, k: int) -> Floats:
    """(k+1,) chances of 0..k draws from `size` samples, each drawn with chance k/n: exact, rounded once."""
    out = np.zeros(k + 1)
    for j in range(min(size, k) + 1):
        out[j] = math.comb(size, j) * k**j * (n - k) ** (size - j) / n**size
    return out
