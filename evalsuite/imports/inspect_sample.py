"""Samples of an inspect log as one question with its answers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalsuite.imports.bounded import bounded, utf8
from evalsuite.imports.inspect_zip import resolved
from evalsuite.imports.record import Question
from evalsuite.words.sample import Image, Message, Sample

_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_FINISH = {
    "max_tokens": "length",
    "model_length": "length",
    "stop": "stop",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_FEEDBACK = 4_000  # characters of an explanation


def question(samples: Sequence[Mapping[str, Any]], model: str, main: str) -> Question:
    """The epochs of one sample; `model` is what was evaluated, `main` the name of the score that is the value.

    Raises ValueError for epochs that do not count from 1, or come twice, besides what meets fields of another shape.
    """
    numbers = [int(sample.get("epoch", 1)) for sample in samples]
    if min(numbers) < 1 or len(set(numbers)) < len(numbers):
        raise ValueError(f"epochs {numbers}: they count from 1, each once")
    epochs = [_whole(sample) for sample in samples]
    first = epochs[0]
    given = _turns(first["input"])
    asked = Sample(
        id=str(first["id"]),
        messages=tuple(map(_message, given)),
        target=first.get("target"),
        choices=tuple(first.get("choices") or ()),
    )
    answers = [_split(epoch, len(given)) for epoch in epochs]
    return Question(
        id=asked.id,
        digest=asked.digest(),
        messages=tuple(map(_message, answers[0][0])) or asked.messages,
        problem=asked.problem,
        target=asked.target,
        metadata=bounded(first.get("metadata") or {}),
        rows=tuple(_row(epoch, trace, model, main) for epoch, (_, trace) in zip(epochs, answers)),
    )


# Events repeat the messages, and may be a hundred times as long.
_UNREAD = frozenset({"events", "events_data", "attachments", "store", "timelines", "error_retries"})


def _whole(sample: Mapping[str, Any]) -> dict[str, Any]:
    """What is read of a sample, with texts in place of references to attachments."""
    kept = {k: v for k, v in sample.items() if k not in _UNREAD}
    attachments = sample.get("attachments")
    return {k: resolved(v, attachments) for k, v in kept.items()} if attachments else kept


def score_name(scorer: Any, name: str) -> str:
    """How a score is known here: by its scorer, and `scorer.key` where a scorer gives several."""
    return re.sub(r"[/\s,]+", "_", utf8(name if scorer in (None, name) else f"{scorer}.{name}"))


def flat_scores(scores: Mapping[str, Any] | None) -> dict[str, Any]:
    """Raw values by `score_name`: a scorer's value, or each value of a mapping. Raises ValueError where two have one name."""
    out: dict[str, Any] = {}
    for scorer, score in (scores or {}).items():
        value = score.get("value")
        for key, v in value.items() if isinstance(value, Mapping) else [(scorer, value)]:
            name = score_name(scorer, key)
            if name in out:
                raise ValueError(f"two scores would be one part: {name}")
            out[name] = v
    return out


def to_float(value: Any) -> float | None:
    """A score's value as inspect's `value_to_float` takes it: C 1, P 0.5, I and N 0, yes and no, numbers, other words 0.

    None for NaN, by which inspect says that something is not scored, and for lists.
    """
    if isinstance(value, str):
        known = _LETTERS.get(value, _WORDS.get(value.lower()))
        try:
            return known if known is not None else float(value) if math.isfinite(float(value)) else 0.0
        except ValueError:
            return 0.0
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _row(sample: Mapping[str, Any], trace: list[dict[str, Any]], model: str, main: str) -> dict[str, Any]:
    output = sample.get("output") or {}
    choice: Mapping[str, Any] = next(iter(output.get("choices") or ()), {})
    text, reasoning = _content((choice.get("message") or {}).get("content", output.get("completion", "")))
    raw = flat_scores(sample.get("scores"))
    numbers = {name: number for name, value in raw.items() if (number := to_float(value)) is not None}
    scorer: Mapping[str, Any] = next(
        (s for name, s in (sample.get("scores") or {}).items() if main == name or main.startswith(f"{name}.")), {}
    )
    value = numbers.pop(main, None)
    finish = _FINISH.get(str(choice.get("stop_reason")))
    feedback = str(scorer.get("explanation") or "")[:_FEEDBACK]
    score = {
        "value": value,
        "outcome": _outcome(value, raw.get(main), finish),
        "answer": _text(scorer.get("answer")),
        "parts": numbers,
    }
    completion = {"text": text, "reasoning": reasoning, "finish_reason": finish, "tool_trace": trace, **_spent(sample, model)}
    said = bool(choice) or bool(text)
    return {
        "i": int(sample.get("epoch", 1)) - 1,
        "score": {**score, "feedback": feedback if value is not None else _why(sample, raw.get(main))},
        "completion": completion if said else {k: v for k, v in completion.items() if k != "text"},
    }


