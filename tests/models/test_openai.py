"""The openai backend: what goes out, what comes back, keys and budgets."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from typing import Any

import pytest
from openai_server import ask, chat, error, one, quick, talk  # noqa: F401

from evalsuite.errors import BudgetError, RequestError, UnavailableError, UsageError
from evalsuite.models import wire
from evalsuite.models.openai import OpenAIModel
from evalsuite.words.completion import Completion
from evalsuite.words.sample import Image

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 8


# -- what goes out and comes back


def test_chat_round_trip() -> None:
    completion, server, model = one(chat("It is 4."))
    assert (completion.text, completion.finish_reason, completion.reasoning) == ("It is 4.", "stop", None)
    assert (completion.prompt_tokens, completion.completion_tokens, completion.cost) == (7, 3, None)
    assert completion.latency > 0 and not completion.truncated
    assert server.bodies == [
        {
            "path": "/v1/chat/completions",
            "model": "m",
            "messages": [{"role": "user", "content": "2+2?"}],
            "max_tokens": 16,
            "seed": 11,
            "temperature": 0.0,
            "top_p": 1.0,
            "top_k": -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
        }
    ]
    assert "Authorization" not in server.headers[0]
    assert model.identity() == {"backend": "openai", "model": "m", "endpoint": "chat"}
    assert model.environment()["model"] == "served" and model.environment()["host"] in server.url


def test_sampling_reaches_the_body() -> None:
    sampling = {
        "temperature": 0.6, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "thinking": True, "effort": "high",
        "template_args": {"x": 1}, "extra": {"repetition_penalty": 1.1, "seed": 5},
    }  # fmt: skip
    tool = {"name": "add", "parameters": {}}
    request = ask(sampling=sampling, tools=(tool, {"type": "function", "function": tool}))
    _, server, _ = one(chat(), request)
    body = server.bodies[0]
    assert [body[k] for k in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed")] == [
        0.6,
        0.9,
        20,
        0.1,
        1.1,
        5,
    ]
    assert body["chat_template_kwargs"] == {"x": 1, "enable_thinking": True}
    assert body["reasoning_effort"] == "high"
    assert body["tools"] == [{"type": "function", "function": tool}] * 2


def test_each_seed_is_a_call_of_its_own_and_order_is_kept() -> None:
    async def script(body: dict[str, Any], number: int) -> Any:
        await asyncio.sleep(0.03 if number == 0 else 0)
        return chat(f"seed {body['seed']}")

    result, server, _ = talk(script, lambda m: m.generate(ask(seeds=(5, 3, 9))))
    assert [c.text for c in result] == ["seed 5", "seed 3", "seed 9"]
    assert {b["seed"] for b in server.bodies} == {5, 3, 9}
    assert not any("n" in b for b in server.bodies)


def test_concurrency_is_a_bound_over_all_requests() -> None:
    async def script(body: dict[str, Any], number: int) -> Any:
        await asyncio.sleep(0.01)
        return chat()

    async def use(model: OpenAIModel) -> Any:
        return await asyncio.gather(*(model.generate(ask(seeds=(1, 2, 3, 4))) for _ in range(5)))

    result, server, _ = talk(script, use, concurrency=3)
    assert [len(r) for r in result] == [4] * 5
    assert server.busiest == 3


def test_completions_endpoint_sends_text_and_stops() -> None:
    reply = {
        "choices": [
            {"text": " 4\n\nQ: next", "finish_reason": "length", "logprobs": {"tokens": [" 4"], "token_logprobs": [-0.5]}}
        ],
        "usage": {"prompt_tokens": 2, "completion_tokens": 9},
    }
    request = ask(plain="Q: 2+2\nA:", plain_stop=("\n\nQ:",), sampling={"stop": ("END",)}, logprobs=True)
    completion, server, _ = one(reply, request, endpoint="completions")
    body = server.bodies[0]
    assert body["path"] == "/v1/completions" and body["prompt"] == "Q: 2+2\nA:" and "messages" not in body
    assert body["stop"] == ["END", "\n\nQ:"] and body["logprobs"] == 1
    assert completion.text == " 4" and completion.finish_reason == "stop"  # the server ignored it: cut here
    assert completion.logprobs is None  # they would no longer align
    problem, _, _ = one(reply, ask(), endpoint="completions")
    assert isinstance(problem, RequestError) and "prompt as text" in str(problem)


def test_stop_strings_never_fire_inside_a_thought() -> None:
    text = "<think>try STOP here</think>The answer is 4. STOP and more"
    completion, server, _ = one(chat(text, "length"), ask(sampling={"stop": ("STOP",)}))
    assert "stop" not in server.bodies[0]  # a server would stop in the thought
    assert completion.text == "<think>try STOP here</think>The answer is 4. "
    assert completion.finish_reason == "stop" and completion.answer_text == "The answer is 4. "
    _, server, _ = one(chat(text), ask(sampling={"stop": ("a", "b", "c", "d", "e"), "thinking": False}))
    assert server.bodies[0]["stop"] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no marks STOP x", "no marks "),
        ("opened by the prompt STOP</think>yes STOP", "opened by the prompt STOP</think>yes "),
        ("<think>never closed STOP", "<think>never closed STOP"),
        ("nothing to cut", "nothing to cut"),
    ],
)
def test_cut_at_stop(text: str, kept: str) -> None:
    assert wire.cut_at_stop(text, ("STOP", "")) == kept


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("content", [None, "", "4"])
def test_reasoning_fields(name: str, content: str | None) -> None:
    completion, _, _ = one(chat(content, **{name: "two and two"}))
    assert completion.reasoning == "two and two" and completion.text == (content or "")


def test_content_parts_with_thinking() -> None:
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "4"}]
    completion, _, _ = one(chat(content))
    assert (completion.text, completion.reasoning) == ("4", "hm")


@pytest.mark.parametrize(
    ("said", "meant"), [("length", "length"), ("max_tokens", "length"), ("end_turn", "stop"), ("novelty", None), (None, None)]
)
def test_finish_reasons(said: str | None, meant: str | None) -> None:
    completion, _, _ = one(chat("4", said))
    assert completion.finish_reason == meant and completion.truncated == (meant == "length")


def test_logprobs_and_tool_calls() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    reply = chat("4", "tool_calls", tool_calls=[call])
    reply["choices"][0]["logprobs"] = {"content": [{"token": "4", "logprob": -0.25}, {"token": ".", "logprob": -1.0}]}
    completion, server, _ = one(reply, ask(logprobs=True))
    assert completion.logprobs == (-0.25, -1.0) and completion.tool_trace == (call,)
    assert server.bodies[0]["logprobs"] is True
    assert Completion.from_dict(json.loads(json.dumps(completion.to_dict()))) == completion


def test_images(tmp_path: Any) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    uri = "data:image/png;base64," + base64.b64encode(PNG).decode()
    parts = (Image(str(path)), Image(PNG), Image(uri), Image("https://x.org/a.png"), "What is it?")
    _, server, _ = one(chat(), ask(parts))
    urls = [p["image_url"]["url"] for p in server.bodies[0]["messages"][0]["content"][:4]]
    assert urls == [uri, uri, uri, "https://x.org/a.png"]
    assert server.bodies[0]["messages"][0]["content"][4] == {"type": "text", "text": "What is it?"}
    for bad, words in ((Image(str(tmp_path / "none.png")), "none.png"), (Image(b"text"), "none of png")):
        problem, server, _ = one(chat(), ask((bad, "?")))
        assert isinstance(problem, RequestError) and words in str(problem) and not server.bodies


def test_lone_surrogates_survive_both_ways() -> None:
    completion, server, _ = one(b'{"choices":[{"message":{"content":"a\\ud83d"}}]}', ask("x\ud83d"))
    assert completion.text == "a\ud83d" and server.bodies[0]["messages"][0]["content"] == "x\ud83d"


# -- servers with other ideas of the protocol


def test_max_completion_tokens_is_learnt_once() -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        if "max_tokens" in body:
            return error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        return chat()

    async def use(model: OpenAIModel) -> Any:
        return [await model.generate(ask()), await model.generate(ask())]

    _, server, model = talk(script, use)
    assert [b.get("max_completion_tokens") for b in server.bodies] == [None, 16, 16]
    assert model.environment()["fields_not_sent"] == ["max_tokens"]


def test_unknown_neutral_fields_are_left_out_and_others_are_not() -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        for name in ("top_k", "min_p", "repetition_penalty", "seed"):
            if name in body:
                return error(422, f"Extra inputs are not permitted: {name}")
        return chat()

    completion, server, model = one(script)
    assert completion.text == "4" and len(server.bodies) == 5
    assert model.environment()["fields_not_sent"] == ["min_p", "repetition_penalty", "seed", "top_k"]
    problem, server, model = one(script, ask(sampling={"top_k": 20, "temperature": 1.0}))
    assert isinstance(problem, RequestError) and "top_k" in str(problem)  # asked for, so never dropped
    assert model.environment()["fields_not_sent"] == []


# -- keys, budgets, money


def test_keys_come_from_the_environment_and_stay_out_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret-123\n")
    monkeypatch.setenv("OTHER", "tok-secret-456")
    options = {"api_key_env": "MY_KEY", "headers": {"X-Key": "$OTHER", "X-Plain": "a"}}
    problem, server, model = one(error(401, "bad key sk-secret-123 or tok-secret-456"), **options)
    assert server.headers[0]["Authorization"] == "Bearer sk-secret-123" and server.headers[0]["X-Key"] == "tok-secret-456"
    seen = f"{problem} {model.identity()} {model.environment()} {model.name}"
    assert "secret" not in seen and "MY_KEY" in str(problem)
    with pytest.raises(UnavailableError, match="OPENAI_API_KEY"):
        OpenAIModel("gpt")


def test_cost_from_prices_or_from_the_server() -> None:
    completion, _, model = one(chat(usage=(1000, 500)), input_price=2.0, output_price=8.0)
    assert math.isclose(completion.cost, 0.006) and math.isclose(model.cost, 0.006) and model.tokens_used == 1500
    reply = chat()
    reply["usage"]["cost"] = 0.25
    completion, _, _ = one(reply)
    assert completion.cost == 0.25


@pytest.mark.parametrize("budget", [{"max_tokens_total": 25}, {"max_cost": 0.000025, "input_price": 1.0, "output_price": 1.0}])
def test_budget_is_checked_before_sending(budget: dict[str, Any]) -> None:
    async def use(model: OpenAIModel) -> Any:
        for _ in range(5):
            await model.generate(ask())

    problem, server, _ = talk(chat(usage=(7, 3)), use, **budget)
    assert isinstance(problem, BudgetError) and len(server.bodies) == 3  # 10 tokens each: 25 are passed by the third


def test_a_budget_that_cannot_be_kept_is_an_error() -> None:
    problem, _, _ = one(chat(usage=None), max_tokens_total=100)
    assert isinstance(problem, UnavailableError) and "no token usage" in str(problem)
    problem, _, _ = one(chat(), max_cost=1.0)
    assert isinstance(problem, UnavailableError) and "input_price" in str(problem)


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "responses"},
        {"concurrency": 0},
        {"input_price": 1.0},
        {"base_url": "ftp://x"},
        {"base_url": "http://user:word@x/v1"},
    ],
)
def test_wrong_arguments(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        OpenAIModel("m", **{"base_url": "http://127.0.0.1:1/v1", **options})


def test_base_url_forms() -> None:
    for base in ("http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions", "h:1/v1"):
        assert OpenAIModel("m", base_url=base)._client.url == "http://h:1/v1/chat/completions"
    assert OpenAIModel("m", base_url="http://h/v1?api-version=2")._client.shown == "http://h/v1/chat/completions"


def test_one_model_in_two_event_loops() -> None:
    """A notebook, and a model that is used from two threads, have more than one."""

    async def use(model: OpenAIModel) -> Any:
        async def elsewhere() -> Any:
            try:
                return await model.generate(ask())
            finally:
                await model.close()

        return [await model.generate(ask()), await asyncio.to_thread(asyncio.run, elsewhere())]

    result, _, _ = talk(chat(), use)
    assert [r[0].text for r in result] == ["4", "4"]


# -- log-likelihood


def test_loglikelihood_sums_the_continuation() -> None:
    def script(body: dict[str, Any], number: int) -> Any:
        assert body["echo"] is True and body["prompt"].startswith("Q? A:")
        word = body["prompt"][len("Q? A:") :]
        found = {
            "tokens": ["Q?", " A:", word, "!"],
            "text_offset": [0, 2, 5, 5 + len(word)],
            "token_logprobs": [None, -3.0, -0.5, -9.0],
            "top_logprobs": [None, {"x": -1.0}, {word: -0.5} if word == " yes" else {"x": -0.1}, {"!": -9.0}],
        }
        return {"choices": [{"text": body["prompt"] + "!", "logprobs": found}]}

    async def use(model: OpenAIModel) -> Any:
        return await model.loglikelihood(ask(plain="Q? A:"), [" yes", " no"])

    result, _, _ = talk(script, use, endpoint="completions")
    assert result == [(-0.5, 1, True), (-0.5, 1, False)]
    problem, _, _ = talk(script, use)
    assert isinstance(problem, RequestError)
    problem, _, _ = talk(chat(), use, endpoint="completions", max_retries=0)
    assert isinstance(problem, RequestError) and "echoed prompt" in str(problem)
