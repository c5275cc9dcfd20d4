"""Rewards over HTTP, for anyone and for OpenRLHF's remote reward. Bodies are JSON.

    POST /score      {"items": [{"task", "id", "text", "key"?, "finish_reason"?, "prompt"?}, ...]}
                     {"scores": [{"key", "reward", "outcome", "answer", "feedback", "parts", "seconds"}, ...]}, in order
    POST /openrlhf   as `evalsuite.rewards.openrlhf.score_batch`
    GET /health      {"status": "ok"}
    GET /tasks       {"tasks": [NAME, ...]}

What an item does is its Score and never an HTTP error: `reward` is null where a verifier of ours failed. `prompt` (a text, or
messages) stands in for task and id where it is exactly that of one question, and tells as a text whether it opened a thought.
A status other than 200 comes with `{"error": MESSAGE}`: 400 for a request that is not as above, 413 for a body of more than
64 MiB, 503 for what is not there (a judge, worker processes) and, to OpenRLHF, for a row that could not be scored, since
it has no null. There is no authentication: whoever reaches the port can ask for rewards.
"""

from __future__ import annotations

import asyncio
import errno
import json
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from evalsuite.errors import EvalsuiteError, UnavailableError, UsageError
from evalsuite.models.chat import OPENERS
from evalsuite.rewards.core import Reward
from evalsuite.rewards.openrlhf import score_batch
from evalsuite.verifiers.pool import default_pool
from evalsuite.words.completion import Completion
from evalsuite.words.score import Score

if TYPE_CHECKING:
    from aiohttp import web

LARGEST = 64 << 20  # bytes of a request
_THREADS = 32  # requests that are scored at the same time; they share the workers of one pool
_FIELDS = {"task": (str,), "id": (str,), "text": (str,), "finish_reason": (str,), "prompt": (str, list)}
_REASONS = ("stop", "length", "tool_calls", "content_filter")


def serve(
    reward: Reward,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    eos: Sequence[str] = (),
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Answer until SIGINT or SIGTERM; call it in the main thread. `port` 0 takes a free one.

    `eos` are the texts of the model's end tokens, which OpenRLHF leaves in (`evalsuite.rewards.openrlhf.completion`).
    `on_ready` gets the URL when the port is open. At the end requests under way have two seconds; then the reward is closed and
    the workers of this process's default pool are ended. Raises UsageError for a port out of range and an empty `eos`,
    UnavailableError where the address cannot be had.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port}: 0 to 65535 is the range of ports")
    asyncio.run(_serve(reward, app(reward, eos), host, port, on_ready))


def app(reward: Reward, eos: Sequence[str] = ()) -> web.Application:
    """The aiohttp application that `serve` runs, to be run by a server of one's own. Raises UsageError for an empty `eos`."""
    from aiohttp import web

    if not all(eos):
        raise UsageError("eos '': the text of an end token is not empty")
    threads = ThreadPoolExecutor(_THREADS, "evalsuite-serve")

    async def health(_: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def tasks(_: web.Request) -> web.Response:
        return _json({"tasks": list(reward.tasks)})

    async def answer(request: web.Request, function: Callable[[Mapping[str, Any]], Any]) -> web.Response:
        try:
            data = await request.read()
        except web.RequestPayloadError as error:
            raise UsageError(f"the body cannot be read: {' '.join(str(error).split())}") from None
        return await asyncio.get_running_loop().run_in_executor(threads, lambda: _json(function(_decode(data))))

    async def score(request: web.Request) -> web.Response:
        return await answer(request, lambda body: _score(reward, body))

    async def openrlhf(request: web.Request) -> web.Response:
        return await answer(request, lambda body: _openrlhf(reward, body, eos))

    async def end(_: web.Application) -> None:
        threads.shutdown(wait=False, cancel_futures=True)

    made = web.Application(client_max_size=LARGEST, middlewares=[web.middleware(_errors)])
    made.add_routes([web.get("/health", health), web.get("/tasks", tasks)])
    made.add_routes([web.post("/score", score), web.post("/openrlhf", openrlhf)])
    made.on_cleanup.append(end)
    return made


async def _serve(reward: Reward, made: web.Application, host: str, port: int, on_ready: Callable[[str], None] | None) -> None:
    from aiohttp import web

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(made, access_log=None, shutdown_timeout=1)  # waited for twice
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, UnicodeError) as error:  # the latter of a name that cannot be one
            other = "port" if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES) else "host"
            why = getattr(error, "strerror", None) or error
            raise UnavailableError(f"cannot listen on {host}:{port}: {why}; choose another {other}") from None
        address = runner.addresses[0]
        if on_ready is not None:
            on_ready(f"http://{f'[{host}]' if ':' in host else host}:{address[1]}")
        await stop.wait()
    finally:
        await runner.cleanup()
        reward.close()
        default_pool().close()  # both end what is being scored, which the end of the process would wait for


