"""Users that the walls are tried as, and the folder on the path: tests import helper modules that lie here."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=["self", "nobody", "nested"] if hasattr(os, "getuid") and os.getuid() == 0 else ["self", "nested"])
def world(request):
    from isolated import World

    made = World(request.param)
    yield made
    shutil.rmtree(made.base)
