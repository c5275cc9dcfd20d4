"""`evalsuite gate` through the command line: every verdict and exit code, on runs made here and on recorded ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import evalsuite
from evalsuite.baseline import set_baseline
from evalsuite.cli import main
from evalsuite.runlog import RunDir

TASK = "sort_letters@size=400"
BASELINES = Path("results/baselines")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "EVALSUITE_DATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def baseline(name: str, model: str, tasks: str = TASK, n: int = 8, **options: Any) -> Path:
    result = evalsuite.run(model, tasks, repeats=n, output="made", **options)
    return set_baseline(name, RunDir(Path(result.path)), root=BASELINES)


def config(**sections: Any) -> None:
    """evalsuite.ci.yaml: YAML is a superset of JSON."""
    Path("evalsuite.ci.yaml").write_text(json.dumps({"baseline": "main", "profiles": {"pr": {}}, **sections}))


def gate(*words: str, code: int) -> dict[str, Any]:
    assert main(["gate", *words]) == code
    found: dict[str, Any] = json.loads(Path("results/gate/gate.json").read_text())
    assert found["exit_code"] == code
    assert ElementTree.parse("results/gate/junit.xml").getroot().tag == "testsuites"
    return found


def only(found: dict[str, Any]) -> dict[str, Any]:
    [task] = found["tasks"].values()
    return task


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


def test_floor_guards_and_quarantine() -> None:
    baseline("main", "scripted:noisy:0.6")
    config(gate={"overrides": {TASK: {"floor": 0.9}}})
    found = gate("--model", "scripted:noisy:0.6", code=10)
    assert only(found)["verdict"] == "PASS" and only(found)["floor"]["ok"] is False
    config(gate={"overrides": {TASK: {"floor": 0.9}}}, quarantine={TASK: "2999-01-01"})
    assert any("quarantine" in note for note in only(gate("--model", "scripted:noisy:0.6", code=0))["notes"])
    config(gate={"overrides": {TASK: {"floor": 0.9}}}, quarantine={TASK: "2020-01-01"})
    gate("--model", "scripted:noisy:0.6", code=10)


def test_a_guard_that_is_listed_fails_and_one_that_is_not_reports() -> None:
    rows = [{"id": f"q{i}", "problem": f"{i}?", "target": "7"} for i in range(60)]
    Path("q.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    for name, text in (("short", "\\boxed{7}"), ("wordy", "Let me think about it at length. " * 5 + "\\boxed{7}")):
        told = [
            {"id": r["id"], "completions": [{"text": text, "finish_reason": "stop", "completion_tokens": len(text)}]}
            for r in rows
        ]
        Path(f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in told))
    baseline("main", "replay:short.jsonl", "q.jsonl:math", n=1)
    words = ("--model", "replay:wordy.jsonl", "-n", "1", "--max-n", "1", "--margin", "5pp")
    found = gate(*words, code=0)
    assert [g["ok"] for g in only(found)["guards"]] == [True] * 3
    config(guards={"completion_tokens_ratio": 1.1})
    found = gate(*words, code=10)
    guard = next(g for g in only(found)["guards"] if g["name"] == "completion_tokens")
    assert (guard["ok"], guard["enforced"], guard["limit"]) == (False, True, "+10 %") and guard["b"] > 10 * guard["a"]


def test_small_steps_down_do_not_pass_the_anchor() -> None:
    baseline("v1", "scripted:noisy:0.60", n=16)
    baseline("main", "scripted:noisy:0.52", n=16)
    config(baseline={"name": "main", "anchor": "v1"})
    found = gate("--model", "scripted:noisy:0.51", code=10)
    task = only(found)
    assert task["verdict"] != "FAIL" and task["anchor"]["verdict"] == "FAIL" and found["anchor"]["name"] == "v1"


def test_ten_anchors_of_the_same_model_do_not_add_up_to_a_failure() -> None:
    tasks = ",".join(f"sort_letters@seed={seed}:size=60" for seed in range(10))
    baseline("v1", "scripted:noisy:0.5", tasks, n=8, seed=1)
    baseline("main", "scripted:noisy:0.5", tasks, n=8)
    config(baseline={"name": "main", "anchor": "v1"}, gate={"margin_pp": 25})
    found = gate("--model", "scripted:noisy:0.5", "-n", "8", "--max-n", "8", code=0)
    anchors = [task["anchor"] for task in found["tasks"].values()]
    assert len(anchors) == 10 and all(a["p_holm"] >= a["p"] for a in anchors)


def test_an_anchor_that_lacks_a_task_or_asks_otherwise_is_said() -> None:
    baseline("main", "scripted:noisy:0.5")
    baseline("other", "scripted:noisy:0.5", "arithmetic", n=2)
    baseline("hot", "scripted:noisy:0.5", sampling={"temperature": 0.2})
    for anchor, said in (("other", "the anchor has no task"), ("hot", "not comparable with the anchor (sampling)")):
        config(baseline={"name": "main", "anchor": anchor})
        found = gate("--model", "scripted:noisy:0.5", code=0)
        assert only(found)["anchor"] is None and any(said in note for note in only(found)["notes"])


def test_the_server_of_today_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server keeps its name when its weights change: what it said to an earlier gate is not evidence."""
    from evalsuite.models.scripted import ScriptedModel

    baseline("main", "scripted:noisy:0.7", n=4)
    served = ["noisy:0.7"]

    class Server(ScriptedModel):
        def __init__(self) -> None:
            super().__init__(served[0])

        def identity(self) -> dict[str, Any]:
            return {"backend": "openai", "name": "m"}

    monkeypatch.setattr("evalsuite.models.ModelRef.open", lambda self: Server())
    words = ("--model", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "-n", "4", "--max-n", "4")
    gate(*words, code=0)
    served[0] = "noisy:0.3"
    assert only(gate(*words, code=10))["value"] < -0.3


