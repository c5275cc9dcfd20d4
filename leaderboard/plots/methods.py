"""Methods on tasks, one dot per training seed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .style import GREY, PALETTE, finish, hover, interval, percent, plain

PER_ROW = 2  # more would not leave room for titles at 800 pixels
_ROW, _GAP, _TOP, _BOTTOM = 44, 80, 55, 90  # pixels: of a method, between panels, and of the margins
MOST = 12  # columns in one figure
LINE = 30  # characters


def methods_figure(
    values: pd.DataFrame, means: pd.DataFrame, columns: Sequence[str], baseline: Mapping[str, float], baseline_name: str
) -> go.Figure:
    """A panel per column: seeds as rings, their mean as a diamond with its 95 % t interval, `baseline` (by column) as a dotted line.
    All have one x axis, in per cent.

    `values` and `means` as `data.methods.last_values` and `matrix` give them. Methods are the rows, in the order of `means`.
    """
    names = list(dict.fromkeys(means["name"]))
    name_of = dict(zip(means["method"], means["name"]))
    shown = list(columns)[:MOST]
    wide = min(PER_ROW, len(shown)) or 1
    tall = -(-len(shown) // wide) or 1
    of_panel, gaps = 20 + _ROW * len(names), _GAP * (tall - 1)
    fig = make_subplots(
        tall,
        wide,
        shared_yaxes=True,
        subplot_titles=["<br>".join(map(plain, _lines(_title(c, values)))) for c in shown],
        horizontal_spacing=0.04,
        vertical_spacing=_GAP / (tall * of_panel + gaps) if gaps else 0,
    )
    for i, column in enumerate(shown):
        at = {"row": i // wide + 1, "col": i % wide + 1}
        dots, mean = values[values["column"] == column], means[(means["column"] == column) & (means["seeds"] > 1)]
        fig.add_scatter(
            x=100 * mean["mean"],
            y=[names.index(n) for n in mean["name"]],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": 100 * (mean["high"] - mean["mean"]),
                "arrayminus": 100 * (mean["mean"] - mean["low"]),
                "color": PALETTE[0],
                "thickness": 2,
            },
            mode="markers",
            marker={"symbol": "diamond", "size": 12, "color": PALETTE[0]},
            name="mean over seeds, 95 %",
            legendgroup="mean",
            showlegend=i == 0,
            hovertext=[
                hover({"method": r.name, "mean": interval(r.mean, r.low, r.high), "seeds": r.seeds, "at step": r.steps})
                for r in mean.rename(columns={"name": "label"}).assign(name=mean["name"]).itertuples(index=False)
            ],
            hoverinfo="text",
            **at,
        )
        fig.add_scatter(
            x=100 * dots["value"],
            y=[names.index(name_of[m]) - (0.22 if m in set(mean["method"]) else 0) for m in dots["method"]],
            mode="markers",
            marker={"symbol": "circle-open", "size": 9, "color": PALETTE[1], "line": {"width": 2}},
            name="one seed",
            legendgroup="seed",
            showlegend=i == 0,
            hovertext=[
                hover(
                    {"method": name_of[r.method], "seed": r.seed, r.metric: percent(r.value), "step": f"{r.step} of {r.steps}"}
                )
                for r in dots.itertuples()
            ],
            hoverinfo="text",
            **at,
        )
        if column in baseline:
            ends = [-0.6, len(names) - 0.4]
            fig.add_scatter(
                x=[100 * baseline[column]] * 2,
                y=ends,
                mode="lines",
                line={"color": GREY, "dash": "dot"},
                name=plain(baseline_name),
                legendgroup="baseline",
                showlegend=not any(c in baseline for c in shown[:i]),
                hovertext=hover({baseline_name: percent(baseline[column])}),
                hoverinfo="text",
                **at,
            )
    finish(fig, height=_TOP + tall * of_panel + gaps + _BOTTOM)
    fig.update_layout(legend={"yref": "container", "y": 0}, margin={"t": _TOP, "b": _BOTTOM})
    fig.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=["<br>".join(map(plain, _lines(n))) for n in names],
        range=[len(names) - 0.4, -0.6],
        showgrid=False,
    )
    there = values["column"].isin(shown), means["column"].isin(shown)
    ends = _range(values[there[0]], means[there[1]], [baseline[c] for c in shown if c in baseline])
    fig.update_annotations(font_size=13)
    return fig.update_xaxes(range=ends, matches="x", nticks=6, tickangle=0, ticksuffix=" %")


def _title(column: str, values: pd.DataFrame) -> str:
    """The column and its metrics."""
    return f"{column} · {', '.join(dict.fromkeys(values.loc[values['column'] == column, 'metric']))}"


def _range(dots: pd.DataFrame, mean: pd.DataFrame, lines: Sequence[float]) -> list[float]:
    """The axis of all panels: all that is drawn, but of the wide intervals of few seeds only what shares can be."""
    seen = [*dots["value"], *lines]
    ends = [*seen, *mean["low"].dropna(), *mean["high"].dropna()]
    low, high = min(ends), max(ends)
    if min(seen) >= 0 and max(seen) <= 1:
        low, high = max(low, 0.0), min(high, 1.0)
    pad = 0.06 * (high - low) or 0.05
    return [100 * (low - pad), 100 * (high + pad)]


def _lines(name: str) -> list[str]:
    """A method's name in at most three short lines; the table has all of it."""
    lines = textwrap.wrap(name.replace(" · ", ", "), LINE)
    return lines if len(lines) <= 3 else [*lines[:2], f"{lines[2][: LINE - 1]}…"]
