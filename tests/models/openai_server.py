"""An OpenAI-compatible server on 127.0.0.1 that answers by script, and ways to ask it."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from evalsuite.models import http
from evalsuite.models.openai import OpenAIModel
from evalsuite.words.completion import Request, Sampling
from evalsuite.words.sample import Message


@functools.cache
def loopback() -> bool:
    """Whether a socket on 127.0.0.1 can be connected to; it cannot where the network was taken away altogether."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            socket.create_connection(server.getsockname(), timeout=5).close()
        except OSError:
            return False
    return True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    if not loopback():
        pytest.skip("127.0.0.1 cannot be reached: the loopback interface is down")
    monkeypatch.setattr(http, "_FIRST_WAIT", 0.002)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def chat(text: Any = "4", reason: str | None = "stop", usage: Any = (7, 3), **message: Any) -> dict[str, Any]:
    """A chat reply."""
    counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1]} if usage else None
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
    return {"model": "served", "choices": [choice], "usage": counts}


@dataclass
class Server:
    """Answers with `script(body, number)`: a dict is sent as JSON, bytes as they are, a Refusal as HTTP error."""

    script: Callable[[dict[str, Any], int], Any]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    busiest: int = 0
    _busy: int = 0
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(json.loads(await request.read()) | {"path": request.path})
        self.headers.append(dict(request.headers))
        self.times.append(time.monotonic())
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            reply = self.script(self.bodies[-1], len(self.bodies) - 1)
            if isinstance(reply, Awaitable):
                reply = await reply
        finally:
            self._busy -= 1
        if reply is None:  # drop the connection
            request.transport.close()  # type: ignore[union-attr]
            return web.Response()
        if isinstance(reply, Refusal):
            return reply.response()
        return web.Response(
            body=reply if isinstance(reply, bytes) else json.dumps(reply).encode(), content_type="application/json"
        )


@dataclass
class Refusal:
    """An HTTP error; a Response of aiohttp's can be sent once only."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] | None

    def response(self) -> web.Response:
        return web.json_response(self.body, status=self.status, headers=self.headers)


def error(status: int, message: str = "broken", headers: dict[str, str] | None = None, **more: Any) -> Refusal:
    return Refusal(status, {"error": {"message": message, **more}}, headers)


def talk(script: Any, use: Callable[[OpenAIModel], Awaitable[Any]], **options: Any) -> tuple[Any, Server, OpenAIModel]:
    """Run `use(model)` against a server with this script (a callable, or one reply for all). Returns its result or error."""
    server = Server(script if callable(script) else lambda body, number: script)

    async def main() -> Any:
        app = web.Application()
        app.router.add_post("/{path:.*}", server.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        model = OpenAIModel("m", **{"base_url": server.url, "timeout": 10.0, **options})
        try:
            return await use(model), model
        except Exception as problem:  # noqa: BLE001 - handed to the test
            return problem, model
        finally:
            await model.close()
            await runner.cleanup()

    result, model = asyncio.run(main())
    return result, server, model


def ask(text: Any = "2+2?", seeds: tuple[int, ...] = (11,), **fields: Any) -> Request:
    sampling = Sampling(**{"max_tokens": 16, **fields.pop("sampling", {})})
    return Request(
        messages=(Message("user", text),), sampling=sampling, seeds=seeds, indices=tuple(range(len(seeds))), **fields
    )


def one(script: Any, request: Request | None = None, **options: Any) -> tuple[Any, Server, OpenAIModel]:
    """The single completion of a request, or the error."""
    result, server, model = talk(script, lambda m: m.generate(request or ask()), **options)
    return result[0] if isinstance(result, list) else result, server, model
