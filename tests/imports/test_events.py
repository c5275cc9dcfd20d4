"""TensorBoard's files: the reader against files of tensorboard's and torch's writers, torn and damaged ones, and runs made of them."""

from __future__ import annotations

import json
import math
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import UsageError
from evalsuite.imports import find, import_run
from evalsuite.imports.events import Scalar, masked_crc, read_scalars
from evalsuite.imports.tensorboard import by_step

DATA = Path(__file__).parent / "data"
TENSORBOARD, TORCH = DATA / "events.out.tfevents.1.tensorboard", DATA / "events.out.tfevents.2.torch"


def record(data: bytes) -> bytes:
    """One TFRecord."""
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc(head)) + data + struct.pack("<I", masked_crc(data))


def event(tag: str, value: float, step: int, wall: float = 0.0) -> bytes:
    """An Event with one simple value, as protobuf writes it."""
    item = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(item)]) + item
    return b"\x09" + struct.pack("<d", wall) + b"\x10" + bytes([step]) + b"\x2a" + bytes([len(summary)]) + summary


def scalars(path: Path) -> tuple[list[Scalar], list[str]]:
    notes: list[str] = []
    return list(read_scalars(path, notes)), notes


def test_the_checksum_is_crc_32c() -> None:
    # RFC 3720, B.4: 32 bytes of zeros have 0x8a9136aa; TFRecord rotates right by 15 and adds 0xa282ead8
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_file_of_tensorboards_writer() -> None:
    """Simple values, tensors of four types, and a text that is passed over."""
    found, notes = scalars(TENSORBOARD)
    assert not notes
    assert [(s.step, s.wall, s.value) for s in found if s.tag == "train/loss"][:2] == [(1, 1002.0, 1.0), (2, 1004.0, 0.5)]
    assert {s.tag: s.value for s in found if s.step >= 5} == {
        "train/loss": pytest.approx(0.2), "train/epoch": 0.5, "eval/loss": 2.0, "train/reward": 0.75,
        "x64": 7.0, "d": 0.125, "neg": -3.0, "zero": 0.0,
    }  # fmt: skip


def test_a_file_of_torchs_writer() -> None:
    """`new_style` writes tensors; the histogram and the text are passed over."""
    found, notes = scalars(TORCH)
    assert not notes
    assert [(s.step, s.tag, s.value) for s in found] == [
        (1, "reward", 0.25), (1, "loss", 1.0), (2, "reward", 0.5), (2, "loss", 0.5), (3, "reward", 0.75), (3, "loss", pytest.approx(1 / 3)),
    ]  # fmt: skip


@pytest.mark.parametrize("kept", [1, 7, 12, 30, 200, 500, 760])
def test_a_torn_file_gives_what_is_whole(tmp_path: Path, kept: int) -> None:
    path = tmp_path / TENSORBOARD.name
    path.write_bytes(TENSORBOARD.read_bytes()[:kept])
    whole, _ = scalars(TENSORBOARD)
    found, notes = scalars(path)
    assert found == whole[: len(found)] and len(found) < len(whole)
    assert len(notes) == 1 and "is cut off at byte" in notes[0]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 768), flip=st.integers(1, 255))
def test_a_damaged_byte_never_gives_other_numbers(tmp_path_factory: pytest.TempPathFactory, at: int, flip: int) -> None:
    data = bytearray(TENSORBOARD.read_bytes())
    data[at] ^= flip
    path = tmp_path_factory.mktemp("events") / TENSORBOARD.name
    path.write_bytes(data)
    whole, _ = scalars(TENSORBOARD)
    found, notes = scalars(path)
    assert len(notes) == 1 and found == whole[: len(found)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_record_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("events") / "tfevents"
    path.write_bytes(record(data) + record(event("a", 1.0, 1)))
    found, notes = scalars(path)
    assert notes or found[-1] == Scalar(1, 0.0, "a", 1.0)


def test_lines_by_step() -> None:
    told = [
        Scalar(1, 10.0, "loss", 4.0),
        Scalar(3, 12.5, "loss", 3.0),
        Scalar(3, 13.0, "eval", 0.5),
        Scalar(1, 11.0, "loss", 5.0),
    ]
    lines, started, finished = by_step(told)
    assert lines == [{"step": 1, "loss": 5.0}, {"step": 3, "loss": 3.0, "eval": 0.5, "step_time": 2.0}]
    assert (started, finished) == ("1970-01-01T00:00:11Z", "1970-01-01T00:00:13Z")
    assert by_step([]) == ([], "", "")


@pytest.mark.parametrize("wall", [math.nan, math.inf, 1e300, -1e12])
def test_a_time_that_is_none(wall: float) -> None:
    assert by_step([Scalar(1, wall, "loss", 4.0)]) == ([{"step": 1, "loss": 4.0}], "", "")


def test_a_tag_called_step_is_not_the_step() -> None:
    lines, _, _ = by_step([Scalar(1, 1.0, "step", 7.0), Scalar(2, 2.0, "loss", 4.0)])
    assert lines == [{"step": 1}, {"step": 2, "loss": 4.0, "step_time": 1.0}]


def test_names_that_transformers_changed_are_changed_back() -> None:
    at = [("train/epoch", 0.1), ("train/reward", 0.5), ("eval/reward", 0.25), ("other", 1.0)]
    [line], _, _ = by_step(Scalar(1, 1.0, tag, value) for tag, value in at)
    assert line == {"step": 1, "epoch": 0.1, "reward": 0.5, "eval_reward": 0.25, "other": 1.0}
    [line], _, _ = by_step([Scalar(1, 1.0, "train/reward", 0.5)])  # another tool's tag stays
    assert line == {"step": 1, "train/reward": 0.5}
    [line], _, _ = by_step(Scalar(1, 1.0, tag, 1.0) for tag in ("train/epoch", "train/a", "a"))  # they would meet
    assert line == {"step": 1, "train/epoch": 1.0, "train/a": 1.0, "a": 1.0}


def test_every_folder_is_a_run(tmp_path: Path) -> None:
    for name, file in (("a", TENSORBOARD), ("b/deep", TORCH)):
        (tmp_path / "logs" / name).mkdir(parents=True)
        shutil.copy(file, tmp_path / "logs" / name)
    (tmp_path / "logs" / "b" / "deep" / "events.out.tfevents.3.more").write_bytes(record(event("reward", 1.0, 9)))
    runs = [import_run(kind, found, tmp_path / "results") for kind, found in find(tmp_path / "logs")]
    manifests = [json.loads((run.folder / "run.json").read_text()) for run in runs]
    assert [m["recipe"]["name"] for m in manifests] == ["a", "b/deep"] and {m["kind"] for m in manifests} == {"train"}
    assert [m["step"] for m in manifests] == [6, 9]
    lines = [json.loads(line) for line in (runs[1].folder / "train.jsonl").read_text().splitlines()]
    assert lines[0] == {"schema": 1, "kind": "train"}
    assert lines[1] == {"step": 1, "reward": 0.25, "loss": 1.0} and lines[-1] == {"step": 9, "reward": 1.0}
    assert not (runs[1].folder / "samples.jsonl").exists()


def test_a_file_without_scalars_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"")
    [(kind, found)] = find(path)
    with pytest.raises(UsageError, match="not a single number"):
        import_run(kind, found, tmp_path / "results")
    assert list((tmp_path / "results" / "train").iterdir()) == []
