"""What one sample of a run took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import evalsuite
from evalsuite.baseline import set_baseline
from evalsuite.price import prices
from evalsuite.runlog import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = evalsuite.run("scripted:noisy:0.5", ["sort_letters", "arithmetic"], repeats=2, limit=10, output=tmp_path)
    return RunDir(Path(found.path))


def edit(run: RunDir, **fields: Any) -> None:
    run.write_manifest(run.manifest() | fields)


def as_if_generated(run: RunDir, seconds: int) -> None:
    model = run.manifest()["model"] | {"backend": "hf"}
    edit(run, model=model, started="2026-01-01T10:00:00Z", finished=f"2026-01-01T10:{seconds // 60:02d}:{seconds % 60:02d}Z")


def test_tokens_as_counted_and_no_time_for_what_generates_nothing(run: RunDir) -> None:
    found, why = prices(run)
    assert set(found) == {"sort_letters", "arithmetic"} and "scripted run, which generates nothing" in why
    assert found["arithmetic"].completion_tokens == 1.0 and found["arithmetic"].seconds is None
    totals = json.loads((run.path / "results.json").read_text())["evalsuite"]["tasks"]["arithmetic"]
    assert found["arithmetic"].prompt_tokens == totals["prompt_tokens"] / 20 and found["arithmetic"].cost is None


def test_time_is_shared_out(run: RunDir) -> None:
    as_if_generated(run, 80)
    found, why = prices(run)
    assert why == "" and [p.seconds for p in found.values()] == pytest.approx([2.0, 2.0])  # 40 samples of 1 token


def test_cost_counts_the_judge(run: RunDir) -> None:
    spent = run.manifest()["spent"]
    edit(run, spent=spent | {"arithmetic": spent["arithmetic"] | {"cost": 0.3, "judge_cost": 0.1}})
    assert prices(run)[0]["arithmetic"].cost == pytest.approx(0.02)


def test_no_time_where_it_would_be_nonsense(run: RunDir) -> None:
    as_if_generated(run, 1)
    assert "less than 2 seconds" in prices(run)[1]
    as_if_generated(run, 80)
    edit(run, reused=30)
    assert "resumed, with 30 samples from before" in prices(run)[1]


def test_a_baseline_knows_what_its_run_spent_and_an_older_run_does_not(run: RunDir) -> None:
    kept = set_baseline("main", run, root=run.path.parent / "baselines")
    assert prices(RunDir(kept))[0] == prices(run)[0] and prices(run)[0]["arithmetic"].prompt_tokens is not None
    edit(run, spent={})
    assert prices(run)[0]["arithmetic"].prompt_tokens is None
