"""Images on a page: opened by name in the run's own folder and nowhere else, bounded, with boxes in their place; traces as turns."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalsuite.errors import UsageError
from evalsuite.leaderboard.catalog import Run
from evalsuite.leaderboard.data import media
from evalsuite.leaderboard.data.media import Box, media_path, shown
from evalsuite.leaderboard.data.samples import Question
from evalsuite.leaderboard.data.trace import read_trace
from evalsuite.runlog.media import Media


def encoded(size: tuple[int, int] = (200, 100), colour: Any = "white", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "run").mkdir()
    return Run("runs/run", tmp_path / "run", {}, None)


def kept(run: Run, data: bytes) -> dict[str, Any]:
    return Media(run.path).keep(data)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_an_image_comes_back(run: Run) -> None:
    picture = opened(shown(run, kept(run, encoded(colour="red"))))
    assert picture.size == (200, 100) and picture.getpixel((5, 5)) == (255, 0, 0)


def test_a_clear_image_lies_on_white(run: Run) -> None:
    assert opened(shown(run, kept(run, encoded(colour=(0, 0, 0, 0), mode="RGBA")))).getpixel((5, 5)) == (255, 255, 255)


def test_a_photograph_is_sent_at_the_size_it_is_shown(run: Run) -> None:
    noise = Image.effect_noise((1600, 1200), 80).convert("RGB")
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    sent = shown(run, kept(run, buffer.getvalue()), width=800)
    assert Image.open(io.BytesIO(sent)).format == "JPEG" and opened(sent).size == (800, 600) and len(sent) < 500_000


@pytest.mark.parametrize(
    "name",
    [
        "../../secret.png",
        "/etc/passwd",
        "a" * 64,
        "A" * 64 + ".png",
        "a" * 64 + ".svg",
        "a" * 64 + ".png/../x",
        "a" * 64 + ".png\n",
        "a" * 63 + ".png",
        "",
    ],
)
def test_only_names_of_images_are_opened(run: Run, name: str) -> None:
    with pytest.raises(UsageError, match="none that a run gives"):
        media_path(run, name)
    with pytest.raises(UsageError):
        shown(run, {"media": name})


@pytest.mark.parametrize("link", ["file", "folder", "media"])
def test_no_link_is_followed(run: Run, tmp_path: Path, link: str) -> None:
    data = encoded()
    name = f"{hashlib.sha256(data).hexdigest()}.png"
    outside = tmp_path / "outside"
    (outside / name[:2]).mkdir(parents=True)
    (outside / name[:2] / name).write_bytes(data)
    folder = run.path / "media"
    if link == "media":
        folder.symlink_to(outside)
    elif link == "folder":
        folder.mkdir()
        (folder / name[:2]).symlink_to(outside / name[:2])
    else:
        (folder / name[:2]).mkdir(parents=True)
        (folder / name[:2] / name).symlink_to(outside / name[:2] / name)
    with pytest.raises(UsageError, match="is a link"):
        shown(run, {"media": name})


def test_an_image_that_was_not_copied_with_the_run(run: Run) -> None:
    with pytest.raises(UsageError, match="was not copied"):
        shown(run, {"media": "a" * 64 + ".png"})


@pytest.mark.parametrize(("reference", "words"), [({"missing": "gone: **x**"}, "gone"), ({}, "not kept")])
def test_a_reference_without_an_image(run: Run, reference: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        shown(run, reference)


def test_a_bomb_is_not_opened(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = kept(run, encoded((300, 200)))
    monkeypatch.setattr(media, "MOST_PIXELS", 50_000)
    with pytest.raises(UsageError, match="300 x 200 pixels"):
        shown(run, reference)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UsageError, match="DecompressionBombError"):
        shown(run, reference, width=299)


def test_a_file_that_is_damaged(run: Run) -> None:
    reference = kept(run, encoded())
    path = media_path(run, reference["media"])
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UsageError, match="cannot be opened"):
        shown(run, reference)


def test_a_box_is_where_it_belongs_in_pixels_of_the_original(run: Run) -> None:
    """The run kept 200 x 100 of an original of 2000 x 1000: the box 1000..1600 x 400..800 is 100..160 x 40..80."""
    reference = {**kept(run, encoded()), "width": 2000, "height": 1000}
    evidence = opened(shown(run, reference, [Box((1000, 400, 1600, 800), "E1", "evidence")]))
    orange = (230, 159, 0)
    assert evidence.getpixel((130, 40)) == orange == evidence.getpixel((100, 60)) == evidence.getpixel((160, 60))
    assert evidence.getpixel((130, 60)) == (255, 255, 255) == evidence.getpixel((80, 60))
    crop = opened(shown(run, reference, [Box((1000, 400, 1600, 800), "C1")]))
    along = [crop.getpixel((x, 40)) for x in range(100, 161)]
    assert (0, 114, 178) in along and (255, 255, 255) in along  # dashed


def test_a_box_outside_is_cut_at_the_edge(run: Run) -> None:
    for corners in ((-50.0, -50.0, 1e6, 1e6), (500.0, 300.0, 600.0, 400.0), (90.0, 90.0, 10.0, 10.0)):
        assert opened(shown(run, kept(run, encoded()), [Box(corners, "C1")])).size == (200, 100)


def test_a_box_in_words() -> None:
    assert Box((1, 2.6, 30, 40), "E1", "evidence").words("evidence: mug") == "E1: evidence: mug, x 1 to 30, y 3 to 40"
    assert Box((1, 2, 3, 4), "C2").words() == "C2: x 1 to 3, y 2 to 4"


def test_crops_of_several_samples_are_told_apart(run: Run) -> None:
    from streamlit.testing.v1 import AppTest

    def script(run: object, question: object) -> None:
        from evalsuite.leaderboard.transcript import show_question, show_side_by_side

        columns = [(f"{letter}·", f"{letter} · x", run, sample) for letter, sample in zip("AB", question.samples)]
        show_question(run, question, {mark: sample for mark, _, _, sample in columns})
        show_side_by_side(columns)

    picture = {**kept(run, encoded()), "message": 0}
    samples = [
        {
            "i": i,
            "value": 1.0,
            "outcome": "ok",
            "text": "x",
            "trace": [{"type": "call", "name": "zoom", "bbox": [i, 2, 30, 40]}],
        }
        for i in (0, 1)
    ]
    question = Question("q", prompt=[["user", "where?"]], images=[picture], samples=samples)
    app = AppTest.from_function(script, args=(run, question)).run()
    assert not app.exception
    said = [str(t.value) for t in app.text]
    assert "A·C1: crop, x 0 to 30, y 2 to 40\nB·C1: crop, x 1 to 30, y 2 to 40" in said
    assert [s for s in said if s.startswith("call")] == ["call  [A·C1]", "call  [B·C1]"]


PICTURE = {"media": "a" * 64 + ".png", "width": 10, "height": 8}


def test_a_trace_of_messages() -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "zoom", "arguments": '{"bbox_2d": [1, 2, 3, 4], "label": "mug"}'},
    }
    turns, crops = read_trace(
        [
            {"role": "assistant", "content": "closer", "reasoning_content": "hm", "tool_calls": [call]},
            {
                "role": "tool",
                "tool_call_id": "c1",
                "bbox": [10, 20, 30, 40],
                "content": [{"type": "text", "text": "here"}, PICTURE],
            },
        ]
    )
    assert [(t.who, t.text, t.thought, t.crops) for t in turns] == [
        ("assistant", "closer", "hm", ()),
        ("tool", "here", "", (1,)),
    ]
    assert turns[0].calls == [("zoom", '{"bbox_2d": [1, 2, 3, 4], "label": "mug"}')] and turns[1].images == [PICTURE]
    assert turns[1].rest == '{\n "tool_call_id": "c1"\n}'
    assert [(c.number, c.box, c.said, c.seen) for c in crops] == [(1, (10.0, 20.0, 30.0, 40.0), False, [PICTURE])]


def test_a_trace_of_calls_and_observations() -> None:
    turns, crops = read_trace(
        [
            {"type": "call", "name": "search", "arguments": {"query": "x"}},
            {"type": "observation", "observation": "found", "latency": 0.5},
            {
                "type": "call",
                "name": "zoom",
                "arguments": {"bbox": [1, 2, 3, 4], "image_index": 1},
                "image": PICTURE,
                "bbox": [1, 2, 3, 5],
                "image_index": 1,
            },
        ]
    )
    assert [t.who for t in turns] == ["call", "observation", "call"] and turns[0].calls == [("search", '{"query": "x"}')]
    assert turns[1].text == "found" and '"latency": 0.5' in turns[1].rest
    assert [(c.box, c.image, c.said) for c in crops] == [((1.0, 2.0, 3.0, 5.0), 1, False)] and turns[2].crops == (1,)


def test_a_box_that_only_the_model_wrote() -> None:
    call = {"type": "function", "function": {"name": "zoom", "arguments": '{"bbox_2d": [1, 2, 3, 4]}'}}  # as a server sends it
    turns, crops = read_trace([call])
    assert crops[0].said and turns[0].crops == (1,) and turns[0].who == "call"
    turns, crops = read_trace([call, {"role": "user", "content": [{"type": "image", "image": PICTURE}]}])
    assert crops[0].said and crops[0].seen == [PICTURE] and [t.crops for t in turns] == [(1,), (1,)]


@pytest.mark.parametrize(
    "item",
    [
        None, 3, "text", [], {}, {"content": 3}, {"content": {"odd": 1}}, {"content": [None, [["x"]], {"type": "video"}]},
        {"tool_calls": "x"}, {"tool_calls": [3, {"function": 3}]}, {"bbox": "x"}, {"bbox": [1, 2, 3, None]}, {"bbox": [float("nan")] * 4},
        {"name": "f", "arguments": "{"}, {"name": "f", "arguments": "[1]"}, {"name": 3, "arguments": None}, {"role": {"a": 1}},
        {"images": {"media": 3}}, {"image_index": "x", "bbox": [1, 2, 3, 4]},
    ],
)  # fmt: skip
def test_any_trace_can_be_shown(item: Any) -> None:
    turns, _ = read_trace([item])
    assert len(turns) == 1 and isinstance(turns[0].who, str) and isinstance(turns[0].text, str)
