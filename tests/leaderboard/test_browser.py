"""The pages in a real browser: nothing goes wrong in any theme or width, what is clicked opens, and little is sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytest.importorskip("playwright")

from browser import Look, chromium, looking, server

from evalsuite.leaderboard.pagelist import PAGES

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome on the PATH (Debian: apt install chromium)")

PATHS = ["", *(url for *_, url in PAGES[1:])]  # the first page has no path of its own
BUDGET = 1_000_000  # bytes over the websocket for one interaction


@pytest.fixture(scope="module")
def url(tree: Path) -> Iterator[str]:
    with server(tree) as address:
        yield address


def healthy(look: Look) -> None:
    assert not look.texts("[data-testid=stException]"), look.texts("[data-testid=stException]")
    assert not look.wrong, look.wrong


def test_every_page_stands_and_little_is_sent(url: str, tmp_path: Path) -> None:
    with looking(url) as look:
        look.open()
        for path in PATHS:
            look.mark()
            look.open(f"/{path}")
            assert look.texts("h1") == [title for _, title, _, u in PAGES if u == (path or PAGES[0][3])]
            assert look.received < BUDGET, (path, look.received)
            healthy(look)
            if look.page.locator(".js-plotly-plot").count():
                assert look.page.locator(".js-plotly-plot .main-svg").first.is_visible()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1400, 800])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_in_both_themes_and_widths(url: str, dark: bool, width: int, tmp_path: Path) -> None:
    with looking(url, dark=dark, width=width) as look:
        for path in PATHS:
            look.open(f"/{path}")
            healthy(look)
            shot = tmp_path / f"{path or PAGES[0][3]}.png"
            look.page.screenshot(path=shot)
            assert shot.stat().st_size > 10_000
            # Nothing is wider than the window: a page that scrolls sideways is not readable.
            assert look.page.evaluate("document.documentElement.scrollWidth") <= width
            background = look.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
            assert (background == "rgb(255, 255, 255)") is not dark


def test_from_a_row_to_a_sample_back_and_by_a_shared_link(url: str) -> None:
    def click_row(look: Look, nth: int = 0, row: int = 0) -> None:
        """Tables are canvases: the box at the left edge of a row is found by its place."""
        box = look.page.locator("[data-testid=stDataFrame]").nth(nth).bounding_box()
        look.mark()
        look.page.mouse.click(box["x"] + 20, box["y"] + 55 + 35 * row)
        look.settle()
        assert look.received < BUDGET

    with looking(url) as look:
        look.open()
        click_row(look)
        assert "runs=" in look.page.url
        look.page.get_by_role("link", name="Samples of").first.click()
        look.settle()
        assert look.texts("h1") == ["Samples"] and "run=" in look.page.url
        click_row(look, row=2)
        assert "question=" in look.page.url
        shared, shown = look.page.url, look.texts("[data-testid=stText]")
        assert shown
        for _ in range(6):
            if look.texts("h1") == ["Leaderboard"]:
                break
            look.page.go_back()
            look.settle()
        assert look.texts("h1") == ["Leaderboard"]
        assert look.page.get_by_role("link", name="Samples of").count() == 1  # the row is still selected
        healthy(look)
    with looking(url, dark=True) as other:  # somebody else
        other.open(shared.removeprefix(url))
        assert other.texts("[data-testid=stText]") == shown
        healthy(other)
