"""Statistics of groups of rows: a group is the rows that share a number, whatever the numbers and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def group_stats(x: Tensor, group: Tensor, where: Tensor | None = None, ddof: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and count of each row's group, float (B,) each, over the rows in `where`.

    `x` is float (B,), `group` long (B,), `where` bool (B,), default all; `x` may be NaN outside `where`. A group without rows
    in `where` has mean 0, and the deviation is 0 where the count is at most `ddof`. Sums are in double precision, so that
    equal values have exactly their own value as mean, and 0 as deviation.
    """
    import torch

    where = torch.ones_like(group, dtype=torch.bool) if where is None else where
    _, index = torch.unique(group, return_inverse=True)

    def total(values: Tensor) -> Tensor:
        sums = torch.zeros(len(values), dtype=torch.float64, device=values.device)
        return sums.index_add(0, index, values.double().masked_fill(~where, 0.0))[index]

    count = total(torch.ones_like(x))
    mean = total(x) / count.clamp(min=1)
    variance = total((x - mean).square()) / (count - ddof).clamp(min=1)
    return mean.to(x.dtype), variance.masked_fill(count <= ddof, 0.0).sqrt().to(x.dtype), count.to(x.dtype)


def leave_one_out(x: Tensor, group: Tensor, where: Tensor | None = None) -> Tensor:
    """Mean of the other rows of the row's group that are in `where`, float (B,).

    For a row that is alone its own value, for a row that is not in `where` the mean of the group.
    """
    import torch

    where = torch.ones_like(group, dtype=torch.bool) if where is None else where
    mean, _, count = group_stats(x, group, where)
    return torch.where(where, mean - (x - mean) / (count - 1).clamp(min=1), mean)


def has_signal(reward: Tensor, group: Tensor, where: Tensor | None = None) -> Tensor:
    """Whether the row's group has more than one distinct reward among the rows in `where`, bool (B,)."""
    low, high = _extremes(reward, group, where)
    return high > low


def all_at(reward: Tensor, group: Tensor, value: float, where: Tensor | None = None) -> Tensor:
    """Whether all rows in `where` of the row's group have exactly this reward, bool (B,); False for groups without any."""
    low, high = _extremes(reward, group, where)
    return (low == value) & (high == value)


def _extremes(x: Tensor, group: Tensor, where: Tensor | None) -> tuple[Tensor, Tensor]:
    """Least and greatest value of the row's group, float (B,) each; inf and -inf for groups without rows in `where`."""
    import torch

    where = torch.ones_like(group, dtype=torch.bool) if where is None else where
    _, index = torch.unique(group, return_inverse=True)
    inf = float("inf")
    low = torch.full_like(x, inf).scatter_reduce(0, index, x.masked_fill(~where, inf), "amin")
    high = torch.full_like(x, -inf).scatter_reduce(0, index, x.masked_fill(~where, -inf), "amax")
    return low[index], high[index]
