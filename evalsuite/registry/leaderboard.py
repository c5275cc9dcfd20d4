"""The only way from inside evalsuite to the leaderboard, which stands on top of it."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from evalsuite.errors import UnavailableError

NEEDS = ("streamlit", "plotly", "duckdb", "pandas")


def leaderboard(module: str) -> ModuleType:
    """`evalsuite.leaderboard.<module>`. Raises UnavailableError where its libraries are missing."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"the leaderboard needs {', '.join(NEEDS)}; not here: {', '.join(missing)}: pip install 'evalsuite[ui]'"
        )
    return importlib.import_module(f"evalsuite.leaderboard.{module}")
