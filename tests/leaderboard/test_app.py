"""Every page over every kind of results folder: no exception, and what is broken is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalsuite.leaderboard.pagelist import PAGES

NAMES = [Path(file).stem for file, *_ in PAGES]


@pytest.mark.parametrize("folder", ["empty", "tree", "broken"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_stands(name: str, folder: str, page: Callable[..., Any], request: pytest.FixtureRequest) -> None:
    app = page(name, request.getfixturevalue(folder))
    assert not app.exception, [e.value for e in app.exception]
    assert [title.value for title in app.title] == [next(p[1] for p in PAGES if p[0] == f"{name}.py")]
