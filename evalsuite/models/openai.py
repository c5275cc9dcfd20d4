"""Any OpenAI-compatible server: one HTTP call per sample, budgets, usage and cost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from evalsuite.errors import BudgetError, RequestError, UnavailableError, UsageError
from evalsuite.models import wire
from evalsuite.models.http import Client, Rejected
from evalsuite.words.completion import Completion, Request

if TYPE_CHECKING:
    from evalsuite.words.sample import Sample
    from evalsuite.words.task import Task

_PATHS = {"chat": "/chat/completions", "completions": "/completions"}


class OpenAIModel:
    """A model behind an OpenAI-compatible endpoint.

    One HTTP call per sample, each with its own seed, so that any sample can be repeated and a run extended. At most
    `concurrency` calls are in flight. `base_url` defaults to `OPENAI_BASE_URL`, then OpenAI's own; the key is read from the
    environment variable `api_key_env` and goes nowhere but into the request. `endpoint` is `chat`, or `completions` for base
    models (text prompts, `loglikelihood`). `timeout` is seconds per call. Values of `headers` may name environment
    variables (`$NAME`).

    Budgets: `max_tokens_total` counts prompt and completion tokens, `max_cost` US dollars; `input_price` and `output_price`
    are dollars per million tokens, without which a cost that the server reports is taken. A budget is checked before each
    call; calls in flight are not cut short.

    Retried with exponential backoff and jitter, `max_retries` times: lost connections, HTTP 408, 409, 429, 5xx, and replies
    that are not a completion; a timeout once. A 429 or a Retry-After holds back all calls; a 429 is not counted while other
    calls get through. Raises RequestError for a call that failed for good, UnavailableError where no call can succeed (bad
    key, no quota, nobody listening, unknown model), BudgetError where a budget is spent.
    """

    one_by_one = True

    def __init__(
        self,
        target: str,
        *,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 64,
        endpoint: str = "chat",
        timeout: float = 600.0,
        max_retries: int = 6,
        max_tokens_total: int | None = None,
        max_cost: float | None = None,
        input_price: float | None = None,
        output_price: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if endpoint not in _PATHS:
            raise UsageError(f"endpoint {endpoint!r} is not one of {', '.join(_PATHS)}")
        if concurrency < 1 or timeout <= 0 or max_retries < 0:
            raise UsageError(f"concurrency ({concurrency}) >= 1, timeout ({timeout}) > 0, max_retries ({max_retries}) >= 0")
        if (input_price is None) != (output_price is None):
            raise UsageError("give both input_price and output_price (US dollars per million tokens), or neither")
        self.name, self.concurrency, self.endpoint = target, concurrency, endpoint
        self.max_tokens_total, self.max_cost = max_tokens_total, max_cost
        self.tokens_used, self.cost = 0, 0.0
        self._prices = None if input_price is None or output_price is None else (input_price, output_price)
        url = _address(base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1", endpoint)
        key = os.environ.get(api_key_env, "").strip()
        if not key and urlsplit(url).hostname == "api.openai.com":
            raise UnavailableError(f"{url} needs a key: set the environment variable {api_key_env}")
        own = {name: os.path.expandvars(value) for name, value in (headers or {}).items()}
        secrets = [own[name] for name, value in (headers or {}).items() if own[name] != value]
        self._client = Client(
            url,
            {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {}) | own,
            secrets=tuple(secret for secret in (key, *secrets) if secret),
            key_hint=f"the key in {api_key_env} was refused" if key else f"set the environment variable {api_key_env}",
            concurrency=concurrency,
            timeout=timeout,
            max_retries=max_retries,
        )
        self._without: frozenset[str] = frozenset()  # names that this server was found not to know
        self._served: dict[str, str] = {}

    async def generate(self, request: Request) -> list[Completion]:
        """One completion per seed, in order."""
        body = wire.request_body(self.name, request, self.endpoint, self._without)
        calls = [self._complete(request, self._seeded(body, seed)) for seed in request.seeds]
        return [await calls[0]] if len(calls) == 1 else await _together(calls)

    async def loglikelihood(self, request: Request, continuations: Sequence[str]) -> list[tuple[float, int, bool]]:
        """For each continuation of `request.plain`: (summed natural log-probability, tokens, each token the likeliest).

        Needs the completions endpoint of a server that echoes prompts with log-probabilities (vLLM, SGLang). Raises
        RequestError where the server does not.
        """
        if self.endpoint != "completions" or request.plain is None:
            raise RequestError("log-likelihoods need endpoint=completions and the prompt as text")
        return await _together([self._span(request.plain, continuation) for continuation in continuations])

    def identity(self) -> Mapping[str, Any]:
        """Model name and endpoint: the same model behind another address is the same model."""
        return {"backend": "openai", "model": self.name, "endpoint": self.endpoint}

    def environment(self) -> Mapping[str, Any]:
        """Host, what the server says of itself, and the request fields it does not know, which were therefore not sent."""
        said = {"host": urlsplit(self._client.shown).netloc, "server": self._client.reply_headers.get("Server"), **self._served}
        return {name: value for name, value in said.items() if value} | {"fields_not_sent": sorted(self._without)}

    def prepare(self, task: Task, samples: Sequence[Sample]) -> None:
        """Nothing to prepare."""

    async def close(self) -> None:
        """Close this event loop's connections."""
        await self._client.close()

    def _seeded(self, body: dict[str, Any], seed: int) -> dict[str, Any]:
        return body if "seed" in self._without else {"seed": seed, **body}  # Sampling.extra may bring its own

    async def _complete(self, request: Request, body: dict[str, Any]) -> Completion:
        reply, latency = await self._post(body, self._read)
        return wire.completion(request, self.endpoint, reply, self._account(reply), latency)

    def _read(self, reply: Any) -> wire.Reply:
        found = wire.read_reply(reply)
        if not self._served:
            self._served = {k: reply[k] for k in ("model", "system_fingerprint") if isinstance(reply.get(k), str)}
        return found

    async def _span(self, prompt: str, continuation: str) -> tuple[float, int, bool]:
        text = prompt + continuation
        body = {"model": self.name, "prompt": text, "max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 1}
        span, _ = await self._post(body, lambda reply: wire.read_span(reply, len(prompt), len(text)))
        self.tokens_used += span.tokens
        return tuple(span)

    async def _post(self, body: dict[str, Any], read: Callable[[Any], Any]) -> tuple[Any, float]:
        """The call, made again without the fields that this server turns out not to know."""
        dropped: frozenset[str] = frozenset()
        while True:
            try:
                result = await self._client.post(body, read, self._check_budget)
            except Rejected as error:
                names = wire.rejected(body, error.said)
                if not names:
                    raise
                body, dropped = wire.without(body, names), dropped | names
            else:
                if dropped:  # it was they: remembered only now
                    self._without |= dropped
                return result

    def _check_budget(self) -> None:
        if self.max_tokens_total is not None and self.tokens_used >= self.max_tokens_total:
            raise BudgetError(f"token budget spent: {self.tokens_used:,} of {self.max_tokens_total:,} (--max-tokens-total)")
        if self.max_cost is not None and self.cost >= self.max_cost:
            raise BudgetError(f"cost budget spent: ${self.cost:.4f} of ${self.max_cost:.4f} (--max-cost)")

    def _account(self, reply: wire.Reply) -> float | None:
        """Add the reply's usage to what is spent; its cost in US dollars where it is known."""
        asked, said, cost = reply.prompt_tokens, reply.completion_tokens, reply.cost
        if asked is None or said is None:
            if self.max_tokens_total is not None:
                raise UnavailableError(f"{self._client.shown} reports no token usage, so --max-tokens-total cannot be kept")
        else:
            self.tokens_used += asked + said
            if self._prices is not None:
                cost = (asked * self._prices[0] + said * self._prices[1]) / 1e6
        if self.max_cost is not None and cost is None:
            raise UnavailableError(
                "--max-cost needs token usage from the server and input_price and output_price (--model_args)"
            )
        self.cost += cost or 0.0
        return cost


async def _together(calls: Sequence[Any]) -> list[Any]:
    """All results in order. The first failure cancels the others: a request is answered whole or not at all."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _address(base_url: str, endpoint: str) -> str:
    """The URL to post to. lm-eval's `base_url`, which names the whole path, is understood."""
    parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")
    if "@" in parts.netloc:
        raise UsageError("credentials do not belong into a base URL: name an environment variable with api_key_env or headers")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"base URL {base_url!r} is not an http(s) address such as http://127.0.0.1:8000/v1")
    path = parts.path.rstrip("/")
    for known in _PATHS.values():
        path = path.removesuffix(known)
    return urlunsplit(parts._replace(path=path + _PATHS[endpoint]))
