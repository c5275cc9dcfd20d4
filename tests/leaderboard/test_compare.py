"""The page Compare with two runs: it says what `evalsuite compare` says, and every view has a URL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evalsuite
from evalsuite.leaderboard.catalog import read_catalog

from .small_runs import keys_of, write_run


def codes(app: Any) -> list[str]:
    return [str(code.value) for code in app.code]


def test_the_page_says_what_the_command_says(tree: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(tree)
    keys = keys_of(catalog, "scripted-noisy-0.8", "scripted-noisy-0.6")
    app = page("compare", tree, runs=keys)
    assert not app.exception and app.multiselect(key="runs").value == keys
    said = str(evalsuite.compare(*(catalog.runs[key].path for key in keys)))
    assert said in codes(app)
    marked = "\n".join(str(m.value) for m in app.markdown)
    wanted = [line for line in said.splitlines() if line.startswith("- ") and not line.startswith(("- A: ", "- B: "))]
    assert len(wanted) > 5 and all(line in marked for line in wanted)


def test_a_question_is_read_side_by_side_and_lives_in_the_url(tree: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(tree)
    keys = keys_of(catalog, "scripted-noisy-0.8", "scripted-noisy-0.6")
    app = page("compare", tree, runs=keys, task="arithmetic")
    listed = next(frame.value for frame in app.dataframe if "problem" in frame.value)
    assert len(listed) == 40 and (listed["difference"].abs().diff().dropna() <= 1e-9).all()
    assert "question" not in app.query_params
    app.session_state["table-questions"] = {"selection": {"rows": [2], "columns": [], "cells": []}}
    app.run()
    id = listed["id"][2]
    assert app.query_params["question"] in (id, [id]) and not app.exception
    samples = [f.value for f in app.dataframe if "extracted answer" in f.value]
    assert [len(f) for f in samples] == [4, 4]
    assert all(f["sample"].tolist() == [0, 1, 2, 3] for f in samples)
    assert all(set(f["outcome"]) <= {"right", "wrong", "no_answer"} for f in samples)
    assert [f["score"].mean() * 100 for f in samples] == pytest.approx([listed["A"][2], listed["B"][2]])
    shared = page("compare", tree, runs=keys, task="arithmetic", question=id, change="regressed", i="2")
    assert not shared.exception and shared.query_params["question"] in (id, [id])
    assert [t.value for t in shared.text if str(t.value).startswith("Sample ")] == ["Sample 2", "Sample 2"]
    assert shared.segmented_control(key="change").value == "regressed"
    left = next(f.value for f in shared.dataframe if "problem" in f.value)
    assert (left["difference"] < 0).all()


def test_a_question_that_is_not_there_is_said(tree: Path, page: Callable[..., Any]) -> None:
    keys = keys_of(read_catalog(tree), "scripted-noisy-0.8", "scripted-noisy-0.6")
    app = page("compare", tree, runs=keys, question="../../etc/passwd")
    assert not app.exception and any("Neither run has a question" in str(t.value) for t in app.text)


def test_not_comparable_is_shown_and_can_be_compared_all_the_same(tree: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(tree)
    keys = [*keys_of(catalog, "scripted-noisy-0.6"), *keys_of(catalog, "scripted-noisy-0.6", tasks=1)]
    app = page("compare", tree, runs=keys)
    assert any("sampling: temperature" in code for code in codes(app)) and not app.exception
    assert not [f for f in app.dataframe if "problem" in f.value]
    app.toggle(key="allow").set_value(True).run()
    assert not app.exception and [f for f in app.dataframe if "problem" in f.value]
    assert any("--allow all" in code for code in codes(app))
    shared = page("compare", tree, runs=keys, allow="true")
    assert [f for f in shared.dataframe if "problem" in f.value]


def test_one_run_and_broken_ones(copy: Path, broken: Path, page: Callable[..., Any]) -> None:
    catalog = read_catalog(broken)
    good = keys_of(catalog, "scripted-noisy-0.8")
    app = page("compare", broken, runs=good)
    assert not app.exception and "Choose two runs" in app.info[0].value
    app = page("compare", broken, runs=[*good, "runs/running"])
    assert not app.exception and "Fewer than two" in app.info[0].value
    reasons = next(f.value for f in app.dataframe if "reason" in f.value)
    assert "is running" in reasons["reason"][0]


def test_names_from_files_are_not_markup(tmp_path: Path, page: Callable[..., Any]) -> None:
    for name in ("a", "b"):
        write_run(tmp_path, name, {f"q{i}": [1.0, 0.0] for i in range(6)})
    path = tmp_path / "runs" / "b" / "run.json"
    manifest = json.loads(path.read_text())
    manifest["model"]["name"] = "<script>x</script> :red[b] $x$"
    manifest["tasks"]["sums"]["label"] = "**bold** [l](http://x)"
    path.write_text(json.dumps(manifest))
    one = tmp_path / "runs" / "a" / "run.json"
    one.write_text(json.dumps(json.loads(one.read_text()) | {"tasks": manifest["tasks"]}))
    app = page("compare", tmp_path, runs=["runs/a", "runs/b"], question="q1")
    assert not app.exception and any("`**bold** [l](http://x)`" in str(m.value) for m in app.markdown)
    for said in (*app.markdown, *app.caption, *app.header, *app.subheader, *app.info, *app.warning):
        outside = str(said.value).split("`")[::2]  # what is not in a code span
        assert not any(x in "".join(outside) for x in ("<script>", ":red[", "**bold**", "$x$"))


def test_names_with_backticks_bars_and_angles_are_shown_as_they_are(tmp_path: Path, page: Callable[..., Any]) -> None:
    for name, ids in (("a", ()), ("b", ("<q>`0",))):  # an id that only one has is named in the remarks
        write_run(tmp_path, name, {q: [1.0, 0.0] for q in (*(f"q{i}" for i in range(6)), *ids)})
        path = tmp_path / "runs" / name / "run.json"
        manifest = json.loads(path.read_text())
        manifest["tasks"]["sums"]["label"] = "sums|<b>`x`"
        path.write_text(json.dumps(manifest))
    app = page("compare", tmp_path, runs=["runs/a", "runs/b"], allow="true")
    marked = [str(m.value) for m in app.markdown]
    assert not app.exception and sum("`` sums|<b>`x` ``" in m for m in marked) == 2 and any("``<q>`0``" in m for m in marked)
    assert not any("<code>" in m or "&#" in m for m in marked)
