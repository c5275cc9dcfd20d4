"""Images of a run, opened by their name in its own tables, and drawn on with boxes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from evalsuite.errors import UsageError
from evalsuite.runlog.media import KINDS, NAME

from ..catalog import Run

MOST_PIXELS = 40_000_000  # of a file: the run itself keeps none above 4 million
WIDTH = 1000  # pixels of a shown image
_COLOURS = {"evidence": "#E69F00", "crop": "#0072B2"}
_PNG_BYTES = 300_000


@dataclass(frozen=True)
class Box:
    """A region in pixels of the original image: x1, y1, x2, y2. `tag` is drawn at its corner; evidence is solid, a crop dashed."""

    corners: tuple[float, float, float, float]
    tag: str
    kind: str = "crop"

    def words(self, label: str = "") -> str:
        """The box as a line of text."""
        x1, y1, x2, y2 = (f"{c:.0f}" for c in self.corners)
        return f"{self.tag}: {label + ', ' if label else ''}x {x1} to {x2}, y {y1} to {y2}"


def media_path(run: Run, name: str) -> Path:
    """The file of an image. Raises UsageError for what is no name of one, is not there, or leads out of the run's media folder."""
    if not NAME.fullmatch(name):
        raise UsageError("an image whose name is none that a run gives")
    folder = run.path / "media"
    path = folder / name[:2] / name
    if any(p.is_symlink() for p in (folder, path.parent, path)):
        raise UsageError(f"{name} is a link: only files in the run's own folder are opened")
    if not path.is_file():
        raise UsageError(f"{name} is not in {run.path.name}/media: the image was not copied with the run")
    return path


def shown(run: Run, reference: Mapping[str, Any], boxes: Sequence[Box] = (), width: int = WIDTH) -> bytes:
    """The image of a reference as PNG or JPEG, at most `width` pixels wide, with its boxes. Raises UsageError saying why there is none."""
    if "media" not in reference:
        raise UsageError(str(reference.get("missing") or "the image is not kept"))
    path = media_path(run, str(reference["media"]))
    size = (reference.get("width"), reference.get("height"))
    whole = all(isinstance(n, int) and n > 0 for n in size)
    return _drawn(str(path), tuple(boxes), width, size if whole else None)


@lru_cache(maxsize=64)
def _drawn(path: str, boxes: tuple[Box, ...], width: int, size: tuple[int, int] | None) -> bytes:
    """A file's name is the digest of its content, so that the cache is never stale."""
    try:
        with Image.open(path, formats=tuple(KINDS)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise UsageError(f"{Path(path).name} has {opened.width} x {opened.height} pixels, more than are opened here")
            original = size or opened.size
            opened.thumbnail((width, 4 * width), reducing_gap=2.0)
            picture = _on_white(opened)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - a decoder meets bytes of others
        raise UsageError(f"{Path(path).name} cannot be opened: {type(error).__name__}: {error}") from None
    for box in boxes:
        _draw(picture, box, picture.width / original[0], picture.height / original[1])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    if buffer.tell() > _PNG_BYTES:  # a photograph
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _on_white(picture: Image.Image) -> Image.Image:
    """RGB, on the white that a page of a book has: a diagram with a clear background can be read on a dark page, too."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        page = Image.new("RGBA", clear.size, "white")
        page.alpha_composite(clear)
        return page.convert("RGB")
    return picture.convert("RGB")


def _draw(picture: Image.Image, box: Box, across: float, down: float) -> None:
    """The outline, on white so that it stands out on any background, and the tag at its corner. What is outside is cut."""
    x1, x2 = sorted(min(max(x * across, 0), picture.width - 1) for x in box.corners[::2])
    y1, y2 = sorted(min(max(y * down, 0), picture.height - 1) for y in box.corners[1::2])
    pen, colour = ImageDraw.Draw(picture), _COLOURS[box.kind]
    pen.rectangle((x1 - 2, y1 - 2, x2 + 2, y2 + 2), outline="white", width=5)
    for start, end in (((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))):
        for a, b in _dashes(start, end) if box.kind == "crop" else [(start, end)]:
            pen.line((*a, *b), fill=colour, width=3)
    font = ImageFont.load_default(size=16)
    left, top, right, bottom = pen.textbbox((0, 0), box.tag, font=font)
    wide, high = right - left + 8, bottom - top + 8
    above, below = y1 - high - 2, min(y2 + 4, picture.height - high)  # evidence below, so that a crop around it hides no tag
    x, y = min(x1, picture.width - wide), below if box.kind == "evidence" or above < 0 else above
    pen.rectangle((x, y, x + wide, y + high), fill=colour, outline="white")
    pen.text((x + 4 - left, y + 4 - top), box.tag, fill="white", font=font)


def _dashes(
    start: tuple[float, float], end: tuple[float, float], length: float = 9
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    whole = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    count = max(1, round(whole / (2 * length)))
    at = [tuple(s + (e - s) * k / (2 * count) for s, e in zip(start, end, strict=True)) for k in range(2 * count + 1)]
    return [((a[0], a[1]), (b[0], b[1])) for a, b in zip(at[:-1:2], at[1::2], strict=False)]
