"""Texts of others: whole characters, and code spans that Markdown without HTML renders as the very text."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from evalsuite.escape import code, plain
from evalsuite.leaderboard.text import cleaned, cleaned_json, span, spans

MARKS = st.text(st.sampled_from("`|<>&*_[]()!$:@#~ \\ab1\u00e9\ud800"), min_size=1, max_size=30)


def rendered(markdown: str) -> str:
    return str(MarkdownIt("commonmark", {"html": False}).render(markdown))


def test_code_spans_by_hand() -> None:
    assert [span(x) for x in ("a", "", "a`b", "`a", "``", "a|b", "<i>")] == [
        "`a`", "`-`", "``a`b``", "`` `a ``", "``` `` ```", "`a|b`", "`<i>`",
    ]  # fmt: skip
    assert spans("`x` is worse than <code>a&#124;&#60;b&#62; &#96;c</code>.") == "`x` is worse than ``a|<b> `c``."
    assert span("x" * 500, 20) == f"`{'x' * 17}...`"


@given(MARKS)
def test_a_code_span_shows_the_text_and_nothing_else(text: str) -> None:
    shown = "<p>x {} y</p>\n".format(f"<code>{html.escape(plain(text) or '-')}</code>")
    assert rendered(f"x {span(text)} y") == shown
    assert rendered(f"x {spans(code(text))} y") == shown


@given(st.recursive(st.text(max_size=5), lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(max_size=3), of)))
def test_whole_characters_stay_as_they_are(value: Any) -> None:
    assert cleaned_json(value) == value


@pytest.mark.parametrize("raw", [b'{"a\\ud800": ["\\udfff x", {"b": 1.5}]}', '{"a\ud800": ["\udfff x", {"b": 1.5}]}'.encode("utf-8", "surrogatepass")])  # fmt: skip
def test_halves_of_characters_are_replaced(raw: bytes) -> None:
    assert cleaned_json(json.loads(raw)) == {"a\ufffd": ["\ufffd x", {"b": 1.5}]}
    assert cleaned("\ud83d\ude00 \U0001f600") == "\ufffd\ufffd \U0001f600"
