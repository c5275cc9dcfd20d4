"""Texts and images of others on a page: shown as they are, and never as Markdown, HTML or a link."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from evalsuite.errors import UsageError

from .catalog import Run
from .data.media import WIDTH, Box, shown
from .text import cleaned

MOST_TEXT = 200_000  # characters of one text that are shown; the whole is a download
_TALL = 2_500  # characters above which a text scrolls


def text(content: str, key: str) -> None:
    """A text of others, whole: long ones scroll, and what is beyond MOST_TEXT is a download."""
    shown_part = cleaned(content[:MOST_TEXT])
    st.code(shown_part, language=None, wrap_lines=True, height=420 if len(shown_part) > _TALL else "content")
    if len(content) > MOST_TEXT:
        st.caption(f"The first {MOST_TEXT:,} of {len(content):,} characters.")
        st.download_button(
            "The whole text", content.encode("utf-8", "replace"), "text.txt", key=f"whole-{key}", on_click="ignore"
        )


def pretty(value: Any) -> str:
    """A target or an argument as text: JSON for what is no text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, default=str)


def image(run: Run | None, reference: Mapping[str, Any], boxes: Sequence[Box], what: str, width: int = WIDTH) -> None:
    if "url" in reference:
        st.text(f"{what} is at {reference['url']}, which is not fetched.")
        return
    if run is None:
        st.text(f"{what} is not kept.")
        return
    try:
        data = shown(run, reference, boxes, width)
    except UsageError as error:
        st.text(f"{what} cannot be shown: {error}")
        return
    drawn = f", with {len(boxes)} boxes that are listed below it" if boxes else ""
    st.image(data, alt=f"{what}{drawn}")
