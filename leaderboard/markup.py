"""The elements of a page that has run, as HTML: what is read, not what is clicked."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import pandas as pd

ROWS = 1000  # of a table; the downloads have all
LEVELS = {"title": "h1", "header": "h2", "subheader": "h3"}
NOTES = ("info", "warning", "error", "success")
_ICON = re.compile(r":material/\w+:\s*")
_BADGE = re.compile(r":\w+-badge\[([^\]]*)\]")

Link = Callable[[str, Mapping[str, list[str]]], str | None]


class Markup:
    """One page. `link(page, query)` names the file of a page of the site, None where there is none; `media` has the bytes behind
    the URLs of images. Every text that is not a heading or a caption of our own is escaped, and no Markdown may hold HTML."""

    def __init__(self, link: Link, media: Mapping[str, bytes]) -> None:
        self.link, self.media = link, media
        self.figures = 0

    def block(self, node: Any) -> str:
        """All that is under a node of the element tree, in order."""
        return "".join(self._block(c) if hasattr(c, "children") else self._element(c) for c in node.children.values())

    def _block(self, node: Any) -> str:
        if node.type in ("popover", "form"):
            return ""
        inside = self.block(node)
        if not inside.strip():
            return ""
        if node.type == "expander":
            return f"<details><summary>{_inline(node.label)}</summary>{inside}</details>"
        if node.type == "tab":
            return f"<section><h4>{_inline(node.label)}</h4>{inside}</section>"
        if any(getattr(c, "type", "") == "column" for c in node.children.values()):
            return f'<div class="columns">{inside}</div>'
        return f'<div class="column">{inside}</div>' if node.type == "column" else inside

    def _element(self, element: Any) -> str:
        kind = element.type
        if kind in LEVELS:
            return f"<{LEVELS[kind]}>{_inline(element.value)}</{LEVELS[kind]}>"
        if kind == "caption":
            return f'<div class="caption">{_markdown(element.value)}</div>'
        if kind == "markdown":
            return _markdown(element.value)
        if kind in NOTES:
            return f'<div class="note {kind}">{_markdown(element.value)}</div>'
        if kind == "text":
            return f'<p class="text">{html.escape(element.value)}</p>'
        if kind in ("code", "json"):
            return f"<pre>{html.escape(str(element.value))}</pre>"
        if kind in ("dataframe", "table", "arrow_data_frame"):
            return self._table(element)
        if kind == "plotly_chart":
            return self._figure(element.proto)
        if kind == "imgs":
            return "".join(self._image(image) for image in element.proto.imgs)
        if kind == "metric":
            return f'<p class="metric"><span>{_inline(element.label)}</span> {html.escape(str(element.value))}</p>'
        if kind == "page_link":
            return self._page_link(element.proto)
        if kind in ("selectbox", "multiselect"):
            return _choice(element)
        return "<hr>" if kind == "divider" else ""

    def _table(self, element: Any) -> str:
        frame: pd.DataFrame = element.value
        told = json.loads(getattr(element.proto, "columns", "") or "{}")
        hidden = {name for name, config in told.items() if isinstance(config, dict) and config.get("hidden")}
        names = [c for c in frame.columns if str(c) not in hidden]
        index = "_index" not in hidden
        forms = {c: (told.get(str(c)) or {}).get("type_config", {}).get("format") for c in names}
        labels = {c: (told.get(str(c)) or {}).get("label") or str(c) for c in names}
        number = {c: frame[c].dtype.kind in "fiu" for c in names}
        corner = "<th></th>" if index else ""
        head = corner + "".join(f"<th{' class=n' * number[c]}>{html.escape(labels[c])}</th>" for c in names)
        body = []
        for at, values in zip(frame.index[:ROWS], frame[names][:ROWS].itertuples(index=False, name=None)):
            first = f"<th>{html.escape(str(at))}</th>" if index else ""
            cells = (f"<td{' class=n' * number[c]}>{html.escape(_cell(v, forms[c]))}</td>" for c, v in zip(names, values))
            body.append(f"<tr>{first}{''.join(cells)}</tr>")
        more = f'<p class="caption">{ROWS:,} of {len(frame):,} rows.</p>' if len(frame) > ROWS else ""
        return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>{more}'

    def _figure(self, proto: Any) -> str:
        spec = json.loads(proto.spec)
        layout = spec.get("layout", {})
        layout.pop("template", None)
        self.figures += 1
        data = json.dumps({"data": spec.get("data", []), "layout": layout})
        data = data.replace("<", "\\u003c")  # so that no text ends the script element
        alt = html.escape(proto.alt, quote=True)
        height = int(layout.get("height") or 450)
        return (
            f'<div class="figure" role="img" aria-label="{alt}" style="height:{height}px"></div>'
            f'<script type="application/json">{data}</script>'
        )

    def _image(self, image: Any) -> str:
        data = self.media.get(image.url)
        if data is None:
            return ""
        kind = "png" if data.startswith(b"\x89PNG") else "webp" if data[8:12] == b"WEBP" else "jpeg"
        return (
            f'<img alt="{html.escape(image.alt, quote=True)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
        )

    def _page_link(self, proto: Any) -> str:
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(proto.query_string, keep_blank_values=True):
            query.setdefault(name, []).append(value)
        file = self.link(proto.page, query)
        return f'<p class="link"><a href="{html.escape(file, quote=True)}">{_inline(proto.label)}</a></p>' if file else ""


def _choice(element: Any) -> str:
    """What is chosen, in the words of the list it is chosen from."""
    at = element.indices if element.type == "multiselect" else [element.index]
    names = ", ".join(html.escape(str(element.options[i])) for i in at if i is not None)
    return f'<p class="choice"><span>{html.escape(element.label)}</span> {names}</p>' if names else ""


def _cell(value: Any, form: str | None) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, float) or (isinstance(value, int) and form):
        if form and form.startswith("%") and "s" not in form:
            return form % value
        if form == "percent":
            return f"{100 * value:.1f} %"
        return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _bare(text: str) -> str:
    """Markdown without Streamlit's own icons and badges."""
    return _BADGE.sub(r"`\1`", _ICON.sub("", text))


def _markdown(text: str) -> str:
    return str(_parser().render(_bare(text)))


def _inline(text: str) -> str:
    return str(_parser().renderInline(_bare(text)))
