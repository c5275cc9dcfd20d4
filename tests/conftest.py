"""Shared fixtures. Tests that need the benchmark files skip, visibly, where the folder is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real benchmark files: `EVALSUITE_DATA`, else `../shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EVALSUITE_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"benchmark data not found: set EVALSUITE_DATA or provide {beside}")
    return folder
