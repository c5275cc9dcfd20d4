"""What both adapters know: rows as another trainer has them, and what no other trainer can give."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import TYPE_CHECKING, Any, NoReturn

from evalsuite.errors import UsageError

from ..base import STAGES, Recipe
from ..rows import Rows

if TYPE_CHECKING:
    from torch import Tensor


def reason_against(recipe: Recipe) -> str | None:
    """What the recipe needs that only the loop of evalsuite has; None where another trainer may run it."""
    unknown = [stage for stage in recipe.changes if stage == "source" or stage not in STAGES]
    if unknown:
        return f"it changes {', '.join(unknown)}, and here every row is sampled by the trainer; use the loop of evalsuite"
    if any("rollouts" in _names(getattr(type(recipe), stage).__code__) for stage in ("shape", "admit", "credit", "after")):
        return "it reads questions and texts (rows.rollouts), which the trainer does not keep; use the loop of evalsuite"
    if recipe.settings.admit.refill:
        return "admit.refill asks for further prompts, and the trainer's batch is fixed; set admit.refill=0"
    return None


def staged(recipe: Recipe, *, group: Tensor, score: Tensor, length: Tensor, truncated: Tensor) -> tuple[Rows, Tensor]:
    """The rows after shape and admit, and their advantages; columns as in `Rows`, a score that is missing is NaN."""
    rows = Rows(
        rollouts=_Unknown([None] * len(score)),
        group=group,
        score=score,
        reward=score,
        length=length,
        truncated=truncated,
        keep=~score.isnan(),
    )
    rows = rows.replace(reward=recipe.shape(rows))
    rows = rows.replace(keep=recipe.admit(rows))
    return rows, recipe.credit(rows)


class _Unknown(tuple):
    """Stands for the rollouts of as many rows, and has none."""

    def __iter__(self) -> Iterator[Any]:
        self._refuse()

    def __getitem__(self, _: Any) -> Any:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError("a stage of this recipe reads rows.rollouts, which only the loop of evalsuite has")


def _names(code: CodeType) -> set[str]:
    """Attributes and globals that a function names, those of its inner functions among them."""
    return {*code.co_names, *(name for inner in code.co_consts if isinstance(inner, CodeType) for name in _names(inner))}
