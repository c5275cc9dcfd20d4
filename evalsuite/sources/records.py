"""Turns one record of a data file into a `Sample`, by the columns that its `Source` names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalsuite.errors import UsageError
from evalsuite.formats import KEY
from evalsuite.words.sample import Image, Message, Sample

if TYPE_CHECKING:
    from evalsuite.sources import Source

_ROLES = ("system", "user", "assistant", "tool")


def to_sample(source: Source, record: Mapping[str, Any], place: str) -> Sample:
    """The Sample that `record` describes; `place` says where it was read, for messages.

    Without an id column the id is the first 16 hex digits of a sha1 over the problem, its images and its choices. Numbers
    in targets and choices become text (27.0 becomes "27"), lists become tuples. Raises UsageError where none of the
    candidate columns is present or has a value, or where a value has the wrong shape.
    """
    problem = column(record, source.problem, "problem", place)
    messages = (Message("user", problem),) if isinstance(problem, str) else _conversation(problem, place)
    choices: tuple[str, ...] = ()
    if any(_present(record, name) for name in source.choices):
        value = column(record, source.choices, "choices", place)
        if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
            raise UsageError(f"{place}: choices must be a list, found {type(value).__name__}")
        choices = tuple(str(plain(v)) for v in value)
    return Sample(
        id=_id(source, record, messages, choices, place),
        messages=messages,
        target=plain(column(record, source.target, "target", place)) if source.target else None,
        choices=choices,
        tests={name: _get(record, name) for name in source.tests if _present(record, name)} or None,
        metadata={name: _get(record, name) for name in source.metadata if _present(record, name)},
        cluster=str(plain(column(record, source.cluster, "cluster", place))) if source.cluster else None,
        privileged={name: _get(record, name) for name in source.privileged if _present(record, name)},
    )


def column(record: Mapping[str, Any], candidates: Sequence[str], what: str, place: str) -> Any:
    """The value of the first candidate column that is present and not null. Raises UsageError listing the columns seen."""
    for name in candidates:
        if _present(record, name):
            return _get(record, name)
    empty = [name for name in candidates if _get(record, name, default=record) is not record]
    if empty:
        raise UsageError(f"{place}: the {what} column {empty[0]!r} is null; leave such records out or fill them in")
    raise UsageError(f"{place}: no {what} column: looked for {', '.join(candidates)}; the columns are {', '.join(record)}")


def plain(value: Any) -> Any:
    """A target as JSON-like data: text stays, numbers become text, lists become tuples, objects stay."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return tuple(plain(v) for v in value)
    return value if isinstance(value, str | Mapping) else str(value)


def _get(record: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """A column, or the nested value that a dotted name reaches."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def _present(record: Mapping[str, Any], name: str) -> bool:
    value = _get(record, name)
    return value is not None and value == value  # NaN, the null of a float column, differs from itself


def _id(source: Source, record: Mapping[str, Any], messages: tuple[Message, ...], choices: tuple[str, ...], place: str) -> str:
    candidates = (*source.id, KEY)
    if any(_get(record, name, default=record) is not record for name in candidates):
        return str(plain(column(record, candidates, "id", place)))
    parts: list[Any] = [messages[0].content] if len(messages) == 1 else [[m.role, m.content] for m in messages]
    text = json.dumps([*parts, *choices], default=_image_hash, ensure_ascii=False)
    return hashlib.sha1(text.encode()).hexdigest()[:16]


def _image_hash(image: Image) -> str:
    return image.source if isinstance(image.source, str) else hashlib.sha1(image.source).hexdigest()


def _conversation(value: Any, place: str) -> tuple[Message, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise UsageError(f"{place}: a problem is text or a list of messages, found {type(value).__name__}")
    messages = []
    for turn in value:
        if (
            not isinstance(turn, Mapping)
            or turn.get("role") not in _ROLES
            or not isinstance(turn.get("content"), str | list | tuple)
        ):
            raise UsageError(
                f'{place}: a message must be {{"role": {" | ".join(_ROLES)}, "content": text or parts}}, found {str(turn)[:80]}'
            )
        content = turn["content"]
        parts = content if isinstance(content, str) else tuple(_part(part, place) for part in content)
        messages.append(Message(turn["role"], parts))
    if messages[-1].role not in ("user", "tool"):
        raise UsageError(
            f"{place}: the conversation ends with a {messages[-1].role} message; it must end where the model speaks"
        )
    return tuple(messages)


def _part(part: Any, place: str) -> str | Image:
    """Text or an image, in the spellings of chat and responses endpoints."""
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("text", "input_text") and isinstance(part.get("text"), str):
        return part["text"]
    if kind in ("image", "image_url", "input_image"):
        image = part.get("image") or part.get("image_url")
        image = image.get("url") if isinstance(image, Mapping) else image
        if isinstance(image, str | bytes):
            return Image(image)
    raise UsageError(f"{place}: unknown message part {str(part)[:80]}")
