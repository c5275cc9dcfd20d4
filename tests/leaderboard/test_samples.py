"""Samples: found by outcome, slice and text, in order, from Parquet and from logs; rollouts of training; the page."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evalsuite
from evalsuite import Prompt, Sampling, Task
from evalsuite.errors import UsageError
from evalsuite.leaderboard.catalog import Run, Training, read_catalog
from evalsuite.leaderboard.data import rollouts
from evalsuite.leaderboard.data.browse import ORDERS, VERDICTS, Place, Wanted, around, verdict
from evalsuite.leaderboard.data.browse import page as browse
from evalsuite.leaderboard.data.samples import question, samples_of
from evalsuite.leaderboard.data.slices import slices
from evalsuite.models.scripted import ScriptedModel
from evalsuite.runlog.log import encode
from evalsuite.verifiers import make
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Image, Message, Sample

SAID = {  # question -> its two texts and their token counts
    "q0": (("0", 5), ("9", 50)),
    "q1": (("1", 7), ("1", 9)),
    "q2": (('no "ÉTUDE" here\nat all', 30), ("<think>2 <b>or</b> 3</think>2", 90)),
    "q3": (("x%y_z", 1), ("3", 2)),
}


class Sayer(ScriptedModel):
    """Says what SAID says; the second text of q3 was cut off."""

    async def generate(self, request: Any) -> Any:
        said = SAID[request.sample_id]
        return [
            Completion(
                said[i][0],
                finish_reason="length" if (request.sample_id, i) == ("q3", 1) else "stop",
                completion_tokens=said[i][1],
                logprobs=(-0.5,) * said[i][1],
                tool_trace=({"role": "tool", "content": "**looked** <i>up</i>"},) if request.sample_id == "q2" else (),
            )
            for i in request.indices
        ]


PIXEL = Path(__file__).with_name("none.png")
TASK = Task(
    name="toy",
    samples=tuple(
        Sample(
            id=f"q{i}",
            messages=(Message("user", (Image(str(PIXEL)), f"what is {i}? say [brackets]")),),
            target=str(i),
            metadata={"level": i % 2, "subject": "algebra", "name": f"unique {i}"},
        )
        for i in range(4)
    ),
    prompt=Prompt(name="bare", system="Be brief."),
    verifier=make("exact"),
    sampling=Sampling(repeats=2),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    evalsuite.run(Sayer("oracle"), TASK, output=root / "runs")
    return root


@pytest.fixture
def toy(results: Path) -> Run:
    return next(iter(read_catalog(results).runs.values()))


ALL = Wanted()


def found(run: Run, wanted: Wanted = ALL, order: str = ORDERS[0], **where: int) -> list[tuple[str, int]]:
    rows = browse([run], "toy", wanted, order, **where).rows
    return list(zip(rows["id"], rows["i"], strict=True))


def test_one_question_with_everything(toy: Run) -> None:
    q = question(toy, "toy", "q2")
    assert q is not None
    assert (
        q.prompt == [["system", "Be brief."], ["user", "what is 2? say [brackets]"]]
        and q.problem == "what is 2? say [brackets]"
    )
    assert q.target == "2" and q.metadata == {"level": 0, "subject": "algebra", "name": "unique 2"}
    assert [i["message"] for i in q.images] == [1] and "FileNotFoundError" in q.images[0]["missing"]
    assert [s["i"] for s in q.samples] == [0, 1] and [s["value"] for s in q.samples] == [0.0, 1.0]
    assert q.samples[1]["text"] == "<think>2 <b>or</b> 3</think>2" and q.samples[1]["answer"] == "2"
    assert q.samples[0]["trace"] == [{"role": "tool", "content": "**looked** <i>up</i>"}] and q.samples[0]["parts"] == {}
    assert question(toy, "toy", "q9") is None and question(toy, "toy", "q2' OR 1=1") is None


def test_a_log_that_is_newer_than_the_tables_counts(toy: Run, tmp_path: Path) -> None:
    """A run that goes on: a new row of (q1, 0), one of a new question, and half a line."""
    copy = Run("runs/copy", Path(shutil.copytree(toy.path, tmp_path / "copy")), toy.manifest, None)
    before = question(copy, "toy", "q1")
    log = next((copy.path / "log").iterdir())
    again = {
        "id": "q1",
        "i": 0,
        "seed": 1,
        "completion": {"text": "lone \ud800", "logprobs": [-1.0]},
        "score": {"value": 0.25, "outcome": "ok"},
    }
    new = {"id": "new", "i": 0, "seed": 1, "completion": {"text": "unscored"}}
    failed = {"id": "new", "i": 1, "seed": 1, "score": {"value": None, "outcome": "error", "feedback": "gone"}}
    log.write_bytes(log.read_bytes() + encode(again) + encode(new) + encode(failed) + b'{"id": "q1", "i": 1, "comp')
    os.utime(log, ns=(2**61, 2**61))
    after = question(copy, "toy", "q1")
    assert before is not None and after is not None
    assert [s["text"] for s in after.samples] == ["lone \\ud800", "1"] and after.samples[0]["value"] == 0.25
    of_log = ("i", "value", "outcome", "answer", "text", "seconds", "completion_tokens", "logprobs", "trace", "parts", "seed")
    assert [after.samples[1][k] for k in of_log] == [before.samples[1][k] for k in of_log]
    assert after.prompt == before.prompt and after.target == "1"  # the questions are those of before
    unknown = question(copy, "toy", "new")
    assert unknown is not None and not unknown.prompt and [s["outcome"] for s in unknown.samples] == [None, "error"]
    listed = browse([copy], "toy", Wanted(verdicts=("error", "graded"))).rows
    assert list(zip(listed["id"], listed["i"], listed["verdict"], strict=True)) == [
        ("q1", 0, "graded"),
        ("new", 0, "error"),
        ("new", 1, "error"),
    ]
    assert browse([copy], "toy", Wanted(text="unscored")).total == 1
    shutil.rmtree(copy.path / "questions")
    assert browse([copy], "toy", Wanted(text="brackets")).total == 0 and slices(copy, "toy") == {}


def test_a_run_without_samples_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no samples of 'toy'"):
        samples_of(Run("runs/none", tmp_path, {}, None), "toy")


def test_a_log_row_that_is_no_sample(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "toy.0.jsonl").write_bytes(encode({"task": "toy"}) + encode({"id": "a"}))
    with pytest.raises(UsageError, match="not a sample's"):
        question(Run("r", tmp_path, {}, None), "toy", "a")


def test_damaged_tables_are_named(toy: Run, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    whole = (toy.path / "samples" / "toy.parquet").read_bytes()
    (tmp_path / "samples" / "toy.parquet").write_bytes(whole[: len(whole) // 2])
    bad = Run("runs/bad", tmp_path, {}, None)
    with pytest.raises(UsageError, match=r"toy\.parquet cannot be read"):
        question(bad, "toy", "q0")
    both = browse([bad, toy], "toy", Wanted())
    assert both.total == 8 and list(both.problems) == ["runs/bad"] and set(both.rows["run"]) == {toy.key}
    assert browse([bad], "toy", Wanted()).total == 0


@pytest.mark.parametrize(
    ("value", "outcome", "word"),
    [(1.0, "ok", "right"), (0.0, "ok", "wrong"), (0.5, "ok", "graded"), (0.0, "truncated", "truncated"), (None, "error", "error"),
     (None, None, "error"), (0.0, "no_answer", "no_answer"), (0.0, "timeout", "timeout")],
)  # fmt: skip
def test_verdicts(value: float | None, outcome: str | None, word: str) -> None:
    assert verdict(value, outcome) == word and word in VERDICTS


def test_outcomes_divide_the_samples(toy: Run) -> None:
    rows = browse([toy], "toy", Wanted()).rows
    by = {word: found(toy, Wanted(verdicts=(word,))) for word in VERDICTS}
    assert sum(map(len, by.values())) == 8
    assert by["truncated"] == [("q3", 1)] and by["right"] == [("q0", 0), ("q1", 0), ("q1", 1), ("q2", 1)]
    assert {(r.id, r.i): r.verdict for r in rows.itertuples()} == {
        place: word for word, places in by.items() for place in places
    }
    assert found(toy, Wanted(verdicts=("truncated", "right"))) == sorted(by["truncated"] + by["right"])


def test_rows_show_what_they_should(toy: Run) -> None:
    row = browse([toy], "toy", Wanted(text="étude")).rows.iloc[0].to_dict()
    assert row == {
        "run": toy.key, "id": "q2", "i": 0, "verdict": "wrong", "value": 0.0, "answer": "at all", "target": "2",
        "tokens": 30, "text": 'no "ÉTUDE" here\nat all',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fields", "places"),
    [
        ("étude", ("response",), [("q2", 0)]),
        ('"ÉTUDE" here\nat', ("response",), [("q2", 0)]),
        ("THINK>2", ("response",), [("q2", 1)]),
        ("think", ("answer",), []),
        ("%", ("response",), [("q3", 0)]),  # literal: no wildcards
        ("_", ("response", "answer"), [("q3", 0)]),
        ("IS 3? say [Brackets]", ("prompt",), [("q3", 0), ("q3", 1)]),
        ("user", ("prompt",), []),  # a role is no text of the prompt
        ('", "', ("prompt",), []),
        ("be brief", ("prompt",), [(f"q{q}", i) for q in range(4) for i in range(2)]),
        ("be brief", ("response",), []),
        ("'", ("prompt", "answer", "response"), []),
    ],
)
def test_text_is_looked_for_literally(toy: Run, text: str, fields: tuple[str, ...], places: list[tuple[str, int]]) -> None:
    assert found(toy, Wanted(text=text, fields=fields)) == places


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=6))
def test_any_text_can_be_looked_for(results: Path, text: str) -> None:
    run = next(iter(read_catalog(results).runs.values()))
    total = browse([run], "toy", Wanted(text=text, fields=("response",))).total
    folded = [said for both in SAID.values() for said, _ in both if text.lower() in said.lower()]
    assert total == len(folded)


def test_slices(toy: Run) -> None:
    assert slices(toy, "toy") == {"level": {"0": 2, "1": 2}}  # `subject` divides nothing, `name` names each question
    assert {id for id, _ in found(toy, Wanted(slices=(("level", "1"),)))} == {"q1", "q3"}
    assert len(found(toy, Wanted(slices=(("level", "0"), ("level", "1"))))) == 8
    assert found(toy, Wanted(slices=(("level", "1"), ("subject", "none")))) == []
    assert found(toy, Wanted(slices=(("level", "1"),), verdicts=("right",), text="1")) == [("q1", 0), ("q1", 1)]


def test_orders(toy: Run) -> None:
    assert found(toy) == [(f"q{q}", i) for q in range(4) for i in range(2)]
    hard = [id for id, _ in found(toy, order="hardest first")]
    assert hard == ["q3", "q3", "q0", "q0", "q2", "q2", "q1", "q1"]  # means 0, 1/2, 1/2, 1
    assert [tokens for tokens in browse([toy], "toy", Wanted(), "longest first").rows["tokens"]] == [90, 50, 30, 9, 7, 5, 2, 1]
    hardest = found(toy, Wanted(verdicts=("right",)), "hardest first")
    assert hardest == [("q0", 0), ("q2", 1), ("q1", 0), ("q1", 1)]  # by all samples of a question, also those that are left out


def test_pages(toy: Run) -> None:
    whole = found(toy)
    assert [found(toy, start=s, size=3) for s in (0, 3, 6)] == [whole[:3], whole[3:6], whole[6:]]
    beyond = browse([toy], "toy", Wanted(), start=300, size=3)
    assert (beyond.start, beyond.total, list(beyond.rows["id"])) == (6, 8, ["q3", "q3"])
    assert browse([toy], "toy", Wanted(text="nowhere"), start=300).total == 0


def test_runs_together(toy: Run) -> None:
    twin = Run("runs/twin", toy.path, toy.manifest, None)
    rows = browse([toy, twin], "toy", Wanted(verdicts=("truncated",))).rows
    assert list(zip(rows["run"], rows["id"], rows["i"], strict=True)) == [(toy.key, "q3", 1), ("runs/twin", "q3", 1)]


def test_neighbours(toy: Run) -> None:
    wanted = Wanted(verdicts=("right",))
    key = toy.key
    assert around([toy], "toy", wanted, "as in the run", key, "q1", 1) == (2, (Place(key, "q1", 0), Place(key, "q2", 1)))
    assert around([toy], "toy", wanted, "as in the run", key, "q0", 0) == (0, (None, Place(key, "q1", 0)))
    assert around([toy], "toy", wanted, "hardest first", key, "q1", 1) == (3, (Place(key, "q1", 0), None))
    assert (
        around([toy], "toy", wanted, "as in the run", key, "q3", 0) is None
        and around([toy], "toy", wanted, ORDERS[0], "x", "q1", 1) is None
    )


@pytest.fixture
def trained(tmp_path: Path) -> Training:
    def row(step: int, i: int, **more: Any) -> bytes:
        score = {"value": float(i == 0), "outcome": "ok", "answer": f"a{i}"}
        common = {"task": "t", "id": f"q{step}", "group": 0, "text": f"Text {i}", "tokens": 10 * i, "finish_reason": "stop"}
        return encode(
            {"step": step, **common, "i": i, "score": score, "reward": 1.0 - i, "advantage": 0.5 - i, "kept": i < 2, **more}
        )

    header = encode({"schema": 1, "kind": "samples"})
    lines = [header, *(row(s, i) for s in (1, 2, 10) for i in range(3))]
    (tmp_path / "samples.jsonl").write_bytes(b"".join(lines) + b'{"step":11,"task":"t","id":"q')
    return Training("train/x", tmp_path, {})


def test_steps_of_a_training_run(trained: Training) -> None:
    parts = rollouts.parts(trained)
    assert [(p.step, p.count) for p in parts] == [(1, 3), (2, 3), (10, 3)]
    rows = rollouts.rollouts(trained, parts[1])
    assert [(r["id"], r["i"], r["value"], r["answer"], r["completion_tokens"]) for r in rows] == [
        ("q2", 0, 1.0, "a0", 0),
        ("q2", 1, 0.0, "a1", 10),
        ("q2", 2, 0.0, "a2", 20),
    ]
    assert rollouts.parts(Training("train/y", trained.path / "none", {})) == []


def test_a_table_of_rollouts(trained: Training) -> None:
    rows = rollouts.rollouts(trained, rollouts.parts(trained)[0])

    def which(**asked: Any) -> list[int]:
        return list(rollouts.table(rows, **asked).index)

    assert which() == [0, 1, 2] and which(text="TEXT 1") == [1] and which(text="A2") == [2] and which(text="none") == []
    assert which(kept="kept") == [0, 1] and which(kept="left out") == [2] and which(verdicts=("wrong",)) == [1, 2]
    assert [which(order=o) for o in rollouts.ORDERS] == [
        [0, 1, 2],
        [0, 1, 2],
        [2, 1, 0],
        [2, 0, 1],
        [2, 1, 0],
    ]  # |advantage|: .5, .5, 1.5
    assert rollouts.table([], order="longest first").empty


def test_damaged_rollouts_are_named(trained: Training) -> None:
    path = trained.path / "samples.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2][:30] + b"\n", *lines[3:]]))
    first = rollouts.parts(trained)[0]
    with pytest.raises(UsageError, match="step 1 is not a sample"):
        rollouts.rollouts(trained, first)
    path.write_bytes(lines[0] + b"rubbish\n")
    with pytest.raises(UsageError, match=r"samples\.jsonl:2: not a sample"):
        rollouts.parts(trained)


def texts(app: Any) -> str:
    """Everything that a page shows as text or code."""
    return "\n".join(str(e.value) for e in [*app.text, *app.code, *app.info, *app.warning, *app.caption])


def markdown(app: Any) -> str:
    """What a page renders as Markdown."""
    return "\n".join(str(e.value) for e in [*app.markdown, *app.caption, *app.title, *app.header, *app.info, *app.warning])


def test_the_list(page: Callable[..., Any], results: Path) -> None:
    app = page("samples", results)
    assert not app.exception and "8 samples fit; 1 to 8" in texts(app)
    shown = app.dataframe[0].value
    assert list(shown["question"]) == ["q0", "q0", "q1", "q1", "q2", "q2", "q3", "q3"] and "run" not in shown
    filtered = page("samples", results, verdict=["right"], q="think", order="hardest first")
    assert not filtered.exception and list(filtered.dataframe[0].value["question"]) == ["q2"]
    assert filtered.text_input(key="q").value == "think" and filtered.selectbox(key="order").value == "hardest first"
    assert "No sample fits" in texts(page("samples", results, q="nowhere to be found"))
    sliced = page("samples", results, slice=["level=1"])
    assert set(sliced.dataframe[0].value["question"]) == {"q1", "q3"}


def test_a_row_opens_its_sample_and_the_list_comes_back(page: Callable[..., Any], results: Path) -> None:
    app = page("samples", results, verdict=["right"])
    app.session_state["table-samples-0"] = {"selection": {"rows": [1], "columns": [], "cells": []}}
    app.run()
    run = next(iter(read_catalog(results).runs))
    assert {k: app.query_params[k] for k in ("run", "question")} == {"run": run, "question": "q1"}
    assert "number 2 in the list" in texts(app) and "what is 1?" in texts(app)
    app.button[1].click().run()  # previous
    assert app.query_params["question"] == "q0" and "number 1 in the list" in texts(app)
    app.button[2].click().run()
    app.button[2].click().run()
    app.button[2].click().run()
    assert app.query_params["question"] == "q2" and app.query_params["i"] == "1" and app.button[2].disabled
    app.button[0].click().run()
    assert "question" not in app.query_params and "4 samples fit" in texts(app) and not app.exception


def test_a_shared_url_opens_the_sample(page: Callable[..., Any], results: Path) -> None:
    run = next(iter(read_catalog(results).runs))
    app = page("samples", results, run=run, task="toy", question="q2", i="1")
    assert not app.exception and app.selectbox(key="sample-1").value == 1
    said = texts(app)
    assert "<think>2 <b>or</b> 3</think>" in said and "cannot be shown" in said and "**looked** <i>up</i>" in said
    assert "90 tokens" in said and "finish reason stop" in said and "value 1" in said
    assert not any(word in markdown(app) for word in ("<b>", "<i>", "looked"))  # nothing of others is Markdown
    beside = page("samples", results, run=run, question="q2", view="side by side")
    assert not beside.exception and len([c for c in beside.caption if c.value == "Extracted answer"]) == 2
    same = page("samples", results, run=run, question="q1", view="same answers")
    assert [dict(r) for _, r in same.dataframe[0].value.iterrows()] == [
        {"answer": "1", "samples": 2, "which": "0, 1", "mean value": 1.0}
    ]
    fields = page("samples", results, run=run, question="q1", view="all fields")
    assert '"subject": "algebra"' in texts(fields) and '"completion_tokens": 7' in texts(fields)


@pytest.mark.parametrize(
    "query",
    [
        {"question": "nobody"},
        {"question": "q1", "i": "99"},
        {"question": "q1", "i": "x"},
        {"run": "../..", "question": "q1"},
        {"page": "99"},
        {"task": "none"},
    ],
)
def test_a_url_that_leads_nowhere(page: Callable[..., Any], results: Path, query: dict[str, str]) -> None:
    run = next(iter(read_catalog(results).runs))
    app = page("samples", results, **{"run": run, **query})
    assert not app.exception
    if query.get("question") == "nobody":
        assert "has no sample of this question" in texts(app)


def test_many_runs_and_training_steps(page: Callable[..., Any], tree: Path) -> None:
    catalog = read_catalog(tree)
    keys = [key for key, run in catalog.runs.items() if "sort_letters" in run.tasks and not run.during][:3]
    app = page("samples", tree, runs=keys, task="sort_letters")
    assert not app.exception and set(app.dataframe[0].value["run"]) <= {catalog.labels[k] for k in keys}
    assert len(app.dataframe[0].value) == 50
    training = next(iter(catalog.trainings))
    app = page("samples", tree, run=training)
    assert not app.exception and app.selectbox(key="of").value == "training" and "of the 16 samples of step 4" in texts(app)
    app.session_state["table-rollouts-4-1"] = {"selection": {"rows": [2], "columns": [], "cells": []}}
    app.run()
    assert not app.exception and "reward" in texts(app) and {"question", "group", "i"} <= set(app.query_params)
    again = page("samples", tree, **app.query_params)
    assert not again.exception and "advantage" in texts(again)


def test_broken_runs_are_named_and_the_others_shown(page: Callable[..., Any], broken: Path) -> None:
    catalog = read_catalog(broken)
    damaged = ["runs/bad-parquet", "runs/no-parquet", "runs/running", "runs/no-json"]
    app = page("samples", broken, runs=damaged, task="sort_letters")
    assert not app.exception and any("cannot be read" in w.value for w in app.warning)
    shown = set(app.dataframe[0].value["run"])
    assert shown <= {catalog.labels[k] for k in ("runs/no-parquet", "runs/running")} and shown
    assert not page("samples", broken, runs=["runs/bare"]).exception
    assert not page("samples", broken, runs=["runs/stranger"], task="no_such_task").exception
    torn = page("samples", broken, run="train/torn")
    assert not torn.exception and "samples of step" in texts(torn)
    log = next((broken / "runs" / "running" / "log").glob("sort_letters*"))
    id = json.loads(log.read_bytes().splitlines()[1])["id"]
    live = page("samples", broken, run="runs/running", task="sort_letters", question=id)
    assert not live.exception and "is not kept here" in texts(live)


def test_links_lead_to_their_kind_and_the_choice_stays_the_readers(page: Callable[..., Any], tree: Path) -> None:
    catalog = read_catalog(tree)
    run, training = next(k for k, r in catalog.runs.items() if not r.during), next(iter(catalog.trainings))
    app = page("samples", tree, run=training)
    assert app.selectbox(key="of").value == "training"
    app.selectbox(key="of").select("evaluations").run()
    assert app.selectbox(key="of").value == "evaluations" and not app.exception and "samples fit" in texts(app)
    app.selectbox(key="of").select("training").run()
    assert app.selectbox(key="of").value == "training" and not app.exception
    app.query_params["run"] = run
    app.query_params.pop("of", None)
    app.run()
    assert app.selectbox(key="of").value == "evaluations" and not app.exception


def test_no_address_is_changed_on_arrival(page: Callable[..., Any], tree: Path) -> None:
    """The back button would lead to the page that changes it back."""
    catalog = read_catalog(tree)
    run = list(catalog.runs.values())[-1]
    id = page("samples", tree, run=run.key, task="sort_letters").dataframe[0].value["question"][0]
    step = {"run": list(catalog.trainings)[-1], "step": "4"}
    for query in (
        {},
        {"run": run.key},
        {"run": run.key, "task": "sort_letters"},
        {"run": run.key, "question": id, "i": "0"},
        step,
    ):
        app = page("samples", tree, **query)
        assert not app.exception and {name: [value] for name, value in query.items()} == {
            name: value if isinstance(value, list) else [value] for name, value in app.query_params.items()
        }


def test_a_link_to_a_run_shows_that_run(page: Callable[..., Any], tree: Path) -> None:
    """Whatever was chosen before: runs, and steps of another training run."""
    catalog = read_catalog(tree)
    one, two = [k for k, r in catalog.runs.items() if "sort_letters" in r.tasks and not r.during][:2]
    app = page("samples", tree, runs=[one, two])
    app.query_params.clear()
    app.query_params["run"] = two
    app.run()
    assert app.multiselect(key="runs").value == [two] and list(app.query_params) == ["run"]
    first, second = list(catalog.trainings)[:2]
    app = page("samples", tree, of="training", training=first, step="1")
    app.query_params.clear()
    app.query_params["run"] = second
    app.run()
    assert app.selectbox(key="training").value == second and app.selectbox(key="step").value == "4"


def test_the_page_of_a_list_is_that_of_the_url(page: Callable[..., Any], tree: Path) -> None:
    run = next(key for key, run in read_catalog(tree).runs.items() if len(run.tasks) == 2)
    app = page("samples", tree, run=run, task="sort_letters", page="2")
    assert "51 to 100" in texts(app) and "The download has the samples of this page." in texts(app)
    app.pills(key="verdict").set_value(["right"]).run()  # other samples: from the first
    assert "fit; 1 to 50" in texts(app) and "page" not in app.query_params
    app.query_params["page"] = "2"
    app.query_params.pop("verdict", None)
    app.pills(key="verdict").set_value([]).run()  # the back button: both at once
    assert "51 to 100" in texts(app) and app.query_params["page"] in ("2", ["2"])


def test_columns_of_other_programs_hold_what_they_like(toy: Run, tmp_path: Path) -> None:
    """Another program's tables: fewer columns, and JSON that is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, rows in {
        "samples": [{"id": "a", "i": 0, "value": 1.0, "outcome": "ok", "text": "<b>", "trace": "no json"}],
        "questions": [
            {
                "id": "a",
                "problem": "p",
                "prompt": '[["user"], 3]',
                "images": "{}",
                "evidence": "[3]",
                "metadata": "[1]",
                "target": "5",
            }
        ],
    }.items():
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name / "toy.parquet")
    other = Run("runs/other", tmp_path, {}, None)
    q = question(other, "toy", "a")
    assert q is not None and (q.prompt, q.images, q.evidence, q.metadata, q.target) == ([], [], [], {}, 5)
    assert q.samples[0]["trace"] == [] and q.samples[0]["answer"] is None and q.samples[0]["parts"] == {}
    for order in ORDERS:
        rows = browse([other, toy], "toy", Wanted(text="<B>"), order).rows
        assert sorted(zip(rows["run"], rows["id"], strict=True)) == [("runs/other", "a"), (toy.key, "q2")]
    assert slices(other, "toy") == {}
    pq.write_table(pa.Table.from_pylist([{"id": "a", "prompt": "plain Text"}]), tmp_path / "questions" / "toy.parquet")
    assert browse([other, toy], "toy", Wanted(text="plain text")).total == 1


