"""Where the noise of a mean comes from: standard errors, and the split of the variance into questions and samples.

Miller 2024 (arXiv 2411.00640): a score of question q is s_qj = theta_q + noise, and the mean over Q questions with K samples
each has the variance (omega^2 + sigma^2 / K) / Q, omega^2 = Var(theta_q) between and sigma^2 = E[Var(s_qj | q)] within questions.
More questions lower both parts, more samples the second only.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalsuite.metrics.aggregate import cluster_numbers, clustered_error, per_question


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceComponents:
    """The variance of single samples, split. Both parts are unbiased, so that `between` can come out below 0.

    `between` is omega^2, the variance of the questions' true values; `within` is sigma^2, the mean variance of the samples of
    one question; `sampling_share`, in [0, 1], the part of the variance of the mean that more samples would remove.
    """

    between: float
    within: float
    sampling_share: float
    n_questions: int


def variance_components(scores: ArrayLike) -> VarianceComponents:
    """The split of the variance of `scores` (Q, K), single samples with NaN where one is missing.

    With n_q samples, mean m_q and variance s_q^2 (over n_q - 1) of question q: within = mean s_q^2, between = S^2 - mean s_q^2/n_q,
    S^2 the variance of the m_q (over Q - 1), and sampling_share = mean(s_q^2/n_q) / S^2, at most 1. A question with one sample has
    the mean s_q^2 of the others. NaN where no question has two samples or fewer than two questions have any; the share is NaN
    where all is equal. Questions count as independent. Raises ValueError for another shape.
    """
    matrix = np.asarray(scores, dtype=float)
    if matrix.ndim != 2:
        raise ValueError(f"scores of shape {matrix.shape}: (questions, samples)")
    means, n, noise = per_question(matrix)
    there = n > 0
    means, n, noise = means[there], n[there], noise[there]
    repeated = n > 1
    within = float((noise * n)[repeated].mean()) if repeated.any() else math.nan
    if len(means) < 2 or math.isnan(within):
        return VarianceComponents(between=math.nan, within=within, sampling_share=math.nan, n_questions=len(means))
    sampling, total = float(np.where(repeated, noise, within / n).mean()), float(means.var(ddof=1))
    share = min(sampling / total, 1.0) if total else 1.0 if sampling else math.nan
    return VarianceComponents(between=total - sampling, within=within, sampling_share=share, n_questions=len(means))


def standard_error(values: ArrayLike) -> float:
    """Standard error of the mean over questions: s / sqrt(N), s over N - 1.

    `values` are (Q,) values of questions or (Q, K) single samples, which are averaged per question first; NaN (no value) leaves.
    NaN for fewer than two questions.
    """
    return clustered_stderr(values)


def clustered_stderr(values: ArrayLike, clusters: Sequence[Hashable] | None = None) -> float:
    """Cluster-robust standard error of the mean over questions: sqrt(G/(G-1) sum_g (sum_{q in g} v_q - mean)^2) / N.

    Miller 2024, eq. 4, with the factor for G clusters. `values` as in `standard_error`; `clusters` (Q,) labels questions that are
    not independent, None as a label stands alone; without them it is `standard_error`. NaN for fewer than two clusters. Raises ValueError for unequal lengths.
    """
    means = per_question(values)[0]
    labels = cluster_numbers(clusters, means)
    there = ~np.isnan(means)
    means, labels = means[there], labels[there]
    return clustered_error(means - means.mean(), labels, len(np.unique(labels)))[0] if len(means) else math.nan
