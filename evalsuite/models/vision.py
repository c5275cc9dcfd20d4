"""Images in prompts: opening them, the token ids they become, and the tensors a batch of them needs."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
from collections.abc import Container, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evalsuite.errors import RequestError, UnavailableError
from evalsuite.words.sample import Image

if TYPE_CHECKING:
    import PIL.Image
    import torch

FETCH = 30.0  # seconds for an image behind a URL
PREPARED = 1024  # prompts of which the token ids are remembered


class ImagePrompt(NamedTuple):
    """A rendered prompt: `text` with one placeholder per image, and the `images` in the order of their placeholders."""

    text: str
    images: tuple[Image, ...]


class Inputs(NamedTuple):
    """B prompts of P tokens as the model reads them.

    ids, mask  long (B, P), left-padded; the mask is 1 where a token is
    extra      what else the processor made, by name: pixel values, grids, token types
    """

    ids: torch.Tensor
    mask: torch.Tensor
    extra: dict[str, torch.Tensor]

    def taken(self, accepts: Container[str], dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Of `extra` what a model's `forward` takes, pixels in its number format."""
        return {n: v.to(dtype) if v.is_floating_point() else v for n, v in self.extra.items() if n in accepts}


class Vision:
    """The processor of an image-text model. For several threads: it has a tokenizer of its own, and a lock."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        tokenizer = processor.tokenizer
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        if not processor.chat_template:
            processor.chat_template = tokenizer.chat_template
        self._lock = threading.Lock()
        self.prepare = lru_cache(PREPARED)(self._prepare)

    def _prepare(self, prompt: ImagePrompt) -> tuple[ImagePrompt, tuple[int, ...]]:
        """The prompt with its images fetched, where they are behind URLs, and its token ids, image tokens expanded.

        Remembered. Raises RequestError for an image that cannot be opened, and for one that the processor refuses;
        UnavailableError for a model that looks at its images in every step.
        """
        here = ImagePrompt(prompt.text, tuple(map(fetched, prompt.images)))
        found = self._run([here])
        if "cross_attention_mask" in found:
            kind = type(self.processor).__name__
            raise UnavailableError(f"images that a model attends to across, as with {kind}, are not supported by this backend")
        return here, tuple(found["input_ids"][0])

    def inputs(self, prompts: Sequence[tuple[Sequence[int], ImagePrompt]], device: Any) -> Inputs:
        """The batch of these (token ids, prompt): the processor runs over all of it at once, as its model's batches are joined.

        Raises UnavailableError where an image is no longer there or what it was, so that the ids are not the ones given, and where
        the processor makes no batch of prompts that it took one by one.
        """
        import torch

        try:
            found = self._run([prompt for _, prompt in prompts], padding=True, padding_side="left", return_tensors="pt")
        except RequestError as error:
            raise UnavailableError(f"prompts with images that were fine one by one make no batch now: {error}") from error
        ids, mask = found.pop("input_ids"), found.pop("attention_mask").long()
        for row, kept, (known, prompt) in zip(ids, mask.bool(), prompts, strict=True):
            if row[kept].tolist() != list(known):
                names = ", ".join(map(_name, prompt.images))
                raise UnavailableError(f"the tokens of a prompt have changed; was one of its images replaced ({names})?")
        extra = {name: value.to(device) for name, value in found.items() if isinstance(value, torch.Tensor)}
        return Inputs(ids.to(device), mask.to(device), extra)

    def digest(self) -> str:
        """12 hex digits over the processor's settings (sizes, pixel budget, normalisation) and its chat template."""
        settings = json.dumps([self.processor.to_dict(), self.processor.chat_template], sort_keys=True, default=str)
        return hashlib.sha256(settings.encode()).hexdigest()[:12]

    def _run(self, prompts: Sequence[ImagePrompt], **how: Any) -> dict[str, Any]:
        images = [[opened(image) for image in prompt.images] for prompt in prompts]
        try:
            with self._lock:
                found = self.processor(
                    text=[prompt.text for prompt in prompts],
                    images=images,
                    add_special_tokens=False,  # the chat template wrote them
                    return_mm_token_type_ids=True,
                    **how,
                )
        except (ValueError, TypeError, IndexError, StopIteration) as error:
            names = ", ".join(_name(image) for prompt in prompts for image in prompt.images)
            raise RequestError(f"the processor refuses a prompt with {names} ({type(error).__name__}: {error})") from error
        return dict(found)


def rope_positions(model: Any, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Positions (axes, B, P) under multimodal rotary embeddings, and what a row's later ones are shifted by, (axes, B, 1).

    None for other models. The next token of a row of n tokens is at n plus its shift. The model would keep the shifts of the last
    batch as state of its module, which is wrong once rows are dropped or repeated. (transformers, Qwen2VLModel.get_rope_index.)
    """
    index = rope_index(model)
    if index is None:
        return None
    takes = inspect.signature(index).parameters
    extra = {name: value for name, value in inputs.extra.items() if name in takes}
    positions, shift = index(inputs.ids, attention_mask=inputs.mask, **extra)
    return positions, shift.view(1, -1, 1).expand(len(positions), -1, 1)


def rope_index(model: Any) -> Any:
    """The method that computes multimodal rotary positions; None for a model without."""
    return getattr(model.base_model, "get_rope_index", None)


def opened(image: Image) -> PIL.Image.Image:
    """The image in RGB, upright. Raises RequestError naming one that is missing, broken or no image."""
    import PIL.Image
    import PIL.ImageOps

    data = _bytes(image)
    try:
        with PIL.Image.open(BytesIO(data)) as found:
            return PIL.ImageOps.exif_transpose(found).convert("RGB")
    except Exception as error:  # whatever a decoder makes of a broken file
        raise RequestError(f"cannot read image {_name(image)}: {error}") from error


def fetched(image: Image) -> Image:
    """The image itself in place of its http(s) URL; another as it is. Raises RequestError where the URL cannot be read."""
    remote = isinstance(image.source, str) and image.source.startswith(("http://", "https://"))
    return Image(_bytes(image)) if remote else image


def _bytes(image: Image) -> bytes:
    from urllib.request import urlopen

    source = image.source
    if isinstance(source, bytes):
        return source
    try:
        if not source.startswith(("data:", "http://", "https://")):
            return Path(source).read_bytes()
        with urlopen(source, timeout=FETCH) as stream:
            return bytes(stream.read())
    except (OSError, ValueError) as error:
        raise RequestError(f"cannot read image {_name(image)}: {error}") from error


def _name(image: Image) -> str:
    source = image.source
    return f"of {len(source)} bytes" if isinstance(source, bytes) else source if len(source) < 200 else f"{source[:40]}..."
