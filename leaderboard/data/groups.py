"""Groups over the steps of a training run: where their mean rewards lie, and how many can teach anything."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

COLUMNS, BINS = 160, 20


def histogram(groups: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(S,) first steps, (B,) values of the group mean reward, ascending, and (B, S) shares of the groups that lie nearest to each.

    `groups` are columns as `Groups.table` has them; columns of the result add up to 1. Where there are more than COLUMNS batches,
    neighbours are counted together. The values are those that there are where these are at most BINS (n binary rewards have
    n + 1 means), else the middles of BINS equal bins from 0 to 1, further where rewards do.
    """
    known = ~np.isnan(groups["reward"])
    step, reward = groups["step"][known], groups["reward"][known]
    if not len(step):
        return np.empty(0), np.empty(0), np.empty((0, 0))
    starts, column = _columns(step)
    values, row = np.unique(reward.round(6), return_inverse=True)
    if len(values) > BINS:
        edges = np.linspace(min(0.0, reward.min()), max(1.0, reward.max()), BINS + 1)
        values, row = (edges[:-1] + edges[1:]) / 2, np.clip(np.searchsorted(edges, reward, side="right") - 1, 0, BINS - 1)
    counts = np.zeros((len(values), len(starts)))
    np.add.at(counts, (row, column), 1)
    return starts, values, counts / counts.sum(axis=0)


def shares(groups: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """`step`, `groups`, `right`, `mixed`, `wrong`: shares of the groups whose samples were all right (value 1), neither, all wrong (0).

    A group without any value is left out. Batches are counted together as in `histogram`.
    """
    known = groups["scored"] > 0
    step = groups["step"][known]
    if not len(step):
        return pd.DataFrame(columns=["step", "groups", "right", "mixed", "wrong"])
    starts, column = _columns(step)
    n = np.bincount(column, minlength=len(starts))
    right, wrong = (
        np.bincount(column, groups[side][known] == groups["scored"][known], len(starts)) / n for side in ("right", "wrong")
    )
    return pd.DataFrame({"step": starts, "groups": n, "right": right, "mixed": 1 - right - wrong, "wrong": wrong})


def _columns(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First step of each column, and the column of each group: steps in order, as many to a column as it takes."""
    steps, index = np.unique(step, return_inverse=True)
    per = -(-len(steps) // COLUMNS)
    return steps[::per], index // per
