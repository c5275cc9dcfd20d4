"""A tool trace as turns to show. What this reads is what an environment should write; all else is shown as JSON.

Every item of `Completion.tool_trace` is a mapping. It may be a message of a conversation, a call, an observation, or an OpenAI tool
call as servers send it. Keys that are read:

    role               who speaks: assistant, tool, user, ...     type        call, observation, message, function, ...
    name               of the tool                                arguments   a mapping, or JSON text
    content            text, or parts as in chat messages         observation the same, of what came back
    tool_calls         of a message, in OpenAI's shape            function    {name, arguments} of an OpenAI tool call
    reasoning_content  thought of a message (also `reasoning`, `thinking`)
    image, images      what came back to be seen (`evalsuite.runlog.media` has the form it is stored in)
    bbox               [x1, y1, x2, y2] in pixels of the question's original image: what the tool cropped. The environment writes it,
                       because models name boxes in frames of their own
    image_index        which image of the prompt `bbox` lies on; the first, 0, without it

A call's own `bbox_2d` or `bbox` argument is drawn only where no `bbox` tells what was cropped: it is what the model wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_THOUGHT = ("reasoning_content", "reasoning", "thinking")
_READ = frozenset(
    {
        "role",
        "type",
        "name",
        "arguments",
        "content",
        "observation",
        "tool_calls",
        "function",
        "image",
        "images",
        "bbox",
        "image_index",
    }
) | frozenset(_THOUGHT)


@dataclass(frozen=True)
class Turn:
    """One item of a trace. `calls` are (name, arguments as text), `images` references, `rest` JSON text of the keys that are not read."""

    who: str
    text: str = ""
    thought: str = ""
    calls: Sequence[tuple[str, str]] = ()
    images: Sequence[Mapping[str, Any]] = ()
    rest: str = ""
    crops: Sequence[int] = ()  # numbers of the crops that this turn is about, from 1


@dataclass(frozen=True)
class Crop:
    """A region that a tool cut out of image number `image` of the prompt, in pixels of the original; `said` by the model alone, or done."""

    number: int
    box: tuple[float, float, float, float]
    image: int = 0
    said: bool = False
    seen: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def read_trace(trace: Sequence[Any]) -> tuple[list[Turn], list[Crop]]:
    """The turns of a trace in order, and the crops in it."""
    turns: list[Turn] = []
    crops: list[Crop] = []
    asked: list[tuple[int, Crop]] = []  # boxes in arguments, until something comes back

    def settle(seen: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        for position, crop in asked:
            crops.append(replace(crop, number=len(crops) + 1, seen=seen))
            turns[position] = _about(turns[position], len(crops))
        numbers = [crops[-i].number for i in range(len(asked), 0, -1)]
        asked.clear()
        return numbers

    for item in trace:
        if not isinstance(item, Mapping):
            turns.append(Turn("", rest=_as_json(item)))
            continue
        turn, box = _turn(item), _box(item.get("bbox"))
        if turn.calls:
            settle()
        if box is not None:
            asked.clear()
            crops.append(Crop(len(crops) + 1, box, _index(item), False, turn.images))
            turn = _about(turn, len(crops))
        elif turn.images and asked:
            turn = _about(turn, *settle(turn.images))
        turns.append(turn)
        for arguments in _arguments(item) if box is None else ():
            said = _box(arguments.get("bbox_2d")) or _box(arguments.get("bbox"))
            if said is not None:
                asked.append((len(turns) - 1, Crop(0, said, _index(arguments), True)))
    settle()
    return turns, crops


def _turn(item: Mapping[str, Any]) -> Turn:
    kind = item.get("type")
    who = next((str(w) for w in (item.get("role"), None if kind == "function" else kind) if w), "")
    texts, images = _content([item.get("content"), item.get("observation"), item.get("image"), item.get("images")])
    rest = {k: v for k, v in item.items() if k not in _READ}
    return Turn(
        who=who or ("call" if _calls(item) else ""),
        text="\n".join(texts),
        thought="\n".join(str(item[k]) for k in _THOUGHT if item.get(k)),
        calls=[(str(c.get("name") or ""), _arguments_text(c.get("arguments"))) for c in _calls(item)],
        images=images,
        rest=_as_json(rest) if rest else "",
    )


def _about(turn: Turn, *crops: int) -> Turn:
    return replace(turn, crops=(*turn.crops, *crops))


def _calls(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """{name, arguments} of the calls in an item."""
    if isinstance(item.get("function"), Mapping):
        return [item["function"]]
    if item.get("name") and "arguments" in item:
        return [item]
    several = item.get("tool_calls")
    calls = [c.get("function", c) for c in several if isinstance(c, Mapping)] if isinstance(several, list) else []
    return [c for c in calls if isinstance(c, Mapping)]


def _arguments(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for call in _calls(item):
        given = call.get("arguments")
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError:
                continue
        if isinstance(given, Mapping):
            yield given


def _arguments_text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _content(value: Any) -> tuple[list[str], list[Mapping[str, Any]]]:
    """Texts and image references in a message's content, in order."""
    if value is None:
        return [], []
    if isinstance(value, str):
        return [value], []
    if isinstance(value, Mapping):
        if value.keys() & {"media", "url", "missing"}:
            return [], [value]
        inner = [value[k] for k in ("text", "image", "image_url", "input_image") if k in value]
        return _content(inner) if inner else ([_as_json(value)], [])
    if isinstance(value, list):
        both = [_content(part) for part in value]
        return [t for texts, _ in both for t in texts], [i for _, images in both for i in images]
    return [_as_json(value)], []


def _box(value: Any) -> tuple[float, float, float, float] | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < 1e9 for n in value):
        return None
    return (float(value[0]), float(value[1]), float(value[2]), float(value[3]))


def _index(item: Mapping[str, Any]) -> int:
    index = item.get("image_index")
    return index if isinstance(index, int) and not isinstance(index, bool) else 0


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)
