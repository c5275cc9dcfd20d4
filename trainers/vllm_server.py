"""A running `vllm serve` as a model that takes and gives token ids, and the commands of its development endpoints."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request as Call
from urllib.request import urlopen

from evalsuite.errors import EvalsuiteError, RequestError, UnavailableError
from evalsuite.models import chat as chats
from evalsuite.models import weights
from evalsuite.models.http import Client
from evalsuite.models.loading import Checkpoint
from evalsuite.models.stopping import find
from evalsuite.words.completion import Completion, Request
from evalsuite.words.sample import Sample
from evalsuite.words.task import Task

from .vllm_sampler import check_untruncated

KEY = "VLLM_API_KEY"  # the variable that the server reads it from, too


class Server:
    """The control endpoints of a server at `url`; `timeout` is seconds per call. Every call blocks.

    Raises UnavailableError for whatever goes wrong: a server that misses a command no longer has the weights we think.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/").removesuffix("/v1")
        self.timeout = timeout
        key = os.environ.get(KEY, "").strip()
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def get(self, path: str, **query: str) -> Any:
        """Decoded reply to a GET; None for HTTP 404, which is what a server without that endpoint says."""
        return self._call("GET", path, query, None)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """Decoded reply to a POST; None for HTTP 404."""
        return self._call("POST", path, query, body or {})

    def _call(self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None) -> Any:
        address = self.url + path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Call(address, data, self.headers, method=method), timeout=self.timeout) as response:
                said = response.read()
            return json.loads(said) if said else {}
        except HTTPError as error:
            if error.code == 404:
                return None
            said = error.read().decode("utf-8", "replace")[:300]
            raise UnavailableError(f"{address}: HTTP {error.code}: {said}") from error
        except (OSError, ValueError) as error:
            raise UnavailableError(f"{address}: no answer ({error}); is the server up?") from error


