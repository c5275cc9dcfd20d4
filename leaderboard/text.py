"""Text of others, for Streamlit and for the static copy: whole characters, and names that are no markup in Markdown without HTML."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from evalsuite.escape import plain

_HALF = re.compile("[\ud800-\udfff]")
_SPAN = re.compile(r"<code>([^<]*)</code>")
_ZERO_WIDTH = "\u200b"


def cleaned(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair, which no page can carry."""
    return _HALF.sub("\ufffd", text)


def cleaned_json(value: Any) -> Any:
    """The same for all texts and names of a value that came from JSON."""
    told = json.dumps(value, ensure_ascii=False)
    return json.loads(cleaned(told)) if _HALF.search(told) else value


def span(value: object, limit: int = 120) -> str:
    """A name or an id as a code span of Markdown, with as many backticks as it takes (CommonMark 6.1). Not for tables: `|` stays."""
    text = plain(value, limit) or "-"
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def spans(markdown: str) -> str:
    """Markdown with `span` in place of every `evalsuite.escape.code` that had to be HTML. The pages show HTML as text.

    Nothing else in such Markdown has a `<`, and none is left inside of it.
    """
    return _SPAN.sub(lambda found: span(html.unescape(found[1]).replace(_ZERO_WIDTH, ""), len(found[1]) or 1), markdown)
