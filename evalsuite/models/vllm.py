"""`vllm`: text models through vLLM's asynchronous engine, in this process (its workers are processes of its own)."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from evalsuite.errors import EvalsuiteError, RequestError, UnavailableError, UsageError
from evalsuite.models import chat as chats
from evalsuite.models import weights
from evalsuite.models.loading import Checkpoint
from evalsuite.models.stopping import StopWatch, find
from evalsuite.words.completion import Completion, Request
from evalsuite.words.sample import Sample
from evalsuite.words.task import Task

T = TypeVar("T")
# Engine arguments that change what the model computes; the rest are about speed.
_TELLING = ("dtype", "quantization", "kv_cache_dtype", "max_model_len", "hf_overrides", "rope_scaling")


class VLLMModel:
    """A causal LM in vLLM: a checkpoint folder, a LoRA adapter's folder, or a hub id.

    `chat`, `adapter` and `revision` are as in `HFModel`; everything else goes to vLLM's AsyncEngineArgs
    (`tensor_parallel_size`, `data_parallel_size`, `gpu_memory_utilization`, `max_model_len`, `dtype`, ...). Prompts are
    rendered and tokenised by us, so that both backends see the same token ids.

    Each sample is one engine request with its own seed and prefix caching shares the prompt's prefill. That is what the
    engine makes of `n` (vllm/v1/engine/parallel_sampling.py: n children with seeds `seed + i`), except that our seeds do
    not overlap between questions and sample 9 of `-n 32` is sample 9 of `-n 16`. Log-probabilities are vLLM's
    `processed_logprobs`: after temperature and, where these are on, after top-k, top-p and min-p.

    Raises UnavailableError where vllm is not installed, UsageError for a folder without weights and for an argument that
    the engine does not have.
    """

    one_by_one = False

    concurrency = 1024

    def __init__(
        self,
        target: str | Path,
        *,
        chat: bool | str = "auto",
        adapter: str | Path | None = None,
        revision: str | None = None,
        max_length: int | None = None,
        trust_remote_code: bool = False,
        **engine: Any,
    ) -> None:
        if importlib.util.find_spec("vllm") is None:
            raise UnavailableError("the vllm backend needs vllm: pip install 'evalsuite[vllm]', or use --model hf:...")
        folder, over = weights.place(target, revision, adapter)
        self.name = weights.label(target) + (f"+{weights.label(adapter)}" if adapter is not None else "")
        self._checkpoint = Checkpoint(folder=folder, adapter=over, trust_remote_code=trust_remote_code)
        self._settings = {"enable_prefix_caching": True, "logprobs_mode": "processed_logprobs"} | engine
        if max_length is not None:
            self._settings.setdefault("max_model_len", max_length)
        self._arguments = self._engine_arguments()
        self._chat = chat
        self._pieces: dict[int, str] = {}
        self._numbers = itertools.count()
        self._home = _Home()
        self._finalizer = weakref.finalize(self, self._home.stop)

    def prompt_ids(self, request: Request) -> tuple[int, ...]:
        """The token ids that `generate` gives to the engine. Raises RequestError for images and for a prompt without tokens."""
        return tuple(self._prompt(request)[1])

    async def generate(self, request: Request) -> list[Completion]:
        """`request.n` completions in the order of `request.seeds`; greedy ones are computed once.

        Raises RequestError for a prompt that fills the context or that the engine refuses, UnavailableError when the
        engine cannot be started or has died.
        """
        rendered, prompt = self._prompt(request)
        room = min(request.sampling.max_tokens, self._room(prompt, 1))
        seeds = request.seeds if request.sampling.temperature > 0 else request.seeds[:1]
        made = await self._home.run(self._draw(request, rendered, prompt, room, seeds), self._start)
        return made if len(made) == request.n else made * request.n

    async def loglikelihood(self, request: Request, continuations: Sequence[str]) -> list[tuple[float, int, bool]]:
        """For each continuation of the prompt: sum of log-probabilities (natural), number of tokens, whether it is greedy."""
        rendered = chats.render(self._checkpoint.tokenizer, request, self._uses_chat)
        pairs = [chats.encode_pair(self._checkpoint.tokenizer, rendered.text, c, rendered.chat) for c in continuations]
        for head, tail in pairs:
            self._room(head, len(tail) + 1)

        async def score(head: list[int], tail: list[int]) -> tuple[float, int, bool]:
            params = self._params(max_tokens=1, temperature=0.0, prompt_logprobs=0)
            (output,) = [o async for o in self._ask([*head, *tail], params)]
            entries = [table[token] for table, token in zip(output.prompt_logprobs[len(head) :], tail, strict=True)]
            return sum(e.logprob for e in entries), len(tail), all(e.rank == 1 for e in entries)

        async def all_of_them() -> list[tuple[float, int, bool]]:
            return list(await asyncio.gather(*(score(*pair) for pair in pairs)))

        return await self._home.run(all_of_them(), self._start)

    def identity(self) -> Mapping[str, Any]:
        """Digests of weights, adapter, tokenizer and chat template, and the engine arguments that change the model."""
        checkpoint = self._checkpoint
        told = {name: self._settings[name] for name in _TELLING if self._settings.get(name) is not None}
        return {
            "backend": "vllm",
            "weights": weights.digest(checkpoint.folder),
            "adapter": weights.digest(checkpoint.adapter) if checkpoint.adapter is not None else None,
            "dtype": weights.saved_dtype(checkpoint.folder),
            "chat": self._uses_chat,
            "context": self._context,
            **chats.digest(checkpoint.tokenizer),
            **told,
        }

    def environment(self) -> Mapping[str, Any]:
        """Version of vllm, the engine arguments, and the folder the weights came from."""
        import vllm

        return {"vllm": vllm.__version__, "engine": dict(self._settings), "folder": str(self._checkpoint.folder)}

    def prepare(self, task: Task, samples: Sequence[Sample]) -> None:
        """Nothing to prepare."""

    def command(self, work: Callable[[Any], Coroutine[Any, Any, T]], timeout: float | None = None) -> T:
        """What `work(engine)` comes to: awaited in the engine's own event loop while the caller blocks.

        Starts the engine (vllm's AsyncLLM) where it is not yet running. Raises UnavailableError when that takes longer
        than `timeout` seconds, and as `generate` does.
        """

        async def go() -> T:
            return await work(self._home.engine)

        future = self._home.submit(go(), self._start)
        try:
            return future.result(timeout)
        except TimeoutError as error:
            future.cancel()
            raise UnavailableError(f"vllm did not answer within {timeout:g} s") from error

    def condemn(self, error: EvalsuiteError) -> None:
        """Answer nothing from now on: every call raises `error`."""
        self._home.failure = error

    async def close(self) -> None:
        """Shut the engine and its worker processes down."""
        await asyncio.to_thread(self._finalizer)

    @cached_property
    def _uses_chat(self) -> bool:
        return chats.uses_chat(self._checkpoint.tokenizer, self._chat)

    @cached_property
    def _context(self) -> int | None:
        limit: Any = self._settings.get("max_model_len") or getattr(self._checkpoint.config, "max_position_embeddings", None)
        return limit

    def _prompt(self, request: Request) -> tuple[chats.Rendered, list[int]]:
        rendered = chats.render(self._checkpoint.tokenizer, request, self._uses_chat)
        prompt = chats.encode(self._checkpoint.tokenizer, rendered.text, rendered.chat)
        if not prompt:
            raise RequestError("the prompt has no tokens, and the tokenizer no begin token")
        return rendered, prompt

    def _room(self, prompt: Sequence[int], needed: int) -> int:
        left = (self._context or 1 << 30) - len(prompt)
        if left < needed:
            raise RequestError(
                f"the prompt has {len(prompt)} tokens and the context {self._context}: no room for {needed} more"
            )
        return left

    def _engine_arguments(self) -> Any:
        from vllm import AsyncEngineArgs

        checkpoint = self._checkpoint
        lora: dict[str, Any] = {}
        if checkpoint.adapter is not None:
            lora = {"enable_lora": True, "max_lora_rank": weights.lora_rank(checkpoint.adapter)}
        try:
            return AsyncEngineArgs(
                model=str(checkpoint.folder), trust_remote_code=checkpoint.trust_remote_code, **(lora | self._settings)
            )
        except TypeError as error:
            raise UsageError(f"vllm takes no such engine argument: {error}") from error

    def _start(self) -> Any:
        from vllm import AsyncLLMEngine

        return AsyncLLMEngine.from_engine_args(self._arguments)

    def _params(self, **fields: Any) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        fields.setdefault("output_kind", RequestOutputKind.FINAL_ONLY)
        try:
            return SamplingParams(skip_special_tokens=False, **fields)
        except (TypeError, ValueError) as error:
            raise RequestError(f"vllm refuses these sampling parameters: {error}") from error

    async def _ask(self, prompt: list[int], params: Any) -> AsyncGenerator[Any, None]:
        lora = None
        if self._checkpoint.adapter is not None:
            from vllm.lora.request import LoRARequest

            lora = LoRARequest("adapter", 1, str(self._checkpoint.adapter))
        number = f"evalsuite-{next(self._numbers)}"
        # Closing this generator aborts the request in the engine.
        async with contextlib.aclosing(
            self._home.engine.generate({"prompt_token_ids": prompt}, params, number, lora_request=lora)
        ) as outputs:
            async for output in outputs:
                yield output

    async def _draw(
        self, request: Request, rendered: chats.Rendered, prompt: list[int], room: int, seeds: Sequence[int]
    ) -> list[Completion]:
        return list(await asyncio.gather(*(self._sample(request, rendered, prompt, room, seed) for seed in seeds)))

    async def _sample(self, request: Request, rendered: chats.Rendered, prompt: list[int], room: int, seed: int) -> Completion:
        sampling = request.sampling
        fields: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or -1,
            "min_p": sampling.min_p,
            "max_tokens": room,
            "seed": seed,
            "stop_token_ids": sorted(self._checkpoint.ends),
            "logprobs": 0 if request.logprobs else None,
            **sampling.extra,
        }
        started = time.perf_counter()
        tokens, scores, finish = await self._follow(prompt, self._params(**fields, stop=list(rendered.stop)), None)
        text = self._checkpoint.decode(tokens)
        end = find(text, rendered.stop, rendered.opened) if finish == "stop" else None
        ended = bool(tokens) and tokens[-1] in self._checkpoint.ends
        if rendered.stop and finish == "stop" and end is None and not ended:
            # The engine knows no thoughts: a stop string fired inside one. Draw it again and look for the end ourselves.
            from vllm.sampling_params import RequestOutputKind

            watch = StopWatch(self._checkpoint.decode, rendered.stop, rendered.opened, self._pieces)
            params = self._params(**fields, output_kind=RequestOutputKind.DELTA)
            tokens, scores, finish = await self._follow(prompt, params, watch)
            text = self._checkpoint.decode(tokens)
            end = find(text, rendered.stop, rendered.opened) if finish == "stop" else None
        return Completion(
            text=text[:end],
            finish_reason=finish,
            opened=rendered.opened,
            token_ids=tuple(tokens),
            logprobs=tuple(scores) if request.logprobs else None,
            prompt_tokens=len(prompt),
            completion_tokens=len(tokens),
            latency=time.perf_counter() - started,
        )

    async def _follow(self, prompt: list[int], params: Any, watch: StopWatch | None) -> tuple[list[int], list[float], str]:
        """Tokens, log-probabilities (empty unless asked for) and finish reason of one engine request."""
        tokens: list[int] = []
        scores: list[float] = []
        finish = None
        async with contextlib.aclosing(self._ask(prompt, params)) as outputs:
            async for output in outputs:
                part = output.outputs[0]
                finish = part.finish_reason
                for i, token in enumerate(part.token_ids):
                    tokens.append(token)
                    if part.logprobs:
                        scores.append(part.logprobs[i][token].logprob)
                    if watch is not None and watch(tokens):
                        return tokens, scores, "stop"
        if finish not in ("stop", "length"):
            raise RequestError(f"vllm ended a request with {finish!r} after {len(tokens)} tokens")
        return tokens, scores, finish


class _Home:
    """An event loop in a thread of its own, where the engine lives whatever loop its callers come from."""

    def __init__(self) -> None:
        self.engine: Any = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="vllm")
        self.failure: EvalsuiteError | None = None

    async def run(self, work: Coroutine[Any, Any, T], start: Any) -> T:
        """Await `work` over there, the engine started. What the engine raises becomes one of our errors."""
        return await asyncio.wrap_future(self.submit(work, start))

    def submit(self, work: Coroutine[Any, Any, T], start: Any) -> Future[T]:
        """`run` for a caller without an event loop."""
        if self._thread.ident is None:
            self._thread.start()
        if not self._thread.is_alive():
            work.close()
            raise UnavailableError("the model is closed")
        return asyncio.run_coroutine_threadsafe(self._guarded(work, start), self._loop)

    async def _guarded(self, work: Coroutine[Any, Any, T], start: Any) -> T:
        if self.engine is None and self.failure is None:
            try:
                self.engine = start()  # blocks this loop only
            except EvalsuiteError as error:
                self.failure = error
            except Exception as error:  # noqa: BLE001 - whatever vllm raises, the run ends with its message
                self.failure = UnavailableError(f"vllm cannot start the engine: {type(error).__name__}: {error}")
        if self.failure is not None:
            work.close()
            raise self.failure
        try:
            return await work
        except EvalsuiteError:
            raise
        except (ValueError, TypeError) as error:
            raise RequestError(f"vllm refuses the request: {error}") from error
        except Exception as error:
            raise UnavailableError(f"the vllm engine failed: {type(error).__name__}: {error}") from error

    def stop(self) -> None:
        """Shut the engine down and end the thread. Idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leave)
            self._thread.join(timeout=60)

    def _leave(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        if self.engine is not None:
            self.engine.shutdown()
            self.engine = None  # vllm's destructor fails in an interpreter that is going down
        self._loop.call_soon(self._loop.stop)
