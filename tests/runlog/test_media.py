"""Images of prompts and traces: kept by content, bounded in size, noted where they cannot be opened; end to end through a run."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

import evalsuite
from evalsuite import Prompt, Sampling, Task
from evalsuite.baseline import set_baseline
from evalsuite.models.scripted import ScriptedModel
from evalsuite.runlog import RunDir, read_rows
from evalsuite.runlog.evidence import evidence
from evalsuite.runlog.export import FORMATS, export
from evalsuite.runlog.media import MOST_PIXELS, NAME, Media
from evalsuite.runlog.rollup import read_rollup
from evalsuite.verifiers import make
from evalsuite.words.sample import Image, Message, Sample


def encoded(size: tuple[int, int] = (6, 4), form: str = "PNG", colour: str = "red", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Pillow.new(mode, size, colour).save(buffer, form)
    return buffer.getvalue()


def uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("form", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp")]
)
def test_a_known_format_is_kept_to_the_byte_under_its_digest(tmp_path: Path, form: str, ending: str) -> None:
    data, media = encoded(form=form), Media(tmp_path)
    kept = media.keep(data)
    assert kept == {"media": f"{hashlib.sha256(data).hexdigest()}.{ending}", "width": 6, "height": 4}
    file = tmp_path / "media" / kept["media"][:2] / kept["media"]
    assert file.read_bytes() == data and NAME.fullmatch(file.name)
    (tmp_path / "a").write_bytes(data)  # however it is given, it is the same file
    assert [media.keep(x) for x in (Image(data), Image(str(tmp_path / "a")), Image(uri(data)))] == [kept] * 3
    assert len([p for p in (tmp_path / "media").rglob("*") if p.is_file()]) == 1


def test_a_format_no_browser_shows_becomes_webp(tmp_path: Path) -> None:
    kept = Media(tmp_path).keep(encoded(form="TIFF"))
    with Pillow.open(tmp_path / "media" / kept["media"][:2] / kept["media"]) as picture:
        assert picture.format == "WEBP" and picture.size == (6, 4)


@pytest.mark.parametrize(
    ("size", "mode"), [((2600, 1700), "RGB"), ((40_000, 120), "L"), ((2500, 1800), "RGBA"), ((2500, 1800), "P")]
)
def test_a_large_image_is_scaled_down_and_its_own_size_is_told(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    kept = Media(tmp_path).keep(encoded(size, mode=mode, colour="red" if mode == "RGB" else 0))  # type: ignore[arg-type]
    assert (kept["width"], kept["height"]) == size
    with Pillow.open(tmp_path / "media" / kept["media"][:2] / kept["media"]) as picture:
        assert picture.format == "WEBP" and picture.width * picture.height <= MOST_PIXELS
        assert picture.width / picture.height == pytest.approx(size[0] / size[1], rel=0.02)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Image("/nowhere/a.png"), "FileNotFoundError"),
        (Image(b"<svg/>"), "UnidentifiedImageError"),
        (Image(encoded((400, 300))[:200]), ""),
        (Image("data:image/png;base64,%%%"), "damaged"),
        (Image("data:image/png,abc"), "not base64"),
        (Image("data:image/png;base64,"), "UnidentifiedImageError"),
    ],
)
def test_what_cannot_be_opened_is_noted(tmp_path: Path, image: Image, words: str) -> None:
    kept = Media(tmp_path).keep(image)
    if words:  # a cut-off file has a header, and is kept as it is
        assert kept.keys() == {"missing"} and words in kept["missing"]
    else:
        assert kept["width"] == 400


def test_a_decompression_bomb_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    assert "DecompressionBombError" in Media(tmp_path).keep(encoded((30, 30)))["missing"]


def test_a_folder_that_cannot_be_written_is_noted(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file")
    assert "missing" in Media(tmp_path).keep(encoded())


def test_a_url_is_never_fetched(tmp_path: Path) -> None:
    assert Media(tmp_path).keep(Image("https://host.invalid/a.png")) == {"url": "https://host.invalid/a.png"}


def test_a_trace_keeps_everything_but_its_images(tmp_path: Path) -> None:
    data, media = encoded(), Media(tmp_path)
    kept = media.keep(data)
    trace = (
        {"role": "assistant", "content": "see " + uri(data), "n": 1, "x": None},
        {
            "role": "tool",
            "content": [{"type": "image_url", "image_url": {"url": uri(data)}}, {"type": "text", "text": "there"}],
        },
        {"image": Image(data), "images": [data, uri(data)], "picture": Pillow.new("RGB", (2, 3))},
        {"image": "/etc/passwd", "url": "https://host.invalid/a.png"},
    )
    first, second, third, fourth = media.of_trace(trace)
    assert first == trace[0] and fourth == trace[3]  # a text is a text, and no path is followed
    assert second["content"] == [{"type": "image_url", "image_url": {"url": kept}}, {"type": "text", "text": "there"}]
    assert third["image"] == kept and third["images"] == [kept, kept] and third["picture"]["height"] == 3
    again = media.of_trace(json.loads(json.dumps([first, second, third, fourth])))
    assert again == [first, second, third, fourth]
    deep: Any = "leaf"
    for _ in range(5000):
        deep = [deep]
    assert media.of_trace(deep)


@pytest.mark.parametrize(
    ("privileged", "metadata", "boxes", "labels"),
    [
        ({"bbox": [[10, 20, 5, 6]]}, {"target_object": ["mug"]}, [[10, 20, 15, 26]], ["mug"]),  # V*: x, y, width, height
        ({"bbox": [10, 20, 5, 6], "label": "mug"}, {}, [[10, 20, 15, 26]], ["mug"]),
        ({"bbox_2d": (1, 2, 3, 4)}, {}, [[1, 2, 3, 4]], [""]),
        (
            {"evidence_box": [1, 2, 3, 4.5], "boxes": [[0, 0, 1, 1]]},
            {"labels": ["one"]},
            [[0, 0, 1, 1], [1, 2, 3, 4.5]],
            ["", ""],
        ),
        ({"bbox": [[1, 2, 3], "x", [1, 2, float("nan"), 4], [True, 1, 2, 3]], "boxes": None}, {}, [], []),
        ({"bbox": 3, "solution": "no box"}, {}, [], []),
    ],
)
def test_evidence_boxes(privileged: Any, metadata: Any, boxes: list[list[float]], labels: list[str]) -> None:
    found = evidence(privileged, metadata)
    assert [e["box"] for e in found] == boxes and [e["label"] for e in found] == labels
    assert all(e["image"] == 0 for e in found)


def test_the_image_that_evidence_lies_on() -> None:
    assert evidence({"box": [0, 0, 1, 1], "image_index": 2}, {})[0]["image"] == 2


PICTURE, CROP = encoded((60, 40)), encoded((10, 8), colour="blue")


class Zoomer(ScriptedModel):
    """Crops once, then answers."""

    async def generate(self, request: Any) -> Any:
        call = {"name": "zoom", "arguments": {"bbox": [1, 2, 11, 10]}}
        back = {"role": "tool", "content": [{"type": "text", "text": "here"}, Image(CROP)], "bbox": [1, 2, 11, 10]}
        trace = ({"role": "assistant", "content": "closer", "tool_calls": [{"function": call}]}, back)
        return [dataclasses.replace(c, tool_trace=trace, opened=True) for c in await super().generate(request)]


TASK = Task(
    name="look",
    samples=tuple(
        Sample(
            id=f"q{i}",
            messages=(Message("user", ("before", Image(source), "which colour?")),),
            target="red",
            metadata={"target_object": ["dot"]},
            privileged={"bbox": [[1, 2, 3, 4]]},
        )
        for i, source in enumerate((PICTURE, "https://host.invalid/a.png", "/nowhere/a.png"))
    ),
    prompt=Prompt(name="bare", system="Look."),
    verifier=make("exact"),
    sampling=Sampling(repeats=2),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return RunDir(Path(evalsuite.run(Zoomer("oracle"), TASK, output=tmp_path_factory.mktemp("runs")).path))


def test_a_run_of_images_from_end_to_end(run: RunDir) -> None:
    picture, crop = (f"{hashlib.sha256(d).hexdigest()}.png" for d in (PICTURE, CROP))
    assert {p.name for p in (run.path / "media").rglob("*.png")} == {picture, crop}
    questions = {q["id"]: q for q in pq.read_table(run.path / "questions" / "look.parquet").to_pylist()}
    images = {id: json.loads(q["images"]) for id, q in questions.items()}
    assert images["q0"] == [{"message": 1, "media": picture, "width": 60, "height": 40}]  # 0 is the system's
    assert images["q1"] == [{"message": 1, "url": "https://host.invalid/a.png"}]
    assert images["q2"][0].keys() == {"message", "missing"}
    assert json.loads(questions["q0"]["evidence"]) == [{"box": [1, 2, 4, 6], "label": "dot", "image": 0}]
    rows = pq.read_table(run.path / "samples" / "look.parquet").to_pylist()
    assert len(rows) == 6 and all(r["opened"] for r in rows)
    turns = json.loads(rows[0]["trace"])
    assert turns[0]["tool_calls"][0]["function"]["arguments"] == {"bbox": [1, 2, 11, 10]}
    assert turns[1]["content"] == [{"type": "text", "text": "here"}, {"media": crop, "width": 10, "height": 8}]
    logged = next(iter(read_rows(run.path, "look")))
    assert logged["completion"]["tool_trace"] == turns  # the log has references, too, and no image
    assert evalsuite.run(f"replay:{run.path}", TASK, output=run.path.parent).exit_code == 0


def test_what_reads_runs_goes_on_reading_them(run: RunDir, tmp_path: Path) -> None:
    assert set(read_rollup(run, "look").metrics) == {"avg@2"}
    for form in FORMATS:
        assert export(run, form, tmp_path / form)
    kept = set_baseline("look", run, root=tmp_path / "baselines")
    assert not list(kept.rglob("media")) and not {"images", "evidence"} & set(
        pq.read_schema(kept / "questions" / "look.parquet").names
    )
    assert not list(tmp_path.rglob("*.png"))


def test_a_run_without_images_has_no_media_folder(tmp_path: Path) -> None:
    task = dataclasses.replace(TASK, samples=(evalsuite.ask("1?", id="a", target="1"),))
    path = Path(evalsuite.run(ScriptedModel("oracle"), task, output=tmp_path).path)
    assert not (path / "media").exists()
    row = pq.read_table(path / "questions" / "look.parquet").to_pylist()[0]
    assert row["images"] is None and row["evidence"] is None
    assert pq.read_table(path / "samples" / "look.parquet")["trace"].to_pylist() == [None, None]