def test_a_name_in_the_file_is_never_the_beginning_of_a_runs_id(capsys: pytest.CaptureFixture[str]) -> None:
    run = evalsuite.run("scripted:noisy:0.5", TASK, repeats=2, output="results/runs").run_id
    config(baseline=run[:15])
    assert main(["gate", "--model", "scripted:noisy:0.5"]) == 2
    assert "no baseline" in capsys.readouterr().err


def test_a_limit_does_not_hide_missing_questions() -> None:
    baseline("main", "scripted:noisy:0.5")
    config(profiles={"pr": {"tasks": [{TASK: {"limit": 300}}]}})
    part = evalsuite.run("scripted:noisy:0.5", TASK, repeats=4, limit=20, output="results/runs").run_id
    assert "280 questions are in one run only" in only(gate(part, code=12))["reason"]
    more = evalsuite.run("scripted:noisy:0.5", TASK, repeats=8, output="results/runs").run_id
    assert only(gate(more, code=0))["questions"] == 300


def test_a_failure_of_ours_is_no_regression_whatever_the_floor() -> None:
    Path("some.jsonl").write_text("".join(json.dumps({"index": i, "completions": ["abcd"]}) + "\n" for i in range(300)))
    baseline("main", "scripted:constant:abcd", n=1)
    config(gate={"overrides": {TASK: {"floor": 0.9}}})
    assert gate("--model", "replay:some.jsonl", code=13)["verdict"] == "error"


def test_a_verdict_of_a_quarantined_task_is_reported_and_stops_nothing() -> None:
    path = baseline("main", "scripted:noisy:0.5", f"{TASK},arithmetic@size=200")
    log = next(file for file in (path / "log").iterdir() if file.name.startswith("arithmetic"))
    lines = [json.loads(line) for line in gzip.decompress(log.read_bytes()).splitlines()]
    next(row for row in lines if row.get("score", {}).get("value") == 1.0)["score"]["value"] = 0.0
    log.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in lines).encode()))
    gate("--model", "scripted:noisy:0.5", code=10)
    config(quarantine={"arithmetic@size=200": "2999-01-01"})
    found = gate("--model", "scripted:noisy:0.5", code=0)
    assert found["verifier"]["changed"] == [] and "in quarantine, and changed" in found["verifier"]["note"]


