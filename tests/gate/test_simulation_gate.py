"""How often is the gate wrong? Its rule on thousands of simulated comparisons, alone and over ten tasks, in one look and many.

Simulated are questions of mean .6 with a concentration of 2 and an interaction of .3 (log-odds), which give the reference's
tables, and questions near the ceiling. Without a change both models are the same, question by question.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
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

    def look(self, number: int) -> Differences:
        return compare(self.a[number], self.b[number], self.k_a[number], self.k_b[number], self.target)

    def difference(self, i: int, number: int) -> paired.Difference:
        """One experiment, by the library."""
        sides = {}
        for side, counts, k in (("a", self.a[number][i], self.k_a[number]), ("b", self.b[number][i], self.k_b[number])):
            v = counts / k
            within = v * (1 - v) / (k - 1) if k > 1 else np.full(v.shape, np.nan)
            sides |= {side: v, f"samples_{side}": k, f"within_{side}": within}
        return paired.compare(**sides, target=self.target)


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


def assert_same(tasks: Sequence[Task], experiments: int) -> set[str]:
    fast, when = verdicts(tasks)
    for i in range(experiments):
        assert (fast[i].tolist(), when[i].tolist()) == one_by_one(tasks, i), i
    return set(fast[:experiments].ravel().tolist())


def several(source: np.random.Generator, reps: int) -> list[Task]:
    """Tasks of different sizes, means, differences, targets and looks."""
    rows = [
        (100, 0.6, 0.02, "population", LOOKS, None),
        (191, 0.6, -0.05, "benchmark", LOOKS, 16),
        (60, 0.9, -0.06, "population", (1, 2, 4), 1),
        (50, 0.9, 0.0, "benchmark", (2, 4, 8), 4),
        (40, 0.5, -0.1, "population", (4,), None),
    ]
    return [drawn(source, arms(source, reps, q, mean, d, target), target, looks, k) for q, mean, d, target, looks, k in rows]


def test_the_fast_rule_is_the_library_s() -> None:
    source = np.random.default_rng(1)
    found = assert_same(several(source, 15), 15)
    assert found == {PASS, FAIL, INCONCLUSIVE, IMPROVED}


def test_smoke() -> None:
    source = np.random.default_rng(2)
    task = drawn(source, arms(source, 2000, 191, 0.6, 0.0), "population")
    assert shares(verdicts([task])[0])[1] < 6 < 10 < shares(verdicts([task], critical=1.645)[0])[1]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["population", "benchmark"])
@pytest.mark.parametrize("fixed", [None, 4, 16])
def test_the_fast_rule_is_the_library_s_in_hundreds_of_experiments(target: str, fixed: int | None) -> None:
    source = np.random.default_rng([3, fixed or 0])
    for q, mean, difference in ((191, 0.6, -0.03), (30, 0.95, 0.0)):
        assert_same([drawn(source, arms(source, 100, q, mean, difference, target), target, LOOKS, fixed)], 100)


@pytest.mark.slow
def test_the_fast_rule_is_the_library_s_over_tasks() -> None:
    assert_same(several(np.random.default_rng(4), 100), 100)


EQUAL = [(200, 4, 0.6)] * 10
MIXED = [
    (30, 16, 0.4),
    (100, 1, 0.8),
    (164, 4, 0.9),
    (191, 8, 0.6),
    (200, 4, 0.95),
    (300, 2, 0.7),
    (500, 4, 0.85),
    (500, 1, 0.3),
    (1000, 2, 0.5),
    (1319, 1, 0.93),
]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["population", "benchmark"])
@pytest.mark.parametrize("bag", [EQUAL, MIXED], ids=["equal", "mixed"])
def test_no_change_seldom_fails_over_ten_tasks(target: str, bag: list[tuple[int, int, float]]) -> None:
    source = np.random.default_rng([5, len(set(bag))])
    tasks = []
    for q, k, mean in bag:
        theta = questions(source, (4000, q), mean)
        tasks.append(drawn(source, (theta, theta), target if k > 1 else "population", (k,)))
    false, single = (100 * float((v == FAIL).any(axis=1).mean()) for v, _ in (verdicts(tasks), verdicts(tasks, critical=1.645)))
    drops = [100 * float((t.b[0].mean(axis=1) / t.k_b[0] - t.a[0].mean(axis=1) / t.k_a[0] <= -0.02).mean()) for t in tasks]
    naive = 100 * (1 - np.prod([1 - d / 100 for d in drops]))
    print(f"A/A, ten tasks, {target}: false fail {false:.1f} %, uncorrected {single:.1f} %, 'a drop of 2 points' {naive:.0f} %")
    assert false <= 6
    assert single > 20
    assert naive > 70


@pytest.mark.slow
@pytest.mark.parametrize("target", ["population", "benchmark"])
def test_no_change_seldom_fails_over_ten_tasks_with_four_looks(target: str) -> None:
    source = np.random.default_rng(6)
    tasks = []
    for j in range(10):
        theta = questions(source, (2500, 200), 0.6)
        tasks.append(drawn(source, (theta, theta), target, LOOKS, 16 if j % 2 else None))
    found, naive = (100 * float((v == FAIL).any(axis=1).mean()) for v, _ in (verdicts(tasks), verdicts(tasks, critical=1.645)))
    print(f"A/A, ten tasks, four looks, {target}: false fail {found:.1f} %, 1.645 at every look {naive:.1f} %")
    assert found <= 6
    assert naive > 40


# (questions, samples): % of PASS, FAIL, INCONCLUSIVE without a difference, margin 3 points, one look.
SINGLE = {
    (191, 1): (17, 5, 78),
    (191, 8): (63, 5, 32),
    (191, 16): (87, 5, 8),
    (500, 1): (34, 4, 62),
    (500, 4): (76, 5, 19),
    (500, 8): (95, 5, 1),
    (1319, 1): (64, 4, 31),
    (1319, 4): (98, 2, 0),
}


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "table"), SINGLE.items(), ids=str)
def test_one_look_without_a_difference(cell: tuple[int, int], table: tuple[int, int, int]) -> None:
    q, k = cell
    source = np.random.default_rng([7, *cell])
    task = drawn(source, arms(source, 4000, q, 0.6, 0.0), "population", (k,))
    found = shares(verdicts([task])[0])
    print(f"{cell}: pass, fail, inconclusive " + " ".join(f"{x:.1f}" for x in found) + f" {table}")
    # 4 points for the one cell that the reference's own table of detectable differences puts at 61, not 64.
    assert found == pytest.approx(table, abs=4 if cell == (1319, 1) else 3)
    assert found[1] <= 5.5


@pytest.mark.slow
@pytest.mark.parametrize(("q", "k", "table"), [(191, 8, 95), (500, 4, 98), (1319, 1, 93)])
def test_one_look_at_a_drop_of_five_points(q: int, k: int, table: int) -> None:
    source = np.random.default_rng([8, q, k])
    found = shares(verdicts([drawn(source, arms(source, 4000, q, 0.6, -0.05), "population", (k,))])[0])
    print(f"-5 points, {q} questions, {k} samples: fail {found[1]:.1f} ({table})")
    assert found[1] == pytest.approx(table, abs=3)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "table"), [("population", 59), ("benchmark", 70)])
def test_thirty_questions_need_64_samples(target: str, table: int) -> None:
    source = np.random.default_rng(9)
    theta = arms(source, 10_000, 30, 0.6, 0.0)
    found = shares(verdicts([drawn(source, theta, target, (64,))])[0])
    print(f"30 questions, 64 samples, {target}: pass {found[0]:.1f} ({table})")
    assert found[0] == pytest.approx(table, abs=5)


SEQUENCES = [
    (q, mean, fixed, target)
    for q in (30, 191, 500)
    for mean in (0.6, 0.95)
    for fixed in (None, 4, 16)
    for target in ("population", "benchmark")
]


@pytest.mark.slow
@pytest.mark.parametrize(("q", "mean", "fixed", "target"), SEQUENCES)
def test_looking_four_times_is_no_more_often_wrong(q: int, mean: float, fixed: int | None, target: str) -> None:
    reps = {30: 20_000, 191: 10_000, 500: 3000}[q]
    source = np.random.default_rng([10, q, int(100 * mean), fixed or 0])
    line = []
    for difference in (0.0, -MARGIN):
        theta = arms(source, reps, q, mean, difference, target)
        task = drawn(source, theta, target, LOOKS, fixed)
        # The benchmark's true drop is that of its own questions.
        margin = theta[0].mean(axis=1) - theta[1].mean(axis=1) if difference and target == "benchmark" else MARGIN
        verdict, when = verdicts([task], margin)
        passed, failed, _ = shares(verdict)
        line.append(f"{100 * difference:+.0f}: fail {failed:.1f} pass {passed:.1f} K {np.array(LOOKS)[when].mean():.1f}")
        wrong = passed if difference else failed
        # Near the ceiling a drop falls on rare questions, which a sample of questions may lack: documented, population only.
        rare = mean == 0.95 and target == "population" and difference
        assert wrong <= ({30: 15, 191: 7}.get(q, 5.5) if rare else 5.5)
    print(f"{q} questions, mean {mean}, {target}, baseline {fixed}: " + "; ".join(line))


@pytest.mark.slow
def test_the_reference_s_table_of_sequential_rules() -> None:
    """191 questions, both arms growing: false fail / pass / mean K without a difference; fail / mean K at -5, mean K at -8."""
    source = np.random.default_rng(11)
    tasks = [drawn(source, arms(source, 6000, 191, 0.6, d), "population") for d in (0.0, -0.05, -0.08)]
    fixed = [Task(t.a[-1:], t.b[-1:], (16,), (16,), t.target, (1.0,)) for t in tasks]
    table = {}
    for name, these, looks, critical in [
        ("fixed K=16", fixed, (16,), None),
        ("1.645 at each look", tasks, LOOKS, 1.645),
        ("constant 2.00", tasks, LOOKS, 2.0),
        ("ours", tasks, LOOKS, None),
    ]:
        rows = [verdicts([task], critical=critical) for task in these]
        (passed, failed, _), (_, found, _), _ = (shares(v) for v, _ in rows)
        table[name] = (failed, passed, found, *(float(np.array(looks)[when].mean()) for _, when in rows))
        print(f"{name}: " + " ".join(f"{x:.1f}" for x in table[name]))
    # Columns: false fail, pass; fail at -5; mean K at 0, -5, -8.
    assert table["fixed K=16"] == pytest.approx((5.2, 87, 99.6, 16, 16, 16), abs=3)
    assert table["1.645 at each look"] == pytest.approx((13.1, 84, 98.8, 6.7, 3.9, 2.3), abs=3)
    assert table["constant 2.00"] == pytest.approx((6.8, 79, 99.0, 9.3, 5.1, 2.6), abs=3)
    assert table["1.645 at each look"][0] > 10 > 5.5 > table["ours"][0]
    assert table["ours"][2] > 98
    assert table["ours"][4] < 6.5
