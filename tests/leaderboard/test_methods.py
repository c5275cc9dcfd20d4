"""Methods over seeds: groups, means and differences by hand, and the page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evalsuite.leaderboard.catalog import Training, read_catalog
from evalsuite.leaderboard.data.board import FIRST
from evalsuite.leaderboard.data.methods import (
    START,
    columns_of,
    differences,
    last_values,
    matrix,
    method_groups,
    never_evaluated,
    run_values,
    start_values,
)
from evalsuite.leaderboard.data.results import results_frame
from evalsuite.leaderboard.plots.methods import methods_figure
from evalsuite.metrics import seeds

TASK = "sort_letters"


def trained(
    key: str, seed: int, *, recipe: str = "grpo", lr: float = 1e-3, tasks: str = "a", data: str = "x", model: str = "m0"
) -> Training:
    """A training run as its manifest tells it."""
    identity = {
        "settings": {"optim.lr": lr, "loss.kl": 0.0},
        "model": model,
        "seed": seed,
        "tasks": {tasks: {"data": data, "seed": seed}},
        "lora": 0,
    }
    manifest = {"recipe": {"name": recipe}, "model": {"name": "tiny"}, "identity": identity, "steps": 20, "status": "done"}
    return Training(key, Path(key), manifest)


def evaluated(training: str | None, step: int | None, value: float, **more: Any) -> dict[str, Any]:
    """A row of `results_frame`."""
    row = {
        "key": f"{training}/{step}", "training": training, "step": step, "started": "2026", "task": "t",
        "metric": "avg@4",
        "first": True, "value": value, "fingerprint": "aa", "coverage": 1.0, "repeats": 4,
    }  # fmt: skip
    return row | {"task_label": more.get("task", "t")} | more


def test_runs_are_one_method_where_all_but_the_seed_agrees() -> None:
    one = [trained("a0", 0), trained("a1", 1)]
    groups = method_groups([*one, trained("b0", 0, lr=1e-2), trained("c0", 0, recipe="dapo", lr=5.0)])
    assert [g.name for g in groups] == ["dapo", "grpo · lr=0.001", "grpo · lr=0.01"]
    assert [t.key for t in groups[1].runs] == ["a0", "a1"]
    assert len({g.key for g in groups}) == 3
    assert method_groups(one)[0].name == "grpo" and method_groups(one)[0].key == groups[1].key


def test_what_differs_is_named() -> None:
    names = lambda *of: [g.name for g in method_groups(of)]  # noqa: E731
    assert names(trained("a", 0, tasks="a"), trained("b", 0, tasks="b")) == ["grpo · tasks=a", "grpo · tasks=b"]
    assert names(trained("a", 0, model="m0"), trained("b", 0, model="m1")) == ["grpo · model=tiny m0", "grpo · model=tiny m1"]
    first, second = names(trained("a", 0, data="x"), trained("b", 0, data="y"))
    assert first.startswith("grpo · tasks=a ") and first != second


def test_a_seed_counts_once() -> None:
    [group] = method_groups([trained("new", 0), trained("old", 0), trained("other", 1)])
    assert [t.key for t in group.runs] == ["new", "other"]
    assert [t.key for t in group.doubled] == ["old"]


def test_the_last_evaluation_counts_not_the_best() -> None:
    groups = method_groups([trained("a0", 0)])
    frame = pd.DataFrame(
        [
            evaluated("a0", 0, 0.1),
            evaluated("a0", 10, 0.9),
            evaluated("a0", 20, 0.5),
            evaluated("a0", 20, 0.6, repeats=2),  # fewer samples of the same step
            evaluated("a0", 20, 0.7, metric="pass@2", first=False),
            evaluated("gone", 20, 1.0),
            evaluated(None, None, 0.3, key="base"),
        ]
    )
    assert last_values(frame, groups, FIRST)["value"].tolist() == [0.5]
    assert last_values(frame, groups, "avg")["step"].tolist() == [20]
    assert last_values(frame, groups, "pass@2")["value"].tolist() == [0.7]
    assert start_values(frame, groups, FIRST)["value"].tolist() == [0.1]
    assert run_values(frame, "base", FIRST) == {"t": 0.3}


def test_other_settings_are_another_column() -> None:
    groups = method_groups([trained("a0", 0)])
    frame = pd.DataFrame(
        [evaluated("a0", 20, 0.5), evaluated("a0", 20, 0.8, fingerprint="bb"), evaluated("a0", 20, 0.2, task="u")]
    )
    assert columns_of(frame).tolist() == ["t (aa)", "t (bb)", "u"]
    assert last_values(frame, groups, FIRST).set_index("column")["value"].to_dict() == {"t (aa)": 0.5, "t (bb)": 0.8, "u": 0.2}


@pytest.fixture
def two_methods() -> tuple[list[Any], pd.DataFrame]:
    """`grpo` with seeds worth .4 and .6, `dapo` with .8 and .82, `sft` with one; all from .3."""
    runs = [
        trained("g0", 0), trained("g1", 1), trained("d0", 0, recipe="dapo"), trained("d1", 1, recipe="dapo"), trained("s0", 0, recipe="sft"),
    ]  # fmt: skip
    ends = {"g0": 0.4, "g1": 0.6, "d0": 0.8, "d1": 0.82, "s0": 0.9}
    rows = [evaluated(key, step, value if step else 0.3) for key, value in ends.items() for step in (0, 20)]
    return method_groups(runs), pd.DataFrame(rows)


def test_means_over_seeds_by_hand(two_methods: tuple[list[Any], pd.DataFrame]) -> None:
    groups, frame = two_methods
    means = matrix(last_values(frame, groups, FIRST), groups).set_index("name")
    # t_.975 of 1 df is 12.706; s / sqrt(2) of .4 and .6 is .1
    assert means.loc["grpo", ["mean", "low", "high"]].tolist() == pytest.approx([0.5, 0.5 - 1.2706, 0.5 + 1.2706], abs=1e-4)
    assert means.loc["sft", "mean"] == 0.9 and math.isnan(means.loc["sft", "low"])
    assert means["seeds"].to_dict() == {"dapo": 2, "grpo": 2, "sft": 1}
    assert not means["uneven"].any()


def test_differences_to_a_method_to_the_start_and_to_a_run(two_methods: tuple[list[Any], pd.DataFrame]) -> None:
    groups, frame = two_methods
    values, start = last_values(frame, groups, FIRST), start_values(frame, groups, FIRST)
    grpo = next(g for g in groups if g.name == "grpo")
    found = differences(values, groups, grpo).set_index("name")
    welch = seeds([0.4, 0.6], [0.8, 0.82])
    assert list(found.index) == ["dapo", "sft"]
    assert found.loc["dapo", ["difference", "low", "high", "p"]].tolist() == pytest.approx(
        [welch.value, welch.low, welch.high, welch.p]
    )
    assert found.loc["dapo", "claim"] == "no difference shown" and found.loc["dapo", "seeds"] == "2 vs 2"
    assert found.loc["sft", "claim"] == "checkpoint claim only: one training seed"
    assert math.isnan(found.loc["sft", "low"])

    paired = differences(values, groups, start).set_index("name")
    # .5 and .52: mean .51, s / sqrt(2) = .01
    assert paired.loc["dapo", ["difference", "low", "high"]].tolist() == pytest.approx(
        [0.51, 0.51 - 0.12706, 0.51 + 0.12706], abs=1e-5
    )
    # two tests: Holm doubles the smaller p
    assert paired.loc["dapo", "p_adjusted"] == pytest.approx(2 * paired.loc["dapo", "p"])
    assert paired.loc["dapo", "claim"] == "better" and paired.loc["grpo", "claim"] == "no difference shown"
    assert (
        differences(values, groups, {"t": 0.3})
        .drop(columns="seeds")
        .equals(differences(values, groups, start).drop(columns="seeds"))
    )
    assert differences(values, groups, {"elsewhere": 0.3}).empty


def test_seeds_at_different_steps_are_told() -> None:
    groups = method_groups([trained("a0", 0), trained("a1", 1)])
    frame = pd.DataFrame([evaluated("a0", 20, 0.5), evaluated("a1", 10, 0.5)])
    means = matrix(last_values(frame, groups, FIRST), groups)
    assert means["uneven"].tolist() == [True] and means["steps"].tolist() == ["10, 20"]
    found = differences(last_values(frame, groups, FIRST), groups, {"t": 0.2})
    assert "do not differ at all" in found["claim"].iloc[0]


def test_the_figure_shows_every_seed(two_methods: tuple[list[Any], pd.DataFrame]) -> None:
    groups, frame = two_methods
    values = last_values(frame, groups, FIRST)
    fig = methods_figure(values, matrix(values, groups), ["t"], {"t": 0.3}, "step 0")
    means, dots, line = fig.data
    assert sorted(dots.x) == pytest.approx([40, 60, 80, 82, 90])
    assert list(means.x) == pytest.approx([81, 50])  # no mean of one seed
    assert list(line.x) == pytest.approx([30, 30])
    assert list(fig.layout.yaxis.ticktext) == ["dapo", "grpo", "sft"]
    assert fig.layout.xaxis.range[0] > -10 and fig.layout.xaxis.range[1] < 110
    assert [(x, y) for x, y in zip(dots.x, dots.y) if y == 2] == [(90, 2)]  # of one seed: on its row, there is no mean
    assert sorted(set(dots.y)) == pytest.approx([-0.22, 0.78, 2])
    assert fig.layout.annotations[0].text == "t, avg@4"


def test_panels_have_one_axis(two_methods: tuple[list[Any], pd.DataFrame]) -> None:
    groups, frame = two_methods
    both = pd.concat([frame, frame.assign(task="u", task_label="u", value=frame["value"] / 10)])
    values = last_values(both, groups, FIRST)
    fig = methods_figure(values, matrix(values, groups), ["t", "u"], {}, "step 0")
    assert fig.layout.xaxis.range == fig.layout.xaxis2.range and fig.layout.xaxis2.matches == "x"
    assert fig.layout.xaxis.range[0] <= 0 and fig.layout.xaxis.range[1] >= 90


def test_real_runs(tree: Path) -> None:
    catalog = read_catalog(tree)
    frame = results_frame(catalog)
    groups = method_groups(list(catalog.trainings.values()))
    assert [(g.name, [t.seed for t in g.runs]) for g in groups] == [("grpo", [0, 1])]
    values = last_values(frame, groups, FIRST)
    assert not never_evaluated(catalog, groups, values)
    assert len(values) == 2 and values["step"].tolist() == [4, 4]
    for row in values.itertuples():
        run = catalog.runs[row.run]
        assert run.training == row.training and run.step == 4
        assert run.summary["tasks"][TASK]["metrics"]["avg@2"]["value"] == row.value


def figure(app: Any) -> dict[str, Any]:
    [chart] = app.get("plotly_chart")
    return json.loads(chart.proto.spec)


def test_the_page_follows_its_url(tree: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(tree)
    app = page("methods", tree)
    assert not app.exception
    assert app.selectbox(key="baseline").value == START
    assert [trace["name"] for trace in figure(app)["data"]] == ["mean over seeds, 95 %", "one seed", "step 0"]
    base = next(k for k, r in catalog.runs.items() if "oracle" in r.model)
    app = page("methods", tree, baseline=base, trainings=[next(iter(catalog.trainings))])
    assert not app.exception
    assert app.selectbox(key="baseline").value == base
    assert app.info[0].value.startswith("The baseline and the methods have no task in common")  # other data: another column
    app = page("methods", tree, trainings=[next(iter(catalog.trainings))])
    assert app.dataframe[1].value["claim"].tolist() == ["checkpoint claim only: one training seed"]
    assert app.dataframe[1].value["p (Holm)"].tolist() == [""]
    assert any("No test: they need two seeds" in text.value for text in app.text)


def test_the_page_names_what_is_broken(broken: Path, page: Callable[..., Any]) -> None:
    torn = broken / "train" / "bad"
    torn.mkdir()
    (torn / "run.json").write_text("{")
    (torn / "train.jsonl").write_text("")
    app = page("methods", broken)
    assert not app.exception
    reasons = " ".join(app.dataframe[-1].value["reason"])
    assert "run.json cannot be read" in reasons and "counts already" in reasons  # `torn` is a copy of a seed


def test_the_page_of_nothing_and_of_no_evaluation(empty: Path, copy: Path, page: Callable[..., Any]) -> None:
    app = page("methods", empty)
    assert not app.exception and app.info[0].value == "No training run yet."
    for run in (*copy.glob("train/*/evals/*"), *copy.glob("runs/*")):
        (run / "results.json").unlink()
    app = page("methods", copy)
    assert not app.exception and app.info[0].value.startswith("None of these training runs")
