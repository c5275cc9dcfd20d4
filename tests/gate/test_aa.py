"""`evalsuite gate --aa`: the simulated rule equals the real one, and the real one keeps its false-alarm rate."""

from __future__ import annotations

import datetime
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_baseline import Made, binary, make_gate, make_run

from evalsuite.cli import main
from evalsuite.gate.aa import aa, aa_text
from evalsuite.gate.decide import decide
from evalsuite.gate.outlook import Outlook, outlooks
from evalsuite.gate.simulate import VERDICTS, differences, questions, settle
from evalsuite.metrics.paired import Difference, compare

GRADED = Made(np.random.default_rng(3).integers(0, 5, (80, 4)) / 4)
CLUSTERED = Made(binary(90, 4).samples, clusters=[f"c{i // 3}" if i < 60 else None for i in range(90)])


def real(o: Outlook, a: Any, b: Any, k: int, target: str) -> Difference:
    """`paired.compare` of one draw, as `Gate.measure` calls it. `a`, `b`: sums and sums of squares (Q,)."""

    def values(total: Any, squares: Any, n: Any) -> tuple[Any, Any]:
        return total / n, np.maximum(squares - total**2 / n, 0) / np.maximum(n - 1, 1) / n

    (va, wa), (vb, wb) = values(*a, o.n), values(*b, k)
    same = np.isclose(va, vb, atol=1e-12).all()
    return compare(
        va,
        vb,
        clusters=o.clusters,
        target="population" if same else target,
        samples_a=o.n,
        samples_b=k,
        within_a=wa,
        within_b=wb,
    )


def drawn(o: Outlook, k: int, rng: np.random.Generator, shift: float = 0.0) -> tuple[Any, Any]:
    """Sums and sums of squares of k samples, right or wrong, near the questions' values."""
    c = rng.binomial(k, np.clip(o.values + shift, 0, 1)).astype(float)
    return c, c


@pytest.mark.parametrize("made", [binary(30, 3), binary(200, 8, mean=0.95), GRADED, CLUSTERED, binary(7, 2), binary(3, 4)])
@pytest.mark.parametrize("target", ["benchmark", "population"])
def test_differences_are_those_of_compare(tmp_path: Path, made: Made, target: str) -> None:
    [o] = outlooks(make_gate(tmp_path / "run", {"t": made}))[0].values()
    rng = np.random.default_rng(0)
    for k in (2, 5):
        a, b = [drawn(o, n, rng) for n in (int(o.n[0]),) * 20], [drawn(o, k, rng) for _ in range(20)]
        b[0] = tuple(x / o.n * k for x in a[0])  # nothing moved
        stacked = [tuple(np.stack(part) for part in zip(*side)) for side in (a, b)]
        centre, error, df, moved = differences(o, *stacked, k, target)
        for i in range(20):
            d = real(o, a[i], b[i], k, target)
            assert moved[i] == pytest.approx((d.won + d.lost) / d.n_questions)
            if math.isnan(d.error):
                assert math.isnan(error[i])
            else:
                assert (centre[i], error[i], df[i]) == pytest.approx((d.centre, d.error, d.df), rel=1e-9, abs=1e-12)


def gated(tasks: list[Outlook], looks: list[list[Difference]], alpha: float) -> tuple[list[str], list[int]]:
    """The verdicts of `decide`, look by look as `ModelCandidate.compare` takes them, and the look each task ended at."""
    names = [o.name for o in tasks]
    seen: dict[str, list[Difference]] = {name: [] for name in names}
    verdicts = dict.fromkeys(names, "INCONCLUSIVE")
    for number in range(max(len(o.looks) for o in tasks)):
        for o, found in zip(tasks, looks):
            if verdicts[o.name] == "INCONCLUSIVE" and number < len(o.looks):
                seen[o.name].append(found[number])
        decisions = decide(seen, {o.name: o.rule.margin for o in tasks}, {o.name: o.fractions for o in tasks}, alpha)
        verdicts = {name: decisions[name].verdict for name in names}
    return list(verdicts.values()), [len(seen[name]) - 1 for name in names]


