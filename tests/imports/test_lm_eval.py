"""lm-eval's files as runs: hand-written in its shape, made by lm_eval itself, and made by our own export."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import evalsuite
from evalsuite import Prompt, Sampling, Task, ask
from evalsuite.cli import main
from evalsuite.errors import RequestError, UsageError
from evalsuite.imports import Imported, find, import_run
from evalsuite.imports.lm_eval_rows import Log
from evalsuite.metrics import aggregate
from evalsuite.models.scripted import ScriptedModel
from evalsuite.results import TaskResult
from evalsuite.runlog import RunDir
from evalsuite.runlog.export import export
from evalsuite.runlog.rollup import read_rollup
from evalsuite.verifiers import make

DATE = "2026-05-01T10-00-00.123456"


def row(doc: int, kind: str = "none", **fields: Any) -> dict[str, Any]:
    """A line of a sample log, a generated one unless said otherwise."""
    return {
        "doc_id": doc,
        "doc": {"question": f"{doc} + 1?", "answer": str(doc + 1), "level": doc % 2, "nested": {"left": "out"}},
        "target": str(doc + 1),
        "arguments": {"gen_args_0": {"arg_0": f"Q: {doc} + 1?\nA:", "arg_1": {"until": ["\n"], "temperature": 0.5}}},
        "resps": [[f"it is {doc}"]],
        "filtered_resps": [str(doc)],
        "filter": kind,
        "metrics": ["exact_match"],
        "doc_hash": f"hash-{doc}",
        "exact_match": 1.0,
    } | fields


def choice(doc: int, acc: float, acc_norm: float) -> dict[str, Any]:
    """A multiple-choice line: log-likelihoods as texts, no answer."""
    options = [" yes", " no"]
    return row(
        doc,
        arguments={f"gen_args_{i}": {"arg_0": "is it?", "arg_1": text} for i, text in enumerate(options)},
        resps=[[["-1.5", "False"]], [["-0.25", "True"]]],
        filtered_resps=[["-1.5", "False"], ["-0.25", "True"]],
        metrics=["acc", "acc_norm"],
        acc=acc,
        acc_norm=acc_norm,
    )


def write(folder: Path, results: dict[str, Any], logs: dict[str, list[dict[str, Any]]], **more: Any) -> Path:
    """A folder as --output_path leaves it, of the model org/toy."""
    inner = folder / "org__toy"
    inner.mkdir(parents=True)
    document = {
        "results": results,
        "configs": {
            name: {"task": name, "output_type": "generate_until", "generation_kwargs": {"until": ["\n"]}} for name in logs
        },
        "versions": dict.fromkeys(logs, 3.0),
        "n-shot": dict.fromkeys(logs, 5),
        "n-samples": {name: {"original": len(rows), "effective": len(rows)} for name, rows in logs.items()},
        "config": {"model": "hf", "model_args": "pretrained=org/toy,dtype=bfloat16", "model_sha": "abc"},
        "date": 1_777_629_600.5,
        "lm_eval_version": "0.4.13",
        "total_evaluation_time_seconds": "59.5",
    } | more
    (inner / f"results_{DATE}.json").write_text(json.dumps(document, indent=2))
    for name, rows in logs.items():
        lines = "".join(json.dumps(r) + "\n" for r in rows)
        (inner / f"samples_{name}_{DATE}.jsonl").write_text(lines)
    return folder


def bring(source: Path, results: Path) -> Imported:
    """The one run in `source`, imported."""
    [(kind, found)] = find(source)
    assert kind == "lm-eval"
    return import_run(kind, found, results)


def summary(run: Imported) -> dict[str, Any]:
    return json.loads((run.folder / "results.json").read_text())["evalsuite"]


def table(run: Imported, kind: str, task: str) -> list[dict[str, Any]]:
    return pq.read_table(run.folder / kind / f"{task}.parquet").to_pylist()


def test_generated_answers_with_two_filters(tmp_path: Path) -> None:
    strict = [
        row(i, "strict-match", exact_match=float(i < 2), filtered_resps=["[invalid]" if i >= 2 else str(i)]) for i in range(6)
    ]
    loose = [row(i, "flexible-extract", exact_match=float(i < 4)) for i in range(6)]
    numbers = {"exact_match,strict-match": 2 / 6, "exact_match_stderr,strict-match": 0.2, "exact_match,flexible-extract": 0.9}
    run = bring(write(tmp_path / "out", {"gsm8k": numbers}, {"gsm8k": [*strict, *loose]}), tmp_path / "results")
    manifest = RunDir(run.folder).manifest()
    assert (manifest["kind"], manifest["status"], manifest["model"]["name"]) == ("eval", "done", "org/toy")
    assert (manifest["started"], manifest["finished"]) == ("2026-05-01T10:00:00Z", "2026-05-01T10:01:00Z")
    assert manifest["imported"]["from"] == "lm-eval" and manifest["imported"]["format_version"] == "0.4.13"
    identity = manifest["tasks"]["gsm8k"]["identity"]
    assert (identity["version"], identity["num_fewshot"], identity["sampling"]) == ("3.0", 5, {"until": ["\n"]})
    assert identity["verifier"]["metric"] == "exact_match" and identity["verifier"]["filter"] == "strict-match"

    [task] = summary(run)["tasks"].values()
    assert task.keys() == TaskResult.__dataclass_fields__.keys()
    expected = aggregate([1, 1, 0, 0, 0, 0])
    measured = task["metrics"]["avg"]
    assert [measured[k] for k in ("value", "low", "high", "se")] == [expected.value, expected.low, expected.high, expected.se]
    assert task["metrics"]["part:exact_match@flexible-extract"]["value"] == pytest.approx(4 / 6)
    assert task["no_answer"] == pytest.approx(4 / 6) and task["coverage"] == 1

    first, *_, last = table(run, "samples", "gsm8k")
    assert (first["id"], first["i"], first["text"], first["answer"], first["outcome"]) == ("0", 0, "it is 0", "0", "ok")
    assert (last["answer"], last["outcome"], last["value"], dict(last["parts"])) == (
        None, "no_answer", 0.0, {"exact_match@flexible-extract": 0.0},
    )  # fmt: skip
    question = table(run, "questions", "gsm8k")[1]
    assert (question["digest"], question["problem"], json.loads(question["target"])) == ("hash-1", "1 + 1?", "2")
    assert json.loads(question["prompt"]) == [["user", "Q: 1 + 1?\nA:"]]
    assert json.loads(question["metadata"]) == {"question": "1 + 1?", "answer": "2", "level": 1}
    rollup = read_rollup(RunDir(run.folder), "gsm8k")
    assert rollup.c.tolist() == [1, 1, 0, 0, 0, 0] and rollup.errors.tolist() == [0] * 6

    assert any("strict-match; flexible-extract are parts" in note for note in run.notes)
    assert any("flexible-extract is 0.900000 in the source, and 0.666667" in note for note in run.notes)
    assert not any("strict-match is" in note for note in run.notes)
    assert manifest["imported"]["stated"]["gsm8k"]["part:exact_match@flexible-extract"]["value"] == 0.9


def test_multiple_choice(tmp_path: Path) -> None:
    rows = [choice(i, float(i % 2), 1.0) for i in range(4)]
    numbers = {"acc,none": 0.5, "acc_norm,none": 1.0, "acc_stderr,none": "N/A"}
    run = bring(write(tmp_path / "out", {"arc": numbers}, {"arc": rows}), tmp_path / "results")
    [task] = summary(run)["tasks"].values()
    assert {k: a["value"] for k, a in task["metrics"].items()} == {"avg": 0.5, "part:acc_norm": 1.0}
    sample = table(run, "samples", "arc")[0]
    assert (sample["text"], sample["answer"], sample["value"]) == (None, "no", 0.0)
    assert sample["feedback"] == "log-likelihoods: 'yes' -1.500, 'no' -0.250"
    assert not run.notes


def test_repeats_are_one_value(tmp_path: Path) -> None:
    rows = [
        row(i, resps=[["a", "b", "c"]], filtered_resps=[["a", "b", "c"]], metrics=["pass@1"]) | {"pass@1": 1 / 3}
        for i in range(3)
    ]
    run = bring(write(tmp_path / "out", {"he": {"pass@1,none": 1 / 3}}, {"he": rows}), tmp_path / "results")
    assert [(s["text"], s["answer"], s["value"]) for s in table(run, "samples", "he")] == [("a", "a", pytest.approx(1 / 3))] * 3
    assert summary(run)["tasks"]["he"]["repeats"] == 1
    assert run.notes == ("he: 3 answers per question, which lm-eval scores as a whole: the first one's text is kept",)


def test_numbers_without_samples_and_groups(tmp_path: Path) -> None:
    results = {
        "a": {"acc,none": 0.5, "acc_stderr,none": 0.1, "sample_len": 30},
        "b": {"word_perplexity,none": 12.5, "word_perplexity_stderr,none": "N/A", "acc,none": 0.99, "acc_stderr,none": 0.02},
        "c": {"alias": "c"},
    }
    groups = {"g": {"acc,none": 0.6, "acc_stderr,none": 0.05}}
    folder = write(tmp_path / "out", results, {}, groups=groups, group_subtasks={"g": ["a", "b"]})
    run = bring(folder, tmp_path / "results")
    tasks = summary(run)["tasks"]
    assert list(tasks) == ["a", "b", "g"]
    a = tasks["a"]["metrics"]["avg"]
    assert (a["value"], a["se"], a["method"], a["n_questions"]) == (0.5, 0.1, "stderr", 30)
    assert (a["low"], a["high"]) == (pytest.approx(0.304, abs=1e-5), pytest.approx(0.696, abs=1e-5)) and "without samples" in a[
        "notes"
    ][0]
    b = tasks["b"]["metrics"]
    assert list(b) == ["avg", "part:word_perplexity"] and b["avg"]["high"] == 1.0  # no share goes beyond
    assert (b["part:word_perplexity"]["method"], b["part:word_perplexity"]["low"]) == ("none", None)
    assert tasks["g"]["n_questions"] == 30
    assert RunDir(run.folder).tasks() == [] and not (run.folder / "questions").exists()


def test_a_metric_that_is_no_share_is_not_the_value(tmp_path: Path) -> None:
    rows = [row(i, metrics=["perplexity", "f1", "acc"], perplexity=-3.5 - i, f1=[0, 1], acc=float(i)) for i in range(2)]
    numbers = {"perplexity,none": 55.0, "f1,none": 0.7, "f1_stderr,none": 0.1, "acc,none": 0.5}
    run = bring(write(tmp_path / "out", {"lambada": numbers}, {"lambada": rows}), tmp_path / "results")
    metrics = summary(run)["tasks"]["lambada"]["metrics"]
    assert {k: (a["value"], a["method"]) for k, a in metrics.items()} == {
        "avg": (0.5, "none"),
        "part:perplexity": (55.0, "none"),  # its questions have log-likelihoods
        "part:f1": (0.7, "stderr"),  # pairs, of which lm-eval makes the number
    }
    assert run.notes == ("lambada: perplexity,none is kept as stated, 55.000000: it is no mean of its questions",)


def test_older_logs_say_less(tmp_path: Path) -> None:
    """Before 0.4.3: no filter, no list of metrics, no hash, arguments as lists."""
    old = [
        {"doc_id": i, "doc": {"question": f"say {i}", "answer": "no"}, "target": "1", "arguments": [["p", {"until": []}]], "resps": [["1"]], "filtered_resps": ["1"], "exact_match": 1.0}
        for i in range(2)
    ]  # fmt: skip
    run = bring(write(tmp_path / "out", {"t": {"exact_match,none": 1.0}}, {"t": old}), tmp_path / "results")
    assert [(s["value"], s["text"], s["answer"]) for s in table(run, "samples", "t")] == [(1.0, "1", "1")] * 2
    # as lm_eval 0.4.13 logs it for this document
    assert table(run, "questions", "t")[0]["digest"] == "52cf31d5d79347662c46a1cc39a57a8cf90d0a706d7e475d37488fbe68622c25"
    assert not run.notes


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:-40], r"samples_t_.*jsonl:3: not valid JSON.*cut off"),
        (lambda text: text.replace('"doc_id": 1,', ""), r"samples_t_.*jsonl:2: no doc_id"),
        (lambda text: text.replace('"doc_id": 2', '"doc_id": 1'), r"doc_id 1 is there twice"),
        (lambda text: "", r"samples_t_.*jsonl: the log has no line"),
    ],
)
def test_damaged_logs_are_named(tmp_path: Path, damage: Any, words: str) -> None:
    folder = write(tmp_path / "out", {"t": {"exact_match,none": 1.0}}, {"t": [row(i) for i in range(3)]})
    path = next(folder.rglob("samples_*"))
    path.write_text(damage(path.read_text()))
    with pytest.raises(UsageError, match=words):
        bring(folder, tmp_path / "results")
    assert not [p for p in (tmp_path / "results").rglob("*") if p.is_file()]  # nothing half


def test_damaged_results_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", {"t": {"exact_match,none": 1.0}}, {"t": [row(0)]})
    path = next(folder.rglob("results_*"))
    path.write_text(path.read_text()[:300])
    with pytest.raises(UsageError, match=r"results_2026.*not valid JSON"):
        bring(folder, tmp_path / "results")
    path.write_text("")
    with pytest.raises(UsageError, match=r"results_2026.*not valid JSON"):
        bring(folder, tmp_path / "results")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["gen_args_0", "arg_0", "arg_1", "x"]), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(row(0))), JSON))
def test_any_line_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("lines") / "samples_t.jsonl"
    path.write_text(json.dumps(row(0) | fields) + "\n")
    try:
        log = Log(path)
        questions = list(log.questions()) if log.metric is not None else []
    except UsageError as error:
        assert "samples_t.jsonl" in str(error)
    else:
        assert all(isinstance(q.digest, str) and isinstance(q.problem, str) for q in questions)


@pytest.mark.parametrize(
    "document", [[1], {"results": 3}, {"results": {"t": [1]}}, {"results": {"t": {"acc,none": 1}}, "config": 7}]
)
def test_results_of_another_shape_are_named(tmp_path: Path, document: Any) -> None:
    path = tmp_path / f"results_{DATE}.json"
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"results_2026|nothing to import"):
        bring(tmp_path, tmp_path / "results")


def test_two_imported_runs_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, limit in (("one", 5), ("two", 12)):
        rows = [row(i, exact_match=float(i < limit)) for i in range(20)]
        folder = write(tmp_path / name, {"t": {"exact_match,none": limit / 20}}, {"t": rows})
        assert main(["import", str(folder), "--results", str(tmp_path / "results"), "--name", name]) == 0
    one, two = capsys.readouterr().out.split()
    comparison = evalsuite.compare(one, two)
    [contrast] = comparison.contrasts
    assert contrast.rows[0].difference.value == pytest.approx(7 / 20)
    assert (contrast.rows[0].difference.won, contrast.rows[0].difference.lost) == (7, 0)


TASK = Task(
    name="toy",
    samples=tuple(
        ask(f"{i}?", id=f"q{i}", target=str(i), cluster=f"c{i // 2}", metadata={"id": "mine", "level": i}) for i in range(8)
    ),
    prompt=Prompt(name="bare"),
    verifier=make("exact"),
    sampling=Sampling(repeats=4),
    metrics=("avg", "pass@2", "maj@2"),
    chance=0.125,
)


class Gaps(ScriptedModel):
    """Right half of the time, and without an answer to one sample of q3."""

    one_by_one = True

    async def generate(self, request: Any) -> Any:
        if request.sample_id == "q3" and 1 in request.indices:
            raise RequestError("gone")
        return await super().generate(request)


def test_our_own_export_comes_back_equal(tmp_path: Path) -> None:
    original = RunDir(Path(evalsuite.run(Gaps("noisy:0.5"), TASK, output=tmp_path / "runs").path))
    export(original, "lm-eval", tmp_path / "out")
    run = bring(tmp_path / "out", tmp_path / "results")
    assert not run.notes
    was, now = original.manifest(), RunDir(run.folder).manifest()
    assert now["tasks"]["toy"]["identity"] == was["tasks"]["toy"]["identity"]
    assert now["model"]["name"] == was["model"]["name"]
    mine, theirs = (summary(r)["tasks"]["toy"] for r in (run, Imported(original.path, True)))
    assert mine == theirs
    dropped = {"run_id", "token_ids", "logprobs"}
    for kind in ("samples", "questions"):
        one, two = (
            sorted(table(Imported(at, True), kind, "toy"), key=lambda r: (r["id"], r.get("i", 0)))
            for at in (original.path, run.folder)
        )
        assert [{k: v for k, v in r.items() if k not in dropped} for r in one] == [
            {k: v for k, v in r.items() if k not in dropped} for r in two
        ]
    [contrast] = evalsuite.compare(original.path, run.folder).contrasts
    assert contrast.rows[0].difference.value == 0 and not contrast.allowed


def test_an_export_of_another_version_is_named(tmp_path: Path) -> None:
    original = RunDir(Path(evalsuite.run(ScriptedModel("oracle"), TASK, output=tmp_path / "runs").path))
    _, log = export(original, "lm-eval", tmp_path / "out")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps({k: v for k, v in r.items() if k != "evalsuite"}) + "\n" for r in rows))
    with pytest.raises(UsageError, match=r"samples_toy.*:1: not a line .*; export the run again"):
        bring(tmp_path / "out", tmp_path / "results")


@pytest.mark.slow
def test_files_of_lm_eval_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval")
    from lm_eval.__main__ import cli_evaluate

    data, tasks = tmp_path / "data.jsonl", tmp_path / "tasks"
    data.write_text(
        "".join(json.dumps({"q": f"{i}?", "options": ["one", "two"], "a": i % 2, "say": "lol"}) + "\n" for i in range(8))
    )
    common = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "doc_to_text": "Q: {{q}}",
    }
    metric = {"aggregation": "mean", "higher_is_better": True}
    mc = {"task": "toy_mc", "output_type": "multiple_choice", "doc_to_target": "{{a}}", "doc_to_choice": "{{options}}"}
    mc["metric_list"] = [{"metric": "acc", **metric}, {"metric": "acc_norm", **metric}]
    generated = {"task": "toy_gen", "output_type": "generate_until", "doc_to_target": "{{say}}", "repeats": 2}
    generated["metric_list"] = [{"metric": "exact_match", **metric}]
    regex = {"function": "regex", "regex_pattern": "#### (.*)"}
    generated["filter_list"] = [
        {"name": "strict", "filter": [regex, {"function": "take_first"}]},
        {"name": "raw", "filter": [{"function": "take_first"}]},
    ]
    tasks.mkdir()
    for task in (mc, generated):
        (tasks / f"{task['task']}.yaml").write_text(json.dumps({**common, **task}))  # JSON is YAML
    arguments = [
        "--model",
        "dummy",
        "--tasks",
        "toy_mc,toy_gen",
        "--include_path",
        str(tasks),
        "--output_path",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr(sys, "argv", ["lm_eval", *arguments, "--log_samples"])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    cli_evaluate()
    run = bring(tmp_path / "out", tmp_path / "results")
    found = summary(run)["tasks"]
    stated = json.loads(next((tmp_path / "out").rglob("results_*.json")).read_text())["results"]
    assert {label: a["value"] for label, a in found["toy_gen"]["metrics"].items()} == {"avg": 0.0, "part:exact_match@raw": 1.0}
    assert math.isclose(found["toy_mc"]["metrics"]["avg"]["value"], stated["toy_mc"]["acc,none"])
    assert math.isclose(found["toy_mc"]["metrics"]["part:acc_norm"]["value"], stated["toy_mc"]["acc_norm,none"])
    assert table(run, "samples", "toy_gen")[0]["text"] == "lol"
    assert not any("in the source" in note for note in run.notes)
