"""The OpenAI wire format as pure functions: a `Request` to a JSON body, a JSON reply to a `Completion`."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite.errors import RequestError
from evalsuite.models import stopping
from evalsuite.words.completion import Completion, Request
from evalsuite.words.sample import Image, Message
from evalsuite.words.thinking import FORMS

# Settings at which a sampler does nothing. They are sent all the same: servers such as vLLM and SGLang fill what is missing
# from the checkpoint's generation_config.json. One of them may be left out for a server that does not know its name.
NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}

_FINISH = {
    **{reason: reason for reason in ("stop", "length", "tool_calls", "content_filter")},
    **{"eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "end_turn": "stop"},
    **{"max_tokens": "length", "function_call": "tool_calls"},
}
_MAGIC = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)


class Reply(NamedTuple):
    """What one HTTP reply says. `cost` in US dollars is there only where the server reports it."""

    text: str
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    token_ids: tuple[int, ...] | None
    logprobs: tuple[float, ...] | None
    tool_calls: tuple[Mapping[str, Any], ...]


def request_body(model: str, request: Request, endpoint: str, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The JSON body of a request, less its seed. `without` are the names that this server rejects (see `rejected`).

    Stop strings apply only after thinking has ended, and a server would also stop inside a thought: the chat endpoint is
    given them only where thinking is switched off. Everywhere `cut_at_stop` applies them to the reply.
    """
    sampling = request.sampling
    body: dict[str, Any] = {"model": model}
    stop: Sequence[str] = ()
    if endpoint == "chat":
        body["messages"] = [{"role": m.role, "content": _content(m)} for m in request.messages]
        stop = stopping.checked(sampling.stop) if sampling.thinking is False else ()
    else:
        if request.plain is None:
            raise RequestError("the completions endpoint needs the prompt as text, and this request has only messages")
        body["prompt"] = request.plain
        stop = stopping.checked((*sampling.stop, *request.plain_stop))
    body["max_completion_tokens" if "max_tokens" in without else "max_tokens"] = sampling.max_tokens
    settings = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or -1,
        "min_p": sampling.min_p,
        "repetition_penalty": 1.0,
    }
    body |= {name: value for name, value in settings.items() if name not in without or value != NEUTRAL[name]}
    if stop:
        body["stop"] = list(stop[:4])  # OpenAI takes four at most; the rest is cut here
    if endpoint == "chat":
        template = dict(sampling.template_args)
        if sampling.thinking is not None:
            template["enable_thinking"] = sampling.thinking
        if template:
            body["chat_template_kwargs"] = template
        if sampling.effort is not None:
            body["reasoning_effort"] = sampling.effort
        if request.tools:
            body["tools"] = [dict(t) if "function" in t else {"type": "function", "function": dict(t)} for t in request.tools]
    if request.logprobs:
        body["logprobs"] = True if endpoint == "chat" else 1
    return body | dict(sampling.extra)


def rejected(body: Mapping[str, Any], message: str) -> frozenset[str]:
    """Names in `body` that the server's error message objects to and that can be done without changing what is asked.

    These are `max_tokens` where the server wants `max_completion_tokens`, settings at their neutral value, and the seed
    (the sample is then as good, only not repeatable).
    """
    named = {name for name in body if re.search(rf"\b{re.escape(name)}\b", message)}
    neutral = {name for name in named if name in NEUTRAL and body[name] == NEUTRAL[name]}
    renamed = {"max_tokens"} & named if "max_completion_tokens" in message else set()
    return frozenset(neutral | renamed | ({"seed"} & named))


def without(body: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """`body` without `names`; `max_tokens` goes on as `max_completion_tokens`."""
    less = {name: value for name, value in body.items() if name not in names}
    return less | ({"max_completion_tokens": body["max_tokens"]} if "max_tokens" in names else {})


def read_reply(reply: Any) -> Reply:
    """The one choice of a decoded reply. Raises ValueError saying what is missing or has the wrong type."""
    try:
        return _read_reply(reply)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"a reply of an unknown shape ({type(error).__name__}: {error})") from None


def _read_reply(reply: Any) -> Reply:
    if not isinstance(reply, dict):
        raise ValueError(f"a JSON {type(reply).__name__} instead of an object")
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError(f"error {reply['error']}" if reply.get("error") else "no choices")
    choice = choices[0]
    if choice.get("error") or choice.get("finish_reason") in ("error", "abort"):
        raise ValueError(f"generation failed on the server: {choice.get('error') or choice['finish_reason']}")
    message = choice.get("message")
    calls: Any = None
    if isinstance(message, dict):
        text, reasoning = _text(message.get("content"))
        reasoning = _first_text(message.get("reasoning_content"), message.get("reasoning")) or reasoning
        calls = message.get("tool_calls")
    elif isinstance(choice.get("text"), str):
        text, reasoning = choice["text"], None
    else:
        raise ValueError("the choice has neither a message nor a text")
    usage: dict[str, Any] = reply["usage"] if isinstance(reply.get("usage"), dict) else {}
    return Reply(
        text=text,
        reasoning=reasoning,
        finish_reason=_FINISH.get(choice.get("finish_reason") or ""),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cost=_cost(usage.get("cost")),
        token_ids=_token_ids(choice.get("token_ids")),
        logprobs=_logprobs(choice.get("logprobs")),
        tool_calls=tuple(c for c in calls if isinstance(c, dict)) if isinstance(calls, list) else (),
    )


