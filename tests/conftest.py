"""Shared fixtures. Tests that need the benchmark files skip, visibly, where the folder is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# New examples on every run at a desk; the same ones in CI, where a failure must be the change's. Busy machines are slow.
settings.register_profile("evalsuite", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("evalsuite")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real benchmark files: `EVALSUITE_DATA`, else `../shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EVALSUITE_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"benchmark data not found: set EVALSUITE_DATA or provide {beside}")
    return folder


@pytest.fixture(scope="session")
def isolated() -> None:
    """Tests that run programs skip where these cannot be fully isolated."""
    from evalsuite import sandbox
    from evalsuite.errors import UnavailableError

    try:
        sandbox.require()
    except UnavailableError as error:
        pytest.skip(str(error))
