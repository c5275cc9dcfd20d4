"""`evalsuite power`: table, JSON, refusals."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

import evalsuite
from evalsuite.cli import main
from evalsuite.cli.options import points


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    for model in ("scripted:noisy:0.8", "scripted:noisy:0.7"):
        evalsuite.run(model, ["sort_letters", "arithmetic"], repeats=8, limit=60, output=out)
    return out


def power(root: Path, *flags: str, baseline: str = "scripted-noisy-0.8") -> int:
    return main(["power", *flags, "--baseline", baseline, "-o", str(root)])


def test_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert power(root, "arithmetic", "--mde", "10pp") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == [
        "task", "n", "needed", "questions", "detectable", "samples", "tokens", "prompt tokens", "time", "",
    ]  # fmt: skip
    assert len([line for line in lines if line.startswith("| arithmetic[60/200]")]) == 7
    assert sum("cheapest" in line for line in lines) == 1
    assert any(
        "find a true difference of 10.0 pp with 80 % power at two-sided 5 %; the baseline as it is" in li for li in lines
    )
    assert "time is not known: the baseline is a scripted run" in lines[-1]


def test_all_tasks_say_once_what_holds_for_all(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert power(root, "--mde", "0.1", "--both", "--one-sided", "--power", ".9") == 0
    out = capsys.readouterr().out
    assert "sort_letters[60/200]" in out and out.count("All tasks: time is not known") == out.count("time is not known") == 1
    assert "with 90 % power at one-sided 5 %; both runs have n samples per question" in out


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (["--power", ".999999999999"], "with 99.9999999999 % power at two-sided 5 %"),
        (["--power", ".999", "--alpha", "1e-9"], "with 99.9 % power at two-sided 0.0000001 %"),
        (["--alpha", ".07"], "with 80 % power at two-sided 7 %"),
    ],
)
def test_levels_are_shown_in_full(root: Path, flags: list[str], shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert power(root, "arithmetic", "--mde", "20pp", *flags) == 0
    assert shown in capsys.readouterr().out


def test_no_option_is_enough(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert power(root, "arithmetic", "--mde", "4%") == 0
    out = capsys.readouterr().out
    assert "arithmetic[60/200]: no option is enough; the smallest difference that its questions find is" in out
    assert "too few questions" in out and "more than the baseline has" in out and "cheapest" not in out


def test_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert power(root, "arithmetic", "--mde", "10pp", "--candidate", "scripted-noisy-0.7", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mde"] == 0.1 and found["baseline"].startswith("scripted-noisy-0.8") and found["candidate"]
    options = found["tasks"]["arithmetic"]["options"]
    assert [o["samples"] for o in options] == [1, 2, 4, 8, 16, 32, 64] and options[0]["seconds"] is None
    needed = [o["needed"] for o in options]
    assert needed == sorted(needed, reverse=True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mde", "3"], "say 3pp for percentage points; a bare number is a share such as 0.03"),
        (["--mde", "much"], "'much' is not a difference such as 3pp, 3% or 0.03"),
        (["--mde", "0"], "'0' must be above 0"),
        (["--mde=-3pp"], "'-3pp' must be above 0"),
        (["--mde", "200pp"], "at most 100pp"),
        (["--mde", "3pp", "--power", "1"], "'1' is not between 0 and 1"),
        (["--mde", "3pp", "--alpha", "x"], "'x' is not between 0 and 1"),
        ([], "required: --mde"),
    ],
)
def test_flags_that_are_refused(root: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        power(root, *flags)
    assert stop.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "baseline", "message"),
    [
        (["arithmetics", "--mde", "3pp"], "scripted-noisy-0.8", "did you mean arithmetic?"),
        (["--mde", "3pp"], "nothing", "no run 'nothing'"),
        (["--mde", "3pp", "--candidate", "nothing"], "scripted-noisy-0.8", "no run 'nothing'"),
        (["--mde", "3pp"], "scripted", "matches several runs"),
        (["--mde", "3pp", "--alpha", ".9"], "scripted-noisy-0.8", "--alpha 0.9 must be at least 1e-09, below 0.5"),
        (["--mde", "3pp", "--alpha", "1e-300"], "scripted-noisy-0.8", "--alpha 1e-300 must be at least 1e-09"),
        ([",", "--mde", "3pp"], "scripted-noisy-0.8", "no task was asked for"),
        (["", "--mde", "3pp"], "scripted-noisy-0.8", "no task was asked for"),
    ],
)
def test_what_is_not_there(
    root: Path, flags: list[str], baseline: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert power(root, *flags, baseline=baseline) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("text", "value"), [("3pp", 0.03), ("3%", 0.03), ("0.03", 0.03), (" 2.5 PP", 0.025), (".5pp", 0.005), ("1", 1.0), ("100pp", 1.0), ("1e-2", 0.01)])  # fmt: skip
def test_points(text: str, value: float) -> None:
    assert points(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["", "pp", "3 points", "nan", "inf", "3pp4", "2", "0x3", "3,5pp", "-3pp", "0", "101pp", "\u0663pp"]
)
def test_what_is_no_difference(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        points(text)


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["power", "--help"])
    assert stop.value.code == 0 and "examples:" in capsys.readouterr().out
