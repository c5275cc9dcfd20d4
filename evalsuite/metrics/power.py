"""What a comparison could find: its power, the questions it needs and the smallest difference it detects.

A question's difference d varies by Var(d) = omega^2 + sigma_a^2/K_a + sigma_b^2/K_b (Miller 2024, arXiv 2411.00640, section 5):
omega is the standard deviation over questions of the true difference, sigma^2 the variance of one sample around its
question's true value, K the samples per question. His closed form n = (z_{1-alpha/2} + z_power)^2 Var(d) / delta^2 is
`smallest_difference`. The other functions are about the very test that `metrics.paired.compare` makes, with Student's t and
its two pseudo-questions; both agree for many questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evalsuite.metrics.aggregate import TOO_FEW
from evalsuite.metrics.student import LEAST_ALPHA, t_quantile, z_quantile

# What is assumed without a pilot run. Samples of one question agree with an intraclass correlation a little above that of
# uniformly spread question difficulties (1/3); two runs' true values differ by about 6 points from question to question.
_CORRELATION = 0.35
INTERACTION = 0.06

_MOST = 10**9  # questions
_NODES = np.polynomial.legendre.leggauss(64)


class OutOfReach(ValueError):
    """No number of questions up to a thousand million finds the difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What makes the differences of single questions vary, for values in [0, 1].

    `within_a`, `within_b` are sigma^2, the variance of one sample of a question; `interaction` is omega, the standard
    deviation over questions of the true difference. Clusters: `cluster_size` is the mean number of questions in one, and
    `design_effect` what clustering multiplies omega^2 by: 1 + (cluster_size - 1) ICC of the true differences, or the ratio of
    clustered to unclustered variance in a pilot. The noise of samples is independent within clusters too. Raises ValueError
    for a negative variance, a cluster size or design effect that is not positive, and anything that is not finite.
    """

    within_a: float
    within_b: float
    interaction: float = INTERACTION
    design_effect: float = 1.0
    cluster_size: float = 1.0

    def __post_init__(self) -> None:
        numbers = (self.within_a, self.within_b, self.interaction, self.design_effect, self.cluster_size)
        if not all(math.isfinite(x) and x >= 0 for x in numbers) or self.design_effect == 0 or self.cluster_size < 1:
            raise ValueError(
                f"{self}: variances are not negative, a design effect is above 0, a cluster has at least 1 question, all finite"
            )

    def variance(self, k_a: float, k_b: float) -> float:
        """Var(d) of one question as it counts for the mean: omega^2 design_effect + within_a / k_a + within_b / k_b."""
        return self.interaction**2 * self.design_effect + self.within_a / k_a + self.within_b / k_b


def usual_within(mean: float) -> float:
    """sigma^2 as assumed where it was not measured: (1 - .35) mean (1 - mean), for 0/1 samples of mean `mean` in [0, 1].

    Raises ValueError for another mean.
    """
    if not 0 <= mean <= 1:
        raise ValueError(f"the mean {mean} is outside [0, 1]")
    return (1 - _CORRELATION) * mean * (1 - mean)


def power(
    n_questions: float, delta: float, noise: Noise, k_a: float, k_b: float, *, alpha: float = 0.05, one_sided: bool = False
) -> float:
    """The chance that `paired.compare` (target `population`) finds a true difference `delta` significant at `alpha`.

    `n_questions` in clusters of `noise.cluster_size`, `k_a` and `k_b` samples each. Two-sided counts both directions;
    one-sided the direction of `delta` alone. With N questions, G clusters, S the sum of squares of cluster sums, u = 1/min(k)
    and t the critical value at df = G+1, compare rejects where
    (N dbar)^2 > t^2 (G+2)/(G+1) (S + 2u^2 + (4N cluster_size + 2N^2) / (N+2)^2 dbar^2);
    the chance of that is integrated over S / Var(S) ~ chi^2_{G-1} for a normal mean difference dbar.

    Exact for normal differences in equal clusters. For 0/1 samples it holds within 2 points from 15 questions on, where there
    are at least 100 samples on either side (simulated for means .6 and .8, 15 to 1319 questions, 1 to 64 samples, omega .06).
    With less it says too much: by 2 to 3 points for 30 questions and one sample, 3 to 6 for 15 and one. With 1 sample against
    16 at a mean of .9 it said 2 points too little. Below 5 independent units compare makes no test and the power is 0.

    Raises ValueError for an `alpha` outside [1e-9, 0.5), a difference that is not finite, or less than 1 question or sample.
    """
    _check(alpha, n_questions, k_a, k_b)
    if not math.isfinite(delta):
        raise ValueError(f"the difference {delta} is not finite")
    size = noise.cluster_size
    n, groups, v = float(n_questions), n_questions / size, noise.variance(k_a, k_b)
    if groups < TOO_FEW:
        return 0.0
    t2 = t_quantile(1 - alpha / (1 if one_sided else 2), groups + 1) ** 2 * (groups + 2) / (groups + 1)
    scale = n**2 - t2 * (4 * n * size + 2 * n**2) / (n + 2) ** 2
    if scale <= 0:
        return 0.0
    x, weights = _chi_square(groups - 1)
    limits = np.sqrt(t2 * (size * v * x + 2 / min(k_a, k_b) ** 2) / scale)  # of |dbar|, given S
    se = math.sqrt(v / n)
    if se == 0:
        return float(abs(delta) > limits[0])
    chance = _above((limits - abs(delta)) / se)
    if not one_sided:
        chance = chance + _above((limits + abs(delta)) / se)
    return min(float(weights @ chance), 1.0)


def required_questions(
    mde: float,
    noise: Noise,
    k_a: float,
    k_b: float,
    *,
    target_power: float = 0.8,
    alpha: float = 0.05,
    one_sided: bool = False,
) -> int:
    """The fewest questions with which a true difference `mde` > 0 is found with `target_power`.

    Raises OutOfReach (a ValueError) where that takes more than a thousand million, ValueError for arguments out of range.
    """
    _check_power(target_power, alpha)
    if not mde > 0:
        raise ValueError(f"the difference to detect is {mde}; it must be above 0")

    def enough(n: int) -> bool:
        return power(n, mde, noise, k_a, k_b, alpha=alpha, one_sided=one_sided) >= target_power

    low, high = 0, math.ceil(TOO_FEW * noise.cluster_size)
    while not enough(high):
        low, high = high, 2 * high
        if high > _MOST:
            raise OutOfReach(f"more than {_MOST:,} questions would be needed to detect {mde}")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable_difference(
    n_questions: float,
    noise: Noise,
    k_a: float,
    k_b: float,
    *,
    target_power: float = 0.8,
    alpha: float = 0.05,
    one_sided: bool = False,
) -> float:
    """The smallest true difference, in [0, 1], that is found with `target_power`; NaN where not even 1 is."""
    _check_power(target_power, alpha)

    def enough(delta: float) -> bool:
        return power(n_questions, delta, noise, k_a, k_b, alpha=alpha, one_sided=one_sided) >= target_power

    low, high = 0.0, 1.0
    if not enough(high):
        return math.nan
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def smallest_difference(
    n_questions: int, k: int, *, mean: float = 0.6, within: float | None = None, interaction: float = INTERACTION
) -> float:
    """The true difference of two means, in [0, 1], that a paired comparison finds with 80 % power at two-sided 5 %.

    Miller's closed form, for a plan without a pilot run: both runs answer the same `n_questions`, `k` samples each;
    delta = (z_.975 + z_.80) sqrt(Var(d) / n_questions). `within` is sigma^2, by default `usual_within(mean)`; `interaction` is
    omega, by default .06. Greedy decoding has less noise than this; a pilot run's own numbers are better than any default.
    With fewer than about 100 single samples `detectable_difference` says more. Raises ValueError for fewer than 1 question
    or sample.
    """
    if not 1 <= n_questions < math.inf or not k >= 1:
        raise ValueError(f"{n_questions} questions with {k} samples each: at least 1 of both")
    sigma = within if within is not None else usual_within(mean)
    variance = Noise(within_a=sigma, within_b=sigma, interaction=interaction).variance(k, k)
    return min((z_quantile(0.975) + z_quantile(0.80)) * math.sqrt(variance / n_questions), 1.0)


def _check(alpha: float, n_questions: float, k_a: float, k_b: float) -> None:
    if not LEAST_ALPHA <= alpha < 0.5:
        raise ValueError(f"alpha {alpha} is outside [{LEAST_ALPHA:g}, 0.5)")
    if not 1 <= n_questions < math.inf or not (k_a >= 1 and k_b >= 1):
        raise ValueError(f"{n_questions} questions with {k_a} and {k_b} samples each: at least 1 of all")


def _check_power(target_power: float, alpha: float) -> None:
    if not alpha < target_power < 1:
        raise ValueError(f"power {target_power} is outside (alpha, 1); alpha is {alpha}")


def _chi_square(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (summing to 1) of the chi-square distribution with `df` >= 4 degrees of freedom.

    Gauss-Legendre for its square root, whose density y^(df-1) exp(-y^2/2) is close to a normal of variance 1/2.
    """
    middle = math.sqrt(df - 1)  # the mode
    low, high = max(middle - 6.0, 0.0), middle + 6.0
    x, w = _NODES
    y = (high - low) / 2 * x + (high + low) / 2
    weights = w * np.exp((df - 1) * np.log(y / middle) - (y**2 - middle**2) / 2)
    return y**2, weights / weights.sum()


def _above(z: np.ndarray) -> np.ndarray:
    """The chance that a standard normal is above each of `z`."""
    return np.array([0.5 * math.erfc(value / math.sqrt(2)) for value in z])
