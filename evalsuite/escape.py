"""Text of others (ids, models, errors, answers) in a report: shown as it is, and nothing more than text."""

from __future__ import annotations

import re

_BREAKS = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029]+")
# Half characters, what is none in XML, and what turns the reading direction around.
_ODD = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_MARKUP = re.compile(r"[\\`*_{}\[\]<>|~$&!#@\"']")
_NOT_IN_SPAN = re.compile(r"[`<|]")
_LINK = re.compile(r"(?i)(@|#|\bwww(?=\.)|\bgh(?=-\d)|:(?=//))")
_BLOCK = re.compile(r"[-+=](?=[-+= ]|$)|\d{1,9}(?=[.)](?: |$))")
_ZERO_WIDTH = "\u200b"


def plain(value: object, limit: int = 500) -> str:
    """One line of at most `limit` characters, without control characters. A longer one ends in `...`."""
    raw = str(value)
    text = _ODD.sub("\ufffd", _BREAKS.sub(" ", raw[: 8 * limit])).strip()
    return text if len(text) <= limit and len(raw) <= 8 * limit else text[: limit - 3] + "..."


def prose(value: object, limit: int = 500) -> str:
    """For running text in Markdown and HTML: no markup, no entity, no link, no mention and no reference comes out of it.

    Every character of markup is an entity. Mentions and references are looked for in the rendered text, so that no escape
    stops them: a space of zero width does.
    """
    text = _LINK.sub(rf"\1{_ZERO_WIDTH}", plain(value, limit))
    text = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", text)
    return _BLOCK.sub(lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", text, count=1) if _BLOCK.match(text) else text


def code(value: object, limit: int = 120) -> str:
    """A name or an id in Markdown: a code span, in which nothing is looked for; with `|`, `<` or backticks as HTML."""
    text = plain(value, limit) or "-"
    return code_html(text, limit) if _NOT_IN_SPAN.search(text) else f"`{text}`"


def code_html(value: object, limit: int = 120) -> str:
    """The same where Markdown is not read, as in a `<summary>`."""
    return f"<code>{prose(value, limit)}</code>"


def xml(value: object) -> str:
    """Text of any length for XML 1.0: line breaks stay, what XML cannot hold is replaced."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "\ufffd", _ODD.sub("\ufffd", str(value)))