class ServerModel:
    """The model behind a `vllm serve`, through `/v1/completions`: prompts are rendered and tokenised here, with the tokenizer
    of `folder`, and completions come back as the engine's own token ids (`return_token_ids`, vllm >= 0.11).

    `name` is the served model's; `context` its length in tokens. One call per sample, each with its own seed. Sampling
    settings are sent in full, since the server would fill gaps from the checkpoint's generation_config.json.
    """

    one_by_one = False
    concurrency = 1024

    def __init__(self, server: Server, name: str, folder: Path, context: int, chat: bool | str) -> None:
        self.name, self.updated = name, False
        self._failure: EvalsuiteError | None = None
        self._running = 0
        self._checkpoint, self._context, self._chat = Checkpoint(folder=folder), context, chat
        self._client = Client(
            f"{server.url}/v1/completions",
            server.headers,
            secrets=tuple(filter(None, [os.environ.get(KEY, "").strip()])),
            key_hint=f"set the environment variable {KEY}",
            concurrency=self.concurrency,
            timeout=max(server.timeout, 600.0),
            max_retries=3,
        )

    def prompt_ids(self, request: Request) -> tuple[int, ...]:
        """The token ids that `generate` sends. Raises RequestError for images and for a prompt without tokens."""
        return tuple(self._prompt(request)[1])

    async def generate(self, request: Request) -> list[Completion]:
        """`request.n` completions in the order of `request.seeds`; greedy ones are computed once.

        Raises RequestError for a prompt that fills the context and for a stop string that fires inside a thought, which
        a server cannot be told to ignore; UnavailableError where the server is gone or gives no token ids.
        """
        if self._failure is not None:
            raise self._failure
        if request.logprobs:
            check_untruncated(request.sampling)
        rendered, prompt = self._prompt(request)
        if (room := self._context - len(prompt)) < 1:
            raise RequestError(f"the prompt has {len(prompt)} tokens and the context {self._context}: no room for 1 more")
        sampling = request.sampling
        body = {
            "model": self.name,
            "prompt": prompt,
            "max_tokens": min(sampling.max_tokens, room),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or -1,
            "min_p": sampling.min_p,
            "repetition_penalty": 1.0,
            "stop": list(rendered.stop),
            "stop_token_ids": sorted(self._checkpoint.ends),
            "skip_special_tokens": False,
            "return_token_ids": True,
            **({"logprobs": 0} if request.logprobs else {}),
            **sampling.extra,
        }
        seeds = request.seeds if sampling.temperature > 0 else request.seeds[:1]
        self._running += 1
        try:
            made = await asyncio.gather(*(self._sample(request, rendered, {**body, "seed": seed}) for seed in seeds))
        finally:
            self._running -= 1
            if not self._running:
                await self._client.close()  # the next rollout batch may come in another event loop
        return made if len(made) == request.n else made * request.n

    def identity(self) -> Mapping[str, Any]:
        """The served model's name, digests of tokenizer and chat template, and of the weights until they are first replaced."""
        return {
            "backend": "vllm-server",
            "model": self.name,
            "weights": "live" if self.updated else weights.digest(self._checkpoint.folder),
            "chat": self._uses_chat,
            "context": self._context,
            **chats.digest(self._checkpoint.tokenizer),
        }

    def environment(self) -> Mapping[str, Any]:
        """The server's address."""
        return {"server": self._client.shown}

    def prepare(self, task: Task, samples: Sequence[Sample]) -> None:
        """Nothing to prepare."""

    def condemn(self, error: EvalsuiteError) -> None:
        """Answer nothing from now on: every call raises `error`."""
        self._failure = error

    async def close(self) -> None:
        """Nothing to close: the server goes on."""

    @cached_property
    def _uses_chat(self) -> bool:
        return chats.uses_chat(self._checkpoint.tokenizer, self._chat)

    def _prompt(self, request: Request) -> tuple[chats.Rendered, list[int]]:
        rendered = chats.render(self._checkpoint.tokenizer, request, self._uses_chat)
        prompt = chats.encode(self._checkpoint.tokenizer, rendered.text, rendered.chat)
        if not prompt:
            raise RequestError("the prompt has no tokens, and the tokenizer no begin token")
        return rendered, prompt

    async def _sample(self, request: Request, rendered: chats.Rendered, body: Mapping[str, Any]) -> Completion:
        choice, latency = await self._client.post(body, _choice, lambda: None)
        tokens, scores, finish = (
            choice["token_ids"],
            (choice.get("logprobs") or {}).get("token_logprobs"),
            choice["finish_reason"],
        )
        if choice.get("prompt_token_ids", body["prompt"]) != body["prompt"]:
            raise UnavailableError(f"{self._client.shown} reads other tokens than it was sent; is it vllm?")
        if request.logprobs and (scores is None or len(scores) != len(tokens) or None in scores):
            raise UnavailableError(f"{self._client.shown} gives no log-probability for each token")
        if finish not in ("stop", "length"):
            raise RequestError(f"vllm ended a request with {finish!r} after {len(tokens)} tokens")
        text = self._checkpoint.decode(tokens)
        end = find(text, rendered.stop, rendered.opened) if finish == "stop" else None
        if finish == "stop" and end is None and not (tokens and tokens[-1] in self._checkpoint.ends):
            raise RequestError(
                "a stop string fired inside a thought or a special token: leave stop strings out, or use vllm in this process"
            )
        return Completion(
            text=text[:end],
            finish_reason=finish,
            opened=rendered.opened,
            token_ids=tuple(tokens),
            logprobs=tuple(scores) if request.logprobs else None,
            prompt_tokens=len(body["prompt"]),
            completion_tokens=len(tokens),
            latency=latency,
        )


def _choice(reply: Any) -> dict[str, Any]:
    """The one choice of a reply. Raises ValueError for what is no reply, UnavailableError for one without token ids."""
    try:
        (choice,) = reply["choices"]
    except (KeyError, TypeError) as error:
        raise ValueError("no choices in it") from error
    if not isinstance(choice.get("token_ids"), list):
        raise UnavailableError("the server returns no token ids: it must be vllm 0.11 or newer")
    found: dict[str, Any] = choice
    return found
