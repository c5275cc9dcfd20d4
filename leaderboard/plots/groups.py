"""Figures of the groups of a training run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .style import GREY, RIGHT, WRONG, faint, finish


def heat(starts: np.ndarray, values: np.ndarray, shares: np.ndarray) -> go.Figure:
    """Where the groups' mean rewards lie (`values`) over steps: the share of the batch's groups by shade."""
    fig = go.Figure(
        go.Heatmap(
            x=starts,
            y=values,
            z=np.where(shares > 0, shares, np.nan).astype("float32"),
            colorscale="Cividis",
            zmin=0,
            colorbar={"title": {"text": "share of<br>groups"}, "tickformat": ".0%", "thickness": 12},
            hovertemplate="step %{x}, mean reward about %{y:.3~g}: %{z:.1%} of the groups<extra></extra>",
            hoverongaps=False,
        )
    )
    return finish(fig, x="step", y="mean reward of a group", height=360)


def outcomes(shares: pd.DataFrame) -> go.Figure:
    """Shares of groups all right, mixed and all wrong over steps, stacked from wrong at the bottom to right at the top."""
    fig = go.Figure()
    looks = (("wrong", "all wrong", WRONG, "/"), ("mixed", "mixed: a signal", GREY, ""), ("right", "all right", RIGHT, "."))
    for column, name, hue, pattern in looks:
        fig.add_trace(
            go.Scatter(
                x=shares["step"],
                y=shares[column].astype("float32"),
                name=name,
                stackgroup="one",
                mode="lines",
                line={"color": hue, "width": 1},
                fillcolor=faint(hue, 0.45),
                fillpattern={"shape": pattern},
                hovertemplate="step %{x}: %{y:.1%}",
            )
        )
    fig.update_yaxes(range=[0, 1], tickformat=".0%")
    return finish(fig, x="step", y="share of the groups", height=360)
