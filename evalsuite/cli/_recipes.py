"""The listing of `evalsuite train --list`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from evalsuite.registry.recipes import recipes
from evalsuite.table import markdown


def listing(include: Sequence[str] = (), as_json: bool = False) -> str:
    """Every recipe with its paper, its formula and the stages that it changes: a table, or JSON with all that is known."""
    infos = recipes(include).values()
    if as_json:
        return json.dumps([info._asdict() for info in infos], indent=1)
    rows = [(info.name, info.paper, info.formula, ", ".join(info.changes) or "-") for info in infos]
    return markdown(("recipe", "paper", "formula", "changes"), rows)
