"""Replayed completions: files and runs, and everything that can be wrong with them."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from evalsuite.errors import RequestError, UsageError
from evalsuite.models.base import Model
from evalsuite.models.replay import ReplayModel
from evalsuite.runlog import RunDir
from evalsuite.words.completion import Completion, Request, Sampling
from evalsuite.words.prompt import Prompt
from evalsuite.words.sample import Message, ask
from evalsuite.words.task import Task

SAMPLES = tuple(ask(f"What is {i}?", id=f"q{i}", target=str(i)) for i in range(3))


def task(name: str = "t") -> Task:
    return Task(samples=SAMPLES, prompt=Prompt(name="bare"), verifier=None, name=name)  # type: ignore[arg-type]


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def say(model: ReplayModel, sample_id: str, indices: tuple[int, ...] = (0,), name: str = "t") -> list[Completion]:
    request = Request(
        messages=(Message("user", "?"),),
        sampling=Sampling(),
        seeds=(0,) * len(indices),
        indices=indices,
        task=name,
        sample_id=sample_id,
    )
    return asyncio.run(model.generate(request))


def texts(model: ReplayModel, sample_id: str, indices: tuple[int, ...] = (0,), name: str = "t") -> list[str]:
    return [completion.text for completion in say(model, sample_id, indices, name)]


@pytest.mark.parametrize(
    "keys",
    [
        [{"id": "q0"}, {"id": "q1"}, {"id": "q2"}],
        [{"index": 0}, {"index": 1}, {"index": 2}],
        [{"problem": "What is 0"}, {"problem": " What  is 1 ?"}, {"problem": "What is 2?"}],
    ],
)
def test_questions_by_id_position_or_text_in_any_order(tmp_path: Path, keys: list[dict[str, Any]]) -> None:
    rows = [key | {"completions": [f"a{i}", f"b{i}"]} for i, key in enumerate(keys)]
    model = ReplayModel(str(write(tmp_path / "r.jsonl", *reversed(rows))))
    assert isinstance(model, Model)
    model.prepare(task(), SAMPLES)
    assert [texts(model, s.id, (1, 0)) for s in SAMPLES] == [["b0", "a0"], ["b1", "a1"], ["b2", "a2"]]
    assert model.recorded() == 2 and model.name == "replay:r.jsonl"


def test_rows_of_a_task_come_before_rows_of_any(tmp_path: Path) -> None:
    rows = [{"id": "q0", "completions": ["any"]}, {"task": "t", "index": 0, "completions": ["mine", "too"]}]
    model = ReplayModel(str(write(tmp_path / "r.jsonl", *rows)))
    for name in ("t", "u"):
        model.prepare(task(name), SAMPLES)
    assert texts(model, "q0") == ["mine"] and texts(model, "q0", name="u") == ["any"]
    assert (model.recorded("t"), model.recorded("u"), model.recorded()) == (2, 1, 2)


def test_completions_with_fields(tmp_path: Path) -> None:
    full = Completion("<think>x</think>4\ud83d", finish_reason="length", completion_tokens=9, logprobs=(-0.5,))
    rows = [
        {"id": "q0", "completions": [full.to_dict(), "plain"], "finish_reason": "stop", "scores": [0, True]},
        {"id": "q1", "completions": ["x", "y"], "finish_reason": ["stop", "length"], "scores": [None, 0.5]},
    ]
    model = ReplayModel(str(write(tmp_path / "r.jsonl", *rows)))
    model.prepare(task(), SAMPLES)
    assert say(model, "q0", (0, 1)) == [full, Completion("plain", finish_reason="stop")]
    assert [c.truncated for c in say(model, "q1", (0, 1))] == [False, True]
    assert [model.recorded_score(s, i) for s in ("q0", "q1", "q2") for i in (0, 1)] == [0.0, 1.0, None, 0.5, None, None]


def test_what_is_missing_is_an_error_and_never_an_empty_answer(tmp_path: Path) -> None:
    model = ReplayModel(str(write(tmp_path / "r.jsonl", {"id": "q0", "completions": ["a", "b"]})))
    model.prepare(task(), SAMPLES)
    with pytest.raises(RequestError, match=r"no recorded completion 2 of sample 'q0' of task 't' \(2 recorded\)"):
        say(model, "q0", (1, 2))
    with pytest.raises(RequestError, match=r"sample 'q1' of task 't' \(0 recorded\)"):
        say(model, "q1")
    with pytest.raises(RequestError):
        say(model, "q0", name="never prepared")


def test_a_file_for_other_questions_is_refused_at_once(tmp_path: Path) -> None:
    model = ReplayModel(str(write(tmp_path / "r.jsonl", {"task": "u", "id": "x7", "completions": ["a"]})))
    with pytest.raises(UsageError, match=r"any of the 3 samples of t, such as id 'q0'\. It has u id 'x7'"):
        model.prepare(task(), SAMPLES)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ('{"completions": ["a"]}', "needs id, index or problem; this one has completions"),
        ("{}", "this one has nothing"),
        ('{"id": "a"}', "not a list"),
        ('{"id": "a", "completions": []}', "at least one"),
        ('{"id": "a", "completions": "text"}', "not a list"),
        ('{"id": "a", "completions": [1]}', "neither a string nor an object"),
        ('{"id": "a", "completions": [{"txt": "x"}]}', "neither a string nor an object"),
        ('{"index": -1, "completions": ["x"]}', "index -1"),
        ('{"index": true, "completions": ["x"]}', "index True"),
        ('{"index": "3", "completions": ["x"]}', "index '3'"),
        ('{"task": 3, "id": "a", "completions": ["x"]}', "task 3"),
        ('{"id": "a", "completions": ["x"], "finish_reason": ["stop", "stop"]}', "2 finish reasons for 1"),
        ('{"id": "a", "completions": ["x"], "scores": [2]}', r"numbers in \[0, 1\]"),
        ('{"id": "a", "completions": ["x"], "scores": [1, 1]}', "list of 1 numbers"),
        ('{"id": "ok", "completions": ["x"]}', "id 'ok' is recorded in line 1 already"),
    ],
)
def test_a_row_that_cannot_be_read(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"id": "ok", "completions": ["x"]}\n' + line + "\n")
    with pytest.raises(UsageError, match=f"r.jsonl:2: .*{words}"):
        ReplayModel(str(path))


def test_an_unfinished_last_line_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"id": "q0", "completions": ["x"]}\n{"id": "q1", "compl')
    with caplog.at_level(logging.WARNING, "evalsuite"):
        model = ReplayModel(str(path))
    assert "r.jsonl:2: the unfinished last line" in caplog.text
    model.prepare(task(), SAMPLES)
    assert texts(model, "q0") == ["x"]
    path.write_text('{"id": "q0", "completions": ["x"]}\n\n{"id": "q1", "completions": ["y"]}')  # whole, only no newline
    model = ReplayModel(str(path))
    model.prepare(task(), SAMPLES)
    assert texts(model, "q1") == ["y"]


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    for name, words in (("empty.jsonl", "no recorded completions"), ("none.jsonl", "cannot read"), (".", "no run.json")):
        with pytest.raises(UsageError, match=words):
            ReplayModel(str(tmp_path / name))


def test_identity_is_the_content(tmp_path: Path) -> None:
    row = {"id": "q0", "completions": ["a"]}
    one, two = (ReplayModel(str(write(tmp_path / f"{n}.jsonl", row))).identity() for n in "ab")
    other = ReplayModel(str(write(tmp_path / "c.jsonl", row | {"completions": ["b"]}))).identity()
    assert one == two != other and len(one["sha256"]) == 64


def run_dir(path: Path, *rows: dict[str, Any]) -> RunDir:
    run = RunDir(path)
    run.write_manifest({"status": "done", "tasks": {"t": {}}})
    writer = run.writer("t")
    writer.append(rows)
    writer.close()
    return run


def row(sample_id: str, i: int, text: str, value: float | None = 1.0) -> dict[str, Any]:
    return {"id": sample_id, "i": i, "completion": Completion(text).to_dict(), "score": {"value": value, "outcome": "ok"}}


def test_an_earlier_run(tmp_path: Path) -> None:
    failed = {"id": "q1", "i": 1, "score": {"value": None, "outcome": "error"}}
    run_dir(tmp_path / "run", row("q0", 0, "a"), row("q0", 2, "c", 0.0), row("q1", 0, "b"), failed, row("q0", 0, "again"))
    model = ReplayModel(str(tmp_path / "run"))
    model.prepare(task(), SAMPLES)
    assert texts(model, "q0", (2, 0)) == ["c", "again"] and texts(model, "q1") == ["b"]
    assert model.recorded("t") == model.recorded() == 3
    assert model.recorded_score("q0", 2) == 0.0
    for sample_id, index in (("q0", 1), ("q1", 1), ("q2", 0)):
        with pytest.raises(RequestError, match="no recorded completion"):
            say(model, sample_id, (index,))
    with pytest.raises(UsageError, match="nothing for this task"):
        model.prepare(task("u"), SAMPLES)


def test_identity_of_a_run_is_its_completions_not_its_verdicts(tmp_path: Path) -> None:
    names = {
        "one": (row("q0", 0, "a", 1.0), row("q1", 0, "b")),
        "two": (row("q1", 0, "b"), row("q0", 0, "a", 0.0)),
        "three": (row("q0", 0, "a"), row("q1", 0, "B")),
    }
    for name, rows in names.items():
        run_dir(tmp_path / name, *rows)
    one, two, three = (ReplayModel(str(tmp_path / name)).identity() for name in names)
    assert one == two != three
