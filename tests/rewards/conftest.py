"""The folder on the path: tests and the workers that they start import helper modules that lie here."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
