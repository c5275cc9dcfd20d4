"""Pages of a long list. The page is in the URL (`?page=3`) and nowhere else, so that a shared link and the back button lead to it.
And what else leads somewhere: a link to a run, a row that is chosen."""

from __future__ import annotations

from typing import Any

import streamlit as st

_NAME = "page"


def page_number(asked: Any) -> int:
    """The page in the URL, from 1. `asked` is what is listed: where it changed, and the page did not, the list begins anew."""
    page = max(1, whole(st.query_params.get(_NAME), 1))
    before, at = st.session_state.get("listed", (asked, page))
    if before != asked and at == page:
        page = 1
        go_to_page(page)
    st.session_state["listed"] = asked, page
    return page


def show_pages(pages: int, current: int) -> None:
    """The choice of a page, where there are several; a new one is shown at once."""
    if pages > 1:
        chosen = st.pagination(pages, default=current, key=f"page-{current}")
        if chosen != current:
            go_to_page(chosen)
            st.rerun()


def clicked(name: str, chosen: list[int]) -> bool:
    """Whether the selection in a table is a new one: it is still there when the page is drawn again for another reason."""
    before = st.session_state.get(f"clicked-{name}")
    st.session_state[f"clicked-{name}"] = chosen
    return bool(chosen) and chosen != before


def as_linked(*names: str) -> None:
    """A link leads to a run: choices of these names that were made on other pages are not meant, unless the URL has them."""
    for name in names:
        if name not in st.query_params:
            st.session_state.pop(f"kept-{name}", None)


def go_to_page(page: int) -> None:
    """Write a page to the URL."""
    if page > 1:
        st.query_params[_NAME] = str(page)
    elif _NAME in st.query_params:
        del st.query_params[_NAME]


def whole(given: str | None, default: int = 0) -> int:
    """A whole number of a URL; `default` for anything else."""
    return int(given) if given is not None and given.isascii() and given.isdigit() and len(given) < 9 else default
