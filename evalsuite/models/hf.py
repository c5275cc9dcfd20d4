"""`hf`: models of transformers, in this process, with our own micro-batcher and decode loop."""

from __future__ import annotations

import asyncio
import importlib.util
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from evalsuite.errors import RequestError, UnavailableError, UsageError
from evalsuite.models import chat as chats
from evalsuite.models import weights
from evalsuite.models.batching import Engine, Row, Ticket
from evalsuite.models.decoding import Generation, Scoring
from evalsuite.models.loading import Checkpoint, dtype_name
from evalsuite.models.stopping import StopWatch, find
from evalsuite.models.vision import ImagePrompt, Vision
from evalsuite.words.completion import Completion, Request, Sampling
from evalsuite.words.sample import Sample
from evalsuite.words.task import Task

T = TypeVar("T")


class HFModel:
    """A causal LM or image-text model of transformers: a checkpoint folder, a LoRA adapter's folder, or a hub id.

    The weights are loaded at the first request, in an engine thread; name, identity and tokenizer need none. All requests
    wait in one queue, from which one thread per replica takes length-sorted batches: `batch_size` rows, or, with `auto`,
    as many as fit a token budget (`max_batch_tokens`, by default from the free memory). The samples of a request share
    its prefill. A sample's tokens follow from its seed alone, up to the rounding of the model's own arithmetic; greedy
    samples of one request are computed once. `Completion.logprobs` are those of `sampler.next_tokens`: the behaviour
    policy's at the temperature used. `token_ids` include the end token; `text` has all special tokens but end, padding
    and begin, and ends before a stop string.

    An image-text model reads images where they stand in a prompt, through its processor, which runs over a batch at a time;
    rows with images and rows without are batched apart.

    `chat`: prompts through the chat template, by default where there is one. `max_length` is the context in
    tokens, by default the model's. `adapter` is a LoRA folder or hub id over `target`. `device_map` goes to transformers
    and excludes `replicas`, which are one copy per GPU (on the CPU: threads over the same weights).

    Raises UsageError for a folder without weights and for settings that contradict each other, UnavailableError where a
    package is missing.
    """

    one_by_one = False

    concurrency = 4096

    def __init__(
        self,
        target: str | Path,
        *,
        dtype: str = "auto",
        device: str | None = None,
        device_map: str | dict[str, Any] | None = None,
        batch_size: int | str = "auto",
        max_batch_tokens: int | None = None,
        replicas: int = 1,
        adapter: str | Path | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        chat: bool | str = "auto",
        max_length: int | None = None,
        attn_implementation: str | None = None,
    ) -> None:
        for name, value in (("replicas", replicas), ("max_batch_tokens", max_batch_tokens), ("max_length", max_length)):
            if value is not None and value < 1:
                raise UsageError(f"{name}={value}: at least 1")
        if device_map is not None and (replicas > 1 or device is not None):
            raise UsageError("device_map spreads one copy by itself: leave replicas and device out")
        folder, over = weights.place(target, revision, adapter)
        for package in ("torch", "transformers", *(["peft"] if over else [])):
            if importlib.util.find_spec(package) is None:
                raise UnavailableError(f"model {target} needs {package}: pip install 'evalsuite[hf]'")
        name = weights.label(target) + (f"+{weights.label(adapter)}" if adapter is not None else "")
        checkpoint = Checkpoint(
            folder=folder,
            adapter=over,
            dtype=dtype_name(dtype),
            device=device,
            device_map=device_map,
            replicas=replicas,
            attn_implementation=attn_implementation,
            trust_remote_code=trust_remote_code,
            batch_size=_rows(batch_size),
            max_batch_tokens=max_batch_tokens,
        )
        self._begin(name, checkpoint, chat, max_length=max_length)

    @classmethod
    def live(
        cls,
        module: Any,
        folder: str | Path,
        *,
        batch_size: int | str = "auto",
        max_batch_tokens: int | None = None,
        chat: bool | str = "auto",
        label: str = "live",
    ) -> HFModel:
        """A model over `module`, a causal LM or image-text model that someone else holds and may be training: nothing is loaded or copied.

        Each answer comes from the weights as they are then. Tokenizer, configuration and generation configuration come
        from `folder`, which needs no weights. Of a peft model the adapted base is used. Answering puts `module` into
        evaluation mode; whoever trains it puts it back, and does not train while it answers. `label` stands in
        `identity()` for the digest of the weights. `close` leaves `module` alone.
        """
        inner = module.get_base_model() if hasattr(module, "peft_config") and hasattr(module, "get_base_model") else module
        checkpoint = Checkpoint(
            folder=Path(folder),
            dtype=str(inner.dtype).removeprefix("torch."),
            device=str(inner.get_input_embeddings().weight.device),
            batch_size=_rows(batch_size),
            max_batch_tokens=max_batch_tokens,
            live=inner,
        )
        model = cls.__new__(cls)
        model._begin(weights.label(folder), checkpoint, chat, label=label)
        return model

    def _begin(
        self, name: str, checkpoint: Checkpoint, chat: bool | str, max_length: int | None = None, label: str | None = None
    ) -> None:
        self.name, self._checkpoint, self._chat, self._max_length, self._label = name, checkpoint, chat, max_length, label
        self._pieces: dict[int, str] = {}
        self._opener = ThreadPoolExecutor(1, "images")
        # The engine must not hold this object, or the finalizer would wait for it for ever.
        self._engine = Engine(checkpoint.worker, checkpoint.replicas)
        self._finalizer = weakref.finalize(self, self._engine.stop)

    def expect(self, requests: int) -> None:
        """So many requests are about to come at once: they are batched together, whatever the timing."""
        self._engine.expect(requests)

    def prompt_ids(self, request: Request) -> tuple[int, ...]:
        """The token ids that `generate` gives to the model, image tokens among them. Raises RequestError as `generate` does."""
        return tuple(self._prompt(request)[1])

    def image_prompt(self, request: Request) -> ImagePrompt | None:
        """The rendered prompt with its images; None without any. Raises RequestError as `generate` does."""
        return self._prompt(request)[2] if chats.images_of(request) else None

    async def generate(self, request: Request) -> list[Completion]:
        """`request.n` completions in the order of `request.seeds`.

        `max_tokens` is clipped to the room that the context leaves. Raises RequestError for a prompt that fills the
        context, for one without tokens, for images that are broken or that the model cannot read, and for a request that
        does not fit into memory alone; UsageError for sampling settings that this backend does not have, before anything is loaded; UnavailableError when the engine
        failed.
        """
        if request.sampling.extra:
            known = ", ".join(f.name for f in fields(Sampling) if f.name not in ("extra", "repeats"))
            raise UsageError(f"the hf backend knows no setting {', '.join(request.sampling.extra)}; it knows {known}")
        rendered, prompt, images = await self._aside(self._prompt, request)
        room = min(request.sampling.max_tokens, self._room(prompt, 1))
        ticket = Ticket()
        # Greedy samples are equal: one row stands for all.
        seeds = request.seeds if request.sampling.temperature > 0 else request.seeds[:1]
        rows = [
            Generation(
                prompt=prompt,
                ticket=ticket,
                room=room,
                images=images,
                sampling=request.sampling,
                seed=seed,
                watch=self._watch(rendered),
                wanted=request.logprobs,
            )
            for seed in seeds
        ]
        await self._answer(rows, ticket)
        completions = [self._completion(row, rendered) for row in rows]
        return completions if len(completions) == request.n else completions * request.n

    async def loglikelihood(self, request: Request, continuations: Sequence[str]) -> list[tuple[float, int, bool]]:
        """For each continuation of the prompt: sum of log-probabilities (natural), number of tokens, whether it is greedy.

        Context and continuation are tokenised in one piece. Raises RequestError where they do not fit the context.
        """
        rendered = self._rendered(request)
        ticket = Ticket()
        rows = []
        for continuation in continuations:
            if rendered.images:
                head, tail, images = await self._aside(self._image_pair, request, rendered, continuation)
            else:
                head, tail = chats.encode_pair(self._tokenizer, rendered.text, continuation, rendered.chat)
                images = None
            self._room(head, len(tail))
            rows.append(Scoring(prompt=head, ticket=ticket, room=len(tail), target=tail, images=images))
        if rows:
            await self._answer(rows, ticket)
        return [(row.total, len(row.target), row.greedy) for row in rows]

    def identity(self) -> Mapping[str, Any]:
        """Digests of weights, adapter, tokenizer, chat template and processor (of an image-text model); number format; context;
        whether chat prompts are used."""
        checkpoint = self._checkpoint
        dtype = checkpoint.dtype if checkpoint.dtype != "auto" else weights.saved_dtype(checkpoint.folder) or "auto"
        return {
            "backend": "hf",
            "weights": self._label or weights.digest(checkpoint.folder),
            "adapter": weights.digest(checkpoint.adapter) if checkpoint.adapter is not None else None,
            "dtype": dtype,
            "chat": self._uses_chat,
            "context": self._context,
            **chats.digest(self._tokenizer),
            **({"processor": self._vision.digest()} if self._vision is not None else {}),
        }

    def environment(self) -> Mapping[str, Any]:
        """Versions of torch and transformers, device, attention, batch size, and the folder the weights came from."""
        from importlib.metadata import version

        import torch

        checkpoint = self._checkpoint
        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        return {
            "torch": torch.__version__,
            "transformers": version("transformers"),
            "device": checkpoint.device or gpu or "cpu",
            "attn_implementation": checkpoint.attn_implementation,
            "replicas": checkpoint.replicas,
            "batch_size": checkpoint.batch_size or "auto",
            "folder": str(checkpoint.folder),
        }

    def prepare(self, task: Task, samples: Sequence[Sample]) -> None:
        """Nothing to prepare."""

    async def close(self) -> None:
        """Stop after the current decode step, cancel what waits, free the weights."""
        await asyncio.to_thread(self._finalizer)
        self._checkpoint.release()

    @property
    def _tokenizer(self) -> Any:
        return self._checkpoint.tokenizer

    @property
    def _vision(self) -> Vision | None:
        return self._checkpoint.vision

    @cached_property
    def _uses_chat(self) -> bool:
        return chats.uses_chat(self._vision.processor if self._vision is not None else self._tokenizer, self._chat)

    @cached_property
    def _context(self) -> int | None:
        own, asked = self._checkpoint.positions, self._max_length
        if asked is not None and own is not None and asked > own and not self._checkpoint.extends:
            raise UsageError(f"max_length={asked}: {self.name} has a table of {own} positions; leave max_length out")
        return asked or own

    def _rendered(self, request: Request) -> chats.Rendered:
        return chats.render(self._tokenizer, request, self._uses_chat, self._vision.processor if self._vision else None)

    def _prompt(self, request: Request) -> tuple[chats.Rendered, list[int], ImagePrompt | None]:
        rendered, images = self._rendered(request), None
        if rendered.images and self._vision is not None:
            images, ids = self._vision.prepare(ImagePrompt(rendered.text, rendered.images))
            prompt = list(ids)
        else:
            prompt = chats.encode(self._tokenizer, rendered.text, rendered.chat)
        if not prompt:
            raise RequestError("the prompt has no tokens, and the tokenizer no begin token")
        return rendered, prompt, images

    async def _aside(self, work: Callable[..., T], request: Request, *more: Any) -> T:
        """`work(request, *more)`, in a thread where images are to be opened. There is one, so that requests keep their order."""
        if not chats.images_of(request):
            return work(request, *more)
        return await asyncio.get_running_loop().run_in_executor(self._opener, work, request, *more)

    def _image_pair(self, _: Request, rendered: chats.Rendered, continuation: str) -> tuple[list[int], list[int], ImagePrompt]:
        """Token ids of context and continuation, and the whole as a prompt with images."""
        vision, images = self._vision, rendered.images
        assert vision is not None  # or the images had not been rendered
        head, tail = chats.pair(lambda text: list(vision.prepare(ImagePrompt(text, images))[1]), rendered.text, continuation)
        return head, tail, vision.prepare(ImagePrompt(rendered.text + continuation, images))[0]

    async def _answer(self, rows: Sequence[Row], ticket: Ticket) -> None:
        if self._checkpoint.live is not None:
            self._checkpoint.live.eval()
        self._engine.submit(rows, ticket)
        await ticket.future

    def _room(self, prompt: Sequence[int], needed: int) -> int:
        """Tokens that the context leaves after `prompt`; RequestError if fewer than `needed`."""
        if self._context is None:
            return 1 << 30
        left = self._context - len(prompt)
        if left < needed:
            raise RequestError(
                f"the prompt has {len(prompt)} tokens and the context {self._context}: no room for {needed} more"
            )
        return left

    def _watch(self, rendered: chats.Rendered) -> Callable[[], StopWatch | None]:
        if not rendered.stop:
            return lambda: None
        return lambda: StopWatch(self._checkpoint.decode, rendered.stop, rendered.opened, self._pieces)

    def _completion(self, row: Generation, rendered: chats.Rendered) -> Completion:
        text = self._checkpoint.decode(row.tokens)
        if row.finish == "stop":
            text = text[: find(text, rendered.stop, rendered.opened)]
        return Completion(
            text=text,
            finish_reason=row.finish,
            opened=rendered.opened,
            token_ids=tuple(row.tokens),
            logprobs=tuple(row.logprobs) if row.wanted else None,
            prompt_tokens=len(row.prompt),
            completion_tokens=len(row.tokens),
            latency=row.seconds,
        )


def _rows(batch_size: int | str) -> int | None:
    """Rows of a batch, None for `auto`. Raises UsageError for what is neither."""
    if batch_size != "auto" and not (str(batch_size).isdigit() and int(batch_size) > 0):
        raise UsageError(f"batch_size={batch_size}: a number of rows, or auto")
    return None if batch_size == "auto" else int(batch_size)
