"""`evalsuite score`: runs, replay files and files with their own gold, verified again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import evalsuite
from evalsuite import Completion
from evalsuite.cli import main
from evalsuite.errors import RequestError, UnavailableError, UsageError
from evalsuite.rescore import rescore_file, rescore_run, score_rows
from evalsuite.runlog import RunDir
from evalsuite.verifiers import judging


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Judge:
    """Says yes, or fails."""

    name, concurrency, one_by_one = "judge", 4, True

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, 0

    def identity(self) -> dict[str, Any]:
        return {"backend": "fake"}

    def environment(self) -> dict[str, Any]:
        return {}

    def prepare(self, task: object, samples: object) -> None:
        pass

    async def generate(self, request: Any) -> list[Completion]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return [Completion("Verdict: yes", finish_reason="stop")]

    async def close(self) -> None:
        pass


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write(tmp_path / "o1.jsonl", [{"id": f"q{i}", "problem": f"{i}?", "target": str(i)} for i in range(6)])


def recorded(questions: Path, verifier: str, **options: Any) -> RunDir:
    result = evalsuite.run("scripted:oracle", f"{questions}:{verifier}", output=questions.parent / "runs", **options)
    assert result.exit_code == 0
    return RunDir(Path(result.path))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"target": "1", "completions": 5}, "row 2: completions is not a list"),
        ({"target": "1", "completions": []}, "row 2: completions is not a list with at least one"),
        ({"target": "1", "completions": [None]}, "row 2: completion None is neither"),
        ({"target": "1", "completions": {"txt": 1}}, "row 2: completion .* is neither"),
        ({"target": "1"}, "row 2: completions is not a list"),
        ({"completions": ["x"]}, "row 2: no target column"),
        ({"target": None, "completions": ["x"]}, "row 2: the target column 'target' is null"),
        ({"target": "1", "completions": ["x"], "choices": "AB"}, "row 2: choices must be a list"),
        ({"target": "1", "completions": ["x", "y"], "scores": [1]}, "row 2: scores is not a list of 2"),
        ({"target": "1", "completions": ["x"], "scores": [7]}, "row 2: scores is not a list of 1"),
        ({"target": "1", "completions": ["x"], "scores": 1}, "row 2: scores is not a list of 1"),
        ({"target": "1", "completions": ["x"], "metadata": 3}, "row 2: metadata is 3"),
        ({"target": "1", "completions": ["x"], "id": "a"}, "rows 1 and 2 have the same id 'a'"),
    ],
)
def test_rows_that_cannot_be_read_are_named(tmp_path: Path, row: dict[str, Any], words: str) -> None:
    path = write(tmp_path / "f.jsonl", [{"id": "a", "target": "1", "completions": ["1"]}, row])
    with pytest.raises(UsageError, match=words):
        score_rows(path, "math")


def test_what_a_row_may_leave_open(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.jsonl",
        [
            {"target": 27.0, "completions": ["\\boxed{27}", {"text": "\\boxed{2}"}], "choices": None, "scores": [None, 1]},
            {"target": "3", "text": "\\boxed{3}", "scores": None, "metadata": None},
        ],
    )
    result, changes = score_rows(path, "math")
    assert [(c.id, c.i, c.before.value, c.after.value) for c in changes] == [("0", 1, 1.0, 0.0)]
    assert result.tasks["f.jsonl"].metrics["avg@2"].value == pytest.approx(0.75)


def test_a_run_over_a_file_is_found_from_anywhere(questions: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    run = recorded(Path("o1.jsonl"), "math")
    again = recorded(Path("./o1.jsonl"), "math")
    assert again.path.name == run.path.name and run.tasks() == ["o1.jsonl:math"]
    run = RunDir(run.path.absolute())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result, changes = rescore_run(run)
    assert (result.exit_code, changes, list(result.tasks)) == (0, [], ["o1.jsonl:math"])
    questions.unlink()
    with pytest.raises(UsageError, match=f"the file {questions} is not there"):
        rescore_run(run)


def test_flags_stand_in_for_what_was_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = tmp_path / "mine.py"
    tasks.write_text(
        "from evalsuite import Prompt, Source, Task, task\nfrom evalsuite.verifiers.exact import ExactVerifier\n"
        '@task("mine")\ndef mine():\n    """Words."""\n'
        '    return Task(samples=Source(local="w.jsonl"), prompt=Prompt(name="bare"), verifier=ExactVerifier())\n'
    )
    data = tmp_path / "data"
    data.mkdir()
    write(data / "w.jsonl", [{"id": "1", "problem": "a", "answer": "a"}])
    made = evalsuite.run("scripted:oracle", "mine", data_dir=data, include=[str(tasks)], output=tmp_path / "runs")
    moved = data.rename(tmp_path / "moved")
    include = tasks.rename(tmp_path / "ours.py")
    assert main(["score", made.path]) == 2
    assert main(["score", made.path, "--include-path", str(include)]) == 2
    assert "the data folder" in capsys.readouterr().err
    assert main(["score", made.path, "--include-path", str(include), "--data-dir", str(moved), "--offline"]) == 0


def test_flags_without_effect_are_refused(questions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded(questions, "math")
    rows = write(questions.parent / "rows.jsonl", [{"target": "1", "completions": ["1"]}])
    for words, message in (
        (["score", str(run.path), "--limit", "2"], "--limit does not apply: a run is scored as it was recorded"),
        (["score", str(run.path), "-n", "2"], "--repeats does not apply"),
        (["score", str(rows), "--verifier", "math", "--data-dir", "x"], "--data-dir does not apply"),
    ):
        assert main(words) == 2 and message in capsys.readouterr().err


def test_what_could_not_be_scored_is_missing_and_no_change(questions: Path) -> None:
    run = recorded(questions, "judge", judge=Judge())
    (run.path / "judge.jsonl").unlink()
    result, changes = rescore_run(run, judge=Judge(RequestError("500")))  # type: ignore[arg-type]
    assert (result.exit_code, changes) == (3, []) and result.tasks["o1.jsonl:judge"].errors == 6


def test_a_judge_that_is_not_there_ends_it(questions: Path) -> None:
    run = recorded(questions, "judge", judge=Judge())
    (run.path / "judge.jsonl").unlink()
    with pytest.raises(UnavailableError, match="nobody listens"):
        rescore_run(run, judge=Judge(UnavailableError("nobody listens")))  # type: ignore[arg-type]


def test_the_judges_replies_are_read_once(questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(questions, "judge", judge=Judge())
    opened = []
    real = judging.ReplyCache.__init__
    monkeypatch.setattr(judging.ReplyCache, "__init__", lambda self, path=None: (opened.append(path), real(self, path))[1])
    monkeypatch.setattr("evalsuite.rescore._BATCH", 2)
    judge = Judge()
    result, changes = rescore_run(run, judge=judge)  # type: ignore[arg-type]
    assert (result.exit_code, changes, judge.asked, len(opened)) == (0, [], 0, 1)


def test_a_replay_file_with_gaps(questions: Path) -> None:
    from evalsuite.plan import Settings

    rows = [
        {"id": f"q{i}", "completions": [f"\\boxed{{{i}}}", "\\boxed{9}"][: 2 - i % 2], "scores": [1, 0][: 2 - i % 2]}
        for i in range(5)
    ]
    path = write(questions.parent / "said.jsonl", rows)
    result, changes = rescore_file(path, [f"{questions}:math"], Settings())
    assert (result.exit_code, changes) == (3, [])
    assert result.tasks["o1.jsonl:math"].errors == 4  # q1 and q3 have one of two, q5 none
