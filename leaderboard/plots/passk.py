"""Curves over k."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from .style import SYMBOLS, colours, faint, finish, hover, interval, plain


def passk_figure(frames: Mapping[str, pd.DataFrame], name: str) -> go.Figure:
    """One curve per run (`frames` by label, as `data.passk.points` gives them) with its 95 % band; `name` such as pass@k.

    Dashed where k is above half of the samples. The axis of k is logarithmic, base 2.
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
                hover(
                    {"run": label, name.replace("k", str(r.k), 1): interval(r.value, r.low, r.high), "questions": r.questions}
                )
                for r in part.itertuples()
            ]
            fig.add_scatter(
                x=part["k"],
                y=100 * part["value"],
                mode="lines+markers",
                marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8},
                name=plain(label),
                showlegend=dash == "solid" or steady.empty,
                hovertext=texts,
                hoverinfo="text",
                **{**group, "line": {**group["line"], "dash": dash}},
            )
    ks = sorted({int(k) for frame in frames.values() for k in frame["k"]})
    finish(fig, x="k, samples drawn", y=f"{name}, %", height=440)
    return fig.update_xaxes(type="log", tickvals=ks, ticktext=[str(k) for k in ks])
