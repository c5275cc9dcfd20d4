"""Curves over k: values by hand and from results.json, paired differences, and the page."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.many import compare_runs
from evalsuite.comparison.methods import Method
from evalsuite.errors import UsageError
from evalsuite.leaderboard.catalog import Run, read_catalog
from evalsuite.leaderboard.data.passk import KINDS, at_k, crossings, differences, distinct, points, read_curve, sizes
from evalsuite.leaderboard.plots.passk import passk_figure
from evalsuite.metrics import holm
from evalsuite.runlog import RunDir

TASK = "sort_letters"
MOST = 8  # of the page


def a_run(folder: Path, counts: Sequence[tuple[int, int]], wanted: int, *, temperature: float = 1.0, **sums: float) -> Run:
    """A run of task `t` with a question per (n, c), of `wanted` samples each, written as the roll-up has it."""
    identity = {"version": "1", "sampling": {"temperature": temperature}, "verifier": {"name": "exact"}}
    manifest = {"run_id": folder.name, "status": "done", "tasks": {"t": {"label": "t", "identity": identity}}}
    (folder / "questions").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(manifest))
    n, c = ([pair[i] for pair in counts] for i in (0, 1))
    size = len(counts)
    table = {
        "id": [f"q{i}" for i in range(size)],
        "digest": [f"d{i}" for i in range(size)],
        "cluster": pa.nulls(size, pa.string()),
        "n": n,
        "c": c,
        "sum": [sums.get("sum", x) for x in map(float, c)],
        "sum_sq": [sums.get("sum_sq", x) for x in map(float, c)],
        "no_answer": [0] * size,
        "truncated": [0] * size,
        "errors": [wanted - x for x in n],
        "completion_tokens": [10.0] * size,
    }
    pq.write_table(pa.table(table), folder / "questions" / "t.parquet")
    return Run(folder.name, folder, manifest, None)


def test_sizes_are_powers_of_two_and_the_last() -> None:
    assert [sizes(n) for n in (0, 1, 2, 6, 16)] == [(), (1,), (1, 2), (1, 2, 4, 6), (1, 2, 4, 8, 16)]


@pytest.mark.parametrize(
    ("kind", "tau", "expected"),
    [
        # n = 4: two right, one right
        ("pass@k", 0.5, {1: (0.5, 0.25), 2: (5 / 6, 0.5), 4: (1, 1)}),
        ("pass^k", 0.5, {1: (0.5, 0.25), 2: (1 / 6, 0), 4: (0, 0)}),
        ("G-Pass@k", 0.5, {1: (0.5, 0.25), 2: (5 / 6, 0.5), 4: (1, 0)}),
        ("G-Pass@k", 1.0, {1: (0.5, 0.25), 2: (1 / 6, 0), 4: (0, 0)}),
        # 2/2 G-Pass@2_1; 2/4 (G-Pass@4_.75 + G-Pass@4_1)
        ("mG-Pass@k", 0.5, {2: (1 / 6, 0), 4: (0, 0)}),
    ],
)
def test_values_by_hand(tmp_path: Path, kind: str, tau: float, expected: dict[int, tuple[float, float]]) -> None:
    curve = read_curve(a_run(tmp_path / "run", [(4, 2), (4, 1)], 4), "t", kind, tau)
    assert curve.ks == tuple(expected)
    assert curve.values == pytest.approx(np.array(list(expected.values())))


def test_partial_credit_is_none(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", [(4, 0)] * 6, 4, sum=3.6, sum_sq=3.24)  # .9 each
    assert points(read_curve(run, "t", "pass@k"))["value"].tolist() == [0, 0, 0]


def test_questions_with_fewer_samples_leave_and_are_named(tmp_path: Path) -> None:
    curve = read_curve(a_run(tmp_path / "run", [(4, 4)] * 6 + [(3, 0), (1, 0)], 4), "t", "pass@k")
    frame = points(curve)
    assert frame["questions"].tolist() == [8, 7, 6]
    assert frame["short"].tolist() == [0, 1, 2]
    assert frame["value"].tolist() == pytest.approx([6 / 8, 6 / 7, 1])
    assert curve.short(4) == ["q6", "q7"]
    assert frame["unsteady"].tolist() == [False, False, True]


def test_equal_to_results_json(tree: Path) -> None:
    """Every number that the run itself reported is on the curve, interval included."""
    catalog, compared = read_catalog(tree), 0
    for run in catalog.runs.values():
        for task, found in (run.summary or {}).get("tasks", {}).items():
            curves = {
                kind: points(read_curve(run, task, kind)).set_index("k") for kind in KINDS if kind in ("pass@k", "pass^k")
            }
            if any(label.startswith("maj@") for label in found["metrics"]):
                curves["maj@k"] = points(read_curve(run, task, "maj@k")).set_index("k")
            for label, told in found["metrics"].items():
                name, _, k = label.partition("@")
                at = curves["pass@k" if name == "avg" else f"{name}@k"].loc[1 if name == "avg" else int(k)]
                for part in ("value", "low", "high"):
                    assert at[part] == pytest.approx(told[part], abs=1e-12), (run.key, task, label, part)
                compared += 1
    assert compared > 25


def test_majority_is_the_mean_over_all_subsets(tree: Path) -> None:
    run = next(r for r in read_catalog(tree).runs.values() if "noisy:0.6" in r.model and len(r.tasks) == 2)
    curve = read_curve(run, TASK, "maj@k")
    rows = pq.read_table(run.path / "samples" / f"{TASK}.parquet", columns=["id", "i", "value", "answer_class"]).to_pylist()
    for q, name in enumerate(curve.ids[:10]):
        samples = [(r["answer_class"], r["value"]) for r in sorted(rows, key=lambda r: r["i"]) if r["id"] == name]

        def worth(subset: tuple[tuple[int, float], ...]) -> float:
            counts = {c: sum(c == d for d, _ in subset) for c, _ in subset if c >= 0}
            best = [c for c in counts if counts[c] == max(counts.values())]
            return float(np.mean([next(v for d, v in subset if d == c) for c in best])) if best else 0.0

        for k, value in zip(curve.ks, curve.values[:, q]):
            assert value == pytest.approx(np.mean([worth(s) for s in itertools.combinations(samples, k)]))


def test_many_samples_are_quick(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    run = a_run(tmp_path / "run", [(256, int(c)) for c in rng.integers(0, 257, 125)], 256)
    frames = [points(read_curve(run, "t", kind)) for kind in KINDS if kind != "maj@k"]
    assert all(frame["k"].iloc[-1] == 256 and frame["value"].between(0, 1).all() for frame in frames)


def crossing(folder: Path) -> dict[str, Run]:
    """A is always right on half of the questions, B right in 3 of 16 samples on all."""
    return {
        "a": a_run(folder / "a", [(16, 16)] * 30 + [(16, 0)] * 30, 16),
        "b": a_run(folder / "b", [(16, 3)] * 60, 16),
    }


def test_curves_cross_where_differences_are_significant(tmp_path: Path) -> None:
    runs = crossing(tmp_path)
    curves = {key: read_curve(run, "t", "pass@k") for key, run in runs.items()}
    frame, apart = differences({"pass@k": curves}, runs, "t")
    assert not apart
    # 1 - C(13, k) / C(16, k) less 1/2
    assert frame["difference"].tolist() == pytest.approx(
        [1 - math.comb(13, k) / math.comb(16, k) - 0.5 for k in (1, 2, 4, 8, 16)]
    )
    sure = dict(zip(frame["k"], frame["p_adjusted"] <= 0.05))
    assert sure[1] and not sure[4] and sure[8] and sure[16]
    wins = ", ".join(str(k) for k in (1, 2) if sure[k])
    assert crossings(frame, {"a": "A", "b": "B"}) == [f"A wins at k = {wins}; B wins at k = 8, 16: the curves cross."]
    assert crossings(frame.assign(p_adjusted=1.0), {"a": "A", "b": "B"}) == []
    assert crossings(frame[frame["k"] > 4], {"a": "A", "b": "B"}) == []


def test_what_is_the_same_number_is_one_test(tree: Path) -> None:
    catalog = read_catalog(tree)
    keys = [k for k, r in catalog.runs.items() if "noisy" in r.model and len(r.tasks) == 2]
    assert len(keys) == 2
    curves = {kind: {k: read_curve(catalog.runs[k], TASK, kind) for k in keys} for kind in ("pass@k", "pass^k", "maj@k")}
    frame, _ = differences(curves, catalog.runs, TASK)
    one = distinct(frame, catalog.labels)
    assert one["metric"].tolist() == ["pass@1 = pass^1 = maj@1 = maj@2", "pass@2", "pass@4", "pass^2", "pass^4", "maj@4"]
    assert one["p_adjusted"].tolist() == pytest.approx(holm(one["p"].to_numpy()))  # six tests, not nine
    assert len(frame) == 9 and frame.groupby("test")["p_adjusted"].nunique().eq(1).all()
    assert (one["A"] == catalog.labels[keys[0]]).all()


def test_the_metric_at_a_k() -> None:
    assert [at_k(n, 4) for n in ("pass@k", "maj@k", "mG-Pass@k", "G-Pass@k (τ = 0.5)")] == [
        "pass@4", "maj@4", "mG-Pass@4", "G-Pass@4 (τ = 0.5)",
    ]  # fmt: skip


def test_differences_are_those_of_compare(tree: Path) -> None:
    catalog = read_catalog(tree)
    keys = [k for k, r in catalog.runs.items() if "noisy" in r.model and len(r.tasks) == 2]
    curves = {key: read_curve(catalog.runs[key], TASK, "pass@k") for key in keys}
    frame, _ = differences({"pass@k": curves}, catalog.runs, TASK)
    methods = [Method(name="", runs=(Recorded(RunDir(catalog.runs[key].path)),)) for key in keys]
    row = compare_runs(methods, metrics=["pass@4"], tasks=[TASK]).contrasts[0].rows[0].difference
    mine = frame[frame["k"] == 4].iloc[0]
    assert [mine[n] for n in ("difference", "low", "high", "p")] == pytest.approx([row.value, row.low, row.high, row.p])


def test_other_settings_are_not_compared(tmp_path: Path) -> None:
    runs = {name: a_run(tmp_path / name, [(4, 2)] * 8, 4, temperature=t) for name, t in (("a", 1.0), ("b", 0.5))}
    frame, apart = differences({"pass@k": {key: read_curve(run, "t", "pass@k") for key, run in runs.items()}}, runs, "t")
    assert frame.empty and distinct(frame, {}).empty
    assert apart == [("a", "b", "sampling: temperature 1.0 -> 0.5")]


def test_what_cannot_be_read_says_why(tree: Path, copy: Path, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", [(4, 2)] * 8, 4)
    with pytest.raises(UsageError, match="needs single samples"):
        read_curve(run, "t", "maj@k")
    (run.path / "samples").mkdir()
    columns = {"id": ["q0"], "i": [0], "value": [1.0], "answer_class": pa.nulls(1, pa.int32())}
    pq.write_table(pa.table(columns), run.path / "samples" / "t.parquet")
    with pytest.raises(UsageError, match="needs answer classes"):
        read_curve(run, "t", "maj@k")
    (run.path / "run.json").write_text(json.dumps({"status": "running"}))
    with pytest.raises(UsageError, match="is running"):
        read_curve(run, "t", "pass@k")


def test_the_figure_is_dashed_beyond_half_of_the_samples(tmp_path: Path) -> None:
    frame = points(read_curve(a_run(tmp_path / "run", [(8, i % 9) for i in range(20)], 8), "t", "pass@k"))
    fig = passk_figure({"<b>": frame}, "pass@k", "t<2>")
    band, solid, dashed = fig.data
    assert (solid.line.dash, list(solid.x)) == ("solid", [1, 2, 4])
    assert (dashed.line.dash, list(dashed.x)) == ("dash", [4, 8])
    assert list(band.x) == [1, 2, 4, 8, 8, 4, 2, 1]
    assert max(band.y) == pytest.approx(100 * frame["high"].max())
    assert fig.layout.xaxis.type == "log" and list(fig.layout.xaxis.tickvals) == [1, 2, 4, 8]
    assert solid.name == "&lt;b&gt;" and fig.layout.title.text == "t&lt;2&gt; · pass@k"
    assert list(fig.layout.yaxis.range) == [0, 100] and "log scale" in fig.layout.xaxis.title.text


def figures(app: Any) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_the_page_follows_its_url(tree: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(tree)
    keys = [k for k, r in catalog.runs.items() if "noisy" in r.model and len(r.tasks) == 2]
    app = page("pass_at_k", tree, runs=keys, task="arithmetic", curves=["G-Pass@k"], tau="0.75")
    assert not app.exception
    assert app.multiselect(key="runs").value == keys
    assert app.selectbox(key="task").value == "arithmetic"
    [fig] = figures(app)
    assert fig["layout"]["yaxis"]["title"]["text"] == "G-Pass@k (τ = 0.75), %"
    assert {trace["name"] for trace in fig["data"]} == {catalog.labels[key] for key in keys}
    app.multiselect(key="curves").set_value(["pass@k", "maj@k"]).run()
    assert len(figures(app)) == 2
    assert app.query_params["curves"] == ["pass@k", "maj@k"]
    assert next(e.label for e in app.expander if "Differences" in e.label).endswith("significant")
    app.multiselect(key="curves").set_value([]).run()
    assert [e.value for e in app.info] == ["Choose curves."] and not figures(app)


def test_the_page_says_that_it_draws_only_some(tree: Path, page: Callable[..., Any]) -> None:
    ended = [k for k, r in read_catalog(tree).runs.items() if r.summary]
    assert len(ended) > MOST
    app = page("pass_at_k", tree, runs=ended)
    assert not app.exception and app.multiselect(key="runs").value == ended[:MOST]
    assert any(f"{len(ended)} runs were chosen, and the first {MOST} are drawn" in c.value for c in app.caption)


def test_the_page_of_one_run_that_was_not_comparable(tree: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(tree)
    other = next(k for k, r in catalog.runs.items() if "noisy:0.6" in r.model and len(r.tasks) == 1)
    app = page("pass_at_k", tree, runs=[other])
    assert not app.exception and len(figures(app)) == 3
    same = next(k for k, r in catalog.runs.items() if "noisy:0.6" in r.model and len(r.tasks) == 2)
    app = page("pass_at_k", tree, runs=[other, same], task=TASK)
    assert any("are not compared: sampling: temperature" in text.value for text in app.text)


def test_the_page_names_what_is_broken(broken: Path, page: Callable[..., Any]) -> None:
    keys = [f"runs/{name}" for name in ("no-parquet", "bad-parquet", "stranger")]
    app = page("pass_at_k", broken, runs=keys, task=TASK)
    assert not app.exception
    reasons = " ".join(" ".join(map(str, frame.value.get("reason", []))) for frame in app.dataframe)
    for words in ("has no per-question numbers", "cannot be read", "is dreaming", "no results yet"):
        assert words in reasons


def test_the_page_of_nothing(empty: Path, page: Callable[..., Any]) -> None:
    app = page("pass_at_k", empty)
    assert not app.exception
    assert app.info[0].value == "No evaluation yet."


def test_a_single_sample_is_a_point(tmp_path: Path) -> None:
    frame = points(read_curve(a_run(tmp_path / "run", [(1, 1)] * 8 + [(1, 0)] * 8, 1), "t", "pass@k"))
    assert frame[["k", "value", "unsteady"]].values.tolist() == [[1, 0.5, True]]
    _, only = passk_figure({"r": frame}, "pass@k", "t").data
    assert list(only.x) == [1] and only.showlegend
    assert read_curve(a_run(tmp_path / "none", [(0, 0)] * 8, 1), "t", "pass@k").ks == ()