def _outcome(value: float | None, raw: Any, finish: str | None) -> str:
    if value is None:
        return "error"
    if raw == "N":
        return "no_answer"
    return "truncated" if value == 0 and finish == "length" else "ok"


def _why(sample: Mapping[str, Any], raw: Any) -> str:
    """Why there is no value."""
    if error := (sample.get("error") or {}).get("message"):
        return str(error)[:_FEEDBACK]
    if limit := sample.get("limit"):
        return f"stopped at inspect's {limit.get('type')} limit, and not scored"
    return "not scored" if raw is None or raw != raw else f"the score {raw!r:.200} is no number"


def _spent(sample: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Tokens of the model that was evaluated (of all models, where it is not named), dollars, seconds."""
    usage = sample.get("model_usage") or {}
    counted = [usage[model]] if model in usage else list(usage.values())
    out: dict[str, Any] = {"latency": sample.get("working_time") or sample.get("total_time")}
    if counted:
        read = ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
        out["prompt_tokens"] = sum(u.get(name) or 0 for u in counted for name in read)
        out["completion_tokens"] = sum(u.get("output_tokens") or 0 for u in counted)
        costs = [u["total_cost"] for u in counted if u.get("total_cost") is not None]
        out["cost"] = math.fsum(costs) if costs else None
    return out


def _split(sample: Mapping[str, Any], given: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The turns of the prompt as it was sent, and those between it and the last answer."""
    turns = sample.get("messages") or []
    begins = (i for i, m in enumerate(turns) if m.get("role") == "assistant" and i >= given and m.get("source") != "input")
    first = next(begins, len(turns))
    last = len(turns) - 1 if turns[first:] and turns[-1].get("role") == "assistant" else len(turns)
    return turns[:first], [dict(_plain(m)) for m in turns[first:last]]


def _plain(turn: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A turn of the trace in the shape of chat messages."""
    yield "role", turn.get("role")
    yield "content", turn.get("content")
    if calls := turn.get("tool_calls"):
        yield (
            "tool_calls",
            [
                {
                    "id": call.get("id"),
                    "type": "function",
                    "function": {
                        "name": call.get("function"),
                        "arguments": json.dumps(call.get("arguments"), ensure_ascii=False),
                    },
                }
                for call in calls
            ],
        )
    for key, name in (("tool_call_id", "tool_call_id"), ("function", "name"), ("error", "error")):
        if turn.get(key) is not None:
            yield name, turn[key]


def _turns(given: Any) -> list[Mapping[str, Any]]:
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given)


def _message(turn: Mapping[str, Any]) -> Message:
    content = turn.get("content", "")
    if isinstance(content, str):
        return Message(str(turn.get("role", "user")), content)
    parts: list[str | Image] = []
    for part in content:
        if part.get("type") == "image":
            image = str(part.get("image"))
            # A path would be opened on this machine, where it may be any file: only what lies in the log itself is an image here.
            parts.append(Image(image) if image.startswith(("data:", "http://", "https://")) else f"[image {image}]")
        elif part.get("type") == "text":
            parts.append(str(part.get("text", "")))
        else:
            parts.append(f"[{part.get('type')}]")
    return Message(str(turn.get("role", "user")), tuple(parts))


def _content(content: Any) -> tuple[str, str | None]:
    """Text and reasoning of an answer."""
    if isinstance(content, str):
        return content, None
    texts = [str(p.get("text", "")) for p in content or () if p.get("type") == "text"]
    thoughts = [str(p.get("reasoning", "")) for p in content or () if p.get("type") == "reasoning"]
    return "".join(texts), "\n".join(thoughts) or None


def _text(answer: Any) -> str | None:
    return None if answer is None else str(answer)
