"""The training page: growing files, smoothing, axes, seeds, panels, differences to step 0, and the page itself."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("streamlit")

from evalsuite.leaderboard.catalog import read_catalog
from evalsuite.leaderboard.data import evals, training, trainings
from evalsuite.leaderboard.data.series import Scalars
from evalsuite.leaderboard.data.training import Curve, Panel, curves, recipes, section_of, sections, smoothed
from evalsuite.leaderboard.plots import training as plots
from evalsuite.metrics import compare


def written(path: Path, *rows: dict[str, Any], tail: str = "") -> Scalars:
    """A train.jsonl of these rows, read."""
    path.write_text("".join(json.dumps(row) + "\n" for row in ({"schema": 1, "kind": "train"}, *rows)) + tail)
    scalars = Scalars(path)
    scalars.refresh()
    return scalars


def test_a_growing_file_is_read_on_and_a_torn_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    scalars = written(path, {"step": 1, "reward": 0.25}, tail='{"step": 2, "rew')
    assert scalars.get("reward")[1].tolist() == [0.25]
    before = scalars.offset
    assert scalars.refresh() == scalars.version and scalars.offset == before
    with open(path, "a") as file:
        file.write('ard": 0.5}\n{"step": 2, "eval/t/avg": 1.0}\n')
    scalars.refresh()
    steps, values = scalars.get("reward")
    assert (steps.tolist(), values.tolist()) == ([1, 2], [0.25, 0.5])
    assert scalars.get("eval/t/avg")[0].tolist() == [2] and scalars.names == ["reward", "eval/t/avg"]


@pytest.mark.parametrize("longer", [False, True])
def test_a_file_cut_back_to_a_checkpoint_is_read_anew(tmp_path: Path, longer: bool) -> None:
    path = tmp_path / "train.jsonl"
    scalars = written(path, *({"step": s, "reward": 0.0} for s in range(1, 6)))
    version = scalars.version
    # The run resumed after step 2, and may have come further than before by the time somebody looks.
    rows = [{"step": s, "reward": 0.0 if s < 3 else 1.0} for s in range(1, 9 if longer else 4)]
    written(path, *rows)
    assert scalars.refresh() != version
    assert scalars.get("reward")[1].tolist() == [row["reward"] for row in rows]


def test_a_damaged_line_is_named_and_what_comes_before_it_stays(tmp_path: Path) -> None:
    scalars = written(tmp_path / "train.jsonl", {"step": 1, "reward": 0.5}, tail='[1, 2]\n{"step": 2, "reward": 1.0}\n')
    assert "train.jsonl:3" in scalars.problem and scalars.get("reward")[1].tolist() == [0.5]
    gone = Scalars(tmp_path / "none.jsonl")
    gone.refresh()
    assert "none.jsonl" in gone.problem and gone.names == []


def test_what_is_no_number_is_left_out_and_late_rows_are_put_in_order(tmp_path: Path) -> None:
    rows = [{"step": 3, "a": 3, "b": "text", "c": True}, {"step": 1, "a": 1, "d": None}]
    scalars = written(tmp_path / "train.jsonl", *rows)
    assert scalars.names == ["a"] and scalars.get("a")[0].tolist() == [1, 3] and scalars.last("a") == 3
    assert scalars.last("b") is None


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_smoothing_is_tensorboards(values: list[float], weight: float) -> None:
    last, expected = 0.0, []
    for t, x in enumerate(values, 1):
        last = weight * last + (1 - weight) * x
        expected.append(last / (1 - weight**t))
    assert smoothed(np.array(values), weight) == pytest.approx(expected, abs=1e-6)


def test_smoothing_by_hand_and_fast() -> None:
    # w = 1/2: 1; (2 + 1/2)/(1 + 1/2); (4 + 2/2 + 1/4)/(1 + 1/2 + 1/4)
    assert smoothed(np.array([1.0, 2.0, 4.0]), 0.5) == pytest.approx([1, 5 / 3, 3])
    values = np.random.default_rng(0).normal(size=1_000_000)
    assert smoothed(values, 0.0) is values
    start = time.perf_counter()
    smoothed(values, 0.99)
    assert time.perf_counter() - start < 2
    with pytest.raises(ValueError, match="smoothing"):
        smoothed(values, 1.0)


def test_axes(tmp_path: Path) -> None:
    rows = [
        {"step": 0, "eval/t/avg": 0.1},
        {"step": 1, "num_tokens": 100, "step_time": 2.0},
        {"step": 2, "num_tokens": 250, "step_time": 3.0},
    ]
    scalars = written(tmp_path / "train.jsonl", *rows)
    steps = np.array([0.0, 1, 2, 2])
    assert training.place(scalars, steps, "step") is steps
    assert training.place(scalars, steps, "tokens").tolist() == [0, 100, 250, 250]  # type: ignore[union-attr]
    assert training.place(scalars, steps, "time").tolist() == [0, 2, 5, 5]  # type: ignore[union-attr]
    bare = written(tmp_path / "bare.jsonl", {"step": 1, "loss": 1.0})
    assert training.place(bare, steps, "tokens") is None
    assert curves({"bare": [bare]}, Panel("loss", "loss"), "tokens", 0.5) == []


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("reward", "Reward"), ("rewards/math/mean", "Reward"), ("rewards/math/std", "Outcomes"), ("train/reward", "Reward"),
        ("eval/math/avg@4", "Evaluation"), ("val-core/math/acc", "Evaluation"), ("completions/clipped_ratio", "Length"),
        ("ppo_kl", "Policy"), ("train/kl", "Policy"), ("clip_ratio/low_mean", "Ratio"), ("ratio/p99", "Ratio"),
        ("sampling/importance_sampling_ratio/max", "Sampling"), ("train/grad_norm", "Optimiser"), ("time/rollout", "Cost"),
        ("actor/pg_clip", "actor"), ("whatever", "Other"),
    ],
)  # fmt: skip
def test_sections(name: str, section: str) -> None:
    assert section_of(name) == section


def test_ends_of_bands_and_intervals_have_no_panel_of_their_own() -> None:
    ratio = [f"ratio/p{q}" for q in ("01", "10", "50", "90", "99")]
    found = sections(["loss", *ratio, "reward", "eval/t/avg", "eval/t/avg/low", "eval/t/avg/high", "actor/x"])
    assert list(found) == ["Evaluation", "Reward", "Ratio", "Optimiser", "actor"]
    assert [p.name for p in found["Evaluation"]] == ["eval/t/avg"]
    assert found["Ratio"] == [
        Panel(found["Ratio"][0].title, "ratio/p50", (("ratio/p01", "ratio/p99"), ("ratio/p10", "ratio/p90")))
    ]
    # Without one end there is no band, and the others are charts of their own.
    assert [(p.name, p.bands) for p in sections(["completions/mean_length", "completions/min_length"])["Length"]] == [
        ("completions/mean_length", ()),
        ("completions/min_length", ()),
    ]


def test_evaluations_are_never_smoothed_and_have_whiskers(tmp_path: Path) -> None:
    rows = [
        {"step": s, "eval/t/avg": v, "eval/t/avg/low": v - 0.1, "eval/t/avg/high": v + 0.2, "reward": v}
        for s, v in ((0, 0.2), (4, 0.6))
    ]
    scalars = written(tmp_path / "train.jsonl", *rows)
    (curve,) = curves({"a": [scalars]}, Panel("", "eval/t/avg"), "step", 0.9)
    assert curve.smooth is None and curve.whiskers is not None
    assert curve.whiskers[0] == pytest.approx([0.1, 0.5]) and curve.whiskers[1] == pytest.approx([0.4, 0.8])
    (curve,) = curves({"a": [scalars]}, Panel("", "reward"), "step", 0.5)
    assert curve.smooth == pytest.approx([0.2, 1.4 / 3]) and curve.y.tolist() == [0.2, 0.6]  # (0.6 + 0.2/2)/(1 + 1/2)


def test_seeds_together_are_their_mean_with_a_band_over_common_steps(tmp_path: Path) -> None:
    one = written(
        tmp_path / "1.jsonl", *({"step": s, "reward": v, "num_tokens": 10 * s} for s, v in ((1, 0.0), (2, 0.4), (3, 1.0)))
    )
    two = written(tmp_path / "2.jsonl", *({"step": s, "reward": v, "num_tokens": 20 * s} for s, v in ((1, 0.2), (2, 0.0))))
    (curve,) = curves({"both": [one, two]}, Panel("", "reward"), "tokens", 0.0)
    assert curve.x.tolist() == [15, 30] and curve.y == pytest.approx([0.1, 0.2]) and curve.smooth is None
    ((_, low, high),) = curve.bands
    assert low.tolist() == [0, 0] and high.tolist() == [0.2, 0.4]


def test_recipes_of_the_tree(tree: Path) -> None:
    catalog = read_catalog(tree)
    keys = list(catalog.trainings)
    assert sorted(len(members) for members in recipes(catalog, keys, together=True).values()) == [2]
    assert "2 seeds" in next(iter(recipes(catalog, keys, together=True)))
    alone = recipes(catalog, keys, together=False)
    assert [members for members in alone.values()] == [(key,) for key in keys] and len(alone) == 2


def test_runs_without_a_seed_are_nobodys_seeds(copy: Path) -> None:
    for name in ("one", "two"):
        (copy / "train" / name).mkdir()
        told = {"kind": "train", "status": "done", "recipe": {"name": "TRL"}, "identity": {"recipe": "TRL", "seed": None}}
        (copy / "train" / name / "run.json").write_text(json.dumps(told))
    lines = recipes(read_catalog(copy), ["train/one", "train/two"], together=True)
    assert sorted(lines.values()) == [("train/one",), ("train/two",)]


def test_the_table_has_only_settings_that_differ(copy: Path) -> None:
    catalog = read_catalog(copy)
    run = catalog.trainings[next(iter(catalog.trainings))]
    manifest = json.loads((run.path / "run.json").read_text())
    manifest["settings"]["optim.lr"] = 5e-4
    (run.path / "run.json").write_text(json.dumps(manifest))
    catalog = read_catalog(copy)
    scalars = {key: Scalars(t.path / "train.jsonl") for key, t in catalog.trainings.items()}
    for of in scalars.values():
        of.refresh()
    frame = trainings.table(catalog, list(catalog.trainings), scalars)
    assert set(frame["optim.lr"]) == {"0.0005", "0.001"} and "optim.eps" not in frame and "problem" not in frame
    assert frame["step"].tolist() == [4, 4] and set(frame["seed"]) == {0, 1} and frame["formula"].str.contains("mean").all()
    for row in frame.to_dict("records"):
        last = [
            r
            for r in map(
                json.loads, (next(t for t in catalog.trainings.values() if t.seed == row["seed"]).path / "train.jsonl").open()
            )
            if "reward" in r
        ][-1]
        assert row["last reward"] == last["reward"] and row["tokens"] == last["num_tokens"]


def test_what_a_demonstrated_run_says_of_its_completions_is_left_out(tmp_path: Path) -> None:
    row = {
        "reward": 1.0, "score": 1.0, "rewards/t/mean": 1.0, "frac_reward_zero_std": 1.0, "frac_no_answer": 0.0, "temperature": 1.0,
        "completions/mean_length": 5.0, "sampling/x": 1.0, "train/reward": 1.0, "loss": 0.5, "entropy": 0.1, "num_tokens": 7,
        "eval/t/avg": 0.2, "frac_skipped": 0.0,
    }  # fmt: skip
    written(tmp_path / "train.jsonl", {"step": 1, **row})
    scalars = Scalars(tmp_path / "train.jsonl", training.of_samples)
    scalars.refresh()
    assert scalars.names == ["loss", "entropy", "num_tokens", "eval/t/avg", "frac_skipped"] and scalars.last("reward") is None


def test_the_difference_to_step_0_is_the_paired_one(tree: Path) -> None:
    from evalsuite.runlog import RunDir
    from evalsuite.runlog.rollup import read_rollup

    catalog = read_catalog(tree)
    key = next(iter(catalog.trainings))
    runs = evals.evaluations(catalog, key, "sort_letters")
    assert list(runs) == [0, 2, 4]
    assert evals.measured(catalog, [key]) == {"sort_letters": ["avg@2"]}
    frame, problems = evals.since_start(catalog, key, "sort_letters", "avg@2")
    assert frame["step"].tolist() == [2, 4] and problems == []
    a, b = (read_rollup(RunDir(runs[step].path), "sort_letters") for step in (0, 4))
    assert list(a.ids) == list(b.ids)
    expected = compare(a.sum / a.n, b.sum / b.n, samples_a=a.n, samples_b=b.n)
    row = frame.iloc[1]
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((expected.value, expected.low, expected.high))
    assert row["p_holm"] >= row["p"] and "step 4" in row["verdict"]


def test_without_step_0_there_is_no_difference_and_broken_evaluations_are_named(copy: Path) -> None:
    catalog = read_catalog(copy)
    key = next(iter(catalog.trainings))
    runs = evals.evaluations(catalog, key, "sort_letters")
    shutil.rmtree(runs[2].path / "questions")
    frame, problems = evals.since_start(read_catalog(copy), key, "sort_letters", "avg@2")
    assert frame["step"].tolist() == [4] and len(problems) == 1 and problems[0].startswith("step 2:")
    shutil.rmtree(runs[0].path)
    frame, problems = evals.since_start(read_catalog(copy), key, "sort_letters", "avg@2")
    assert not len(frame) and "step 0" in problems[0]
    assert len(evals.since_start(read_catalog(copy), key, "no_such_task", "avg")[1]) == 0


def line(number: int = 0, n: int = 5000, smooth: bool = True, bands: int = 0) -> Curve:
    x = np.arange(float(n))
    y = np.sin(x / 50)
    return Curve(
        f"run <b>{number}</b>",
        number,
        x,
        y,
        smoothed(y, 0.5) if smooth else None,
        tuple((x, y - 1, y + 1) for _ in range(bands)),
    )


def test_figures_keep_to_their_limits() -> None:
    charts = [(Panel(f"chart {i}", "loss"), [line(number, bands=2) for number in range(10)]) for i in range(7)]
    parts = plots.split(charts)
    points = plots.per_trace(charts)
    figures = [plots.panels(part, "step", points) for part in parts]
    assert sum(len(part) for part in parts) == 7
    for fig in figures:
        assert len(fig.data) <= 60 and max(len(t.x) for t in fig.data) <= 2000
    assert sum(len(fig.to_json()) for fig in figures) < 1_000_000


def test_a_panel_keeps_the_raw_line_and_one_entry_per_run_in_the_legend() -> None:
    charts = [(Panel("one", "x"), [line(0), line(1)]), (Panel("two", "y"), [line(0, smooth=False), line(1)])]
    fig = plots.panels(charts, "step")
    assert sum(bool(t.showlegend) for t in fig.data) == 2
    raw, smooth = fig.data[0], fig.data[2]
    assert raw.line.width < smooth.line.width and raw.line.color.startswith("rgba")
    assert smooth.line.dash != fig.data[3].line.dash and "<b>" not in fig.data[0].name
    assert fig.layout.annotations[0].text == "one"


def test_smooth_lines_lie_on_top_of_all_raw_ones_and_bands_below() -> None:
    def alpha(trace: Any) -> float:
        return float(trace.line.color.rpartition(",")[2].rstrip(")"))

    (_, few), (_, many) = (
        (n, plots.panels([(Panel("", "x"), [line(i, n, bands=1) for i in range(3)])], "step")) for n in (20, 2000)
    )
    for fig in (few, many):
        assert [t.fill is not None for t in fig.data] == [True] * 3 + [False] * 6
        assert [t.line.width for t in fig.data[3:]] == [1] * 3 + [2.2] * 3
        assert all("not smoothed" in t.hovertemplate for t in fig.data[3:6])
    # 60 points are below the crowd of 200; 6,000 are 30 times it.
    assert alpha(few.data[3]) == pytest.approx(0.35) and alpha(many.data[3]) == pytest.approx(0.35 / math.sqrt(30))


def flat(value: float, **more: Any) -> Curve:
    return Curve("run", 0, np.arange(3.0), np.full(3, value), **more)


@pytest.mark.parametrize(
    ("name", "curve", "mode", "span"),
    [
        ("learning_rate", flat(1e-6), None, (0, 2e-6)),
        ("train/learning_rate", flat(1e-6), None, (0, 2e-6)),
        ("ppo_kl", flat(0.0), None, (0, 1)),
        ("loss", flat(-2.0), None, (-4, 0)),
        ("clip_ratio/low_mean", flat(0.0), "tozero", None),
        ("completions/clipped_ratio", line(), "tozero", None),
        ("frac_reward_zero_std", flat(0.5), "tozero", None),
        ("ratio/effective_share", flat(1.0), "tozero", None),
        ("ratio/p50", flat(1.0), None, (0.99, 1.01)),
        ("ratio/p50", flat(1.0, bands=((np.arange(3.0), np.full(3, 0.9), np.ones(3)),)), None, None),
        ("sampling/importance_sampling_ratio/max", flat(1.000003), None, (0.99, 1.01)),
        ("sampling/sampling_logp_difference/mean", flat(1e-6), None, (0, 0.01)),
        ("eval/t/pass@4", flat(0.1, whiskers=(np.zeros(3), np.full(3, 0.2))), "nonnegative", None),
        ("eval/t/gain", flat(0.1, whiskers=(np.full(3, -0.1), np.full(3, 0.2))), None, None),
        ("eval/t/pass@4", flat(0.0, whiskers=(np.full(3, np.nan), np.full(3, np.nan))), None, (0, 1)),
        ("loss", line(), None, None),
        ("completions/mean_length", flat(5, bands=((np.arange(3.0), np.ones(3), np.full(3, 9.0)),)), None, None),
    ],
)
def test_no_range_shows_what_is_not_there(name: str, curve: Curve, mode: str | None, span: tuple[float, float] | None) -> None:
    axis = plots.panels([(Panel("other", "loss"), [line()]), (Panel("", name), [curve])], "step").layout.yaxis2
    assert (axis.rangemode, axis.range) == (mode, span and pytest.approx(span))
    alone = plots.stacked([(Panel("", name), curve)], "step").layout.yaxis
    assert (alone.rangemode, alone.range) == (axis.rangemode, axis.range)


def test_filled_marks_are_significant() -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {"key": ["a", "a"], "run": ["A", "A"], "step": [1, 2], "difference": [0.1, 0.2], "low": [-0.1, 0.1], "high": [0.3, 0.3], "p_holm": [0.4, 0.001]}
    )  # fmt: skip
    fig = plots.since_start(frame, {"a": 0})
    assert fig.data[0].marker.symbol == ("circle-open", "circle") and list(fig.data[0].y) == pytest.approx([10, 20])
    assert list(fig.data[0].error_y.array) == pytest.approx([20, 10]) and list(fig.data[0].error_y.arrayminus) == pytest.approx(
        [20, 10]
    )


# The page itself.


def texts(app: Any) -> str:
    kinds = ("caption", "info", "warning", "subheader", "markdown")
    return "\n".join(str(e.value) for kind in kinds for e in getattr(app, kind))


def test_the_page_of_two_seeds(tree: Path, page: Callable[..., Any]) -> None:
    app = page("training", tree)
    assert not app.exception
    assert [s.value for s in app.subheader][:3] == ["Evaluation", "Reward", "Length"] and "Difference to step 0" in texts(app)
    assert app.dataframe[0].value["recipe"].tolist() == ["grpo", "grpo"]
    assert app.dataframe[1].value["step"].tolist() == [2, 4, 2, 4]


def test_the_url_says_which_runs_and_how(tree: Path, page: Callable[..., Any]) -> None:
    key = next(iter(read_catalog(tree).trainings))
    app = page(
        "training", tree, trainings=[key], x="tokens", seeds="true", smooth="0.9", panels=["Optimiser"], scalars=["entropy"]
    )
    assert not app.exception
    assert app.multiselect(key="trainings").value == [key] and app.multiselect(key="scalars").value == ["entropy"]
    assert app.slider(key="smooth").value == 0.9 and app.toggle(key="seeds").value is True
    assert [s.value for s in app.subheader] == ["Optimiser", "Chosen", "Difference to step 0", "One run in detail"]
    assert len(app.dataframe[0].value) == 1
    app.multiselect(key="panels").set_value(["Length"]).run()
    assert app.query_params["panels"] in ("Length", ["Length"]) and app.subheader[0].value == "Length"


def test_demonstrations_have_no_rewards(copy: Path, page: Callable[..., Any]) -> None:
    first, second = read_catalog(copy).trainings.values()
    manifest = json.loads((first.path / "run.json").read_text())
    manifest["settings"]["rollout.demos"] = "solutions"
    (first.path / "run.json").write_text(json.dumps(manifest))
    app = page("training", copy, training=first.key)
    assert not app.exception and "without rewards and samples of their own" in texts(app)
    rows = {row["run"]: row for row in app.dataframe[0].value.to_dict("records")}
    labels = read_catalog(copy).labels
    assert math.isnan(rows[labels[first.key]]["last reward"]) and rows[labels[second.key]]["last reward"] >= 0
    assert "This run learns from demonstrations" in app.info[-1].value and "A group is" not in texts(app)
    app = page("training", copy, trainings=[first.key])
    assert not app.exception and "Reward" not in [s.value for s in app.subheader]


@pytest.mark.parametrize(
    "query",
    [
        {"x": "nonsense"},
        {"smooth": "7"},
        {"trainings": "../../etc"},
        {"at_step": "9999"},
        {"training": "x"},
        {"x": ""},
        {"at_step": "1e999"},
        {"at_step": ""},
    ],
)
def test_a_url_of_nonsense_is_the_default(tree: Path, page: Callable[..., Any], query: dict[str, str]) -> None:
    app = page("training", tree, **query)
    assert not app.exception and app.subheader[0].value == "Evaluation"


def test_no_training_and_broken_training(empty: Path, broken: Path, page: Callable[..., Any]) -> None:
    app = page("training", empty)
    assert not app.exception and "evalsuite train" in app.code[0].value
    app = page("training", broken)
    assert not app.exception and len(app.dataframe[0].value) == 3


def test_a_running_run_is_read_on(copy: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(copy)
    run = catalog.trainings[next(iter(catalog.trainings))]
    manifest = json.loads((run.path / "run.json").read_text()) | {"status": "running"}
    (run.path / "run.json").write_text(json.dumps(manifest))
    app = page("training", copy, trainings=[run.key])
    assert app.dataframe[0].value["step"].tolist() == [4] and app.dataframe[0].value["status"].tolist() == ["running"]
    with open(run.path / "train.jsonl", "a") as file:
        file.write('{"step": 5, "reward": 0.875, "loss": 0.1}\n{"step": 6, "rew')
    app.run()
    assert app.dataframe[0].value["step"].tolist() == [5] and app.dataframe[0].value["last reward"].tolist() == [0.875]
    manifest["status"] = "done"
    (run.path / "run.json").write_text(json.dumps(manifest))
    app.run()
    assert not app.exception and app.dataframe[0].value["status"].tolist() == ["done"]


def test_foreign_names_have_sections_of_their_prefixes(copy: Path, page: Callable[..., Any]) -> None:
    folder = copy / "train" / "foreign"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"kind": "train", "status": "done", "recipe": {"name": "verl"}}))
    rows = [{"step": s, "actor/<b>x</b>": math.sin(s), "critic/score/mean": 0.5} for s in range(5)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = page("training", copy, trainings=["train/foreign"])
    assert not app.exception
    assert [s.value for s in app.subheader][:2] == ["`actor`", "`critic`"] and "no samples" in texts(app)
