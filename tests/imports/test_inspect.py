"""inspect's logs as runs. data/*.eval are files of inspect_ai 0.3.285 with its mock model; others are made from their entries."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite import Sample
from evalsuite.errors import UsageError
from evalsuite.imports import Imported, find, import_run
from evalsuite.imports.inspect_sample import flat_scores, to_float
from evalsuite.imports.inspect_zip import EvalFile, resolved
from evalsuite.runlog import RunDir
from evalsuite.words.sample import Message

DATA = Path(__file__).parent / "data"
SUMS, CHUNKED = DATA / "sums.eval", DATA / "chunked.eval"

Entries = dict[str, dict[str, Any]]


def entries() -> Entries:
    """The header and the samples of data/sums.eval."""
    with EvalFile(SUMS) as file:
        return {"header.json": file.header()} | {name: file.sample(name) for _, _, name in file.samples()}


def packed(path: Path, content: Entries, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """An .eval file of these entries."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as file:
        for name, value in content.items():
            file.writestr(name, json.dumps(value))
    return path


def bring(source: Path, results: Path) -> Imported:
    [(kind, found)] = find(source)
    assert kind == "inspect"
    return import_run(kind, found, results)


def task_of(run: Imported) -> dict[str, Any]:
    [task] = json.loads((run.folder / "results.json").read_text())["evalsuite"]["tasks"].values()
    return dict(task)


def table(run: Imported, kind: str) -> list[dict[str, Any]]:
    return pq.read_table(run.folder / kind / "sums.parquet").to_pylist()


