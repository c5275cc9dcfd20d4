"""Several runs: all against the first, ranks over the questions that all have, training seeds."""

from __future__ import annotations

import json
import math
import re
import shutil

import numpy as np
import pytest
from scipy import stats

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.many import Comparison, compare_runs
from evalsuite.comparison.methods import Method
from evalsuite.errors import NotComparableError, UsageError
from evalsuite.runlog import RunDir

RNG = np.random.default_rng(11)
A, B, C = (RNG.random((60, 4)) < p for p in (0.3, 0.5, 0.9))


def plain(*runs) -> list[Method]:
    return [Method(name="", runs=(run,)) for run in runs]


def three(make, **options) -> Comparison:
    return compare_runs(plain(make("a", t=A), make("b", t=B), make("c", t=C)), **options)


def test_every_run_against_the_first_and_ranks_from_all_pairs(make) -> None:
    found = three(make)
    assert [(c.a, c.b) for c in found.contrasts] == [(0, 1), (0, 2)]
    assert [run.letter for run in found.runs] == ["A", "B", "C"]
    p = [c.rows[0].difference.p for c in found.contrasts]
    assert [c.rows[0].p_adjusted for c in found.contrasts] == pytest.approx([max(p[0], 2 * p[1]), 2 * p[1]])
    (rank,) = found.rankings
    assert rank.questions == 60 and rank.ranking.bands[2] == (1, 1)
    assert rank.ranking.p[1, 0] == pytest.approx(p[0], abs=1e-12) and rank.ranking.p[2, 0] == pytest.approx(p[1], abs=1e-12)


def test_two_runs_have_no_ranks(make) -> None:
    assert compare_runs(plain(make("a", t=A), make("b", t=B))).rankings == ()


def test_ranks_are_over_the_questions_that_all_have(make, rollup) -> None:
    """b lacks the first ten, in another order; c has no value for the last."""
    c = C.astype(float)
    c[-1] = np.nan
    turned = rollup(B[:9:-1].astype(float), id=[f"n{i}" for i in range(50)], digest=[f"d{59 - i}" for i in range(50)])
    found = compare_runs(plain(make("a", t=A), make("b", t=turned), make("c", t=c)), allow=("data",))
    (rank,) = found.rankings
    assert rank.questions == 49
    assert rank.ranking.means == pytest.approx([s[10:59].mean() for s in (A, B, C)])


