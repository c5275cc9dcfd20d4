"""Two runs: rows against scipy, statsmodels and hand-worked numbers; what is refused, and what is said of what is missing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalsuite.comparison.compare import Recorded, Row
from evalsuite.comparison.contrast import Contrast, adjusted, contrast
from evalsuite.errors import NotComparableError, UsageError
from evalsuite.metrics.reduce import parse_metric
from evalsuite.runlog import RunDir
from evalsuite.runlog.rollup import Rollup

RNG = np.random.default_rng(3)
A, B = (RNG.integers(0, 2, (40, 4)).astype(float) for _ in "ab")


def only(c: Contrast) -> Row:
    (row,) = c.rows
    return row


def test_a_row_against_scipy(make) -> None:
    """With the two pseudo-questions among the data, it is the one-sample t-test."""
    row = only(contrast(make("a", t=A), make("b", t=B)))
    d = np.concatenate([B.mean(axis=1) - A.mean(axis=1), [1 / 4, -1 / 4]])
    test = stats.ttest_1samp(d, 0)
    found = row.difference
    assert found.value == pytest.approx(B.mean() - A.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.95)), abs=1e-12)
    assert found.p == pytest.approx(test.pvalue, abs=1e-12) and row.p_adjusted == found.p
    plain = B.mean(axis=1) - A.mean(axis=1)
    assert (found.won, found.lost, found.same) == ((plain > 0).sum(), (plain < 0).sum(), (plain == 0).sum())
    assert (row.metric, row.samples_a, row.samples_b) == ("avg@4", 4, 4)
    assert row.other is not None and row.other.target == "benchmark"
    within = sum((s.var(axis=1, ddof=1) / 4).sum() for s in (A, B)) + 2 / 16
    assert row.other.error == pytest.approx(math.sqrt(within) / 40, abs=1e-12)


def test_mcnemar_and_sign_flips_stand_beside_one_sample_per_question(make) -> None:
    a, b = A[:, :1], B[:, :1]
    row = only(contrast(make("a", t=a), make("b", t=b)))
    won, lost = int((b > a).sum()), int((b < a).sum())
    mid = 2 * stats.binom.cdf(min(won, lost), won + lost, 0.5) - stats.binom.pmf(min(won, lost), won + lost, 0.5)
    assert row.mcnemar_p == pytest.approx(mid, abs=1e-12)
    test = stats.permutation_test((b[:, 0], a[:, 0]), lambda x, y: np.mean(x - y), permutation_type="samples", rng=0)
    assert row.sign_flip_p == pytest.approx(test.pvalue, abs=0.02)
    assert row.other is None  # one sample says nothing about sampling


def test_mcnemar_is_not_shown_for_clusters_partial_credit_or_several_samples(make, rollup) -> None:
    clustered = [rollup(s[:, :1], cluster=[str(i // 2) for i in range(40)]) for s in (A, B)]
    for i, (a, b) in enumerate([(A, B), (A[:, :1] / 2, B[:, :1]), clustered]):
        assert only(contrast(make(f"a{i}", t=a), make(f"b{i}", t=b))).mcnemar_p is None


def test_clusters_enter(make, rollup) -> None:
    tables = [rollup(s, cluster=[str(i // 4) for i in range(40)]) for s in (A, B)]
    found = only(contrast(make("a", t=tables[0]), make("b", t=tables[1]))).difference
    assert (found.n_questions, found.n_clusters, found.df) == (40, 10, 11)


def test_moved_are_the_largest_changes_then_by_id(make, rollup) -> None:
    a, b = np.zeros((4, 2)), np.array([[1.0, 0], [0, 0], [1, 1], [0, 1]])
    tables = [rollup(s, id=["z", "y", "x", "w"]) for s in (a, b)]
    one, two = make("a", t=tables[0]), make("b", t=tables[1])
    assert [(m.id, m.a, m.b) for m in only(contrast(one, two)).moved] == [("x", 0, 1), ("w", 0, 0.5), ("z", 0, 0.5)]
    assert [m.id for m in only(contrast(one, two, moved=2)).moved] == ["x", "w"]
    assert only(contrast(one, two, moved=0)).moved == ()


def test_rates_are_of_the_paired_questions(make, rollup) -> None:
    a = rollup(A[:10], truncated=[1] * 5 + [0] * 5, completion_tokens=[100.0] * 10)
    b = rollup(np.where(np.arange(10)[:, None] == 0, np.nan, B[:10]), no_answer=[0] * 9 + [2], completion_tokens=[120.0] * 10)
    row = only(contrast(make("a", t=a), make("b", t=b)))
    assert (row.rates_a.truncated, row.rates_a.coverage, row.rates_a.tokens) == (5 / 40, 1, 100)
    assert (row.rates_b.no_answer, row.rates_b.coverage, row.rates_b.tokens) == (2 / 40, 36 / 40, 120)
    assert row.missing.no_value == 1 and row.missing.share == 0.1 and row.missing.examples == ("0",)


SWAPPED = {"value", "low", "high", "centre"}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(5, 15), st.randoms())
def test_swapping_negates_and_order_does_not_matter(seed: int, q: int, random) -> None:
    rng = np.random.default_rng(seed)
    order = list(range(q))
    random.shuffle(order)

    def side(name: str, scores: np.ndarray, at: list[int]) -> Recorded:
        filled, n = np.nan_to_num(scores), (~np.isnan(scores)).sum(axis=1)
        columns = (n, (filled == 1).sum(axis=1), filled.sum(axis=1), (filled**2).sum(axis=1))
        nothing = np.zeros(q, dtype=int)
        columns += (nothing, nothing, scores.shape[1] - n, np.full(q, 9.0))
        rollup = Rollup([f"q{i}" for i in at], [f"d{i}" for i in at], [f"c{i // 2}" if i < 4 else None for i in at],
                        *(column[at] for column in columns), metrics={})  # fmt: skip
        run = Recorded(RunDir(Path(name)))
        run.__dict__["manifest"] = {"status": "done", "tasks": {"t": {"identity": {}}}}  # as if it had been read
        run._rollups["t"] = rollup
        return run

    scores = [np.where(rng.random((q, 3)) < 0.1, np.nan, rng.integers(0, 3, (q, 3)) / 2) for _ in "ab"]
    straight = list(range(q))
    a, b, shuffled = side("a", scores[0], straight), side("b", scores[1], straight), side("b", scores[1], order)
    row, back, mixed = only(contrast(a, b)), only(contrast(b, a)), only(contrast(a, shuffled))
    for one, two in ((row, mixed), (row, back)):
        negate = -1 if two is back else 1
        for name in ("value", "centre", "error", "p", "df", "mde", "se"):
            sign = negate if name in SWAPPED else 1
            assert getattr(one.difference, name) == pytest.approx(sign * getattr(two.difference, name), abs=1e-12, nan_ok=True)
    d, r = row.difference, back.difference
    assert (d.low, d.high) == pytest.approx((-r.high, -r.low), abs=1e-12, nan_ok=True)
    assert (d.won, d.lost, d.same) == (r.lost, r.won, r.same)
    assert (row.missing.low, row.missing.high) == pytest.approx((-back.missing.high, -back.missing.low), abs=1e-12)
    assert [(m.id, m.a, m.b) for m in row.moved] == [(m.id, m.b, m.a) for m in back.moved]
    assert row.moved == mixed.moved


def test_the_mean_over_tasks_by_hand(make) -> None:
    c = contrast(make("a", s=A, t=A[:20]), make("b", s=B, t=B[:20]))
    one, two = (row.difference for row in c.rows)
    (overall,) = c.overall
    error = math.hypot(one.error, two.error) / 2
    df = (2 * error) ** 4 / (one.error**4 / one.df + two.error**4 / two.df)
    centre = (one.centre + two.centre) / 2
    assert overall.value == pytest.approx((one.value + two.value) / 2)
    assert (overall.low, overall.high) == pytest.approx(stats.t.interval(0.95, df, centre, error), abs=1e-12)
    assert overall.p == pytest.approx(2 * stats.t.sf(abs(centre) / error, df), abs=1e-12)
    raw = math.hypot(one.error * 42 / 40, two.error * 22 / 20) / 2
    assert overall.mde == pytest.approx((stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)) * raw, abs=1e-12)
    assert overall.detectable(0.01) > overall.mde and (overall.questions, overall.missing) == (60, 0)
    several = contrast(make("a2", s=A, t=A), make("b2", s=B, t=B), metrics=("avg", "pass@2", "pass@1"))
    assert [(r.task, r.metric) for r in several.rows] == [("s", "avg@4"), ("s", "pass@2"), ("t", "avg@4"), ("t", "pass@2")]
    assert [o.metric for o in several.overall] == ["avg@4", "pass@2"]


def test_p_values_are_adjusted_over_all_rows(make) -> None:
    from statsmodels.stats.multitest import multipletests

    a = make("a", s=A, t=A[::-1])
    found = [contrast(a, make(f"b{i}", s=B, t=1 - B), positions=(0, i)) for i in (1, 2)]
    p = [row.difference.p for c in found for row in c.rows]
    for correction, name in (("holm", "holm"), ("bh", "fdr_bh")):
        expected = multipletests(p, method=name)[1]
        got = [row.p_adjusted for c in adjusted(found, correction) for row in c.rows]
        assert got == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_run_that_has_not_ended_is_refused(make, status: str) -> None:
    with pytest.raises(UsageError, match=f"run b is {status}.*run its command again"):
        contrast(make("a", t=A), make("b", t=B, status=status))


def test_a_changed_data_revision_is_not_comparable_and_says_how(make, rollup) -> None:
    edited = rollup(B, digest=["new" if i == 7 else f"d{i}" for i in range(40)])
    a, b = make("a", t=A), make("b", t=edited, identity={"data": "d1"})
    with pytest.raises(NotComparableError, match=r"(?s)t: data: 39 questions are in both, 1 only in the first and 1 only in the"
                       r" second, 1 of them with the same id.*--allow data"):  # fmt: skip
        contrast(a, b)
    c = contrast(a, b, allow=("data",))
    missing = only(c).missing
    assert (missing.only_a, missing.only_b, missing.edited, missing.share) == (1, 1, 1, 2 / 41)
    value = (B.mean(axis=1) - A.mean(axis=1)).sum() - (B[7].mean() - A[7].mean())
    assert missing.low == pytest.approx((value - A[7].mean() + B[7].mean() - 1) / 41)
    assert missing.high == pytest.approx((value + 1 - A[7].mean() + B[7].mean()) / 41)
    assert list(c.allowed["t"]) == ["data"]


def test_another_order_and_new_ids_are_the_same_data(make, rollup) -> None:
    turned = rollup(B[::-1], id=[f"n{i}" for i in range(40)], digest=[f"d{39 - i}" for i in range(40)])
    c = contrast(make("a", t=A), make("b", t=turned, identity={"data": "d1"}))
    assert c.allowed == {} and only(c).difference.value == pytest.approx(B.mean() - A.mean())


def test_a_limited_run_against_the_full_one(make) -> None:
    a, b = make("a", t=A), make("b", t=B[:10], identity={"data": "d1"})
    with pytest.raises(NotComparableError, match="10 questions are in both, 30 only in the first and 0 only in the second"):
        contrast(a, b)
    missing = only(contrast(a, b, allow=("data",))).missing
    assert missing.only_a == 30 and missing.low < -0.3 < 0.3 < missing.high


def test_every_mismatch_is_named_at_once(make) -> None:
    a = make("a", s=A, t=A)
    b = make("b", s=B, t=B, identity={"version": "2", "sampling": {"temperature": 1.0, "top_p": 1.0}})
    with pytest.raises(NotComparableError) as error:
        contrast(a, b)
    text = str(error.value)
    assert all(f"{t}: version: 1 -> 2" in text and f"{t}: sampling: temperature 0.6 -> 1.0" in text for t in "st")
    assert text.endswith("--allow version,sampling")
    with pytest.raises(NotComparableError, match="--allow version,sampling"):
        contrast(a, b, allow=("version",))
    assert contrast(a, b, allow=("all",)).allowed["s"] == {"version": "1 -> 2", "sampling": "temperature 0.6 -> 1.0"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow": ("sampler",)}, "nothing called sampler can be allowed.*version, data, prompt"),
        ({"tasks": ("u",)}, "run a has no task 'u'; it has t"),
        ({"tasks": ()}, "no task was asked for"),
        ({"metrics": ()}, "no metric was asked for"),
        ({"metrics": ("pass@8",)}, "run a has 4 samples per question of t, and pass@8 needs 8"),
        ({"metrics": ("avg@16",)}, "run a has 4 samples per question of t, and avg@16 needs 16"),
        ({"metrics": ("maj@4",)}, "run a has no maj@4 of t; it has none. Run its command again with --metrics maj@4"),
        ({"metrics": ("part:x/y",)}, "equal weights; say part:x"),
        ({"metrics": ("f1",)}, "no metric 'f1'"),
    ],
)
def test_what_cannot_be_had_is_refused(make, options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        contrast(make("a", t=A), make("b", t=B), **options)


def test_unequal_samples_serve_a_metric_that_both_can_give(make) -> None:
    a, b = make("a", t=A), make("b", t=B[:, :2])
    row = only(contrast(a, b, metrics=("pass@2",)))
    assert (row.metric, row.samples_a, row.samples_b) == ("pass@2", 4, 2) and row.other is None
    with pytest.raises(UsageError, match="run b has 2 samples per question of t, and pass@4 needs 4"):
        contrast(a, b, metrics=("pass@4",))


def test_no_common_task(make) -> None:
    with pytest.raises(UsageError, match="no task is in both runs: a has s; b has t"):
        contrast(make("a", s=A), make("b", t=B))
    c = contrast(make("a2", s=A, t=A), make("b2", t=B, u=B))
    assert c.notes == ("`s`: in `a2` and not in `b2`, so not compared.", "`u`: in `b2` and not in `a2`, so not compared.")


def test_nothing_pairs(make, rollup) -> None:
    b = make("b", t=rollup(B, digest=[f"e{i}" for i in range(40)]), identity={"data": "d1"})
    with pytest.raises(
        NotComparableError, match="0 questions are in both, 40 only in the first and 40 only in the second, 40 of"
    ):
        contrast(make("a", t=A), b)
    with pytest.raises(NotComparableError, match="no question is in both runs: a2 and b share none of t"):
        contrast(make("a2", t=A), b, allow=("all",))


def test_one_task_of_two_pairs(make, rollup) -> None:
    b = make("b", s=B, t=rollup(B, digest=[f"e{i}" for i in range(40)]), identity={"data": "d1"})
    row = contrast(make("a", s=A, t=A), b, allow=("data",)).rows[1]
    assert row.difference.n_questions == 0 and math.isnan(row.difference.p) and math.isnan(row.rates_a.tokens)
    assert row.missing.share == 1 and row.difference.notes == ("no question has a value in both",)


@pytest.mark.parametrize("target", ["population", "benchmark"])
def test_a_run_in_which_everything_failed(make, target: str) -> None:
    row = only(contrast(make("a", t=A), make("b", t=np.full((40, 4), np.nan)), target=target))
    assert math.isnan(row.difference.p) and row.missing.no_value == 40 and row.rates_b.coverage == 0
    assert (row.missing.low, row.missing.high) == pytest.approx((-A.mean(), 1 - A.mean()))


def test_one_question(make) -> None:
    row = only(contrast(make("a", t=A[:1]), make("b", t=B[:1])))
    assert math.isnan(row.difference.low) and row.difference.notes == ("only 1 questions: no interval below 5",)
    assert row.sign_flip_p is None


def test_the_benchmark_target_says_what_it_lacks(make) -> None:
    short = np.where(np.arange(4) < np.where(np.arange(40) < 3, 1, 4)[:, None], B, np.nan)
    with pytest.raises(UsageError, match="needs 2 samples of every question in both runs, and 3 of 40 have fewer"):
        contrast(make("a", t=A), make("b", t=short), target="benchmark")
    with pytest.raises(UsageError, match="it needs 5 samples"):
        contrast(make("a2", t=A), make("b2", t=B), target="benchmark", metrics=("pass@4",))
    found = only(contrast(make("a3", t=A), make("b3", t=B), target="benchmark"))
    assert found.difference.target == "benchmark" and found.other is not None and found.other.target == "population"


def test_a_damaged_table_is_named(make) -> None:
    a, b = make("a", t=A), make("b", t=B)
    path = b.run.path / "questions" / "t.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match=r"questions/t.parquet cannot be read"):
        contrast(a, b)
    path.unlink()
    with pytest.raises(UsageError, match="run b has no per-question numbers of 't'"):
        contrast(a, Recorded(b.run))


def test_stored_metrics_are_compared(make, rollup) -> None:
    tables = [rollup(s, **{"maj@4": s[:, 0]}) for s in (A, B)]
    row = only(contrast(make("a", t=tables[0]), make("b", t=tables[1]), metrics=("maj@4",)))
    assert row.difference.value == pytest.approx(B[:, 0].mean() - A[:, 0].mean()) and row.other is None
    with pytest.raises(UsageError, match="the sampling variance of maj@4 is not recorded"):
        contrast(make("a2", t=tables[0]), make("b2", t=tables[1]), metrics=("maj@4",), target="benchmark")


@pytest.mark.parametrize("name", ["pass@4", "pass^4", "g_pass@4_0.5", "mg_pass@4", "maj@4"])
def test_a_metric_of_all_samples_has_the_pseudo_questions_of_one_value(make, rollup, name: str) -> None:
    tables = [rollup(s, **{"maj@4": s[:, 0]}) for s in (A, B)]
    one, two = (make(n, t=table) for n, table in zip("ab", tables))
    row = only(contrast(one, two, metrics=(name,)))
    va, vb = (run.values("t", parse_metric(name))[0] for run in (one, two))
    test = stats.ttest_1samp(np.concatenate([vb - va, [1, -1]]), 0)
    assert row.difference.p == pytest.approx(test.pvalue, abs=1e-12)
    assert (row.difference.low, row.difference.high) == pytest.approx(tuple(test.confidence_interval(0.95)), abs=1e-12)
    assert (row.samples_a, row.samples_b) == (4, 4)


def test_parts_that_are_counts_have_no_bounds(make, rollup) -> None:
    one, two = RNG.integers(0, 9, 40).astype(float), RNG.integers(0, 9, 40).astype(float)
    two[3] = np.nan
    tables = [rollup(s, **{"part:steps": v, "part:share": v / 9}) for s, v in ((A, one), (B, two))]
    steps, share = contrast(make("a", t=tables[0]), make("b", t=tables[1]), metrics=("part:steps", "part:share")).rows
    assert not steps.shares and math.isnan(steps.missing.low) and math.isnan(steps.missing.high)
    assert share.shares and share.missing.low == pytest.approx((np.nansum(two) / 9 - one.sum() / 9) / 40)


def test_adjusting_counts_the_family(make) -> None:
    a = make("a", s=A, t=A[::-1])
    found = [contrast(a, make(f"b{i}", s=B, t=1 - B), positions=(0, i)) for i in (1, 2)]
    assert {(row.family, o.family) for c in adjusted(found, "holm") for row in c.rows for o in c.overall} == {(4, 2)}
    assert {row.family for c in adjusted(found, "none") for row in c.rows} == {1}
