"""`evalsuite gate` through the command line: every verdict and exit code, on runs made here and on recorded ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from gate_runs import TASK, baseline, config, gate, only

import evalsuite
from evalsuite.cli import main

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_a_planted_drop_of_five_points_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    baseline("main", "scripted:noisy:0.55", n=16)
    found = gate("--model", "scripted:noisy:0.50", code=10)
    task = only(found)
    assert (found["verdict"], task["verdict"]) == ("fail", "FAIL")
    assert task["upper"] < 0 and task["p_holm"] <= 0.05 and -0.08 < task["value"] < -0.02
    assert "worse by at least" in capsys.readouterr().out


def test_nothing_changed_passes_and_a_second_gate_asks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    baseline("main", "scripted:noisy:0.55", n=8)
    same = gate("--model", "scripted:noisy:0.55", code=0)
    assert only(same)["verdict"] == "PASS" and only(same)["looks"] == [4, 8]  # then all 8 of the baseline's, which are its own
    assert "no question changed" in only(same)["notes"][0]
    again = gate("--model", "scripted:noisy:0.55", code=0)
    assert "3200 of 3200 samples are there from before" in capsys.readouterr().err
    assert again["verdict"] == "pass" and only(again)["looks"] == [8]


def test_independent_draws_of_the_same_model_pass_after_more_looks() -> None:
    baseline("main", "scripted:noisy:0.55", n=32, seed=8)
    found = gate("--model", "scripted:noisy:0.55", "--max-n", "32", "--margin", "2pp", code=0)
    task = only(found)
    assert task["verdict"] == "PASS" and len(task["looks"]) > 1 and task["looks"][0] == 4
    assert 2 < task["critical"] < 2.3 and task["target"] == "benchmark" and task["other"]["target"] == "population"


def test_better_is_a_pass() -> None:
    baseline("main", "scripted:noisy:0.4")
    assert only(gate("--model", "scripted:noisy:0.6", code=0))["verdict"] == "IMPROVED"


def test_a_run_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    baseline("main", "scripted:noisy:0.55")
    worse = evalsuite.run("scripted:noisy:0.4", TASK, repeats=4, output="results/runs")
    found = gate(worse.run_id[:20], "--baseline", "main", code=10)
    assert found["candidate"]["run_id"] == worse.run_id and only(found)["looks"] == [4]
    assert found["budget"]["samples"] == 0


def test_inconclusive_fails_or_warns() -> None:
    baseline("main", "scripted:noisy:0.5", "sort_letters@size=40", n=2)
    config(profiles={"pr": {"on_inconclusive": "warn"}, "release": {"on_inconclusive": "fail"}}, budget={"max_n": 4})
    run = evalsuite.run("scripted:noisy:0.45", "sort_letters@size=40", repeats=2, output="results/runs").run_id
    found = gate(run, "--profile", "release", code=11)
    assert only(found)["verdict"] == "INCONCLUSIVE" and "questions" in only(found)["need"]
    warned = gate(run, code=0)
    assert warned["verdict"] == "inconclusive" and warned["profile"] == "pr"


def test_a_changed_data_revision_is_not_comparable_and_nothing_is_asked() -> None:
    rows = [{"id": f"q{i}", "problem": f"{i} + {i}?", "target": str(2 * i)} for i in range(50)]
    data = Path("sums.jsonl")
    data.write_text("".join(json.dumps(r) + "\n" for r in rows))
    baseline("main", "scripted:noisy:0.5", "sums.jsonl:math", n=4)
    run = evalsuite.run("scripted:noisy:0.5", "sums.jsonl:math", repeats=4, output="results/runs").run_id
    gate(run, code=0)
    rows[3]["target"] = "7"
    data.write_text("".join(json.dumps(r) + "\n" for r in rows))
    found = gate("--model", "scripted:noisy:0.5", code=12)
    assert only(found)["verdict"] == "NOT_COMPARABLE" and "is not what this run saw" in only(found)["reason"]
    assert found["candidate"]["run_id"] is None and found["budget"]["samples"] == 0
    changed = evalsuite.run("scripted:noisy:0.5", "sums.jsonl:math", repeats=4, output="results/runs").run_id
    assert gate(changed, code=12)["verdict"] == "not_comparable"


def test_other_sampling_is_not_comparable_unless_allowed() -> None:
    baseline("main", "scripted:noisy:0.5")
    config(sampling={"temperature": 0.3})
    assert "temperature 1.0 -> 0.3" in only(gate("--model", "scripted:noisy:0.5", code=12))["reason"]
    allowed = gate("--model", "scripted:noisy:0.5", "--allow", "sampling", code=0)
    assert any("temperature" in note for note in only(allowed)["notes"])


def test_part_of_the_questions_is_compared_with_the_same_part() -> None:
    baseline("main", "scripted:noisy:0.5")
    config(profiles={"pr": {"tasks": [{TASK: {"limit": 100}}]}})
    found = gate("--model", "scripted:noisy:0.5", code=0)
    assert only(found)["questions"] == 100 and only(found)["label"] == f"{TASK}[100/400]"
    part = evalsuite.run("scripted:noisy:0.5", TASK, repeats=4, limit=90, output="results/runs").run_id
    config()
    assert "310 questions are in one run only" in only(gate(part, code=12))["reason"]


def test_a_run_that_did_not_end_is_an_infrastructure_error() -> None:
    baseline("main", "scripted:noisy:0.5")
    run = evalsuite.run("scripted:noisy:0.5", TASK, repeats=4, output="results/runs")
    manifest = Path(run.path) / "run.json"
    manifest.write_text(manifest.read_text().replace('"status": "done"', '"status": "running"'))
    found = gate(run.run_id, code=13)
    assert only(found)["verdict"] == "ERROR" and "is running" in only(found)["reason"]


def test_failures_of_ours_are_an_infrastructure_error_and_a_few_are_bounded() -> None:
    Path("some.jsonl").write_text("".join(json.dumps({"index": i, "completions": ["abcd"]}) + "\n" for i in range(300)))
    Path("most.jsonl").write_text("".join(json.dumps({"index": i, "completions": ["abcd"]}) + "\n" for i in range(397)))
    baseline("main", "scripted:constant:abcd", n=1)
    found = gate("--model", "replay:some.jsonl", "-n", "1", "--max-n", "1", code=13)
    assert "25.0 % of the candidate's samples have no value" in only(found)["reason"]
    found = gate("--model", "replay:most.jsonl", "-n", "1", "--max-n", "1", code=0)
    assert any("the difference lies between" in note for note in only(found)["notes"])


def test_a_server_that_is_not_there_is_an_infrastructure_error() -> None:
    baseline("main", "scripted:noisy:0.5")
    found = gate("--model", "openai:nothing", "--base-url", "http://127.0.0.1:9/v1", "--model-args", "max_retries=0", code=13)
    assert found["verdict"] == "error" and "127.0.0.1:9" in only(found)["reason"]


def test_a_verifier_that_changed_a_verdict_stops_the_gate_before_the_model() -> None:
    path = baseline("main", "scripted:noisy:0.5")
    [log] = (path / "log").iterdir()
    lines = [json.loads(line) for line in gzip.decompress(log.read_bytes()).splitlines()]
    first = next(row for row in lines if row.get("score", {}).get("value") == 1.0)
    first["score"]["value"] = 0.0  # as if the verifier had refused it then
    log.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in lines).encode()))
    found = gate("--model", "scripted:noisy:0.5", code=10)
    assert found["verifier"]["status"] == "fail" and found["verifier"]["checked"] == 3200
    assert len(found["verifier"]["changed"]) == 1 and first["id"] in found["verifier"]["changed"][0]
    assert found["budget"]["samples"] == 0 and "baseline set" in found["notes"][0]


def test_the_budget_ends_before_the_decision() -> None:
    baseline("main", "scripted:noisy:0.5", n=16, seed=3)
    config(budget={"tokens": 10})
    found = gate("--model", "scripted:noisy:0.49", code=14)
    assert found["verdict"] == "budget" and found["budget"]["spent"].startswith("tokens") and found["budget"]["samples"] == 0
    config(budget={"tokens": 60_000, "max_n": 64}, gate={"margin_pp": 1})
    found = gate("--model", "scripted:noisy:0.49", "--allow", "all", code=14)
    assert only(found)["looks"] == [4] and 0 < found["budget"]["tokens"] <= 60_000


def test_reports_for_github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    baseline("main", "scripted:noisy:0.55")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    found = gate("--model", "scripted:noisy:0.3", "--json", code=10)
    captured = capsys.readouterr()
    assert json.loads(captured.out) == found
    assert any(line.startswith("::error") for line in captured.err.splitlines())
    assert (tmp_path / "summary.md").read_text().startswith("<!-- evalsuite:gate:default -->")
    assert Path("results/gate/gate.md").read_text().startswith("<!-- evalsuite:gate:default -->")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Either a finished RUN, or --model"),
        (["some-run", "--model", "scripted:oracle"], "Either a finished RUN, or --model"),
        (["--model", "scripted:oracle"], "baseline set NAME RUN"),
        (["--model", "scripted:oracle", "--config", "nowhere.yaml"], "no such file"),
        (["--model", "scripted:oracle", "-n", "8", "--max-n", "4"], "above --max-n"),
        (["nothing", "--baseline", "made"], "no run 'nothing'"),
        (["--model", "scripted:oracle", "--baseline", "made", "--allow", "everything"], "can be allowed to differ"),
        (["--model", "scripted:oracle", "--baseline", "made", "--tasks", "gsm8k"], "no task 'gsm8k'"),
    ],
)
def test_user_errors(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "made" in words:
        baseline("made", "scripted:oracle", "sort_letters@size=5", n=1)
    assert main(["gate", *words]) == 2
    assert message in capsys.readouterr().err


def recorded(data: Path, name: str, *convert: str) -> str:
    """A replay file made by `evalsuite convert`."""
    assert main(["convert", str(data), *convert, "-o", f"{name}.jsonl"]) == 0
    return f"replay:{name}.jsonl"


def test_gsm8k_recorded_completions_of_two_models(data_dir: Path) -> None:
    solutions = data_dir / "gsm8k/example_model_solutions.jsonl"
    models = {
        name: recorded(solutions, name, "--problem", "question", "--completions", f"{name}.solution")
        for name in ("6b_finetuning", "6b_verification")
    }
    baseline("verification", models["6b_verification"], "gsm8k", n=1, data_dir=data_dir)
    baseline("finetuning", models["6b_finetuning"], "gsm8k", n=1, data_dir=data_dir)
    words = ("-n", "1", "--max-n", "1", "--data-dir", str(data_dir))
    worse = gate("--model", models["6b_finetuning"], "--baseline", "verification", *words, code=10)
    assert only(worse)["value"] == pytest.approx(0.216831 - 0.390447, abs=2e-6) and only(worse)["questions"] == 1319
    better = gate("--model", models["6b_verification"], "--baseline", "finetuning", *words, code=0)
    assert only(better)["verdict"] == "IMPROVED" and only(better)["value"] == -only(worse)["value"]
    same = gate("--model", models["6b_verification"], "--baseline", "verification", *words, code=0)
    assert only(same)["verdict"] == "PASS" and only(same)["same"] == 1319


def test_math_cot_100_eight_samples_against_four_of_its_own(data_dir: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (data_dir / "math_cot_100/math_cot_100.jsonl").open(encoding="utf-8")]
    questions = [{"id": str(r["idx"]), "problem": r["question"], "target": r["gt"]} for r in rows]
    Path("cot.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))
    for name, taken in (("eight", slice(8)), ("four", slice(4))):
        told = ({"id": str(r["idx"]), "completions": r["code"][taken]} for r in rows)
        Path(f"{name}.jsonl").write_text("".join(json.dumps(t) + "\n" for t in told))
    baseline("main", "replay:eight.jsonl", "cot.jsonl:math", n=8)
    found = gate("--model", "replay:four.jsonl", "-n", "4", "--max-n", "4", code=0)
    task = only(found)
    assert (task["verdict"], task["samples_a"], task["samples_b"], task["questions"]) == ("PASS", 8, 4, 100)
    assert abs(task["value"]) < 0.02
