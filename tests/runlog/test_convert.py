"""Recorded completions of others, converted and read back."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from evalsuite.cli import convert as command
from evalsuite.errors import UsageError
from evalsuite.models.replay import ReplayModel
from evalsuite.runlog.convert import convert, convert_lm_eval


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.main(parser.parse_args(list(words)))


def test_fields_within_fields() -> None:
    records = [{"m": {"solution": "A: 1", "ok": True}}, {"m": {"solution": "A: 2", "ok": "False"}, "a.b": 3}]
    rows = list(convert(records, completions="m.solution", scores="m.ok", task="gsm8k"))
    assert rows == [
        {"task": "gsm8k", "index": 0, "completions": ["A: 1"], "scores": [1.0]},
        {"task": "gsm8k", "index": 1, "completions": ["A: 2"], "scores": [0.0]},
    ]
    assert list(convert([{"a.b": "x", "k": 3}], completions="a.b", id="k")) == [{"id": 3, "completions": ["x"]}]
    assert list(convert([{"c": [["x"], ["y"]], "q": "?"}], completions="c", problem="q")) == [
        {"problem": "?", "completions": ["x", "y"]}
    ]


@pytest.mark.parametrize(
    ("record", "arguments", "words"),
    [
        ({"a": "x", "b": 1}, {"completions": "c"}, "record 1 has no field 'c'; it has a, b"),
        ({"a": {"b": "x"}}, {"completions": "a.b.c"}, "no field 'a.b.c'"),
        ({"a": 5}, {"completions": "a"}, "a holds 5, and a completion is a text"),
        ({"a": ["x", None]}, {"completions": "a"}, "a holds None"),
        ({"a": []}, {"completions": "a"}, "holds no completion"),
        ({"a": "x", "i": 1.5}, {"completions": "a", "id": "i"}, "i is 1.5"),
        ({"a": "x", "s": [1, 0]}, {"completions": "a", "scores": "s"}, "2 verdicts in s for 1"),
        ({"a": "x", "s": "maybe"}, {"completions": "a", "scores": "s"}, "'maybe', and a verdict"),
        ({"a": "x", "s": 7}, {"completions": "a", "scores": "s"}, "7, and a verdict"),
    ],
)
def test_wrong_fields(record: dict[str, Any], arguments: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        list(convert([record], **arguments))


def lm_eval_row(doc_id: int, *texts: str, which: str = "strict") -> dict[str, Any]:
    return {"doc_id": doc_id, "doc": {"k": f"d{doc_id}"}, "target": "1", "resps": [list(texts)], "filter": which}


def test_lm_eval_logs() -> None:
    rows = [lm_eval_row(1, "a", "b"), lm_eval_row(0, "c", "d"), lm_eval_row(1, "a", "b", which="flexible")]
    assert list(convert_lm_eval(rows)) == [{"index": 1, "completions": ["a", "b"]}, {"index": 0, "completions": ["c", "d"]}]
    assert [r["id"] for r in convert_lm_eval(rows, id="doc.k")] == ["d1", "d0"]
    with pytest.raises(UsageError, match="logged before with other completions"):
        list(convert_lm_eval([lm_eval_row(1, "a"), lm_eval_row(1, "z")]))
    with pytest.raises(UsageError, match="log-likelihoods"):
        list(convert_lm_eval([{"doc_id": 0, "resps": [[["-1.5", "False"]], [["-2.5", "True"]]]}]))
    with pytest.raises(UsageError, match="no field 'doc_id'"):
        list(convert_lm_eval([{"text": "x"}]))


def test_command(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    source, out = tmp_path / "samples_x.jsonl", tmp_path / "sub" / "out.jsonl"
    source.write_text("".join(json.dumps(lm_eval_row(i, f"t{i}")) + "\n" for i in range(3)))
    assert run(str(source), "--from", "lm-eval", "--task", "x", "-o", str(out)) == 0
    captured = capsysbinary.readouterr()
    assert captured.out == b"" and captured.err == b"3 questions, 3 completions\n"
    assert ReplayModel(str(out)).recorded("x") == 1
    assert run(str(source), "--from", "lm-eval", "--task", "x") == 0
    assert capsysbinary.readouterr().out == out.read_bytes()


def test_command_refusals(tmp_path: Path) -> None:
    source = tmp_path / "r.jsonl"
    source.write_text('{"a": "x", "b": "y"}\n')
    with pytest.raises(UsageError, match=r"--completions FIELD is missing.*It has a, b"):
        run(str(source))
    with pytest.raises(UsageError, match="--scores is for --from records"):
        run(str(source), "--from", "lm-eval", "--scores", "a")
    with pytest.raises(UsageError, match=r"r.jsonl: record 1 has no field 'c'"):
        run(str(source), "--completions", "c")


def test_command_to_what_is_no_file(tmp_path: Path) -> None:
    source = tmp_path / "r.jsonl"
    source.write_text('{"a": "x"}\n')
    assert run(str(source), "--completions", "a", "-o", "/dev/null") == 0
    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        run(str(source), "--completions", "a", "-o", str(tmp_path))
    assert Path("/dev/null").is_char_device() and [p.name for p in tmp_path.iterdir()] == ["r.jsonl"]


@pytest.mark.parametrize(
    ("file", "flags", "questions", "each"),
    [
        ("gsm8k/example_model_solutions.jsonl", ["--completions", "6b_finetuning.solution", "--scores", "6b_finetuning.is_correct"], 1319, 1),
        ("math_cot_100/math_cot_100.jsonl", ["--completions", "code", "--id", "idx", "--scores", "score"], 100, 8),
        ("bamboogle/recorded/bamboogle_qwen.jsonl", ["--completions", "gen_text_store", "--problem", "question"], 125, 1),
    ],
)  # fmt: skip
def test_recorded_benchmark_files(
    data_dir: Path, tmp_path: Path, file: str, flags: list[str], questions: int, each: int
) -> None:
    out = tmp_path / "out.jsonl"
    assert run(str(data_dir / file), *flags, "-o", str(out)) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == questions and {len(r["completions"]) for r in rows} == {each}
    assert ReplayModel(str(out)).recorded() == each
    if "6b_finetuning.solution" in flags:
        assert sum(r["scores"][0] for r in rows) / 1319 == pytest.approx(0.21683, abs=1e-5)
    if "code" in flags:
        assert sum(map(sum, (r["scores"] for r in rows))) / 800 == pytest.approx(0.91)
