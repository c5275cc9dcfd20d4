"""The gate's rule over thousands of simulated comparisons at once; the tests hold it to `decide`, called look by look."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "metrics"))

from simulate import Counts, Differences, Floats, compare, harder, questions

from evalsuite.gate.decide import FAIL, IMPROVED, INCONCLUSIVE, PASS, decide
from evalsuite.metrics import paired
from evalsuite.metrics.sequential import information, pocock_constant

LOOKS = (2, 4, 8, 16)
MARGIN = 0.03


@dataclass(frozen=True)
class Task:
    """Right answers (experiments, questions) of both at every look, with samples of each; `a` of a baseline stays as it is."""

    a: Sequence[Counts]
    b: Sequence[Counts]
    k_a: Sequence[int]
    k_b: Sequence[int]
    target: str
    fractions: tuple[float, ...]

    def target_of(self, number: int) -> str:
        """With one sample of a question there is no benchmark target."""
        return self.target if min(self.k_a[number], self.k_b[number]) > 1 else "population"

    def look(self, number: int) -> Differences:
        return compare(self.a[number], self.b[number], self.k_a[number], self.k_b[number], self.target_of(number))

    def difference(self, i: int, number: int) -> paired.Difference:
        """One experiment, by the library."""
        sides = {}
        for side, counts, k in (("a", self.a[number][i], self.k_a[number]), ("b", self.b[number][i], self.k_b[number])):
            v = counts / k
            within = v * (1 - v) / (k - 1) if k > 1 else np.full(v.shape, np.nan)
            sides |= {side: v, f"samples_{side}": k, f"within_{side}": within}
        return paired.compare(**sides, target=self.target_of(number))


def drawn(
    source: np.random.Generator,
    theta: tuple[Floats, Floats],
    target: str,
    looks: Sequence[int] = LOOKS,
    fixed: int | None = None,
) -> Task:
    """Samples added look by look: to both, or to `b` against a baseline of `fixed`."""
    grown: tuple[list[Counts], list[Counts]] = ([], [])
    for side, chances in zip(grown, theta):
        for before, k in zip((0, *looks), looks):
            more = source.binomial(k - before, chances)
            side.append(side[-1] + more if side else more)
    a = grown[0] if fixed is None else [source.binomial(fixed, theta[0])] * len(looks)
    fractions = information(looks, fixed=fixed or np.inf)
    return Task(a, grown[1], looks if fixed is None else [fixed] * len(looks), looks, target, fractions)


def verdicts(
    tasks: Sequence[Task], margin: float | Floats = MARGIN, alpha: float = 0.05, critical: float | None = None
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """(experiments, tasks): `decide` at look after look until it has decided, and the look at which it had.

    Holm's steps are comparisons with the critical values of alpha / m. `critical` instead is a constant without correction.
    """
    reps, count = len(tasks[0].a[0]), len(tasks)
    steps = np.array([[critical or pocock_constant(alpha / m, t.fractions) for m in range(1, count + 1)] for t in tasks])
    worst = np.full((reps, count), -np.inf)
    verdict = np.full((reps, count), INCONCLUSIVE)
    when = np.zeros((reps, count), dtype=np.int64)
    for number in range(max(len(t.fractions) for t in tasks)):
        low, high = np.full((2, reps, count), np.nan)
        live = verdict == INCONCLUSIVE
        for j, task in enumerate(tasks):
            if number >= len(task.fractions):
                live[:, j] = False
                continue
            now = task.look(number)
            low[:, j], high[:, j] = now.bounds(steps[j, 0])
            worst[:, j] = np.where(live[:, j], np.maximum(worst[:, j], -now.z()), worst[:, j])
        rejected = np.zeros(reps, dtype=np.int64)
        for _ in range(count):
            left = np.maximum(count - rejected, 1)
            significant = worst >= steps[:, left - 1].T
            rejected = significant.sum(axis=1)
        found = np.select(
            [low > 0, low > -np.reshape(margin, (-1, 1)), (high < 0) & significant], [IMPROVED, PASS, FAIL], INCONCLUSIVE
        )
        verdict, when = np.where(live, found, verdict), np.where(live, number, when)
    return verdict, when


def one_by_one(tasks: Sequence[Task], i: int) -> tuple[list[str], list[int]]:
    """The same of one experiment, as the gate does it."""
    names = [str(j) for j in range(len(tasks))]
    seen: dict[str, list[paired.Difference]] = {name: [] for name in names}
    verdict, when = dict.fromkeys(names, INCONCLUSIVE), dict.fromkeys(names, 0)
    for number in range(max(len(t.fractions) for t in tasks)):
        live = [n for n, t in zip(names, tasks) if verdict[n] == INCONCLUSIVE and number < len(t.fractions)]
        for name in live:
            seen[name].append(tasks[int(name)].difference(i, number))
        decided = decide(seen, dict.fromkeys(names, MARGIN), {n: t.fractions for n, t in zip(names, tasks)})
        for name in live:
            verdict[name], when[name] = decided[name].verdict, number
    return list(verdict.values()), list(when.values())


def arms(
    source: np.random.Generator, reps: int, q: int, mean: float, difference: float, target: str = "population"
) -> tuple[Floats, Floats]:
    """Chances of both. Under the benchmark target no interaction, so that no difference is none for every set of questions."""
    a = questions(source, (reps, q), mean)
    return a, harder(source, a, mean, difference, 0.3 if target == "population" else 0.0)


def shares(verdict: NDArray[np.str_]) -> tuple[float, float, float]:
    """% of PASS (or better), FAIL, INCONCLUSIVE."""
    return tuple(100 * float(np.isin(verdict, names).mean()) for names in ((PASS, IMPROVED), (FAIL,), (INCONCLUSIVE,)))  # type: ignore[return-value]