def test_a_log_of_inspect_itself(tmp_path: Path) -> None:
    run = bring(SUMS, tmp_path)
    manifest = RunDir(run.folder).manifest()
    assert (manifest["status"], manifest["model"]["name"], manifest["imported"]["format_version"]) == (
        "done",
        "mockllm/model",
        "0.3.285",
    )
    assert manifest["started"].startswith("2026-11-21T01:25:3") and manifest["finished"] >= manifest["started"]
    identity = manifest["tasks"]["sums"]["identity"]
    assert (identity["version"], identity["sampling"], identity["verifier"]["scorer"]) == ("2", {"temperature": 0.5}, "match")
    task = task_of(run)
    assert (task["n_questions"], task["repeats"], task["coverage"]) == (3, 2, 1.0)
    # What inspect computed itself is in `stated`; not a note says that ours differ.
    assert not run.notes
    assert {label: a["value"] for label, a in task["metrics"].items()} == pytest.approx(
        {"avg@2": 2 / 3, "part:half": 2.5 / 3, "part:parts.clear": 1.0, "part:parts.short": 0.25}
    )
    assert manifest["imported"]["stated"]["sums"].keys() == {"avg", "part:half", "part:parts.clear", "part:parts.short"}
    assert (task["prompt_tokens"], task["completion_tokens"]) == (6 * 16, 6 * 10)  # two calls each: 5 + 11 in, 3 + 7 out

    samples = table(run, "samples")
    assert [(s["id"], s["i"], s["value"]) for s in samples] == [
        ("a", 0, 1.0), ("a", 1, 1.0), ("b", 0, 1.0), ("b", 1, 1.0), ("c", 0, 0.0), ("c", 1, 0.0),
    ]  # fmt: skip
    first = samples[0]
    assert (first["text"], first["answer"], first["finish_reason"], dict(first["parts"])["half"]) == ("3", "3", "stop", 0.5)
    call, answer = json.loads(first["trace"])
    assert call["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"x": 1, "y": 2}'}
    assert (answer["role"], answer["content"], answer["tool_call_id"]) == ("tool", "3", call["tool_calls"][0]["id"])

    a, b, c = table(run, "questions")
    assert (json.loads(a["prompt"]), json.loads(a["metadata"])) == ([["user", "What is 1+2?"]], {"level": 1})
    assert a["digest"] == Sample(id="x", messages=(Message("user", "What is 1+2?"),), target="3").digest()
    assert json.loads(b["target"]) == ["3", "three"]
    [image] = json.loads(b["images"])
    assert (image["width"], image["height"]) == (2, 2)
    assert (run.folder / "media" / image["media"][:2] / image["media"]).is_file()
    assert c["problem"].endswith(" 1+2?") and c["n"] == 2


def test_other_forms_of_the_same_log(tmp_path: Path) -> None:
    """Deflate, as older versions wrote; no compression; one JSON file: all give the same tables."""
    content = entries()
    document = {**content.pop("header.json"), "samples": list(content.values())}
    log = tmp_path / "log.json"
    log.write_text(json.dumps(document))
    made = [
        packed(tmp_path / "deflated.eval", entries()),
        packed(tmp_path / "stored.eval", entries(), zipfile.ZIP_STORED),
        log,
    ]
    wanted = [table(bring(SUMS, tmp_path / "r"), kind) for kind in ("samples", "questions")]
    for path in made:
        run = bring(path, tmp_path / path.stem)
        found = [table(run, kind) for kind in ("samples", "questions")]
        for one, two in zip(wanted, found):
            assert [{**r, "run_id": ""} for r in one] == [{**r, "run_id": ""} for r in two]


def test_samples_in_chunks(tmp_path: Path) -> None:
    """A log that inspect converted to its form for huge samples: messages and attachments lie in pieces."""
    run = bring(CHUNKED, tmp_path)
    [sample], [question] = table(run, "samples"), table(run, "questions")
    assert (sample["text"], sample["value"], len(json.loads(sample["trace"]))) == ("3", 1.0, 2)
    assert json.loads(question["prompt"]) == [["user", "1+2 in the image?"]] and json.loads(question["images"])[0]["width"] == 2


def changed(path: Path, change: Callable[[Entries], Any]) -> Path:
    content = entries()
    change(content)
    return packed(path, content)


def test_samples_without_a_score(tmp_path: Path) -> None:
    def change(content: Entries) -> None:
        content["samples/a_epoch_1.json"] |= {"error": {"message": "TimeoutError('too slow')"}, "scores": None, "output": {}}
        content["samples/a_epoch_2.json"]["scores"]["match"]["value"] = float("nan")
        content["samples/b_epoch_1.json"] |= {"scores": {}, "limit": {"type": "token", "limit": 5}}
        content["samples/c_epoch_1.json"]["output"]["choices"][0]["stop_reason"] = "max_tokens"
        content["samples/c_epoch_2.json"]["scores"]["match"]["value"] = "N"
        content["header.json"]["results"] = None

    run = bring(changed(tmp_path / "log.eval", change), tmp_path / "r")
    assert [(s["value"], s["outcome"], s["feedback"][:30]) for s in table(run, "samples")] == [
        (None, "error", "TimeoutError('too slow')"),
        (None, "error", "not scored"),
        (None, "error", "stopped at inspect's token lim"),
        (1.0, "ok", "3"),
        (0.0, "truncated", "It is 4."),
        (0.0, "no_answer", "It is 4."),
    ]
    assert table(run, "samples")[0]["text"] is None
    a, b, _ = table(run, "questions")
    assert (a["n"], a["errors"], a["avg@2"], b["n"], b["errors"], b["avg@2"]) == (0, 2, None, 1, 1, 1.0)
    assert task_of(run)["coverage"] == 0.5


def test_a_part_is_the_mean_of_the_answers_that_have_it(tmp_path: Path) -> None:
    """inspect leaves what is not scored out of its own means too."""

    def change(content: Entries) -> None:
        for name in ("a_epoch_1", "a_epoch_2", "b_epoch_1"):
            content[f"samples/{name}.json"]["scores"]["half"]["value"] = float("nan")
        content["samples/b_epoch_2.json"]["scores"]["match"]["value"] = float("nan")  # its other scores are there
        content["header.json"]["results"] = None

    run = bring(changed(tmp_path / "log.eval", change), tmp_path / "r")
    halves = [dict(s["parts"]).get("half") for s in table(run, "samples")]
    assert halves[:3] == [None, None, None] and None not in halves[3:]
    b, c = halves[3], (halves[4] + halves[5]) / 2
    part = task_of(run)["metrics"]["part:half"]
    assert (part["value"], part["n_questions"]) == (pytest.approx((b + c) / 2), 2)
    assert [q["part:half"] for q in table(run, "questions")] == [None, b, c]
    assert "sums: part:half is over the 2 of 3 questions that have it" in run.notes


@pytest.mark.parametrize("epoch", [0, 2])
def test_epochs_that_would_lose_answers(tmp_path: Path, epoch: int) -> None:
    def change(content: Entries) -> None:
        content["samples/a_epoch_1.json"]["epoch"] = epoch

    with pytest.raises(UsageError, match=rf"sample 'a' .*epochs \[{epoch}, 2\]: they count from 1, each once"):
        bring(changed(tmp_path / "log.eval", change), tmp_path / "r")


def test_scores_that_would_be_one_part() -> None:
    with pytest.raises(ValueError, match="two scores would be one part: a_b"):
        flat_scores({"a/b": {"value": 1}, "a b": {"value": 0}})


@pytest.mark.parametrize("status", ["cancelled", "error", "started"])
def test_a_log_that_ended_early(tmp_path: Path, status: str) -> None:
    def change(content: Entries) -> None:
        header = content.pop("header.json") | {"status": status, "results": None, "error": {"message": "boom"}}
        content["_journal/start.json" if status == "started" else "header.json"] = header
        for name in ("samples/c_epoch_1.json", "samples/c_epoch_2.json", "samples/b_epoch_2.json"):
            del content[name]

    run = bring(changed(tmp_path / "log.eval", change), tmp_path / "r")
    manifest = RunDir(run.folder).manifest()
    assert (manifest["status"], manifest["stopped"]) == ("failed", f"inspect's log is {status}: boom")
    assert run.notes == (manifest["stopped"],)
    task = task_of(run)
    assert (task["label"], task["n_questions"], task["errors"], task["coverage"]) == ("sums[2/3]", 2, 1, 0.75)
    assert [q["errors"] for q in table(run, "questions")] == [0, 1]


def test_scores_without_samples(tmp_path: Path) -> None:
    def change(content: Entries) -> None:
        for name in [n for n in content if n.startswith("samples/")]:
            del content[name]

    run = bring(changed(tmp_path / "log.eval", change), tmp_path / "r")
    found = task_of(run)["metrics"]["avg"]
    assert (found["value"], found["se"], found["method"], found["n_questions"]) == (
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
        "stderr",
        3,
    )
    assert RunDir(run.folder).tasks() == []


def test_a_mean_that_differs_is_said(tmp_path: Path) -> None:
    def change(content: Entries) -> None:
        content["header.json"]["results"]["scores"][0]["metrics"]["accuracy"]["value"] = 0.9

    run = bring(changed(tmp_path / "log.eval", change), tmp_path / "r")
    assert run.notes == ("sums: match accuracy is 0.900000 in the source, and 0.666667 as the mean of its questions",)


def test_an_image_that_is_a_path_is_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG")

    def change(content: Entries) -> None:
        for name in ("samples/b_epoch_1.json", "samples/b_epoch_2.json"):
            for where in ("input", "messages"):
                content[name][where][0]["content"][1]["image"] = str(secret)

    run = bring(changed(tmp_path / "log.eval", change), tmp_path / "r")
    question = table(run, "questions")[1]
    assert question["images"] is None and f"[image {secret}]" in json.loads(question["prompt"])[0][1]
    assert not (run.folder / "media").exists()


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "cut.eval"
    data = SUMS.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(UsageError, match=r"cut.eval: not a whole .eval file.*inspect log recover"):
        bring(path, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    data = bytearray(SUMS.read_bytes())
    with zipfile.ZipFile(SUMS) as file:
        at = file.getinfo("samples/b_epoch_2.json").header_offset
    data[at + 500] ^= 0xFF
    path = tmp_path / "damaged.eval"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"damaged.eval: samples/b_epoch_2.json is damaged"):
        bring(path, tmp_path / "r")
    assert list((tmp_path / "r" / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"other.json": {}}, "a zip file without header.json"),
        ({"header.json": {"version": 2}}, "not a log of a known version"),
        ({"header.json": {"eval": {"task": "t", "model": "m"}}}, "neither samples nor scores"),
        (
            {"header.json": {"eval": {"task": "t", "model": "m"}}, "samples/1_epoch_1.json": {"id": 1}},
            "sample 1 has not the shape",
        ),
    ],
)
def test_what_is_no_log(tmp_path: Path, content: Entries, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bring(packed(tmp_path / "log.eval", content), tmp_path / "r")


def test_values_as_inspect_takes_them() -> None:
    """inspect_ai/scorer/_metric.py, value_to_float, with its own defaults."""
    said = [
        "C",
        "I",
        "P",
        "N",
        "yes",
        "No",
        "TRUE",
        "false",
        "0.25",
        "7",
        "what",
        "c",
        "nan",
        0.5,
        3,
        True,
        float("nan"),
        [1],
        None,
    ]
    expected = [1.0, 0.0, 0.5, 0.0, 1.0, 0.0, 1.0, 0.0, 0.25, 7.0, 0.0, 0.0, 0.0, 0.5, 3.0, 1.0, None, None, None]
    assert [to_float(value) for value in said] == expected


def test_names_of_scores() -> None:
    scores = {"a/b": {"value": "C"}, "model graded": {"value": {"x": 1, "y z": 0}}}
    assert flat_scores(scores) == {"a_b": "C", "model_graded.x": 1, "model_graded.y_z": 0}
    assert flat_scores(None) == {}


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
def test_what_is_no_reference_stays(value: Any) -> None:
    assert resolved(value, {}) == value
    assert resolved([value, "attachment://x", {"k": "tc://x"}], {"x": "long"})[1:] == ["long", {"k": "long"}]