@pytest.mark.parametrize("name", ["to*", "to?", "[t]oy", "value=7"])
def test_a_folder_with_a_pattern_as_its_name_is_that_folder(toy: Run, tmp_path: Path, name: str) -> None:
    for folder in (name, "toy", "to_"):
        shutil.copytree(toy.path, tmp_path / folder)
    run = Run("runs/x", tmp_path / name, toy.manifest, None)
    listed = browse([run], "toy", Wanted(text="what is"))
    assert (listed.total, listed.problems) == (8, {}) and list(listed.rows["value"]) == list(
        browse([toy], "toy", Wanted(text="what is")).rows["value"]
    )
    q = question(run, "toy", "q1")
    assert q is not None and [s["value"] for s in q.samples] == [1.0, 1.0]


def test_half_a_character_in_a_text_breaks_no_page(results: Path, tmp_path: Path, page: Callable[..., Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = shutil.copytree(results, tmp_path / "results")
    run = next(iter(read_catalog(root).runs.values()))
    file = run.path / "questions" / "toy.parquet"
    table = pq.read_table(file)
    rows = [row | {"prompt": json.dumps([["us\ud800er", "say \udfff"]])} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    app = page("samples", root, run=run.key, task="toy", question="q1")
    assert not app.exception and any("say \ufffd" in str(c.value) for c in app.code)
    assert any("us\ufffder" in str(t.value) for t in app.text)
