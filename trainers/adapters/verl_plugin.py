"""What verl's entry-point group `verl.plugins` names: importing this registers the recipes. verl hides errors at level DEBUG."""

from __future__ import annotations

import logging

from .verl import register_all

try:
    register_all()
except Exception as error:
    logging.getLogger("evalsuite").warning(
        "the recipes of evalsuite are not registered in verl: %s: %s", type(error).__name__, error
    )
    raise
