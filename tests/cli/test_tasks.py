"""`evalsuite tasks list | show | test | pin`: what is printed where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evalsuite.cli import main
from evalsuite.errors import UnavailableError
from evalsuite.verifiers.exact import ExactVerifier

GOOD = '''
from evalsuite import Prompt, Sampling, Shot, Source, Task, ask, task
from evalsuite.registry import suite
from evalsuite.verifiers.exact import ExactVerifier

bare = Prompt(name="bare", user="{problem}", plain="{problem}\\n")
suite("toys", tasks=("toy_words", "toy_file"))

@task("toy_words", tags=("toy",))
def words(n: int = 4) -> Task:
    """Say a word.

    Protocol: ours.
    """
    return Task(
        samples=[ask(f"say word{i}", id=str(i), target=f"word{i}", privileged={"solution": f"one says word{i} aloud"}) for i in range(n)],
        prompt=bare,
        verifier=ExactVerifier(),
        sampling=Sampling(repeats=4, temperature=0.7),
        exempt={"garbage": "nonsense is a word too"},
    )

@task("toy_file")
def file() -> Task:
    """Words from a file."""
    return Task(samples=Source(local="words.jsonl", size=3), prompt=bare, verifier=ExactVerifier(), fewshot=(Shot("say a", "a"),), num_fewshot=1)
'''
BAD = '''
from evalsuite import Prompt, Task, ask, task
from evalsuite.verifiers.exact import ExactVerifier

@task("toy_leak")
def leak() -> Task:
    """Shows its solution."""
    hint = "the solution is spelled out here"
    return Task(
        samples=[ask(f"say b{i}; {hint}", id=str(i), target=f"b{i}", privileged={"solution": hint}) for i in range(3)],
        prompt=Prompt(name="bare"),
        verifier=ExactVerifier(),
    )
'''


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("EVALSUITE_DATA", "EVALSUITE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    folder = tmp_path / "toys" / "words"
    folder.mkdir(parents=True)
    (folder / "good.py").write_text(GOOD)
    data = tmp_path / "data"
    data.mkdir()
    (data / "words.jsonl").write_text(
        '{"id": 1, "question": "say x", "answer": "x"}\n{"id": 2, "question": "say y", "answer": "y"}\n'
    )
    return tmp_path / "toys"


def test_list(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "list", "--include_path", str(toys)]) == 0
    out, err = capsys.readouterr()
    assert err == "" and "sort_letters" in out and "suite:toys" in out
    row = next(line for line in out.splitlines() if line.startswith("toy_words"))
    assert row.split() == ["toy_words", "words", "toy", "Say", "a", "word."]


def test_list_some_as_json(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "list", "suite:toys", "--include-path", str(toys), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [t["name"] for t in found["tasks"]] == ["toy_file", "toy_words"] or [t["name"] for t in found["tasks"]] == [
        "toy_words",
        "toy_file",
    ]
    assert found["suites"] == {"toys": ["toy_words", "toy_file"]}
    words = next(t for t in found["tasks"] if t["name"] == "toy_words")
    assert words["parameters"] == ["n: int = 4"] and words["family"] == "words" and words["doc"] == "Say a word."


def test_show(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            ["tasks", "show", "toy_words@n=3", "toy_file", "--include-path", str(toys), "--data-dir", str(toys.parent / "data")]
        )
        == 0
    )
    out = capsys.readouterr().out
    for text in (
        "task: toy_words@n=3",
        "Protocol: ours.",
        "good.py:",
        '"name": "exact"',
        '"repeats": 4',
        "toy_words@n=3, 3 samples, generated",
        "[user] say word0",
        "first target: word0",
        "nonsense is a word too",
    ):
        assert text in out or text.replace("generated", "inline") in out, text
    assert "toy_file[2/3], 2 samples, local words.jsonl" in out and "[assistant] a" in out and "one says" not in out


def test_show_without_data(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "show", "toy_file", "--include-path", str(toys), "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert "no data folder: give --data-dir or set EVALSUITE_DATA" in facts["data"] and facts["few-shot"] == 1


def test_test_passes(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "test", "suite:toys", "--include-path", str(toys), "--data-dir", str(toys.parent / "data")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("toy_words: ok, 4 samples; gold 4, empty 8, other_gold ")
    assert lines[1] == "  garbage exempt: nonsense is a word too"
    assert lines[2].startswith("toy_file[2/3]: ok, 2 samples; gold 2, empty 4, garbage 8, other_gold 2")
    assert lines[-1] == "2 of 2 tasks ok"
    assert err.splitlines() == ["[1/2] toy_words", "[2/2] toy_file"]


def test_test_fails(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toys / "bad.py").write_text(BAD)
    assert main(["tasks", "test", "toy_leak,toy_words", "--include-path", str(toys)]) == 1
    out = capsys.readouterr().out
    assert "toy_leak: FAILED, 3 samples" in out and "  privileged FAILED: 3 of 3: 0: prompt 'bare' shows privileged" in out
    assert out.splitlines()[-1] == "1 of 2 tasks ok; FAILED: toy_leak"


def test_test_as_json(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "test", "toy_words", "--include-path", str(toys), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    checks = {c["name"]: c for c in report["toy_words"]["checks"]}
    assert checks["gold"] == {"name": "gold", "passed": True, "n": 4, "detail": "", "exempt_reason": None}
    assert checks["garbage"]["exempt_reason"] == "nonsense is a word too"


def test_tasks_without_data_are_skipped_unless_they_were_named(
    toys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalsuite.registry._installed", tuple)
    assert main(["tasks", "test", "--include-path", str(toys)]) == 0
    out = capsys.readouterr().out
    assert "toy_file: skipped, task toy_file: no data. Tried: local file words.jsonl" in out
    assert out.splitlines()[-1] == "1 of 1 tasks ok, 1 skipped"
    assert main(["tasks", "test", "toy_file", "--include-path", str(toys)]) == 2
    assert "no data" in capsys.readouterr().err


def test_tasks_without_their_sandbox_are_skipped_unless_they_were_named(
    toys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(self: ExactVerifier) -> None:
        raise UnavailableError("no sandbox here")

    monkeypatch.setattr("evalsuite.registry._installed", tuple)
    monkeypatch.setattr(ExactVerifier, "prepare", prepare)
    assert main(["tasks", "test", "--include-path", str(toys)]) == 0
    out = capsys.readouterr().out
    assert "toy_words: skipped, no sandbox here" in out and out.splitlines()[-1] == "0 of 0 tasks ok, 2 skipped"
    assert main(["tasks", "test", "toy_words", "--include-path", str(toys)]) == 4
    assert "no sandbox here" in capsys.readouterr().err


def test_pin_and_use(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, lock = toys.parent / "data", toys.parent / "evalsuite.lock.json"
    common = ["--include-path", str(toys), "--data-dir", str(data)]
    assert main(["tasks", "pin", "toy_file", "-o", str(lock), *common]) == 0
    assert main(["tasks", "pin", "toy_words@n=2", "-o", str(lock), *common]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("toy_file: words.jsonl ") and "toy_words@n=2: generated " in out and f"--lock {lock}" in err
    pins = json.loads(lock.read_text())
    assert list(pins) == ["toy_file", "toy_words@n=2"] and set(pins["toy_file"]) == {"local", "sha256"}
    assert main(["tasks", "test", "toy_file", "toy_words@n=2", "--lock", str(lock), *common]) == 0
    (data / "words.jsonl").write_text('{"id": 1, "question": "say z", "answer": "z"}\n')
    assert main(["tasks", "test", "toy_file", "--lock", str(lock), *common]) == 2
    assert "is not the pinned file" in capsys.readouterr().err


def test_pin_where_nothing_can_be_written(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toys.parent / "file").write_text("")
    assert main(["tasks", "pin", "toy_words", "-o", str(toys.parent / "file" / "lock.json"), "--include-path", str(toys)]) == 2
    assert "lock.json: cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "sort_leters"], "did you mean sort_letters"),
        (["show", "sort_leters"], "did you mean sort_letters"),
        (["test", "sort_letters@level=x"], "level=x is not an integer"),
        (["list", "--include-path", "nowhere.py"], "--include_path nowhere.py: not there"),
    ],
)
def test_user_errors(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", *words]) == 2
    out, err = capsys.readouterr()
    assert message in err and "Traceback" not in err and out == ""


def test_as_a_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from evalsuite.cli import main; sys.exit(main())", "tasks", "test", "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "examples:" in done.stdout and "--data-dir" in done.stdout
