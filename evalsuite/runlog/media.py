"""Images of prompts and of tool traces as files of a run: `media/<first two digits>/<sha256>.<ending>`.

Rows refer to an image by a small mapping, in place of the image itself:

    {"media": "<sha256>.png", "width": 640, "height": 480}   a file of the run; the size is that of the original, which boxes refer to
    {"url": "https://..."}                                   not fetched
    {"missing": "why"}                                       could not be opened or written

The digest is that of the image as it was given. A known format is kept to the byte; what is above 4 million pixels or 8 MB is
scaled down to WebP, so that a run of photographs stays small.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.files import write_atomically
from evalsuite.words.sample import Image, Message

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

KINDS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}  # Pillow's name of a format -> ending
NAME = re.compile(rf"[0-9a-f]{{64}}\.(?:{'|'.join(KINDS.values())})")
MOST_PIXELS = 4_000_000
MOST_BYTES = 8_000_000
_LONGEST = 16_000  # pixels of a side, which WebP limits to 16,383
_READ_BYTES = 200_000_000  # of one file: what is larger is no picture of a prompt
_IMAGE_KEYS = frozenset({"image", "images", "image_url", "input_image", "url"})  # whose texts may be data URIs
_DEPTH = 32

Reference = dict[str, Any]


class Media:
    """The images of one run. Nothing here raises for an image: one that cannot be kept is noted where it would stand."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "media"
        self._known: dict[str, Reference] = {}  # of image paths: questions share images

    def of_prompt(self, messages: Iterable[Message]) -> list[Reference]:
        """References to the images of a prompt in their order; `message` is the position of the message that holds each."""
        return [
            {"message": number, **self.keep(part)}
            for number, message in enumerate(messages)
            if not isinstance(message.content, str)
            for part in message.content
            if isinstance(part, Image)
        ]

    def of_trace(self, value: Any, key: str = "", depth: int = 0) -> Any:
        """A tool trace, or a piece of one, with references in place of images: `Image`, bytes, Pillow's, data URIs under an image's key.

        A text is never taken for a path: a trace may hold what a model wrote.
        """
        if isinstance(value, Image | bytes) or _is_picture(value):
            return self.keep(value)
        if isinstance(value, str):
            return self.keep(Image(value)) if key in _IMAGE_KEYS and value.startswith("data:image/") else value
        if depth < _DEPTH and isinstance(value, Mapping):
            return {str(k): self.of_trace(v, str(k), depth + 1) for k, v in value.items()}
        if depth < _DEPTH and isinstance(value, list | tuple):
            return [self.of_trace(v, key, depth + 1) for v in value]
        return value

    def keep(self, image: Image | bytes | Picture) -> Reference:
        """The reference to one image, which is written where it is not there yet."""
        source = image.source if isinstance(image, Image) else image
        if isinstance(source, str):
            if source.startswith(("http://", "https://")):
                return {"url": source}
            if not source.startswith("data:"):
                if source not in self._known:
                    self._known[source] = self._kept(source)
                return self._known[source]
        return self._kept(source)

    def _kept(self, source: str | bytes | Picture) -> Reference:
        from PIL import Image as Pillow

        try:
            data = _encoded(source)
            with Pillow.open(io.BytesIO(data), formats=(*KINDS, "TIFF")) as picture:
                width, height = picture.size
                verbatim = picture.format in KINDS and width * height <= MOST_PIXELS and len(data) <= MOST_BYTES
                name = f"{hashlib.sha256(data).hexdigest()}.{KINDS[picture.format or ''] if verbatim else 'webp'}"
                path = self.folder / name[:2] / name
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_atomically(path, data if verbatim else _smaller(picture))
        except Exception as error:  # noqa: BLE001 - a decoder meets bytes of others: whatever it says is the note
            return {"missing": f"{type(error).__name__}: {str(error)[:200]}"}
        return {"media": name, "width": width, "height": height}


def _encoded(source: str | bytes | Picture) -> bytes:
    """The bytes of an image file. Raises OSError and ValueError."""
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str):
        buffer = io.BytesIO()
        source.save(buffer, "PNG")
        return buffer.getvalue()
    if source.startswith("data:"):
        head, _, content = source.partition(",")
        if not head.endswith(";base64"):
            raise ValueError("a data URI that is not base64")
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise ValueError(f"a data URI that is damaged: {error}") from None
    path = Path(source)
    if path.stat().st_size > _READ_BYTES:
        raise ValueError(f"{path.name} is larger than {_READ_BYTES:,} bytes")
    return path.read_bytes()


def _smaller(picture: Picture) -> bytes:
    """WebP of at most MOST_PIXELS."""
    width, height = picture.size
    scale = min(1.0, math.sqrt(MOST_PIXELS / (width * height)), _LONGEST / max(width, height))
    picture.thumbnail((max(1, int(width * scale)), max(1, int(height * scale))), reducing_gap=2.0)
    clear = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    buffer = io.BytesIO()
    picture.convert("RGBA" if clear else "RGB").save(buffer, "WEBP", quality=85, method=2)
    return buffer.getvalue()


def _is_picture(value: Any) -> bool:
    """One of Pillow's images, without importing Pillow to find out."""
    return any(base.__module__ == "PIL.Image" and base.__name__ == "Image" for base in type(value).__mro__)
