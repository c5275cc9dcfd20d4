"""Differences between runs: per task with intervals, and per question."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evalsuite.comparison.sentences import Units, equals

from .style import GREY, RIGHT, WRONG, finish, hover, plain

_ALPHA = 0.05
_WORDS = (  # name in the legend, symbol, colour: told apart without colour as well
    ("better", "triangle-right", RIGHT),
    ("worse", "triangle-left", WRONG),
    ("not told from noise", "circle-open", GREY),
)
_MOST_ROWS = 60
_BARS = 41  # of a histogram; fewer distinct values than that have a bar each


def forest(frame: pd.DataFrame) -> go.Figure:
    """Rows of `data.versus.differences` with their 95 % intervals around a line at no difference, first row on top.

    Shares are in points; where some rows are no shares, only shares are drawn. A row is called better or worse by its corrected
    p-value. At most 60 rows are drawn.
    """
    frame = frame[frame["shares"]] if frame["shares"].any() else frame
    frame = frame.iloc[:_MOST_ROWS]
    scale, shares = (100.0, True) if frame["shares"].any() else (1.0, False)
    several = frame["run"].nunique() > 1
    names = [plain((f"{run}: {label}" if several else label)[:60]) for run, label in zip(frame["run"], frame["label"])]
    words = [_word(p, d) for p, d in zip(frame["p_adjusted"], frame["difference"])]
    fig = go.Figure()
    for word, symbol, colour in _WORDS:
        at = [i for i, w in enumerate(words) if w == word]
        rows = frame.iloc[at]
        if rows.empty:
            continue
        fig.add_trace(
            go.Scatter(
                x=(scale * rows["difference"]).tolist(),
                y=[names[i] for i in at],
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": (scale * (rows["high"] - rows["difference"])).fillna(0).tolist(),
                    "arrayminus": (scale * (rows["difference"] - rows["low"])).fillna(0).tolist(),
                    "thickness": 2,
                },
                mode="markers",
                name=word,
                marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}},
                text=[_about(row) for row in rows.to_dict("records")],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    fig.add_vline(x=0, line={"dash": "dash", "width": 1, "color": GREY})
    other = "other" if several else "B"
    finish(
        fig, x=f"{other} - A, {'points' if shares else 'plain numbers'}", height=110 + 30 * max(len(frame), 2), showlegend=True
    )
    fig.update_yaxes(categoryorder="array", categoryarray=names[::-1], type="category")
    return fig


def distribution(differences: pd.Series, shares: bool = True) -> go.Figure:
    """How many questions changed by how much: a bar per value where there are few, else 41 bins around 0. NaN is left out."""
    values = differences.dropna().to_numpy().round(9)
    centres, counts = np.unique(values, return_counts=True)
    binned = len(centres) > _BARS
    if binned:
        most = float(np.abs(values).max())
        counts, edges = np.histogram(values, bins=_BARS, range=(-most, most))
        centres = (edges[:-1] + edges[1:]) / 2
    step = float(np.diff(centres).min()) if len(centres) > 1 else 0.1
    scale = 100.0 if shares else 1.0
    fig = go.Figure()
    middle = step / 2 if binned else 1e-9
    for name, at, colour in (
        ("worse", centres < -middle, WRONG),
        ("equal", np.abs(centres) <= middle, GREY),
        ("better", centres > middle, RIGHT),
    ):
        if at.any():
            fig.add_trace(
                go.Bar(
                    x=(scale * centres[at]).tolist(),
                    y=counts[at].tolist(),
                    width=0.9 * scale * step,
                    name=name,
                    marker={"color": colour},
                    hovertemplate="%{x:+.4g}: %{y} questions<extra></extra>",
                )
            )
    fig.add_vline(x=0, line={"dash": "dash", "width": 1, "color": GREY})
    return finish(fig, x=f"B - A of a question, {'points' if shares else 'plain numbers'}", y="questions", height=320, bargap=0)


def _word(p: float, difference: float) -> str:
    if math.isnan(p) or p > _ALPHA:
        return "not told from noise"
    return "better" if difference > 0 else "worse"


def _about(row: dict) -> str:  # type: ignore[type-arg]
    units = Units(bool(row["shares"]))
    return hover(
        {
            "task": row["label"],
            "A": units.value(row["a"]),
            row["run"]: units.value(row["b"]),
            "difference": f"{units.difference(row['difference'])} {units.interval(row['low'], row['high'])}",
            "corrected": equals(row["p_adjusted"]),
        }
    )
