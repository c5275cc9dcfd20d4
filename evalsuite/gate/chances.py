"""What the gate's rule will do with one task, by chance: the joint normal law of its looks, before anything is asked.

At look k the mean difference is -drop + A + D + B_k: A is the sampling noise of the baseline, the same at all looks; D, under
target `population` only, what a new model does to single questions; B_k the sampling noise of the candidate, whose looks are
nested: Cov(B_j, B_k) = sigma^2 / (Q max(K_j, K_k)). Half-widths are those of `metrics.paired.compare`, its two pseudo-questions
and Student's t included, with variances from the baseline in place of those that the comparison will find.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evalsuite.gate.outlook import Outlook
from evalsuite.metrics.sequential import pocock_constant

if TYPE_CHECKING:
    from evalsuite.metrics.pilot import Pilot

POWER = 0.80
_DRAWS, _SEED = 40_000, 0
_MOST = 4096  # samples per question; more are no advice


class Chances:
    """The looks of one task among `tasks` that are gated together.

    A drop counts as found where it is significant by Holm although no other task drops: at `alpha` / `tasks`.
    """

    def __init__(self, outlook: Outlook, alpha: float, tasks: int) -> None:
        from evalsuite.metrics.pilot import pilot

        o = outlook
        self.outlook = o
        self.pilot: Pilot = pilot(o.values, clusters=o.clusters, samples=o.n, within=o.within)
        self.critical = pocock_constant(alpha, o.fractions)
        self.strict = pocock_constant(alpha / tasks, o.fractions)

    def half(self, z: float, target: str, k_a: float, k_b: float) -> float:
        """Half the width of the interval at normal score `z`, in the units of the values."""
        from evalsuite.metrics.student import t_quantile

        error, df = self._error(target, k_a, k_b)
        return t_quantile(1 - 0.5 * math.erfc(z / math.sqrt(2)), df) * error

    def detects(self, target: str, k_a: float, k_b: float) -> float:
        """The drop that one look finds with 80 % power."""
        from evalsuite.metrics.student import z_quantile

        sd = math.sqrt(self._variance(target, k_a, k_b) / self.pilot.n_questions)
        return self.half(self.strict, target, k_a, k_b) / self._shrink(target) + z_quantile(POWER) * sd

    @cached_property
    def finds(self) -> list[float]:
        """Per look, the drop that is significant over all tasks, at this look or one before, with 80 % power. It may lie below
        the margin, and then passes."""
        import numpy as np

        least = self._noise + self._halves(self.strict) / self._shrinks
        return [float(np.quantile(least[:, : k + 1].min(axis=1), POWER)) for k in range(least.shape[1])]

    def of(self, drop: float) -> tuple[list[float], list[float], float]:
        """For a true `drop`: the chance to pass by each look, to fail by each look, and mean samples per question at the end."""
        import numpy as np

        wide, strict = self._halves(self.critical), self._halves(self.strict)
        centres = self._shrinks * (self._noise - drop)
        open_, shown = np.ones(len(centres), dtype=bool), np.zeros(len(centres), dtype=bool)
        passed, failed, samples = [0.0], [0.0], 0.0
        for k, look in enumerate(self.outlook.looks):
            centre = centres[:, k]
            samples = samples + open_.mean() * (look - (self.outlook.looks[k - 1] if k else 0))
            shown |= centre + strict[k] < 0
            passing = open_ & (centre - wide[k] > -self.outlook.rule.margin)
            failing = open_ & ~passing & (centre + wide[k] < 0) & shown
            passed.append(passed[-1] + float(passing.mean()))
            failed.append(failed[-1] + float(failing.mean()))
            open_ &= ~(passing | failing)
        return passed[1:], failed[1:], float(samples)

    def enough_samples(self) -> tuple[int | None, int | None]:
        """Samples per question that find the margin with 80 % power: of the candidate alone, and of both. None: none do."""
        k_a, margin = self.pilot.samples_a, self.outlook.rule.margin
        return (
            _least(lambda k: self.detects(self._target(k_a, k), k_a, k) <= margin),
            _least(lambda k: self.detects(self._target(k, k), k, k) <= margin),
        )

    def enough_questions(self) -> int:
        """About how many questions like these find the margin with 80 % power at the last look."""
        return math.ceil(self.pilot.n_questions * (self.finds[-1] / self.outlook.rule.margin) ** 2)

    def _shrink(self, target: str) -> float:
        """What the two pseudo-questions leave of a mean difference."""
        return self.pilot.n_questions / (self.pilot.n_questions + 2) if target == "population" else 1.0

    @property
    def _shrinks(self) -> Any:
        import numpy as np

        return np.array([self._shrink(target) for target in self.outlook.targets])

    @cached_property
    def _noise(self) -> Any:
        """(draws, looks) deviations of the mean difference from the truth."""
        import numpy as np

        noise, questions = self.pilot.noise, self.pilot.n_questions
        steps = np.diff([0, *self.outlook.looks])
        normal = np.random.default_rng(_SEED).standard_normal((_DRAWS, len(steps) + 2))
        fixed = normal[:, :1] * math.sqrt(noise.within_a / self.pilot.samples_a)
        model = normal[:, 1:2] * np.array([math.sqrt(self._interaction(t)) for t in self.outlook.targets])
        grown = (normal[:, 2:] * np.sqrt(noise.within_b * steps)).cumsum(axis=1) / self.outlook.looks
        return (fixed + model + grown) / math.sqrt(questions)

    def _halves(self, z: float) -> Any:
        import numpy as np

        looks = zip(self.outlook.targets, self.outlook.looks)
        return np.array([self.half(z, target, self.pilot.samples_a, k) for target, k in looks])

    def _interaction(self, target: str) -> float:
        noise = self.pilot.noise
        return noise.interaction**2 * noise.design_effect if target == "population" else 0.0

    def _variance(self, target: str, k_a: float, k_b: float) -> float:
        """Var(d) of one question."""
        return self._interaction(target) + self.pilot.noise.within_a / k_a + self.pilot.noise.within_b / k_b

    def _error(self, target: str, k_a: float, k_b: float) -> tuple[float, float]:
        """The standard error that `compare` will find, with pseudo-questions, and its degrees of freedom."""
        import numpy as np

        questions, step = self.pilot.n_questions, 1 / min(k_a, k_b)
        total = questions * self._variance(target, k_a, k_b) + 2 * step**2
        below = questions + 2 if target == "population" else questions
        if target == "population":
            df = float(self.pilot.n_clusters + 1)
        else:
            single = np.nan_to_num(self.outlook.within * self.outlook.n, nan=self.pilot.noise.within_a)
            spread = (single**2).sum() * (1 / (k_a**2 * max(k_a - 1, 1)) + 1 / (k_b**2 * max(k_b - 1, 1)))
            df = total**2 / (float(spread) + 2 * step**4)
        return math.sqrt(total) / below, df

    def _target(self, k_a: float, k_b: float) -> str:
        return self.outlook.rule.target if min(k_a, k_b) > 1 else "population"


def _least(enough: Callable[[int], bool]) -> int | None:
    """The smallest number from 1 to 4096 that is enough, where more always is if less is."""
    if not enough(_MOST):
        return None
    low, high = 0, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