def test_ranks_and_contrasts_agree_where_samples_are_missing(make, rollup) -> None:
    rng, pairs = np.random.default_rng(2), [str(i // 2) for i in range(60)]
    gone = rng.random((60, 1)) < 0.2
    scores = [np.where(gone | (rng.random((60, 4)) < 0.2), np.nan, s) for s in (A, B, C)]
    found = compare_runs(plain(*(make(n, t=rollup(s, cluster=pairs)) for n, s in zip("abc", scores))))
    p = [c.rows[0].difference.p for c in found.contrasts]
    assert found.rankings[0].ranking.p[0, 1:] == pytest.approx(p, abs=1e-12)


def test_three_runs_without_a_question_that_all_have(make, rollup) -> None:
    digests = [[f"d{i}" for i in range(60)], [f"d{i}" for i in range(60, 90)] + [f"d{i}" for i in range(30)]]
    digests += [[f"d{i}" for i in range(30, 60)] + [f"e{i}" for i in range(30)]]
    runs = [make(n, t=rollup(A.astype(float), digest=d)) for n, d in zip("abc", digests)]
    found = compare_runs(plain(*runs), allow=("data",))
    assert found.rankings[0].questions == 0 and found.rankings[0].ranking.bands == ((1, 3),) * 3


def test_a_task_that_one_run_lacks_is_noted_and_ranked_among_the_others(make) -> None:
    runs = [make("a", s=A, t=A), make("b", s=B, t=B), make("c", t=C), make("d", s=C, t=C)]
    found = compare_runs(plain(*runs))
    assert found.contrasts[1].notes == ("`s`: in `a` and not in `c`, so not compared.",)
    assert [(r.task, r.runs) for r in found.rankings] == [("s", (0, 1, 3)), ("t", (0, 1, 2, 3))]
    assert re.search(r"\| C   \| `model` +\| +- \| +\d", str(found))
    with pytest.raises(UsageError, match="run c has no task 's'"):
        compare_runs(plain(*runs), tasks=["s"])


def test_the_dict_is_json_without_nan(make) -> None:
    few = compare_runs(plain(make("a1", t=A[:3]), make("b1", t=B[:3]), make("c1", t=C[:3])))
    for found in (three(make), few):
        data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert data["contrasts"][1]["b"] == "C" and data["rankings"][0]["runs"] == ["A", "B", "C"]
        assert {"difference", "p_adjusted", "missing", "rates_a", "verdict"} <= data["contrasts"][0]["rows"][0].keys()
    assert data["contrasts"][0]["rows"][0]["difference"]["low"] is None
    assert found._repr_markdown_() == str(found) == found.table()


def test_the_same_run_twice_is_said(make) -> None:
    a = make("a", t=A)
    found = compare_runs(plain(a, make("b", t=B), a))
    assert "A and C are the same run: nothing can differ." in found.notes
    assert found.contrasts[1].rows[0].difference.value == 0


def test_one_run_per_side_is_a_claim_about_checkpoints(make) -> None:
    assert any(note.startswith("Checkpoint claim only") for note in three(make).notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"correction": "bonferroni"}, "'bonferroni' is not one of holm, bh, none"),
        ({"target": "both"}, "'both' is not one of population, benchmark"),
        ({"moved": -1}, "--moved -1: not below zero"),
    ],
)
def test_options_that_there_are_not(make, options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        three(make, **options)


def test_one_run_is_not_enough(make) -> None:
    with pytest.raises(UsageError, match="two runs are needed"):
        compare_runs(plain(make("a", t=A)))


def test_a_failed_run_that_wrote_its_numbers_is_compared_and_noted(make) -> None:
    b = make("b", t=np.where(np.arange(60)[:, None] < 5, np.nan, B), status="failed")
    b.manifest["stopped"] = ""
    found = compare_runs(plain(make("a", t=A), b))
    assert found.contrasts[0].rows[0].missing.no_value == 5
    assert found.notes[-1].startswith("B (`b`) is failed: samples are missing")


def grouped(make, seeds_b: int = 3, **options) -> tuple[Comparison, list[np.ndarray]]:
    scores = [(RNG.random((60, 4)) < p).astype(float) for p in (0.3, 0.34, 0.32, 0.6, 0.63, 0.58)]
    runs = [make(f"r{i}", s=x, t=x[::-1]) for i, x in enumerate(scores[: 3 + seeds_b])]
    methods = [Method(name="grpo", runs=tuple(runs[:3])), Method(name="vespo", runs=tuple(runs[3:]))]
    return compare_runs(methods, **options), scores


def test_methods_are_compared_by_their_seeds_as_welch_does(make) -> None:
    found, scores = grouped(make)
    means = [x.mean() for x in scores]
    row = found.seeds[0]
    test = stats.ttest_ind(means[3:], means[:3], equal_var=False)
    assert row.difference.p == pytest.approx(test.pvalue, abs=1e-12)
    assert (row.difference.low, row.difference.high) == pytest.approx(tuple(test.confidence_interval()), abs=1e-12)
    assert row.values_a == pytest.approx(means[:3]) and (row.questions, row.missing) == (60, 0)
    assert row.p_adjusted == pytest.approx(2 * test.pvalue)
    assert [r.task for r in found.seeds] == ["s", "t", ""] and found.contrasts == () == found.rankings
    assert [run.letter for run in found.runs] == ["A1", "A2", "A3", "B1", "B2", "B3"]
    assert "B (`vespo`) is better than A (`grpo`) by" in str(found)
    assert "unit is the training seed" in str(found)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["methods"] == {"A": "grpo", "B": "vespo"} and data["seeds"][0]["b"] == "B"


def test_one_seed_on_a_side_is_a_checkpoint_claim(make) -> None:
    found, _ = grouped(make, seeds_b=1)
    assert all(math.isnan(row.difference.p) for row in found.seeds)
    assert "checkpoint claim only: B (`vespo`) has one training seed, and a claim about methods needs two of each" in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_seeds_are_over_the_questions_that_all_runs_have_with_bounds_for_the_rest(make) -> None:
    x = (RNG.random((4, 20, 2)) < 0.5).astype(float)
    x[3, 0] = np.nan
    runs = [make("a", t=x[0]), make("b", t=x[1]), make("c", t=x[2][:18]), make("d", t=x[3])]
    methods = [Method(name="m", runs=tuple(runs[:2])), Method(name="n", runs=tuple(runs[2:]))]
    with pytest.raises(NotComparableError, match="2 only in the first and 0 only in the second"):
        compare_runs(methods)
    found = compare_runs(methods, allow=("data",))
    (row,) = found.seeds
    assert (row.questions, row.missing) == (17, 3)
    assert row.values_b == pytest.approx([x[2][1:18].mean(), x[3][1:18].mean()])
    first = (x[0].mean() + x[1].mean()) / 2
    c, d = x[2][:18].mean(axis=1).sum() / 20, np.nansum(x[3].mean(axis=1)) / 20
    assert row.low == pytest.approx((c + d) / 2 - first)
    assert row.high == pytest.approx((c + 2 / 20 + d + 1 / 20) / 2 - first)
    assert "3 questions are left out" in str(found) and "allowed to differ in `c`: data" in str(found)


def test_a_plain_run_beside_methods_is_a_method_of_one_seed(make) -> None:
    runs = [make(f"r{i}", model=f"m{i}", t=x) for i, x in enumerate((A, B, C))]
    found = compare_runs([Method(name="m", runs=tuple(runs[:2])), *plain(runs[2])])
    assert found.methods == {"A": "m", "B": "m2"}


def test_methods_that_are_not_what_they_seem(make) -> None:
    a, b, c = make("a", t=A), make("b", t=B), make("c", t=C)
    with pytest.raises(UsageError, match="run a is named twice"):
        compare_runs([Method(name="m", runs=(a, b)), Method(name="n", runs=(a, c))])
    b.manifest["identity"]["model"] = a.manifest["identity"]["model"]
    found = compare_runs([Method(name="m", runs=(a, b)), *plain(c)])
    assert "A: runs of one and the same model, sampled again, are not two training seeds." in found.notes
    with pytest.raises(UsageError, match="two methods are called 'm'"):
        compare_runs([Method(name="m", runs=(a,)), Method(name="m", runs=(c,))])
    with pytest.raises(UsageError, match="--target does not go with methods"):
        compare_runs([Method(name="m", runs=(a, b)), *plain(c)], target="benchmark")
    u = make("u", u=A, s=A)
    with pytest.raises(UsageError, match="no task is in both runs: a has t; u has u, s"):
        compare_runs([Method(name="m", runs=(a, b)), *plain(u)])


def test_methods_without_a_question_that_all_could_answer(make) -> None:
    nothing = np.full((60, 4), np.nan)
    a, b, c = make("a", s=A, t=A), make("b", s=B, t=B), make("c", s=C, t=nothing)
    methods = [Method(name="m", runs=(a, b)), *plain(c)]
    found = compare_runs(methods)
    assert [row.task for row in found.seeds] == ["s"] and "`t`, avg: no question has a value in all runs." in found.notes
    with pytest.raises(NotComparableError, match="no question of t has a value in all runs"):
        compare_runs(methods, tasks=["t"])


def copy_of(run, folder) -> Recorded:
    shutil.copytree(run.run.path, folder)
    return Recorded(RunDir(folder))


def test_a_copy_is_the_same_run(make, tmp_path) -> None:
    a, b = make("a", t=A), make("b", t=B)
    again = copy_of(a, tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="run a is named twice"):
        compare_runs([Method(name="m", runs=(a, b)), Method(name="n", runs=(again,))])
    with pytest.raises(UsageError, match="run a is named twice"):
        compare_runs([Method(name="m", runs=(a, again)), *plain(b)])
    found = compare_runs(plain(a, again))
    text = str(found)
    assert "- `t`, avg@4: B is the same run as A: nothing can differ." in text and "80 % power." not in text.split("- Diff")[0]
    assert "agree more than" not in text and math.isnan(found.contrasts[0].rows[0].p_adjusted)
    data = found.to_dict()["contrasts"][0]
    assert data["same_as"] == "A" and data["rows"][0]["verdict"] == "B is the same run as A: nothing can differ."


def test_a_run_that_comes_twice_is_tested_and_ranked_once(make, tmp_path) -> None:
    a, b, c = make("a", t=A), make("b", t=B), make("c", t=C)
    once = compare_runs(plain(a, b, c))
    twice = compare_runs(plain(a, b, c, copy_of(b, tmp_path / "b2"), copy_of(a, tmp_path / "a2")))
    adjusted = [[x.rows[0].p_adjusted for x in found.contrasts[:2]] for found in (once, twice)]
    assert adjusted[0] == adjusted[1] and twice.contrasts[0].rows[0].family == 2
    assert [x.same_as for x in twice.contrasts] == [None, None, 1, 0]
    assert twice.rankings[0].runs == (0, 1, 2)
    assert twice.rankings[0].ranking.adjusted == pytest.approx(once.rankings[0].ranking.adjusted, nan_ok=True)
    assert "D is the same run as B" in str(twice)


def test_one_run_id_with_other_samples_is_compared(make, tmp_path) -> None:
    """A run that began afresh in another folder."""
    a = make("a", t=A)
    b = make("b", t=B)
    b.manifest["run_id"] = "a"
    found = compare_runs(plain(a, b))
    assert found.contrasts[0].same_as is None and "better" in str(found)
    assert any(note.startswith("A and B come from one and the same command") for note in found.notes)


def test_one_model_sampled_again_is_no_verdict_on_methods(make) -> None:
    runs = [make(f"r{i}", s=x, t=x) for i, x in enumerate((A, A[::-1] | B, B, C))]
    runs[1].manifest["identity"]["model"] = runs[0].manifest["identity"]["model"]
    found = compare_runs([Method(name="m", runs=tuple(runs[:2])), Method(name="n", runs=tuple(runs[2:]))])
    for row in found.seeds:
        d = row.difference
        assert all(math.isnan(x) for x in (d.low, d.high, d.p, d.se, row.p_adjusted)) and row.family == 1
        assert d.value == pytest.approx(np.mean([B, C]) - np.mean([A, A[::-1] | B]))
    assert "checkpoint claim only: runs of A are of one model sampled again, which are not training seeds." in str(found)


def test_ranks_of_a_metric_at_k_agree_with_the_contrasts(make) -> None:
    """pass@4 of 4 samples is one right or wrong, and so is a pseudo-question."""
    runs = [make("a", t=A), make("b", t=B), make("c", t=C)]
    found = compare_runs(plain(*runs), metrics=("pass@4",))
    p = [c.rows[0].difference.p for c in found.contrasts]
    assert found.rankings[0].ranking.p[0, 1:] == pytest.approx(p, abs=1e-12)
    once = compare_runs(plain(*(make(f"{n}1", t=s.any(axis=1)[:, None]) for n, s in zip("abc", (A, B, C)))))
    assert found.rankings[0].ranking.p[0, 1:] == pytest.approx(once.rankings[0].ranking.p[0, 1:], abs=1e-12)
    row = found.contrasts[0].rows[0]
    assert (row.difference.low, row.difference.high) == pytest.approx(
        (once.contrasts[0].rows[0].difference.low, once.contrasts[0].rows[0].difference.high), abs=1e-12
    )
    assert (row.samples_a, row.samples_b) == (4, 4)


def test_metrics_that_compute_the_same_are_one_row(make) -> None:
    names = ("avg", "avg@4", "pass@1", "pass@2", "g_pass@2_0.5", "g_pass@4_0.4", "g_pass@4_0.5", "pass^4", "g_pass@4_1")
    found = three(make, metrics=names)
    labels = ["avg@4", "pass@2", "g_pass@4_0.4", "pass^4"]
    assert [row.metric for row in found.contrasts[0].rows] == labels
    assert [r.metric for r in found.rankings] == labels and found.contrasts[0].rows[0].family == 8
    runs = [make(f"r{i}", t=x) for i, x in enumerate((A, B, C))]
    seeds = compare_runs([Method(name="m", runs=tuple(runs[:2])), *plain(runs[2])], metrics=("avg", "avg@4"))
    assert [row.metric for row in seeds.seeds] == ["avg@4"]
    with pytest.raises(UsageError, match="avg@8 needs 8"):
        compare_runs(plain(*runs), metrics=("avg", "avg@8"))


def test_letters_go_on_after_z(make) -> None:
    a = make("a", t=A[:6])
    found = compare_runs(plain(*[a] * 28))
    assert [run.letter for run in found.runs][25:] == ["Z", "AA", "AB"]
