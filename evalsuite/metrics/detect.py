"""The smallest difference between two runs that a plan could detect, before anything is spent on it."""

from __future__ import annotations

import math

from evalsuite.metrics.student import z_quantile

# What is assumed without a pilot run. Samples of one question agree with an intraclass correlation a little above that of
# uniformly spread question difficulties (1/3); two runs' true values differ by about 6 points from question to question.
_CORRELATION = 0.35
_INTERACTION = 0.06


def smallest_difference(
    n_questions: int, k: int, *, mean: float = 0.6, within: float | None = None, interaction: float = _INTERACTION
) -> float:
    """The true difference of two means, in [0, 1], that a paired comparison finds with 80 % power at two-sided 5 %.

    Both runs answer the same `n_questions`, `k` samples each: delta = (z_.975 + z_.80) sqrt(Var(d) / n_questions) with
    Var(d) = interaction^2 + 2 within / k (Miller 2024, arXiv 2411.00640, section 5). `within` is the variance of one sample
    around its question's true value, by default (1 - .35) mean (1 - mean); `interaction` is the standard deviation over
    questions of the true difference, by default .06. Greedy decoding has less noise than this; a pilot run's own numbers
    are better than any default. Raises ValueError for fewer than 1 question or sample.
    """
    if n_questions < 1 or k < 1:
        raise ValueError(f"{n_questions} questions with {k} samples each: at least 1 of both")
    noise = within if within is not None else (1 - _CORRELATION) * mean * (1 - mean)
    variance = interaction**2 + 2 * noise / k
    return min((z_quantile(0.975) + z_quantile(0.80)) * math.sqrt(variance / n_questions), 1.0)
