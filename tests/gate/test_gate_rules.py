"""The rules beside the verdict: floors, guards, anchors, quarantine, limits, servers, copies, damage."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from gate_runs import TASK, baseline, config, gate, only

import evalsuite
from evalsuite.cli import main

pytestmark = pytest.mark.usefixtures("elsewhere")


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