@pytest.mark.parametrize("rows", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_settle_is_decide(tmp_path: Path, rows: int) -> None:
    made = {"a": binary(60, 4), "b": binary(100, 8, mean=0.9), "c": binary(40, 2), "tiny": binary(3, 4)}
    tasks = list(outlooks(make_gate(tmp_path / "run", made, n=2, max_n=8, margin=0.05))[0].values())
    rng, alpha = np.random.default_rng(rows), 0.05
    differences_, arrays = [], []
    for t, o in enumerate(tasks):
        per_row: list[list[Difference]] = []
        for row in range(rows):
            # no change, drops that are found early or late, a rise
            shift = (0.0, -0.06, -0.12, 0.05, -0.2)[(row + t) % 5]
            a, total, before, found = drawn(o, int(o.n[0]), rng), np.zeros(len(o.values)), 0, []
            for k, target in zip(o.looks, o.targets):
                total, before = total + drawn(o, k - before, rng, shift)[0], k
                found.append(real(o, a, (total, total), k, target))
            per_row.append(found)
        differences_.append(per_row)
        arrays.append(
            tuple(np.array([[getattr(d, key) for d in found] for found in per_row]) for key in ("centre", "error", "df"))
        )
    codes, at = settle(tasks, arrays, alpha)
    for row in range(rows):
        verdicts, ends = gated(tasks, [per_row[row] for per_row in differences_], alpha)
        assert [VERDICTS[c] for c in codes[row]] == verdicts, row
        assert list(at[row]) == ends, row
    assert set(codes[:, :3].ravel()) == {0, 1, 2, 3}  # every verdict was met
    assert (codes[:, 3] == 0).all()  # without an interval nothing is decided


def test_what_questions_may_be(tmp_path: Path) -> None:
    made = {
        "alike": Made((np.random.default_rng(0).random((400, 8)) < 0.5).astype(float)),
        "spread": binary(400, 16, mean=0.5, spread=2.0),
        "single": binary(500, 1),
        "graded": GRADED,
        "steady": Made(np.tile(np.linspace(0.1, 0.9, 60)[:, None], (1, 4))),
        "ceiling": Made(np.ones((50, 4))),
    }
    found = {name: questions(o) for name, o in outlooks(make_gate(tmp_path / "run", made))[0].items()}
    weights = {name: q.right + q.wrong for name, q in found.items()}
    assert [name for name, q in found.items() if q.share != 1.0] == ["graded", "steady"]
    assert weights["alike"].min() > 100  # one chance for all: the prior says nearly all
    assert weights["spread"] == pytest.approx(18, abs=1)  # 16 samples and a prior of 2
    assert weights["single"] == pytest.approx(1 + 1 / 0.35 - 1, rel=0.01)
    assert found["graded"].share == pytest.approx(0.5, abs=0.05)  # 0, 1/4 .. 1 evenly: variance 1/8 of 1/4
    assert found["steady"].share == 1e-3
    mean = found["ceiling"].right / weights["ceiling"]
    assert (mean > 0.995).all() and (mean < 1).all()


def test_graded_samples_have_the_variance_of_the_baseline(tmp_path: Path) -> None:
    from evalsuite.gate.simulate import _draw

    chance = np.full((200, 50), 0.4)
    total, squares = _draw(np.full(50, 4), chance, 0.5, np.random.default_rng(0))
    assert total.mean() / 4 == pytest.approx(0.4, abs=0.01)
    within = ((squares - total**2 / 4) / 3).mean()
    assert within == pytest.approx(0.5 * 0.4 * 0.6, rel=0.03)


def test_report(tmp_path: Path) -> None:
    gate = make_gate(tmp_path / "run", {"a": binary(200, 8), "b": binary(150, 8, seed=1)}, n=4, max_n=16)
    found = aa(gate, draws=600)
    for task in found["tasks"].values():
        assert sum(task["shares"].values()) == pytest.approx(1)
        assert 4 <= task["mean_n"] <= 16
    alarms = found["false_alarms"]
    assert alarms["count"] == round(alarms["share"] * 600)
    assert alarms["low"] < alarms["share"] < alarms["high"] and alarms["share"] < 0.08
    assert found["passing"] + found["undecided"] + alarms["share"] == pytest.approx(1)
    assert aa(gate, draws=600) == found  # a seed is a seed
    assert aa(gate, draws=600, seed=1) != found
    text = aa_text(found)
    assert f"{alarms['count']} of 600 gates fail" in text


def test_what_is_promised(tmp_path: Path) -> None:
    found = aa(make_gate(tmp_path / "run", {"a": binary(50, 4)}), draws=50)
    for keeps, words in ((True, "keeps its promise"), (False, "does not keep"), (None, "in line with it")):
        assert words in aa_text(found | {"keeps_promise": keeps})


def test_quarantine_and_missing_tasks(tmp_path: Path) -> None:
    far = datetime.date(9999, 1, 1)
    gate = make_gate(tmp_path / "run", {"a": binary(50, 4), "none": Made(np.full((6, 2), math.nan))}, quarantine={"a": far})
    found = aa(gate, draws=100)
    assert (
        found["false_alarms"]["count"] == 0 and "100.0 % of the baseline's samples have no value" in found["problems"]["none"]
    )
    assert "In quarantine, so that its verdicts are not in the totals: a." in aa_text(found)
    nothing = aa(make_gate(tmp_path / "empty", {"none": Made(np.full((6, 2), math.nan))}), draws=10)
    assert nothing["false_alarms"] is None and "none: cannot be gated" in aa_text(nothing)


def test_a_gate_without_noise_passes(tmp_path: Path) -> None:
    found = aa(make_gate(tmp_path / "run", {"a": Made(np.ones((200, 8)))}), draws=200)
    assert found["passing"] > 0.99 and found["keeps_promise"] is True


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "results" / "runs" / "base", {"t": binary(100, 4), "u": GRADED})
    assert main(["gate", "--aa", "--baseline", "base", "-n", "4", "--max-n", "8"]) == 0
    assert "False alarms:" in capsys.readouterr().out
    assert main(["gate", "--aa", "--baseline", "base", "-n", "4", "--max-n", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["draws"] == 2000 and set(found["tasks"]) == {"t", "u"}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["benchmark", "population"])
@pytest.mark.parametrize("looks", [(4, 16), (8, 8)])
def test_false_alarms_over_ten_tasks(tmp_path: Path, target: str, looks: tuple[int, int]) -> None:
    made = {f"t{i}": binary(200, 8, mean=0.4 + 0.05 * i, seed=i) for i in range(10)}
    gate = make_gate(tmp_path / "run", made, n=looks[0], max_n=looks[1], target=target)
    began = time.monotonic()
    found = aa(gate, draws=4000)
    assert found["false_alarms"]["share"] <= 0.06
    assert time.monotonic() - began < 120
