"""Which recipe runs where, as a table: `python -m evalsuite.trainers.adapters.support` prints it, docs/adapters.md holds it."""

from __future__ import annotations

from collections.abc import Callable

from evalsuite.registry.recipes import load_recipe, recipes

from ..base import Recipe
from . import trl, verl


def table() -> str:
    """Markdown, a row per recipe: what the adapters say of it, with its defaults."""
    rows = ["| recipe | own loop | TRL 1.16 | verl 0.9 |", "|---|---|---|---|"]
    for name in recipes():
        in_trl, in_verl = _cell(name, trl.supports, lambda recipe: "yes"), _cell(name, verl.supports, _parts)
        rows.append(f"| {name} | yes | {in_trl} | {in_verl} |")
    return "\n".join(rows) + "\n"


def _cell(name: str, supports: Callable[[Recipe], str | None], yes: Callable[[Recipe], str]) -> str:
    recipe, plain = load_recipe(name)(), verl.default(name)
    if supports(recipe) is None:
        return yes(recipe)
    return f"{yes(plain)}, with `admit.refill=0`" if supports(plain) is None else f"no: {supports(recipe)}".partition(";")[0]


def _parts(recipe: Recipe) -> str:
    return "estimator and loss" if verl.own_loss(recipe) else "estimator"


if __name__ == "__main__":
    print(table(), end="")
