"""What a reader sees: careful words, and nothing hidden."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalsuite.comparison.many import Comparison, compare_runs
from evalsuite.comparison.methods import Method
from evalsuite.comparison.sentences import percent, points, probability

RNG = np.random.default_rng(5)
A, B = (RNG.random((80, 2)) < p for p in (0.3, 0.6))


def of(*runs, **options) -> Comparison:
    return compare_runs([Method(name="", runs=(run,)) for run in runs], **options)


def line(text: str, beginning: str) -> str:
    return next(x for x in text.splitlines() if x.startswith(beginning))


@pytest.mark.parametrize(
    ("x", "text"), [(0.1736, "+17.36"), (-0.005, "-0.50"), (0.0, "0.00"), (-0.000001, "0.00"), (math.nan, "-")]
)
def test_points(x: float, text: str) -> None:
    assert points(x) == text


def test_numbers() -> None:
    assert (probability(0.00005), probability(0.0312), probability(math.nan)) == ("< 0.0001", "0.0312", "-")
    assert (percent(0.2168), percent(math.nan)) == ("21.68 %", "-")


def test_better_and_worse(make) -> None:
    a, b = make("a", t=A), make("b", t=B)
    d = of(a, b).contrasts[0].rows[0].difference
    text = f"by {100 * d.low:.2f} to {100 * d.high:.2f} points."
    assert line(str(of(a, b)), "- `t`, avg@2:") == f"- `t`, avg@2: B is better than A {text}"
    assert line(str(of(b, a)), "- `t`, avg@2:") == f"- `t`, avg@2: B is worse than A {text}"


def test_no_significance_is_never_equal(make) -> None:
    text = str(of(make("a", t=A), make("b", t=np.roll(A, 1, axis=0))))
    verdict = line(text, "- `t`, avg@2:")
    assert "can be told from noise; one of" in verdict and "would have been found with 80 % power" in verdict
    assert "equal" not in text and "same" not in verdict


def test_what_correction_takes_away_is_said(make) -> None:
    """p is .02 alone; among ten such it is not below .05."""
    a = RNG.random((60, 1)) < 0.5
    b = a.copy()
    b[np.flatnonzero(~a[:, 0])[:8]] = True
    b[np.flatnonzero(a[:, 0])[:1]] = False
    tasks = {f"t{i}": a for i in range(10)}
    found = of(make("a", **tasks), make("b", t0=b, **{f"t{i}": a[::-1] for i in range(1, 10)}))
    row = found.contrasts[0].rows[0]
    assert row.difference.p < 0.05 < row.p_adjusted
    assert "once everything compared here counts (holm: p =" in str(found) and "alone, B would be better by" in str(found)
    assert (
        "P-values are corrected over all rows of tasks, and over the means over tasks apart from them (holm); intervals are not."
        in str(found)
    )
    assert "p (holm)" in str(found)


def test_one_test_needs_no_correction(make) -> None:
    text = str(of(make("a", t=A), make("b", t=B)))
    assert "holm" not in text


def test_the_target_is_named_and_the_other_one_shown(make) -> None:
    a, b = make("a", t=A), make("b", t=B)
    text = str(of(a, b))
    assert "- Differences are in points, for new questions of this kind (target: population)." in text
    assert "- `t` avg@2: for these very questions, sampled again (benchmark): [" in text
    text = str(of(a, b, target="benchmark"))
    assert "for these very questions, sampled again (target: benchmark)." in text
    assert "- `t` avg@2: for new questions of this kind (population): [" in text


def test_with_three_runs_second_opinions_are_shown_where_they_disagree(make) -> None:
    runs = [make("a", t=A[:, :1]), make("b", t=B[:, :1]), make("c", t=B[:, 1:])]
    assert "McNemar" in str(of(*runs[:2])) and "McNemar" not in str(of(*runs))


def test_unequal_samples_clusters_and_few_questions(make, rollup) -> None:
    a = rollup(A[:16].astype(float), cluster=[str(i // 2) for i in range(16)])
    b = rollup(B[:16, :1].astype(float), cluster=[str(i // 2) for i in range(16)])
    text = str(of(make("a", t=a), make("b", t=b)))
    assert "| 16 (8 clusters) | 2/1 |" in text
    assert "- `t` avg: only 8 clusters of questions: the interval is rough below 10." in text
    assert "sign-flip permutation test: p" in text


def test_nothing_can_be_said_of_three_questions(make) -> None:
    text = str(of(make("a", t=A[:3]), make("b", t=B[:3])))
    assert "- `t`, avg@2: nothing can be said of B against A: only 3 questions: no interval below 5." in text


def test_missing_questions_and_samples_come_with_bounds(make) -> None:
    b = B.astype(float)
    b[0] = np.nan
    b[1, 0] = np.nan
    found = of(make("a", t=A), make("b", t=b[:70]), allow=("data",))
    m = found.contrasts[0].rows[0].missing
    remark = line(str(found), "- `t` avg@2: 10 questions")
    assert "10 questions are only in the first run and 0 only in the second" in remark
    assert "1 questions have no value in one of them" in remark and "samples have no value (coverage 97.86 %)" in remark
    assert remark.endswith(
        f"the difference measured here is from {100 * m.low:+.2f} to {100 * m.high:+.2f} (bounds without sampling noise)."
    )
    assert "- `t`: allowed to differ between A and B: data: `70 questions are in both" in str(found)


def test_guards_stand_where_something_differs_or_is_not_perfect(make, rollup) -> None:
    assert "Beside the score" not in str(of(make("a", t=A), make("b", t=B)))
    a = rollup(A.astype(float), completion_tokens=[100.0] * 80)
    b = rollup(B.astype(float), completion_tokens=[150.0] * 80, truncated=[1] * 4 + [0] * 76)
    text = str(of(make("a2", t=a), make("b2", t=b)))
    assert "| `t`  | 100 -> 150 | 1.500 | 0.0 % -> 2.5 % | 0.0 % -> 0.0 % | 100.0 % -> 100.0 % |" in text


def test_what_else_differs_is_mentioned(make) -> None:
    b = make("b", t=B)
    b.manifest["environment"]["packages"]["numpy"] = "3"
    text = str(of(make("a", t=A), b))
    assert "- Differs between A and B, and should not matter: `packages.numpy 2 -> 3`." in text


def test_names_cannot_break_the_table(make, rollup) -> None:
    ids = ["a|b\n\x1b[2J" if i == 0 else str(i) for i in range(80)]
    a, b = np.zeros((80, 1)), np.zeros((80, 1))
    b[0] = 1
    text = str(of(make("a", t=rollup(a, id=ids)), make("b", t=rollup(b, id=ids), model="x\ny")))
    assert "<code>a&#124;b &#91;2J</code>" in text and "\x1b" not in text and "- B: `x y` (" in text


def test_moved_says_how_many(make) -> None:
    a, b = make("a", t=A), make("b", t=B)
    assert "Questions that moved most" not in str(of(a, b, moved=0))
    table = str(of(a, b, moved=3)).split("moved most:\n\n")[1].split("\n\n")[0]
    assert len(table.splitlines()) == 2 + 3
