"""Puts the folder on the path, as pytest's importlib mode would not find the modules that tests here share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and nothing of the environment that a gate reads."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "EVALSUITE_DATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
