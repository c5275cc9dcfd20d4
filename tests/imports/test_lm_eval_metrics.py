"""Which of lm-eval's metrics is the average, which are parts, and which stay as the source states them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.imports import Imported, find, import_run
from evalsuite.runlog import RunDir

DATE = "2026-05-01T10-00-00.123456"
NAN = math.nan


def bring(folder: Path, lines: list[dict[str, Any]], stated: dict[str, Any], **more: Any) -> Imported:
    """The task t with these metrics of its questions, imported; a metric is named by the lines that have it."""
    folder.mkdir()
    (folder / f"results_{DATE}.json").write_text(
        json.dumps({"results": {"t": stated}, "config": {"model_args": {"pretrained": "org/toy"}}, **more})
    )
    log = "".join(json.dumps({"doc_id": i, "doc": {}, "metrics": list(of), **of}) + "\n" for i, of in enumerate(lines))
    if lines:
        (folder / f"samples_t_{DATE}.jsonl").write_text(log)
    [(kind, found)] = find(folder)
    return import_run(kind, found, folder.parent / "results")


def metrics(run: Imported) -> dict[str, float]:
    task = json.loads((run.folder / "results.json").read_text())["evalsuite"]["tasks"]["t"]
    return {label: a["value"] for label, a in task["metrics"].items()}


def samples(run: Imported) -> list[dict[str, Any]]:
    return pq.read_table(run.folder / "samples" / "t.parquet").to_pylist()


@pytest.mark.parametrize("sampled", [True, False])
def test_where_lower_is_better_there_are_numbers_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sampled: bool
) -> None:
    folders = []
    for name, wer in (("good", 0.1), ("bad", 0.9)):
        lines = [{"wer": wer}] * 20 if sampled else []
        run = bring(tmp_path / name, lines, {"wer,none": wer}, higher_is_better={"t": {"wer": False}})
        assert metrics(run) == {"part:wer": wer}  # never `avg`, of which the highest is best
        assert run.notes[0] == "t: lower is better for wer: kept as lm-eval states it, and in no comparison"
        assert run.notes[-1].startswith("t: numbers only")
        folders.append(str(run.folder))
    assert main(["compare", *folders]) == 2 and "no task is in both runs" in capsys.readouterr().err
    assert main(["export", folders[0], "--to", "lm-eval", "--out", str(tmp_path / "out")]) == 2
    assert "no task with samples: there is nothing to export" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_where_lower_is_better_another_metric_is_the_average(tmp_path: Path) -> None:
    lines = [{"brier": b, "acc": a} for b, a in ((0.25, 1.0), (0.75, 0.0))]
    run = bring(
        tmp_path / "s", lines, {"brier,none": 0.5, "acc,none": 0.5}, higher_is_better={"t": {"brier": False, "acc": True}}
    )
    assert metrics(run) == {"avg": 0.5, "part:brier": 0.5}
    assert RunDir(run.folder).manifest()["tasks"]["t"]["metrics"] == ["avg"]  # what questions can be compared by
    assert [dict(s["parts"]) for s in samples(run)] == [{}, {}]
    assert run.notes == ("t: lower is better for brier: kept as lm-eval states it, and in no comparison",)


def test_a_question_without_a_number_does_not_change_the_average(tmp_path: Path) -> None:
    lines = [{"acc": a, "other": b} for a, b in ((NAN, 0.5), (1.0, 0.25), (1.0, NAN), (0.0, 0.5))]
    run = bring(tmp_path / "s", lines, {"acc,none": 2 / 3, "other,none": 1.25 / 3})
    # of the questions that have it; the first has a part, and no value
    assert metrics(run) == pytest.approx({"avg": 2 / 3, "part:other": 1.25 / 3})
    assert [(s["value"], s["outcome"], dict(s["parts"])) for s in samples(run)] == [
        (None, "error", {"other": 0.5}), (1.0, "ok", {"other": 0.25}), (1.0, "ok", {}), (0.0, "ok", {"other": 0.5}),
    ]  # fmt: skip
    assert samples(run)[0]["feedback"] == "acc is nan, which is no number"
    table = pq.read_table(run.folder / "questions" / "t.parquet").to_pylist()
    assert [(q["n"], q["errors"], q["avg"], q["part:other"]) for q in table] == [
        (0, 1, None, 0.5), (1, 0, 1.0, 0.25), (1, 0, 1.0, None), (1, 0, 0.0, 0.5),
    ]  # fmt: skip
    assert run.notes == (
        "t: acc is no number for 1 of 4 questions: they have no value",
        "t: part:other is over the 3 of 4 questions that have it",
    )


def test_the_only_metric_is_the_average_even_where_some_lack_it(tmp_path: Path) -> None:
    run = bring(tmp_path / "s", [{"acc": 1.0}, {}, {"acc": "yes"}, {"acc": "0.5"}], {})
    assert metrics(run) == {"avg": 0.75} and [s["value"] for s in samples(run)] == [1.0, None, None, 0.5]
    run = bring(tmp_path / "later", [{"rare": 1.0, "acc": 1.0}, {"acc": 0.0}], {})
    assert metrics(run) == {"avg": 0.5, "part:rare": 1.0}  # one that every question names goes first


def test_a_task_without_a_number_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no task has a question or a number"):
        bring(tmp_path / "s", [{"acc": "yes"}], {"acc,none": "N/A"})


def test_a_number_that_is_no_mean_stays_as_it_is_stated(tmp_path: Path) -> None:
    """LAMBADA: the questions have log-likelihoods, the task exp(-mean) of them."""
    lines = [{"perplexity": v, "acc": 1.0} for v in (-1.0, -2.0, -3.0, -0.5)]
    run = bring(tmp_path / "s", lines, {"perplexity,none": math.exp(1.625), "perplexity_stderr,none": 0.3, "acc,none": 1.0})
    assert metrics(run) == {"avg": 1.0, "part:perplexity": math.exp(1.625)}
    assert "part:perplexity" not in pq.read_schema(run.folder / "questions" / "t.parquet").names
    assert run.notes == ("t: perplexity,none is kept as stated, 5.078419: it is no mean of its questions",)


def test_two_metrics_are_never_one_part(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two metrics would be one part: 'a b', 'a,b'"):
        bring(tmp_path / "s", [{"acc": 1.0, "a b": 0.5, "a,b": 0.7}], {})
    with pytest.raises(UsageError, match="two metrics would be one part"):
        bring(tmp_path / "t", [], {"acc,none": 1.0, "a b,none": 0.5, "a/b,none": 0.7})
