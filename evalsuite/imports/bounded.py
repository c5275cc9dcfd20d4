"""Others' texts as they can be kept: fields as metadata, what one can filter and slice by and no more, and names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FIELDS, _LENGTH = 40, 300


def bounded(record: Mapping[str, Any]) -> dict[str, Any]:
    """Texts (cut at 300 characters), numbers and truth values of a record, the first 40 of them; nested fields are left out."""
    kept: dict[str, Any] = {}
    for name, value in record.items():
        if len(kept) == _FIELDS:
            break
        if isinstance(value, str):
            kept[str(name)] = value if len(value) <= _LENGTH else f"{value[: _LENGTH - 3]}..."
        elif isinstance(value, bool | int | float):
            kept[str(name)] = value
    return kept


def utf8(name: str) -> str:
    """A name that can be printed and written as UTF-8: lone surrogates become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()
