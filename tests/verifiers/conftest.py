"""A small pool, and the folder on the path: tests and the workers that they start import helper modules that lie here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evalsuite.verifiers.pool import Pool

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def two():
    with Pool(workers=2, deadline=1.0) as shared:
        yield shared
