"""Questions by runs: how much of each question every run gets right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from evalsuite.comparison.compare import Recorded
from evalsuite.comparison.pairs import align, are_shares
from evalsuite.comparison.ranks import TaskRanking
from evalsuite.comparison.sentences import Units
from evalsuite.metrics.reduce import Metric

from .flips import distinct, laid, starts

MOST_CELLS = 2000  # of one figure
MOST_COLUMNS = 200  # beyond which a column is too narrow to point at
ORDERS = ("difficulty", "disagreement")
SCALED = ("mean over runs", "deviation between runs")
_AVG = Metric("avg")


@dataclass(frozen=True, eq=False)
class Grid:
    """R runs by Q questions of a task, questions paired by content.

    `values` (R, Q) are mean values, NaN where there is none; `right` and `n` (R, Q) count samples that are fully right and that
    have a value; `ids` are R lists of the question's id in each run, None where the run lacks it. `graded` says that some sample
    is neither right nor wrong, and `shares` that all values lie in [0, 1]. `problems` are the beginnings of the questions.
    """

    values: Any
    right: Any
    n: Any
    ids: tuple[tuple[str | None, ...], ...]
    problems: tuple[str, ...]
    graded: bool
    shares: bool

    @cached_property
    def names(self) -> list[str]:
        """The id of every question in the first run that has it, made distinct."""
        return distinct(next(id for id in column if id is not None) for column in zip(*self.ids))


def grid(recorded: Sequence[Recorded], task: str) -> Grid:
    """All questions of any of the runs, which all have the task. Raises UsageError where a roll-up cannot be read."""
    rollups = [side.rollup(task) for side in recorded]
    _, positions = align(rollups)
    ids = tuple(tuple(r.ids[i] if i >= 0 else None for i in at.tolist()) for r, at in zip(rollups, positions))
    columns = list(zip(*ids))
    problems = [""] * len(columns)
    for side, own in zip(recorded, ids):  # the first run that keeps a text; most often that is one read
        if all(problems):
            break
        texts = starts(side.run, task)
        problems = [text or texts.get(id, "") for text, id in zip(problems, own)]
    return Grid(
        values=np.stack([laid(side.values(task, _AVG)[0], at) for side, at in zip(recorded, positions)]),
        right=np.stack([laid(r.c, at) for r, at in zip(rollups, positions)]),
        n=np.stack([laid(r.n, at) for r, at in zip(rollups, positions)]),
        ids=ids,
        problems=tuple(problems),
        graded=any(bool((r.sum != r.c).any()) for r in rollups),
        shares=all(are_shares(r, _AVG) for r in rollups),
    )


def question_frame(found: Grid, order: str) -> pd.DataFrame:
    """A row per question: position in the grid, id, mean over runs, variance between runs, runs with a value, problem.

    `order` is one of ORDERS: the lowest mean first, or the greatest variance; equal ones by id, those without any value last.
    """
    there = ~np.isnan(found.values)
    count = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, found.values, 0.0).sum(axis=0) / count
        variance = (np.where(there, found.values - mean, 0.0) ** 2).sum(axis=0) / count
    frame = pd.DataFrame(
        {
            "at": np.arange(len(count)),
            "id": found.names,
            "mean": mean,
            "variance": variance,
            "runs": count,
            "problem": found.problems,
        }
    )
    rank = frame["mean"] if order == "difficulty" else -frame["variance"]
    return (
        frame.assign(rank=rank.round(12)).sort_values(["rank", "id"], kind="stable").drop(columns="rank").reset_index(drop=True)
    )


def readable(frame: pd.DataFrame, shares: bool) -> pd.DataFrame:
    """`question_frame` with the columns that a table shows; those in SCALED are in per cent where values are shares."""
    scale = 100 if shares else 1
    scaled = {SCALED[0]: scale * frame["mean"], SCALED[1]: scale * frame["variance"] ** 0.5}
    return pd.DataFrame({"id": frame["id"], **scaled, "runs": frame["runs"], "problem": frame["problem"]})


def of_question(found: Grid, at: int, labels: Sequence[str]) -> pd.DataFrame:
    """How every run did on the question at a position: run, right, samples, mean as text; the best first, those without a value (`-`) last."""
    frame = pd.DataFrame(
        {
            "run": labels,
            "right": pd.array(found.right[:, at], dtype="Int64"),
            "samples": pd.array(found.n[:, at], dtype="Int64"),
            "mean": found.values[:, at],
        }
    )
    frame = frame.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    return frame.assign(mean=frame["mean"].map(Units(found.shares).value))


def run_order(found: Grid) -> list[int]:
    """Positions of the runs, the highest mean over all of its questions first."""
    there = ~np.isnan(found.values)
    means = np.where(there, found.values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return sorted(range(len(means)), key=lambda i: -means[i])


def columns_per_page(runs: int) -> int:
    """Questions that a figure of so many runs shows."""
    return max(min(MOST_COLUMNS, MOST_CELLS // max(runs, 1)), 1)


def ranking_frame(ranking: TaskRanking, letters: Sequence[str], labels: Sequence[str]) -> pd.DataFrame:
    """A row per run: letter, run, mean over the questions that all have, first and last rank that it may hold; the best first."""
    rows = [
        {"letter": letters[i], "run": labels[i], "mean": mean, "first": band[0], "last": band[1]}
        for i, mean, band in zip(ranking.runs, ranking.ranking.means.tolist(), ranking.ranking.bands)
    ]
    return pd.DataFrame(sorted(rows, key=lambda row: (row["first"], row["last"], -row["mean"])))


def readable_ranks(frame: pd.DataFrame, shares: bool) -> pd.DataFrame:
    """`ranking_frame` to be read: ranks as `1` or `2-4`."""
    ranks = [str(a) if a == b else f"{a}-{b}" for a, b in zip(frame["first"], frame["last"])]
    means = frame["mean"].map(Units(shares).value)
    return pd.DataFrame({"rank": ranks, "run": frame["letter"] + " · " + frame["run"], "mean": means})
