"""Files that nobody's tool writes: each is named, costs no more than its size, and stops no other."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.imports import find, import_run
from evalsuite.runlog import RunDir

DATE = "2026-05-01T10-00-00.123456"


def inspect_log(**changes: Any) -> dict[str, Any]:
    """A log of inspect with one sample; `epoch`, `id` and `samples` change it."""
    sample = {"id": changes.pop("id", "a"), "epoch": changes.pop("epoch", 1), "input": "q", "target": "t"}
    sample["scores"] = {"match": {"value": "C"}}
    eval_ = {"task": "t", "model": "org/toy", "config": {"epochs": changes.pop("epochs", 1)}}
    return {"version": 2, "status": "success", "eval": eval_, "samples": [sample]} | changes


def lm_eval(folder: Path, **changes: Any) -> Path:
    """lm-eval's results of one task with one question."""
    folder.mkdir(parents=True)
    doc = {"results": {"t": {"acc,none": 1.0}}, "config": {"model_args": {"pretrained": "toy"}}} | changes
    (folder / f"results_{DATE}.json").write_text(json.dumps(doc))
    line = {"doc_id": 0, "doc": {}, "metrics": ["acc"], "acc": 1.0}
    (folder / f"samples_t_{DATE}.jsonl").write_text(json.dumps(line) + "\n")
    return folder


def state(step: Any) -> dict[str, Any]:
    return {"log_history": [{"step": step, "loss": 1.0}], "max_steps": 1}


DEEP = json.dumps(inspect_log()).replace('"samples"', '"deep": ' + "[" * 100_000 + "]" * 100_000 + ', "samples"')

BROKEN = {
    "null.json": json.dumps(inspect_log(samples=[None])),
    "text.json": json.dumps(inspect_log(samples="x")),
    "true.json": json.dumps(inspect_log(samples=True)),
    "epoch-list.json": json.dumps(inspect_log(epoch=[])),
    "epoch-text.json": json.dumps(inspect_log(epoch="1e9")),
    "epoch-infinite.json": json.dumps(inspect_log(epoch=float("inf"))),
    "epoch-huge.json": json.dumps(inspect_log(epoch=10**12)),
    "epochs.json": json.dumps(inspect_log(epochs=300_000_000)),
    "deep.json": DEEP,
    "x/trainer_state.json": json.dumps(state(float("inf"))),
    "y/trainer_state.json": json.dumps(state(10**30)),
    "z/trainer_state.json": json.dumps(state(1)).replace('"loss": 1.0', '"loss": 1' + "0" * 400),
}


def test_each_is_named_and_the_others_are_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in BROKEN.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(text)
    lm_eval(tmp_path / "in" / "lm", **{"n-samples": {"t": {"original": "x"}}})
    (tmp_path / "in" / "zz.json").write_text(json.dumps(inspect_log()))
    assert main(["import", str(tmp_path / "in"), "--results", str(tmp_path / "r")]) == 3
    out, err = capsys.readouterr()
    [folder] = out.split()
    assert (Path(folder) / "run.json").is_file() and [p.name for p in (tmp_path / "r").glob("*/.*")] == []
    told = [line for line in err.splitlines() if line.startswith("evalsuite: not imported: ")]
    assert len(told) == len(BROKEN) + 1 and f"1 imported, {len(told)} not" in err
    # Where a file can be read and a number in it cannot be, it is the task or the folder that is named.
    for name in (*(n for n in BROKEN if n not in ("epochs.json", "z/trainer_state.json")), f"results_{DATE}.json"):
        assert any(name in line for line in told), name
    assert any("task t: 300000000 answers to each of 1 questions" in line for line in told)


def test_lone_surrogates_in_names(tmp_path: Path) -> None:
    changed = json.dumps(inspect_log(id="\ud800")).replace("org/toy", "org/\\ud800").replace('"match"', '"m\\ud800"')
    (tmp_path / "a.json").write_text(changed.replace('"task": "t"', '"task": "t\\ud800"'))
    [(kind, found)] = find(tmp_path / "a.json")
    manifest = RunDir(import_run(kind, found, tmp_path / "r").folder).manifest()
    assert (manifest["model"]["name"], list(manifest["tasks"])) == ("org/\\ud800", ["t\\ud800"])
    assert manifest["tasks"]["t\\ud800"]["identity"]["verifier"]["scorer"] == "m\\ud800"
    run = import_run(kind, found, tmp_path / "named", "x\udcff")  # as Python reads the byte ff of an argument
    assert RunDir(run.folder).manifest()["model"]["name"] == "x\\udcff"


def eval_file(path: Path, sample: bytes) -> Path:
    header = {key: value for key, value in inspect_log().items() if key != "samples"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("header.json", json.dumps(header))
        file.writestr("samples/a_epoch_1.json", sample)
    return path


def patched(path: Path, offset: int, form: str, value: int) -> Path:
    """`path` with another field in the directory's last entry (APPNOTE 4.3.12)."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, data.rfind(b"PK\x01\x02") + offset, value)
    path.write_bytes(data)
    return path


def test_an_entry_is_never_larger_than_it_says(tmp_path: Path) -> None:
    sample = json.dumps(inspect_log()["samples"][0]).encode() + b" " * (32 << 20)
    [(kind, found)] = find(patched(eval_file(tmp_path / "bomb.eval", sample), 24, "<I", 100))
    del sample
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=r"bomb.eval: samples/a_epoch_1.json is damaged: it is not of the 100 bytes"):
            import_run(kind, found, tmp_path / "r")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_zips_of_another_version_and_chunks_of_other_names(tmp_path: Path) -> None:
    sample = json.dumps(inspect_log()["samples"][0]).encode()
    [(kind, found)] = find(patched(eval_file(tmp_path / "new.eval", sample), 6, "<H", 99))
    with pytest.raises(UsageError, match=r"new.eval: not a whole .eval file \(zip file version 9.9\)"):
        import_run(kind, found, tmp_path / "r")
    with zipfile.ZipFile(tmp_path / "chunk.eval", "w") as file:
        file.writestr("header.json", json.dumps({k: v for k, v in inspect_log().items() if k != "samples"}))
        file.writestr("samples/a_epoch_1/sample.json", sample)
        file.writestr("samples/a_epoch_1/messages/\u00b2.json", "[]")
    [(kind, found)] = find(tmp_path / "chunk.eval")
    assert import_run(kind, found, tmp_path / "r").folder.is_dir()


def test_only_files_are_opened(tmp_path: Path) -> None:
    """A pipe would be waited for, for ever."""
    source = lm_eval(tmp_path / "in")
    for name in ("a.json", "results_1.json", f"samples_u_{DATE}.jsonl", "trainer_state.json", "x.eval", "events.tfevents.1"):
        os.mkfifo(source / name)
    (source / "completions").mkdir()
    os.mkfifo(source / "completions" / "completions_00001.parquet")
    (source / "folder.eval").mkdir()
    [(kind, found)] = find(source)
    assert kind == "lm-eval" and len(found.files) == 2


def test_results_of_something_else_are_passed_over(tmp_path: Path) -> None:
    lm_eval(tmp_path / "in")
    (tmp_path / "in" / "results_summary.json").write_text('{"results":[1,2]}')
    assert main(["import", str(tmp_path / "in"), "--results", str(tmp_path / "r")]) == 0