def completion(request: Request, endpoint: str, reply: Reply, cost: float | None, latency: float) -> Completion:
    """The Completion of a reply, its answer ended at the first stop string. A cut text has no token ids or log-probs."""
    stop = request.sampling.stop if endpoint == "chat" else (*request.sampling.stop, *request.plain_stop)
    text, finish, ids, logprobs = reply.text, reply.finish_reason, reply.token_ids, reply.logprobs
    if stop:
        text = cut_at_stop(reply.text, stop)
        if text != reply.text:
            finish, ids, logprobs = "stop", None, None
    return Completion(
        text=text,
        reasoning=reply.reasoning,
        finish_reason=finish,
        token_ids=ids,
        logprobs=logprobs if request.logprobs else None,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        cost=cost,
        latency=latency,
        tool_trace=reply.tool_calls,
    )


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """`text` as far as the first stop string after thinking has ended, which is where an engine would have ended it.

    A server does not say whether its prompt ended inside a thought; a closer ahead of any opener does.
    """
    openers, closers = ([at for at in map(text.find, tags) if at >= 0] for tags in zip(*FORMS))
    opened = bool(closers) and min(closers) < min(openers, default=len(text))
    at = stopping.find(text, [s for s in stop if s], opened=opened)
    return text[:at]


class Span(NamedTuple):
    """What a server says of a continuation: summed natural log-probability, its tokens, whether each was the likeliest."""

    logprob: float
    tokens: int
    greedy: bool


def read_span(reply: Any, start: int, end: int) -> Span:
    """The characters [start, end) of an echoed prompt; a token that straddles `start` counts. Raises ValueError."""
    try:
        found = reply["choices"][0]["logprobs"]
        total, count, greedy = 0.0, 0, True
        best = found.get("top_logprobs") or [None] * len(found["tokens"])
        for token, offset, logprob, top in zip(found["tokens"], found["text_offset"], found["token_logprobs"], best):
            if offset + len(token) <= start or offset >= end:
                continue
            total, count = total + logprob, count + 1
            greedy = greedy and top is not None and logprob >= max(top.values())
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"no log-probabilities of the echoed prompt ({type(error).__name__}: {error})") from None
    if math.isnan(total):
        raise ValueError("log-probabilities of the echoed prompt that are no numbers")
    if not count:
        raise ValueError("the echoed prompt does not hold the continuation")
    return Span(total, count, greedy)


def image_url(image: Image) -> str:
    """The image as an http(s) URL or a base64 data URI. Raises RequestError where the file cannot be read."""
    source = image.source
    if isinstance(source, str):
        if source.startswith(("data:", "http://", "https://")):
            return source
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise RequestError(f"cannot read image {source}: {error.strerror}") from None
    else:
        data = source
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    if kind is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "webp"
    if kind is None:
        raise RequestError(f"an image of {len(data)} bytes is none of png, jpeg, gif, webp, bmp, tiff")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _content(message: Message) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": image_url(part)}}
        for part in message.content
    ]


def _text(content: Any) -> tuple[str, str | None]:
    """Text and reasoning of a message's content: a string, null, or typed parts."""
    if content is None or isinstance(content, str):
        return content or "", None
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ValueError(f"message content is a JSON {type(content).__name__}")
    thoughts = [_text(p["thinking"])[0] for p in content if p.get("type") == "thinking"]
    return "".join(p["text"] for p in content if isinstance(p.get("text"), str)), "".join(thoughts) or None


def _first_text(*values: Any) -> str | None:
    return next((v for v in values if isinstance(v, str) and v), None)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _logprobs(found: Any) -> tuple[float, ...] | None:
    if not isinstance(found, dict):
        return None
    if isinstance(found.get("content"), list):  # chat
        values = [entry["logprob"] for entry in found["content"]]
    elif isinstance(found.get("token_logprobs"), list):  # completions
        values = found["token_logprobs"]
    else:
        return None
    if not all(_number(v) and not math.isnan(v) for v in values):
        raise ValueError("log-probabilities that are no numbers")
    return tuple(map(float, values))


def _token_ids(found: Any) -> tuple[int, ...] | None:
    if not isinstance(found, list):
        return None
    if any(_count(i) is None for i in found):
        raise ValueError("token_ids that are no token ids")
    return tuple(found)


def _cost(value: Any) -> float | None:
    """US dollars. What is no amount counts as not reported: a NaN or a credit would switch a budget off."""
    return float(value) if _number(value) and 0 <= value < math.inf else None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