def test_data_in_a_folder_and_the_data_dir_of_the_baseline() -> None:
    Path("data").mkdir()
    rows = [{"id": f"q{i}", "problem": f"{i} + {i}?", "target": str(2 * i)} for i in range(80)]
    Path("data/sums.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    baseline("main", "scripted:noisy:0.5", "data/sums.jsonl:math", n=4, sampling={"temperature": 1.0})
    gate("--model", "scripted:noisy:0.5", "-n", "4", "--max-n", "4", code=0)
    config(profiles={"pr": {"tasks": ["data/sums.jsonl:math"]}})
    gate("--model", "scripted:noisy:0.5", "-n", "4", "--max-n", "4", code=0)


def test_missing_or_damaged_is_infrastructure_and_nothing_is_asked() -> None:
    path = baseline("main", "scripted:noisy:0.5")
    [log] = (path / "log").iterdir()
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    torn = gate("--model", "scripted:noisy:0.5", code=13)
    assert torn["verifier"]["status"] == "error" and torn["budget"]["samples"] == 0
    log.unlink()
    assert "missing" in gate("--model", "scripted:noisy:0.5", code=13)["verifier"]["note"]


def test_greedy_samples_are_one_look_at_new_questions() -> None:
    baseline("main", "scripted:noisy:0.5", n=4, sampling={"temperature": 0.0})
    task = only(gate("--model", "scripted:noisy:0.5", "--margin", "10pp", code=0))
    assert task["looks"] == [4] or task["looks"] == [1]
    assert task["target"] == "population"


def test_the_last_gates_reports_are_not_this_ones() -> None:
    baseline("main", "scripted:noisy:0.5")
    gate("--model", "scripted:noisy:0.5", code=0)
    assert main(["gate", "--model", "scripted:noisy:0.5", "--tasks", "nothing"]) == 2
    assert not list(Path("results/gate").iterdir())
    Path("file").write_text("")
    assert main(["gate", "--model", "scripted:noisy:0.5", "--report-dir", "file"]) == 2


def test_flags_and_a_tasks_own_rule() -> None:
    baseline("main", "scripted:noisy:0.5", n=2, seed=5)
    config(gate={"overrides": {TASK: {"max_n": 8, "n": 2}}, "margin_pp": 0.5}, profiles={"pr": {"on_inconclusive": "warn"}})
    assert only(gate("--model", "scripted:noisy:0.5", "-n", "4", code=0))["looks"] == [4, 8]
    for wrong in ("0", "-3", "nan", "inf", "2.5"):
        with pytest.raises(SystemExit) as end:
            main(["gate", "--model", "scripted:noisy:0.5", "--limit", wrong])
        assert end.value.code == 2


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


def test_recorded_samples_are_no_copies_whatever_temperature_the_task_says() -> None:
    rows = [{"id": f"q{i}", "problem": f"{i}?", "target": "7"} for i in range(60)]
    Path("q.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    said = ["\\boxed{8}", "\\boxed{7}", "\\boxed{7}", "\\boxed{7}", "\\boxed{8}", "\\boxed{7}"]
    told = [{"id": r["id"], "completions": said[i % 2 :] + said[: i % 2]} for i, r in enumerate(rows)]
    Path("said.jsonl").write_text("".join(json.dumps(t) + "\n" for t in told))
    baseline("main", "replay:said.jsonl", "q.jsonl:math", n=6)  # a file's task is greedy unless told otherwise
    run = evalsuite.run("replay:said.jsonl", "q.jsonl:math", repeats=4, output="results/runs").run_id
    task = only(gate(run, "--margin", "20pp", code=0))
    assert task["target"] == "benchmark" and not any("greedy" in note for note in task["notes"])


def test_notes_are_those_of_the_last_look() -> None:
    baseline("main", "scripted:noisy:0.5", "sort_letters@size=5", n=4)
    config(profiles={"pr": {"on_inconclusive": "warn"}}, budget={"max_n": 8}, sampling={"n": 4})
    task = only(gate("--model", "scripted:noisy:0.5", code=0))
    assert task["looks"] == [4, 8]
    assert any("no question changed" in note for note in task["notes"]) == (task["same"] == 5)
