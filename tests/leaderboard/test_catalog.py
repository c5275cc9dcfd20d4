"""What is found under a results folder, by which name, and what happens to what cannot be read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalsuite.leaderboard.catalog import read_catalog, stamp
from evalsuite.leaderboard.data.results import COLUMNS, results_frame


def made(folder: Path, **manifest: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"started": "2026-01-01T00:00:00Z", "status": "done"} | manifest))
    return folder


def trained(folder: Path, recipe: str = "grpo", seed: int = 0, **settings: Any) -> Path:
    return made(
        folder, kind="train", recipe={"name": recipe}, identity={"seed": seed}, model={"name": "base"}, settings=settings
    )


def test_all_of_a_results_folder(tree: Path) -> None:
    catalog = read_catalog(tree)
    assert len(catalog.runs) == 4 + 1 + 2 * 3 and len(catalog.trainings) == 2
    assert all(not run.problem and run.status == "done" and run.summary for run in catalog.runs.values())
    for key, training in catalog.trainings.items():
        assert key == f"train/{training.path.name}" and training.recipe == "grpo"
        assert [catalog.runs[k].step for k in training.evals] == [0, 2, 4]
        assert all(catalog.runs[k].training == key and catalog.runs[k].during for k in training.evals)
    (alone,) = (run for run in catalog.runs.values() if run.training and not run.during)
    assert alone.step == 4 and catalog.trainings[alone.training].seed == 0


def test_labels_are_short_and_no_two_are_alike(tree: Path) -> None:
    catalog = read_catalog(tree)
    assert {catalog.labels[key] for key in catalog.trainings} == {"grpo s0", "grpo s1"}
    assert {catalog.labels[k] for t in catalog.trainings.values() for k in t.evals} == {
        f"grpo s{s} @{n}" for s in (0, 1) for n in (0, 2, 4)
    }
    evaluated = [catalog.labels[key] for key in catalog.runs]
    assert len(set(evaluated)) == len(evaluated)
    assert sum(label.startswith("scripted:noisy:0.6 · ") for label in evaluated) == 2


def test_training_runs_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    trained(tmp_path / "train" / "a", **{"loss.k_pos": 2.0, "optim.lr": 1e-6})
    trained(tmp_path / "train" / "b", **{"loss.k_pos": 3.0, "optim.lr": 1e-6})
    trained(tmp_path / "train" / "c", recipe="gr3")
    catalog = read_catalog(tmp_path)
    assert [catalog.labels[f"train/{name}"] for name in "abc"] == ["grpo k_pos=2.0", "grpo k_pos=3.0", "gr3"]


def test_same_names_get_the_end_of_the_key_and_then_all_of_it(tmp_path: Path) -> None:
    for name in ("one-abcdef", "two-123456", "x-abcdef"):
        made(tmp_path / "runs" / name, model={"name": "m"})
    labels = read_catalog(tmp_path).labels
    assert labels == {
        "runs/one-abcdef": "runs/one-abcdef",
        "runs/two-123456": "m · 123456",
        "runs/x-abcdef": "runs/x-abcdef",
    }


def test_newest_first(tmp_path: Path) -> None:
    for day, name in ((1, "a"), (3, "b"), (2, "c")):
        made(tmp_path / "runs" / name, started=f"2026-01-0{day}T00:00:00Z")
    assert list(read_catalog(tmp_path).runs) == ["runs/b", "runs/c", "runs/a"]


def test_runs_lying_in_the_folder_itself(tmp_path: Path) -> None:
    made(tmp_path / "mine")
    assert list(read_catalog(tmp_path).runs) == ["mine"]


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', "\xff"])
def test_damaged_files_are_named_and_the_rest_is_there(tmp_path: Path, content: str) -> None:
    made(tmp_path / "runs" / "good")
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "run.json").write_bytes(content.encode("latin-1"))
    (made(tmp_path / "runs" / "half") / "results.json").write_bytes(content.encode("latin-1"))
    catalog = read_catalog(tmp_path)
    assert catalog.runs["runs/bad"].problem.startswith("run.json ") and catalog.runs["runs/bad"].status == "broken"
    assert catalog.runs["runs/half"].problem.startswith("results.json ")
    assert not catalog.runs["runs/good"].problem


def test_fields_of_the_wrong_kind_do_no_harm(tmp_path: Path) -> None:
    made(tmp_path / "runs" / "odd", model=3, environment=None, tasks=[1], started=None)
    trained(tmp_path / "train" / "odd")
    (tmp_path / "train" / "odd" / "run.json").write_text(
        '{"kind": "train", "recipe": "x", "identity": 1, "model": [], "settings": 2}'
    )
    catalog = read_catalog(tmp_path)
    assert catalog.labels == {"runs/odd": "odd", "train/odd": "odd"}
    assert results_frame(catalog).empty


def test_nothing_there(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "no"):
        catalog = read_catalog(folder)
        assert not catalog.runs and not catalog.trainings and stamp(folder) == stamp(tmp_path / "never")
        assert list(results_frame(catalog).columns) == list(COLUMNS)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    made(tmp_path / "elsewhere" / "secret")
    (tmp_path / "results" / "runs").mkdir(parents=True)
    (tmp_path / "results" / "runs" / "link").symlink_to(tmp_path / "elsewhere" / "secret")
    assert not read_catalog(tmp_path / "results").runs


def test_the_stamp_changes_with_what_is_shown(copy: Path) -> None:
    before = stamp(copy)
    assert stamp(copy) == before
    manifest = next((copy / "runs").iterdir()) / "run.json"
    os.utime(manifest, ns=(1, 1))
    assert stamp(copy) != before


def test_one_row_per_run_task_and_metric(tree: Path) -> None:
    frame = results_frame(read_catalog(tree))
    assert not frame.duplicated(["key", "task", "metric"]).any()
    noisy = frame[(frame.model == "scripted:noisy:0.8") & (frame.task == "sort_letters")].set_index("metric")
    assert list(noisy.index) == ["avg@4", "pass@2", "pass@4", "maj@4"]
    assert noisy.loc["avg@4", "first"] and not noisy.loc["pass@2", "first"]
    assert noisy.loc["avg@4", "low"] < noisy.loc["avg@4", "value"] < noisy.loc["avg@4", "high"]
    assert (
        noisy.n_questions.eq(40).all() and noisy.repeats.eq(4).all() and noisy.partial.all() and noisy.full_size.eq(200).all()
    )
    assert frame[frame.value.notna()].value.between(0, 1).all()


def test_the_fingerprint_is_of_what_must_agree(tree: Path) -> None:
    frame = results_frame(read_catalog(tree))
    sorting = frame[(frame.task == "sort_letters") & frame["first"]]
    scripted = sorting[sorting.model.str.startswith("scripted")]
    assert scripted.fingerprint.str.fullmatch("[0-9a-f]{6}").all()
    assert sorted(scripted.fingerprint.value_counts()) == [1, 3]  # one was drawn at another temperature


def with_results(folder: Path, tasks: Any) -> Path:
    (folder / "results.json").write_text(json.dumps({"evalsuite": {"tasks": tasks}}))
    return folder


GOOD = {"value": 0.5, "low": None, "high": None, "n_questions": 4, "n_clusters": 4}


@pytest.mark.parametrize(
    ("tasks", "field"),
    [
        (None, "evalsuite.tasks is no object"),
        ([1], "evalsuite.tasks is no object"),
        ({"t": 3}, "evalsuite.tasks.t is no object"),
        ({"t": {"metrics": None}}, "evalsuite.tasks.t.metrics is no object"),
        ({"t": {"metrics": {"avg": GOOD | {"value": "0.5"}}}}, "evalsuite.tasks.t.metrics.avg.value is no finite number"),
        ({"t": {"metrics": {"avg": GOOD | {"low": float("inf")}}}}, "metrics.avg.low is no finite number"),
        ({"t": {"n_questions": "x"}}, "evalsuite.tasks.t.n_questions is no count"),
        ({"t": {"unsteady": [1]}}, "evalsuite.tasks.t.unsteady is no list of texts"),
    ],
)  # fmt: skip
def test_results_of_the_wrong_shape_are_named(tmp_path: Path, tasks: Any, field: str) -> None:
    with_results(made(tmp_path / "runs" / "bad"), tasks)
    with_results(made(tmp_path / "runs" / "good"), {"t": {"metrics": {"avg": GOOD}, "n_questions": None}})
    catalog = read_catalog(tmp_path)
    bad = catalog.runs["runs/bad"]
    assert bad.status == "broken" and bad.problem.startswith("results.json: ") and field in bad.problem and bad.summary is None
    assert not catalog.runs["runs/good"].problem and list(results_frame(catalog)["key"]) == ["runs/good"]


@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        ({"tasks": [1]}, "tasks is no object"),
        ({"tasks": {"t": {"full_size": []}}}, "tasks.t.full_size is no count"),
        ({"tasks": {"t": {"identity": "x"}}}, "tasks.t.identity is no object"),
        ({"tasks": {"t": {"identity": {"verifier": {"name": ["x"]}}}}}, "tasks.t.identity.verifier.name is no text"),
        ({"tasks": {"t": {"metrics": "avg"}}}, "tasks.t.metrics is no list of texts"),
        ({"identity": {"tasks": 1}}, "identity.tasks is no object"),
        ({"model": "m"}, "model is no object"),
    ],
)
@pytest.mark.parametrize("kind", ["eval", "train"])
def test_a_manifest_of_the_wrong_shape_is_named(tmp_path: Path, manifest: dict[str, Any], field: str, kind: str) -> None:
    with_results(made(tmp_path / "runs" / "bad", kind=kind, **manifest), {"t": {"metrics": {"avg": GOOD}}})
    catalog = read_catalog(tmp_path)
    bad = (catalog.trainings if kind == "train" else catalog.runs)["runs/bad"]
    assert bad.problem == f"run.json: {field}" and bad.status == "broken" and not bad.tasks
    assert results_frame(catalog).empty


def test_halves_of_characters_in_names_are_replaced(tmp_path: Path) -> None:
    made(tmp_path / "runs" / "half", model={"name": "m\ud800"}, tasks={"t\ud800": {}})
    run = read_catalog(tmp_path).runs["runs/half"]
    assert run.model == "m\ufffd" and list(run.tasks) == ["t\ufffd"] and not run.problem


def test_json_too_deep_to_read_is_named(tmp_path: Path) -> None:
    (made(tmp_path / "runs" / "deep") / "results.json").write_text("[" * 200_000)
    assert read_catalog(tmp_path).runs["runs/deep"].problem.startswith("results.json cannot be read")


@pytest.mark.parametrize("name", ["leaderboard", "efficiency", "pass_at_k"])
def test_one_bad_run_breaks_no_page(copy: Path, page: Any, name: str) -> None:
    """A model's name with half a character, numbers that are texts, and identities that are none."""
    first, second, third = (folder for folder in sorted((copy / "runs").iterdir())[:3])
    changed(first / "run.json", lambda m: m["model"].update(name="m\ud800"))
    changed(second / "results.json", lambda m: [t.update(n_questions="x") for t in m["evalsuite"]["tasks"].values()])
    changed(third / "run.json", lambda m: [t.update(identity="x", full_size=[]) for t in m["tasks"].values()])
    app = page(name, copy)
    assert not app.exception


def changed(file: Path, how: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text())
    how(content)
    file.write_text(json.dumps(content))
