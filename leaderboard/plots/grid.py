"""Many runs at once: questions by runs, and every run against every other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from evalsuite.comparison.ranks import TaskRanking
from evalsuite.comparison.sentences import Units

from ..data.grid import Grid
from .style import finish, hover, plain

MOST_RUNS = 40  # of a matrix of pairs: 1,600 cells
_NAMED = 40  # columns whose ids fit below the figure
_WRITTEN = 12  # runs whose differences fit into their cells
_LESS, _NONE, _MORE = "#E69F00", "#F2F2F2", "#56B4E9"  # light, so that one dark colour of text is read on all of them
_DARK = "#1A1A1A"
_NAME = 32  # characters of a run's name beside a matrix


def heat(found: Grid, columns: Sequence[int], rows: Sequence[int], labels: Sequence[str]) -> go.Figure:
    """The questions `columns` by the runs `rows` (positions in the grid), dark for wrong and light for right; gaps where no value is.

    `labels` are the names of all runs, no two alike.
    """
    values = found.values[np.ix_(rows, columns)]
    names = found.names
    texts = [[_cell(found, run, question, labels[run], names[question]) for question in columns] for run in rows]
    lines = len(columns) <= 80
    fig = go.Figure(
        go.Heatmap(
            z=np.where(np.isnan(values), None, values.round(4)).tolist(),
            x=list(range(len(columns))),
            y=[plain(labels[run][:50]) for run in rows],
            text=texts,
            hovertemplate="%{text}<extra></extra>",
            colorscale="Cividis",
            **({"zmin": 0, "zmax": 1} if found.shares else {}),
            xgap=int(lines),
            ygap=1,
            colorbar={"title": {"text": "mean" if found.graded else "right", "side": "right"}, "thickness": 12},
        )
    )
    finish(fig, x="question", height=130 + max(22, min(44, 240 // max(len(rows), 1))) * len(rows))
    fig.update_yaxes(autorange="reversed", type="category", showgrid=False)
    fig.update_xaxes(showgrid=False, showticklabels=False)
    if len(columns) <= _NAMED:
        ticks = [plain(names[question][:24]) for question in columns]
        fig.update_xaxes(
            showticklabels=True, tickmode="array", tickvals=list(range(len(columns))), ticktext=ticks, tickangle=-60
        )
    return fig


def matrix(found: TaskRanking, letters: Sequence[str], labels: Sequence[str]) -> go.Figure:
    """Mean of the row's run minus that of the column's, over the questions that all have, the best run first. Rows have letter and name, columns the letter.

    A star says that the corrected p-value is at most 0.05. At most MOST_RUNS runs are drawn; of more than 12 only the stars.
    """
    means, adjusted = found.ranking.means, found.ranking.adjusted
    order = sorted(range(len(means)), key=lambda i: -means[i])[:MOST_RUNS]
    units = Units(found.shares)
    scale = 100.0 if found.shares else 1.0
    difference = means[order][:, None] - means[order][None, :]
    sure = np.nan_to_num(adjusted[np.ix_(order, order)], nan=1.0) <= 0.05
    names = [letters[found.runs[i]] for i in order]
    full = [f"{letters[found.runs[i]]} · {labels[found.runs[i]]}" for i in order]
    few = len(order) <= _WRITTEN
    cells: list[list[str]] = [
        [(units.difference(d) if few and i != j else "") + ("*" if s else "") for j, (d, s) in enumerate(zip(line, stars))]
        for i, (line, stars) in enumerate(zip(difference.tolist(), sure.tolist()))
    ]
    hovers = [
        [hover({"row": full[i], "column": full[j], "row - column": units.difference(d)}) for j, d in enumerate(line)]
        for i, line in enumerate(difference.tolist())
    ]
    fig = go.Figure(
        go.Heatmap(
            z=(scale * difference).round(6).tolist(),
            x=names,
            y=[plain(name[:_NAME]) for name in full],
            text=cells,
            texttemplate="%{text}",
            textfont={"color": _DARK},
            customdata=hovers,
            hovertemplate="%{customdata}<extra></extra>",
            colorscale=[[0, _LESS], [0.5, _NONE], [1, _MORE]],
            zmid=0,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "points" if found.shares else "", "side": "right"}, "thickness": 12},
        )
    )
    height = 170 + (34 if few else 16) * len(order)
    finish(fig, title=f"{found.label} · {found.metric}", x="column", y="row - column", height=height)
    fig.update_xaxes(type="category", showgrid=False)
    fig.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return fig


def _cell(found: Grid, run: int, question: int, label: str, name: str) -> str:
    about: dict[str, Any] = {"question": name, "run": label}
    if np.isnan(found.values[run, question]):
        return hover({**about, "value": "none"})
    right, n = int(found.right[run, question]), int(found.n[run, question])
    mean = {"mean": Units(found.shares).value(float(found.values[run, question]))} if found.graded else {}
    return hover({**about, "right": f"{right} of {n}", **mean})
