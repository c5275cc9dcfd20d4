"""End to end on completions that others recorded: convert, replay, compare, against numbers from the files themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import DescrStatsW

from evalsuite.cli import main

Compare = Callable[..., dict[str, Any]]


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str]) -> Compare:
    """The JSON of `evalsuite compare`."""

    def call(*words: str, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert main(["compare", "-o", "runs", *words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return call


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_gsm8k_finetuning_against_verification(data_dir: Path, compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    file = data_dir / "gsm8k" / "example_model_solutions.jsonl"
    for kind in ("finetuning", "verification"):
        words = ["--completions", f"6b_{kind}.solution", "-o", f"{kind}.jsonl"]
        assert main(["convert", str(file), *words]) == 0
        run = ["run", "--model", f"replay:{kind}.jsonl", "--tasks", "gsm8k", "--data-dir", str(data_dir), "--offline"]
        assert main([*run, "-o", "runs"]) == 0
    (contrast,) = compare("replay-finetuning", "replay-verification")["contrasts"]
    (row,) = contrast["rows"]

    recorded = [json.loads(line) for line in file.open(encoding="utf-8")]
    a, b = (np.array([r[f"6b_{kind}"]["is_correct"] for r in recorded], dtype=float) for kind in ("finetuning", "verification"))
    found = row["difference"]
    assert (found["mean_a"], found["mean_b"]) == pytest.approx((0.21683, 0.39045), abs=1e-5)
    assert found["value"] == pytest.approx(0.17362, abs=1e-5) == pytest.approx((b - a).mean(), abs=1e-5)
    flips = np.array([[((a == i) & (b == j)).sum() for j in (0, 1)] for i in (0, 1)])
    assert [found["won"], found["lost"], found["same"]] == [flips[0, 1], flips[1, 0], flips[0, 0] + flips[1, 1]]
    d = DescrStatsW(np.append(b - a, [1, -1]))  # with the two pseudo-questions
    assert (found["low"], found["high"]) == pytest.approx(d.tconfint_mean(), abs=1e-12)
    assert found["p"] == pytest.approx(d.ttest_mean()[1], rel=1e-6)
    won, lost = flips[0, 1], flips[1, 0]
    exact = mcnemar(flips, exact=True).pvalue
    assert row["mcnemar_p"] == pytest.approx(exact - stats.binom.pmf(min(won, lost), won + lost, 0.5), rel=1e-6)
    assert row["other"] is None and row["missing"]["share"] == 0
    plain = 1.96 * (b - a).std(ddof=1) / np.sqrt(1319)
    assert found["low"] == pytest.approx(found["value"] - plain, abs=1e-3)

    (back,) = compare("replay-verification", "replay-finetuning")["contrasts"][0]["rows"]
    assert back["difference"]["value"] == -found["value"] and back["difference"]["low"] == pytest.approx(
        -found["high"], abs=1e-12
    )
    capsys.readouterr()
    assert main(["compare", "-o", "runs", "replay-finetuning", "replay-verification"]) == 0
    assert "- `gsm8k`, avg: B is better than A by 14.68 to 19.99 points." in capsys.readouterr().out


def test_math_cot_100_eight_samples_against_four_of_its_own(data_dir: Path, compare: Compare) -> None:
    rows = [json.loads(line) for line in (data_dir / "math_cot_100" / "math_cot_100.jsonl").open(encoding="utf-8")]
    questions = [{"id": str(r["idx"]), "problem": r["question"], "target": r["gt"]} for r in rows]
    Path("cot.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))
    for name, taken in (("eight", 8), ("four", 4)):
        Path("part.jsonl").write_text("".join(json.dumps(r | {"code": r["code"][:taken]}) + "\n" for r in rows))
        assert main(["convert", "part.jsonl", "--completions", "code", "--id", "idx", "-o", f"{name}.jsonl"]) == 0
        words = ["run", "--model", f"replay:{name}.jsonl", "--tasks", "cot.jsonl:math", "--metrics", "avg,pass@2"]
        assert main([*words, "-o", "runs"]) == 0
    found = compare("replay-eight", "replay-four", "--metric", "avg,pass@2")
    row, pass2 = found["contrasts"][0]["rows"]
    d = row["difference"]
    assert (row["samples_a"], row["samples_b"], d["n_questions"]) == (8, 4, 100)
    assert d["p"] > 0.05 and d["low"] < 0 < d["high"] and abs(d["value"]) < 0.02
    assert "no difference of B from A can be told from noise" in row["verdict"]
    assert row["other"]["target"] == "benchmark" and row["other"]["p"] > 0.05
    right = np.array([[bool(s) for s in r["score"]] for r in rows])
    close = right[:, :4].mean() - right.mean()
    assert d["value"] == pytest.approx(close, abs=0.02)  # our verifier reads a few answers that theirs did not
    assert pass2["metric"] == "pass@2" and pass2["difference"]["p"] > 0.05
    same = compare("replay-eight", "replay-four", "--target", "benchmark")["contrasts"][0]["rows"][0]
    assert same["difference"] == row["other"] and same["other"] == d
