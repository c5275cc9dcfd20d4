"""Curves over k."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from ..data.passk import at_k
from .style import SYMBOLS, colours, faint, finish, hover, interval, plain


def passk_figure(frames: Mapping[str, pd.DataFrame], name: str, task: str) -> go.Figure:
    """One curve per run (`frames` by label, as `data.passk.points` gives them) with its 95 % band; `name` such as pass@k.

    Dashed where k is above half of the samples. The axis of k is logarithmic, base 2; that of values is 0 to 100 % in every figure.
    """
    fig = go.Figure()
    palette = colours(frames)
    for i, (label, frame) in enumerate(frames.items()):
        rows = frame.dropna(subset="value")
        band = rows.dropna(subset=["low", "high"])
        group = {"legendgroup": label, "line": {"color": palette[label]}}
        fig.add_scatter(
            x=[*band["k"], *band["k"][::-1]],
            y=[*(100 * band["high"]), *(100 * band["low"])[::-1]],
            fill="toself",
            fillcolor=faint(palette[label]),
            mode="lines",
            line={"width": 0},
            legendgroup=label,
            showlegend=False,
            hoverinfo="skip",
            name=plain(label),
        )
        steady = rows[~rows["unsteady"]]
        beyond = pd.concat([steady.tail(1), rows[rows["unsteady"]]]) if rows["unsteady"].any() else rows[:0]
        for part, dash in ((steady, "solid"), (beyond, "dash")):
            if part.empty:
                continue
            texts = [
                hover({"run": label, at_k(name, r.k): interval(r.value, r.low, r.high), "questions": r.questions})
                for r in part.itertuples()
            ]
            fig.add_scatter(
                x=part["k"],
                y=100 * part["value"],
                mode="lines+markers",
                marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8},
                name=plain(label),
                showlegend=dash == "solid" or steady.empty,
                cliponaxis=False,
                hovertext=texts,
                hoverinfo="text",
                **{**group, "line": {**group["line"], "dash": dash}},
            )
    ks = sorted({int(k) for frame in frames.values() for k in frame["k"]})
    finish(fig, title=f"{task} · {name}", x="k, samples drawn (log scale)", y=f"{name}, %")
    # One run per line below the figure, so that no number of runs reaches into the title or the curves.
    room = 20 * len(frames)
    fig.update_layout(
        height=400 + room,
        margin={"t": 45, "b": 70 + room},
        legend={"orientation": "v", "yref": "container", "y": 0, "tracegroupgap": 0},
    )
    fig.update_yaxes(range=[0, 100])
    return fig.update_xaxes(type="log", tickvals=ks, ticktext=[str(k) for k in ks])