async def _errors(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """Errors as JSON. The status line says it too: that is all OpenRLHF shows of an error."""
    from aiohttp import web

    try:
        return await handler(request)
    except UsageError as error:
        status, message = 400, str(error)
    except EvalsuiteError as error:
        status, message = 503, str(error)
    except web.HTTPException as error:  # no such path or method, or a body that is too large
        status, message = error.status, error.text or error.reason
    reason = "".join(c if c.isascii() and c.isprintable() else " " for c in message)[:200]
    return _json({"error": message}, status=status, reason=reason)


def _score(reward: Reward, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to `POST /score`. Raises UsageError for a body that is not as documented."""
    rows = body.get("items")
    if not isinstance(rows, list):
        raise UsageError('the body needs "items", a list of {"key", "task", "id", "text"}')
    items = {}
    for i, row in enumerate(rows):
        try:
            items[i] = _item(reward, row)
        except UsageError as error:
            raise UsageError(f"item {i}: {error}") from None
    scores = reward.score(items)
    return {"scores": [_row(rows[i].get("key"), reward.value(items[i][0], score), score) for i, score in scores.items()]}


def _item(reward: Reward, row: Any) -> tuple[str, str, Completion]:
    if not isinstance(row, dict):
        raise UsageError("an object is needed")
    if unknown := row.keys() - {"key", *_FIELDS}:
        raise UsageError(f"no field {', '.join(sorted(unknown))}; there are key, {', '.join(_FIELDS)}")
    for name, kinds in _FIELDS.items():
        if row.get(name) is not None and not isinstance(row[name], kinds):
            raise UsageError(f"{name} must be a text" + (" or a list of messages" if list in kinds else ""))
    if row.get("text") is None:
        raise UsageError('"text", the completion, is missing')
    if row.get("finish_reason") not in (None, *_REASONS):
        raise UsageError(f"finish_reason {row['finish_reason']!r}: {', '.join(_REASONS)} or null is needed")
    prompt = row.get("prompt")
    if isinstance(prompt, list) and not all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str) for m in prompt
    ):
        raise UsageError('a message of "prompt" is {"role": TEXT, "content": TEXT}')
    task, sample = reward.find(row.get("task"), row.get("id"), prompt, give='the fields "task" and "id"')
    opened = isinstance(prompt, str) and prompt.rstrip().endswith(OPENERS)
    return task, sample.id, Completion(text=row["text"], finish_reason=row.get("finish_reason"), opened=opened)


def _row(key: Any, value: float | None, score: Score) -> dict[str, Any]:
    return {
        "key": key,
        "reward": value,
        "outcome": score.outcome,
        "answer": score.answer,
        "feedback": score.feedback,
        "parts": dict(score.parts),
        "seconds": round(score.seconds, 6),
    }


def _openrlhf(reward: Reward, body: Mapping[str, Any], eos: Sequence[str]) -> dict[str, Any]:
    """The answer to `POST /openrlhf`. Raises as `score_batch`, and UsageError for a body that is not as documented."""
    columns: list[list[str]] = []
    for name in ("query", "prompts", "labels"):
        column = body.get(name)
        if not isinstance(column, list) or not all(isinstance(text, str) for text in column):
            raise UsageError(f'the body needs "{name}", a list of texts')
        columns.append(column)
    queries, prompts, labels = columns
    return score_batch(reward, queries, prompts, labels, eos)


def _decode(data: bytes) -> Mapping[str, Any]:
    """The JSON object of a body. Raises UsageError for anything else."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise UsageError("the body must be a JSON object")
    return body


def _json(value: Any, **fields: Any) -> web.Response:
    """A response. ASCII throughout, so that a lone surrogate in an answer can be sent."""
    from aiohttp import web

    return web.Response(body=json.dumps(value).encode(), content_type="application/json", **fields)
