"""Figures of two sides of a task: before and after a cutoff, seen and unseen questions."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from .style import PALETTE, finish, plain

MARKS = ("circle", "diamond-open")


def sides(frame: pd.DataFrame, one: str, other: str) -> go.Figure:
    """A row per run with its value on both sides, in per cent with 95 % intervals; `frame` has columns SIDE, SIDE_low, SIDE_high."""
    fig = go.Figure()
    for number, name in enumerate((one, other)):
        value, low, high = (100 * frame[column] for column in (name, f"{name}_low", f"{name}_high"))
        fig.add_trace(
            go.Scatter(
                x=value,
                y=[i - 0.14 + 0.28 * number for i in range(len(frame))],
                mode="markers",
                name=f"{name} (n = {_range(frame[f'n_{name}'])})",
                marker={"symbol": MARKS[number], "size": 10, "color": PALETTE[number]},
                error_x={"array": high - value, "arrayminus": value - low, "thickness": 1.5},
                customdata=pd.DataFrame({"run": frame["run"].map(plain), "n": frame[f"n_{name}"], "low": low, "high": high}),
                hovertemplate="%{customdata[0]}: %{x:.1f} [%{customdata[2]:.1f}, %{customdata[3]:.1f}], %{customdata[1]} questions",
            )
        )
    finish(fig, x="value (%)", height=120 + 44 * len(frame))
    fig.update_yaxes(tickvals=list(range(len(frame))), ticktext=[plain(run) for run in frame["run"]], autorange="reversed")
    return fig


def _range(numbers: pd.Series) -> str:
    low, high = numbers.min(), numbers.max()
    return f"{low}" if low == high else f"{low} to {high}"
