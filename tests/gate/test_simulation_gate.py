"""How often is the gate wrong? Its rule on thousands of simulated comparisons, alone and over ten tasks, in one look and many.

Simulated are questions of mean .6 with a concentration of 2 and an interaction of .3 (log-odds), which give the reference's
tables, and questions near the ceiling. Without a change both models are the same, question by question.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from gate_simulation import LOOKS, MARGIN, Task, arms, drawn, one_by_one, shares, verdicts
from simulate import questions

from evalsuite.gate.decide import FAIL, IMPROVED, INCONCLUSIVE, PASS


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
        (60, 0.9, -0.06, "benchmark", (1, 2, 4), None),
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
        tasks.append(drawn(source, (theta, theta), target, (k,)))
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
    # 4.5 points for the one cell that the reference's own table of detectable differences puts at 61, not 64.
    assert found == pytest.approx(table, abs=4.5 if cell == (1319, 1) else 3)
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
    assert found[0] == pytest.approx(table, abs=7)


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
@pytest.mark.parametrize("fixed", [None, 1, 16])
@pytest.mark.parametrize("mean", [0.6, 0.95])
def test_a_first_look_at_one_sample(mean: float, fixed: int | None) -> None:
    """It is about the population, as there is no other way; the later looks are about the benchmark."""
    source = np.random.default_rng([12, int(100 * mean), fixed or 0])
    looks = (1, *LOOKS)
    theta = questions(source, (8000, 191), mean)
    task = drawn(source, (theta, theta), "benchmark", looks, fixed)
    (passed, failed, _), when = shares(verdicts([task])[0]), verdicts([task])[1]
    print(
        f"from one sample, mean {mean}, baseline {fixed}: fail {failed:.1f} pass {passed:.1f} K {np.array(looks)[when].mean():.1f}"
    )
    assert failed <= 5.5


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
