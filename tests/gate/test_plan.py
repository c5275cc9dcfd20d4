"""`evalsuite gate --plan`: numbers worked by hand, against the simulation of the real rule, and through the command line."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from made_baseline import Made, binary, make_gate, make_run
from scipy import stats

from evalsuite.cli import main
from evalsuite.gate.aa import aa
from evalsuite.gate.chances import Chances
from evalsuite.gate.config import Budget, TaskRule
from evalsuite.gate.outlook import outlooks
from evalsuite.gate.plan import plan, plan_text
from evalsuite.metrics.power import detectable_difference

HALF = Made(np.tile([1.0, 0.0], (100, 4)))  # 100 questions, 4 of 8 samples right: s^2 = 2/7 for each


def test_one_look_by_hand(tmp_path: Path) -> None:
    task = plan(make_gate(tmp_path / "run", {"t": HALF}, n=8, max_n=8, margin=0.03))["tasks"]["t"]
    [look] = task["looks"]
    assert (task["questions"], task["baseline_samples"], task["target"]) == (100, 8.0, "benchmark")
    assert task["critical"] == pytest.approx(1.644854, abs=1e-6)
    # error^2 = (100 * 2/7 * (1/8 + 1/8) + 2/64) / 102^2 = .026259^2; df = 1394; t = 1.6459; sd = sqrt(2/7 / 4 / 100) = .026726
    sd, half = 0.026726, 1.6459 * 0.026259 * 1.02
    assert look["finds"] == pytest.approx(half + 0.8416 * sd, rel=0.01)
    assert look["pass_if_same"] == pytest.approx(stats.norm.sf((half - 0.03 * 1.02) / sd), abs=0.01)
    assert look["fail_at_margin"] == pytest.approx(stats.norm.cdf((0.03 - half) / sd), abs=0.01)
    assert look["fail_at_twice"] == pytest.approx(stats.norm.cdf((0.06 - half) / sd), abs=0.01)
    assert task["expected_n"] == 8


def test_holm_over_tasks_raises_what_can_be_found_and_leaves_what_passes(tmp_path: Path) -> None:
    alone = plan(make_gate(tmp_path / "one", {"t": HALF}, n=8, max_n=8))["tasks"]["t"]["looks"][0]
    among = plan(make_gate(tmp_path / "ten", {f"t{i}": HALF for i in range(10)}, n=8, max_n=8))["tasks"]["t0"]["looks"][0]
    error, sd = 0.026259 * 1.02, 0.026726
    assert alone["pass_if_same"] == among["pass_if_same"]
    assert among["finds"] == pytest.approx(stats.t.isf(0.005, 1394) * error + 0.8416 * sd, rel=0.01)
    assert among["fail_at_twice"] == pytest.approx(stats.norm.cdf((0.06 - stats.t.isf(0.005, 1394) * error) / sd), abs=0.01)


def test_a_task_without_an_interval_is_not_counted_by_holm(tmp_path: Path) -> None:
    [alone] = plan(make_gate(tmp_path / "one", {"t": HALF}, n=8, max_n=8))["tasks"]["t"]["looks"]
    [beside] = plan(make_gate(tmp_path / "two", {"t": HALF, "tiny": binary(3, 8)}, n=8, max_n=8))["tasks"]["t"]["looks"]
    assert alone["finds"] == beside["finds"]
    same = Made(HALF.samples, clusters=[f"c{i % 4}" for i in range(100)])
    found = plan(make_gate(tmp_path / "four", {"t": same}, n=8, max_n=8, target="population"))["tasks"]["t"]
    assert "never decided" in found["warning"]


def test_population_agrees_with_the_power_of_the_test(tmp_path: Path) -> None:
    gate = make_gate(tmp_path / "run", {"t": binary(200, 8)}, n=8, max_n=8, target="population")
    [o] = outlooks(gate)[0].values()
    chances = Chances(o, 0.05, 1)
    exact = detectable_difference(200, chances.pilot.noise, 8, 8, one_sided=True)
    assert chances.pilot.noise.interaction == 0.06
    assert chances.finds[0] == pytest.approx(exact, rel=0.02)
    assert chances.detects("population", 8, 8) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(
    ("made", "rule"),
    [
        (binary(200, 8), {"n": 4, "max_n": 16}),
        (binary(1000, 4), {"n": 2, "max_n": 16, "margin": 0.02}),
        (binary(60, 16, mean=0.85), {"n": 8, "max_n": 32, "margin": 0.06}),
    ],
)
def test_chances_agree_with_the_simulated_rule(tmp_path: Path, made: Made, rule: dict[str, float]) -> None:
    gate = make_gate(tmp_path / "run", {"t": made}, **rule)
    planned, simulated = plan(gate)["tasks"]["t"], aa(gate, draws=2000)["tasks"]["t"]
    passes = simulated["shares"]["PASS"] + simulated["shares"]["IMPROVED"]
    assert planned["looks"][-1]["pass_if_same"] == pytest.approx(passes, abs=0.04)
    assert planned["expected_n"] == pytest.approx(simulated["mean_n"], rel=0.07)


def test_later_looks_find_more(tmp_path: Path) -> None:
    task = plan(make_gate(tmp_path / "run", {"t": binary(300, 16)}, n=2, max_n=16))["tasks"]["t"]
    looks = task["looks"]
    assert [look["n"] for look in looks] == [2, 4, 8, 16]
    assert [look["samples"] for look in looks] == [600, 1200, 2400, 4800]
    for before, after in itertools.pairwise(looks):
        assert after["finds"] < before["finds"]
        assert all(after[key] >= before[key] for key in ("pass_if_same", "fail_at_margin", "fail_at_twice"))
    assert task["critical"] > 1.9
    assert 2 < task["expected_n"] < 16


def test_advice_is_what_would_do(tmp_path: Path) -> None:
    gate = make_gate(tmp_path / "run", {"t": HALF}, n=8, max_n=8, margin=0.03)
    task = plan(gate)["tasks"]["t"]
    # (1.645 + .842)^2 * 2/7 * 2/K / 100 = .03^2 at K = 39.3
    assert "about 40 samples per question would do, in the baseline too, or a margin of 6.7 points" in task["warning"]
    assert "drop below 6.7 points may go unseen" in task["warning"] or "drop below 6.6 points may" in task["warning"]
    wide = make_gate(tmp_path / "wide", {"t": HALF}, n=8, max_n=8, margin=0.07)
    assert plan(wide)["tasks"]["t"]["warning"] == ""
    more = make_gate(tmp_path / "more", {"t": HALF}, n=8, max_n=8, margin=0.055)
    # .055^2 = (2.487)^2 * 2/7 / 100 * (1/8 + 1/K) leaves 1/K = .0462
    assert "about 23 samples per question (max_n) would do" in plan(more)["tasks"]["t"]["warning"]
    none = make_gate(tmp_path / "none", {"t": binary(40, 8)}, n=8, max_n=8, target="population", margin=0.01)
    assert "questions would do, and no number of samples" in plan(none)["tasks"]["t"]["warning"]


def test_one_sample_in_the_baseline_means_new_questions(tmp_path: Path) -> None:
    task = plan(make_gate(tmp_path / "run", {"t": binary(200, 1)}, n=1, max_n=4))["tasks"]["t"]
    assert task["target"] == "population"
    assert any("one sample per question in the baseline" in note for note in task["notes"])
    assert any("a variance of" in note and "is assumed" in note for note in task["notes"])
    mixed = plan(make_gate(tmp_path / "mixed", {"t": binary(200, 4)}, n=1, max_n=4))["tasks"]["t"]
    assert mixed["target"] == "benchmark"


def test_what_is_odd_is_said(tmp_path: Path) -> None:
    ceiling = Made(np.ones((50, 4)))
    failed = binary(100, 4).samples.copy()
    failed[0] = math.nan
    greedy = Made(np.ones((50, 1)), temperature=0.0)
    tasks = {"tiny": binary(3, 4), "ceiling": ceiling, "failed": Made(failed), "greedy": greedy}
    found = plan(make_gate(tmp_path / "run", tasks, n=4, max_n=8, floor=0.99))["tasks"]
    assert "never decided" in found["tiny"]["warning"] and found["tiny"]["looks"][0].get("finds") is None
    assert found["ceiling"]["looks"][-1]["pass_if_same"] > 0.95
    assert any("never disagreed" in note for note in found["ceiling"]["notes"])
    assert found["failed"]["questions"] == 99
    assert any("questions of the baseline without a value are left out: 1" in note for note in found["failed"]["notes"])
    assert any("greedy" in note for note in found["greedy"]["notes"])
    assert "questions would do" in found["greedy"]["warning"] and "samples per question" not in found["greedy"]["warning"]
    assert any("the floor is 0.99" in note for note in found["failed"]["notes"])
    assert not any("floor" in note for note in found["ceiling"]["notes"])


def test_limit_takes_the_first_questions(tmp_path: Path) -> None:
    samples = np.concatenate([np.ones((50, 4)), np.zeros((50, 4))])
    for limit, count, label in ((50, 50, "t[50/200]"), (0.1, 20, "t[20/200]"), (None, 100, "t[100/200]")):
        gate = make_gate(tmp_path / str(limit), {"t": Made(samples, full_size=200)}, n=4, limit=limit)
        task = plan(gate)["tasks"]["t"]
        assert (task["questions"], task["label"]) == (count, label)
        assert task["mean"] == (0.5 if limit is None else 1.0)
    beyond = plan(make_gate(tmp_path / "beyond", {"t": Made(samples, full_size=200)}, n=4, limit=150))["tasks"]["t"]
    assert beyond["questions"] == 100 and any("150 questions are asked for" in note for note in beyond["notes"])


def test_cost_and_budget(tmp_path: Path) -> None:
    tasks = {"t": HALF}  # 50 tokens a sample, 800 samples in 100 s
    for budget, words in (
        (Budget(tokens=200_000), "suffices for every look"),
        (Budget(tokens=50_000), "and not for all"),
        (Budget(minutes=0.1), "does not suffice for the first look"),
        (Budget(usd=1.0), "is not known"),
    ):
        gate = make_gate(tmp_path / words.replace(" ", "-"), tasks, n=4, max_n=16, budget=budget)
        found = plan(gate)
        first, last = found["tasks"]["t"]["looks"][0], found["tasks"]["t"]["looks"][-1]
        assert (first["completion_tokens"], last["completion_tokens"]) == (20_000, 80_000)
        assert (first["seconds"], last["seconds"]) == (50.0, 200.0)
        assert first["usd"] is None
        assert len(found["budget"]["notes"]) == 1 and words in found["budget"]["notes"][0]
        assert "50 s -> 3 min" in plan_text(found) and "20,000 -> 80,000" in plan_text(found)
    unknown = make_gate(tmp_path / "scripted", tasks, manifest={"model": {"name": "scripted:x", "backend": "scripted"}})
    text = plan_text(plan(unknown))
    assert "Time is not known: the baseline is a scripted run" in text and "| time" not in text


def test_tasks_that_the_baseline_lacks_are_listed(tmp_path: Path) -> None:
    gate = make_gate(tmp_path / "run", {"arithmetic": HALF}, tasks=(TaskRule(spec="arithmetic"), TaskRule(spec="sort_letters")))
    found = plan(gate)
    assert list(found["tasks"]) == ["arithmetic"]
    assert "has no task sort_letters" in found["problems"]["sort_letters"]
    assert "sort_letters: cannot be gated" in plan_text(found)


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "results" / "runs" / "base", {"t": HALF, "u": binary(300, 8)})
    assert main(["gate", "--plan", "--baseline", "base", "--margin", "5pp", "-n", "4"]) == 0
    out = capsys.readouterr().out
    assert "| t " in out and "4 -> 16" in out and "5 pp" in out
    assert main(["gate", "--plan", "--baseline", "base", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)  # strict JSON: no NaN
    assert set(found["tasks"]) == {"t", "u"}
    assert "NaN" not in json.dumps(found)
