"""The openai backend against servers that fail in every way a server can."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from openai_server import Refusal, ask, chat, error, one, quick, talk  # noqa: F401

from evalsuite.errors import RequestError, UnavailableError, UsageError
from evalsuite.models import http
from evalsuite.models.openai import OpenAIModel

# -- failures that pass


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_retried_then_answered(status: int) -> None:
    completion, server, _ = one(lambda body, number: error(status) if number < 2 else chat())
    assert completion.text == "4" and len(server.bodies) == 3


def test_lost_connection_is_retried() -> None:
    completion, server, _ = one(lambda body, number: None if number == 0 else chat())
    assert completion.text == "4" and len(server.bodies) == 2


def test_a_failure_that_stays_is_bounded() -> None:
    problem, server, _ = one(error(500, "CUDA out of memory"), max_retries=3)
    assert isinstance(problem, RequestError)
    assert "HTTP 500" in str(problem) and "CUDA out of memory" in str(problem) and "4 attempts" in str(problem)
    assert len(server.bodies) == 4


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"[1]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [7]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"content": [{"type": "thinking"}]}}]}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": ["stop"]}]}',
        b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{}]}}]}',
        b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{"logprob": "-1"}]}}]}',
        b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{"logprob": NaN}]}}]}',
        b'{"choices": [{"text": "x", "logprobs": {"token_logprobs": [-1.0, null]}}]}',
        b'{"choices": [{"message": {"content": "x"}, "token_ids": [1, "2"]}]}',
        b'{"choices": [{"message": {"content": "x"}, "token_ids": [1, 2.5]}]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": {"cost": 1' + b"0" * 400 + b"}}",
        b'{"error": {"message": "upstream"}}',
        b'{"choices": [{"message": {"content": "half"}, "finish_reason": "abort"}]}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_garbage_is_retried_then_shown(garbage: bytes) -> None:
    problem, server, _ = one(garbage, max_retries=2)
    assert isinstance(problem, RequestError) and "sent no completion" in str(problem) and len(server.bodies) == 3
    assert not garbage.isascii() or garbage[:20].decode() in str(problem)
    assert len(str(problem)) < 1000
    completion, _, _ = one(lambda body, number: garbage if number == 0 else chat())
    assert completion.text == "4"


def test_a_server_that_hangs() -> None:
    async def script(body: dict[str, Any], number: int) -> Any:
        await asyncio.sleep(30)

    start = time.monotonic()
    problem, server, _ = one(script, timeout=0.2)
    assert isinstance(problem, RequestError) and "within 0.2 s" in str(problem)
    assert len(server.bodies) == 2 and time.monotonic() - start < 10  # a timeout is tried once more


def test_429_holds_everybody_back() -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        return error(429, "slow down", {"Retry-After": "0.3"}) if number == 0 else chat()

    async def use(model: OpenAIModel) -> Any:
        first = asyncio.create_task(model.generate(ask()))
        await asyncio.sleep(0.1)
        return [await model.generate(ask()), await first]

    result, server, _ = talk(script, use)
    assert [r[0].text for r in result] == ["4", "4"]
    assert min(server.times[1:]) - server.times[0] >= 0.29


def test_429_is_not_counted_while_others_get_through() -> None:
    unlucky = {"refused": 0}

    def script(body: dict[str, Any], number: int) -> Any:
        if body["messages"][0]["content"] == "unlucky" and unlucky["refused"] < 4:
            unlucky["refused"] += 1
            return error(429)
        return chat()

    async def use(model: OpenAIModel) -> Any:
        async def others() -> None:
            while unlucky["refused"] < 4:
                await model.generate(ask())

        steady = asyncio.create_task(others())
        result = await model.generate(ask("unlucky"))
        await steady
        return result

    result, _, _ = talk(script, use, max_retries=1)
    assert result[0].text == "4" and unlucky["refused"] == 4


@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2), ("1.5", 1.5), ("", 0), ("soon", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)]
)
def test_retry_after(value: str, seconds: float) -> None:
    assert http._retry_after({"Retry-After": value}) == seconds


# -- failures that do not


@pytest.mark.parametrize("status", [400, 413, 422, 501])
def test_refused_for_good(status: int) -> None:
    problem, server, _ = one(error(status, "context too long"))
    assert type(problem) in (RequestError, http.Rejected) and "context too long" in str(problem) and len(server.bodies) == 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (error(401, "bad key"), "OPENAI_API_KEY"),
        (error(403, "not yours"), "OPENAI_API_KEY"),
        (error(402, "pay"), "no credit"),
        (error(429, "over quota", code="insufficient_quota"), "no credit"),
        (error(404, "no model m"), "check the model name"),
        (error(503, "maintenance", {"Retry-After": "7200"}), "7200 s"),
    ],
)
def test_nothing_can_succeed(reply: Refusal, words: str) -> None:
    problem, server, _ = one(reply)
    assert isinstance(problem, UnavailableError) and words in str(problem) and len(server.bodies) == 1


def test_404_and_403_for_one_question_cost_only_that_question() -> None:
    async def use(model: OpenAIModel) -> Any:
        await model.generate(ask())
        return await model.generate(ask())

    for status in (404, 403):
        problem, _, _ = talk(lambda body, number, s=status: chat() if number == 0 else error(s, "flagged"), use)
        assert type(problem) is RequestError and "flagged" in str(problem)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = OpenAIModel("m", base_url=f"127.0.0.1:{port}/v1")

    async def main() -> None:
        try:
            await model.generate(ask())
        finally:
            await model.close()

    with pytest.raises(UnavailableError, match=f"cannot connect to http://127.0.0.1:{port}/v1/chat/completions.*3 attempts"):
        asyncio.run(main())


def test_one_failing_seed_fails_the_request_and_stops_the_others() -> None:
    async def script(body: dict[str, Any], number: int) -> Any:
        if body["seed"] == 2:
            return error(400, "no")
        await asyncio.sleep(5)
        return chat()

    start = time.monotonic()
    problem, _, _ = talk(script, lambda m: m.generate(ask(seeds=(1, 2, 3))))
    assert isinstance(problem, RequestError) and time.monotonic() - start < 4


def test_a_reply_without_end_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LARGEST", 1 << 20)
    problem, server, _ = one(chat("x" * (1 << 20)))
    assert isinstance(problem, RequestError) and "more than 1 MiB" in str(problem) and len(server.bodies) == 1
    completion, _, _ = one(chat("x" * 1_000_000))
    assert len(completion.text) == 1_000_000


@pytest.mark.parametrize("cost", ["NaN", "-1", "Infinity", "true", '"0.5"'])
def test_a_cost_that_is_no_amount_counts_as_not_reported(cost: str) -> None:
    reply = f'{{"choices": [{{"message": {{"content": "4"}}}}], "usage": {{"cost": {cost}}}}}'.encode()
    completion, _, model = one(reply, max_retries=0)
    assert completion.cost is None and model.cost == 0
    problem, _, _ = one(reply, max_retries=0, max_cost=1.0)
    assert isinstance(problem, UnavailableError) and "--max-cost needs" in str(problem)


def test_an_empty_stop_string_is_refused() -> None:
    problem, server, _ = one(chat(), ask(plain="2+2?", plain_stop=("",)), endpoint="completions")
    assert isinstance(problem, UsageError) and not server.bodies
