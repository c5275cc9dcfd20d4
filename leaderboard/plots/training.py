"""Figures of training runs: panels of curves, differences to step 0, and what the reward does beside what it should do."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..data.training import Curve, Panel
from .ranges import y_axis
from .style import MOST_POINTS, MOST_TRACES, PALETTE, decimated, faint, finish, plain

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star", "hexagon", "pentagon", "triangle-down")
ALL_POINTS = 50_000  # of a page: 11 bytes each on the wire, and a page has to stay below 1 MB
FILLED = 4  # lines above which bands are outlines: more of them on one another are mud
FEW = 40  # points below which they are marked
CROWD = 200  # points of the raw lines of a chart above which they are made fainter
HOVER = "%{x:.6~g}: %{y:.5~g}"
COLUMNS, ROW = 2, 230

Chart = tuple[Panel, Sequence[Curve]]


def colour(number: int) -> str:
    """The colour of a line."""
    return PALETTE[number % len(PALETTE)]


def split(charts: Sequence[Chart]) -> list[list[Chart]]:
    """Charts for as many figures as it takes to stay below MOST_TRACES in each."""
    figures: list[list[Chart]] = []
    room = 0
    for chart in charts:
        needs = traces(chart[1])
        if needs > room:
            figures.append([])
            room = MOST_TRACES
        figures[-1].append(chart)
        room -= needs
    return figures


def traces(curves: Sequence[Curve]) -> int:
    """How many a chart takes."""
    return sum(1 + len(c.bands) + (c.smooth is not None) for c in curves)


def panels(charts: Sequence[Chart], x: str, points: int = MOST_POINTS) -> go.Figure:
    """Charts, two to a row, all on one `x`. From the bottom to the top of each: bands, raw values (faint where they are smoothed
    too, the fainter the more there are), smoothed ones.

    `points` is the most per trace. A line has its colour and its dash in every chart, and one entry in the legend.
    """
    rows = -(-len(charts) // COLUMNS)
    fig = make_subplots(
        rows=rows,
        cols=COLUMNS,
        shared_xaxes="all",
        subplot_titles=[plain(_short(panel.title)) for panel, _ in charts],
        vertical_spacing=min(0.16, 0.28 / rows),
        horizontal_spacing=0.08,
    )
    named: set[str] = set()
    for i, (panel, curves) in enumerate(charts):
        at = {"row": i // COLUMNS + 1, "col": i % COLUMNS + 1}
        fig.add_traces(_layers(curves, points, named), rows=at["row"], cols=at["col"])
        fig.update_yaxes(**y_axis(panel.name, curves), **at)
        named |= {curve.label for curve in curves}
    finish(fig, height=ROW * rows + 90)
    fig.update_layout(legend={"y": 1 + 34 / (ROW * rows), "font": {"size": 12}}, margin={"t": 60}, hovermode="closest")
    fig.update_annotations(font_size=13)
    fig.update_xaxes(showticklabels=True)
    for col in range(1, COLUMNS + 1):
        last = rows if len(charts) % COLUMNS == 0 or col <= len(charts) % COLUMNS else rows - 1
        if last:
            fig.update_xaxes(title_text=plain(x), row=last, col=col)
    return fig


def _layers(curves: Sequence[Curve], points: int, named: Collection[str]) -> list[go.Scatter]:
    """The traces of a chart in the order in which they are drawn. Lines whose labels are `named` have their entry in the legend."""
    raw_points = sum(min(len(c.y), points) for c in curves if c.smooth is not None)
    alpha = min(0.35, 0.35 * math.sqrt(CROWD / max(raw_points, 1)))
    bands = [band for c in curves for band in _bands(c, points, len(curves) <= FILLED)]
    raw = [_line(c, points, c.y, {"color": faint(colour(c.number), alpha), "width": 1}) for c in curves if c.smooth is not None]
    for trace in raw:
        trace.update(showlegend=False, hovertemplate=f"{HOVER} (not smoothed)")
    top = [_measured(c) if c.whiskers is not None else _top(c, points) for c in curves]
    for curve, trace in zip(curves, top):
        trace.showlegend = curve.label not in named
    return [*bands, *raw, *top]


def _names(curve: Curve) -> dict[str, str]:
    return {"legendgroup": plain(curve.label), "name": plain(curve.label)}


def _bands(curve: Curve, points: int, filled: bool) -> list[go.Scatter]:
    hue, found = colour(curve.number), []
    for x, low, high in curve.bands:
        (xl, yl), (xh, yh) = decimated(x, low, points // 2), decimated(x, high, points // 2)
        found.append(
            go.Scatter(
                x=_short_floats(np.concatenate([xl, xh[::-1]])),
                y=_short_floats(np.concatenate([yl, yh[::-1]])),
                fill="toself",
                fillcolor=faint(hue, 0.15 if filled else 0),
                line={"color": faint(hue, 0.6), "width": 0 if filled else 1},
                hoverinfo="skip",
                showlegend=False,
                **_names(curve),
            )
        )
    return found


def _measured(curve: Curve) -> go.Scatter:
    """Values with their intervals."""
    low, high = curve.whiskers  # type: ignore[misc]
    return go.Scatter(
        x=curve.x,
        y=curve.y,
        mode="lines+markers",
        line={"color": colour(curve.number), "dash": DASHES[curve.number % len(DASHES)], "width": 1.5},
        marker={"symbol": MARKS[curve.number % len(MARKS)], "size": 8},
        error_y={"array": high - curve.y, "arrayminus": curve.y - low, "thickness": 1, "width": 3},
        customdata=np.stack([low, high], axis=1),
        hovertemplate="%{x:.6~g}: %{y:.4~g} [%{customdata[0]:.4~g}, %{customdata[1]:.4~g}]",
        **_names(curve),
    )


def _top(curve: Curve, points: int) -> go.Scatter:
    """The line one is to read: the smoothed one, or the values themselves, marked where they are few."""
    line = {"color": colour(curve.number), "dash": DASHES[curve.number % len(DASHES)]}
    if curve.smooth is not None:
        return _line(curve, points, curve.smooth, {**line, "width": 2.2})
    trace = _line(curve, points, curve.y, {**line, "width": 1.8})
    if len(trace.x) <= FEW:
        trace.update(mode="lines+markers", marker={"symbol": MARKS[curve.number % len(MARKS)], "size": 5})
    return trace


def _line(curve: Curve, points: int, values: np.ndarray, line: dict[str, Any]) -> go.Scatter:
    x, y = decimated(curve.x, values, points)
    return go.Scatter(x=_short_floats(x), y=_short_floats(y), mode="lines", line=line, hovertemplate=HOVER, **_names(curve))


def since_start(frame: pd.DataFrame, numbers: dict[str, int]) -> go.Figure:
    """Paired differences to step 0 in points, with 95 % intervals, over steps; filled where Holm's p is at most 0.05."""
    fig = go.Figure()
    fig.add_hline(y=0, line={"color": "rgba(128,128,128,0.8)", "width": 1})
    for key, part in frame.groupby("key", sort=False):
        number, found = numbers[str(key)], part["p_holm"] <= 0.05
        symbol = MARKS[number % len(MARKS)]
        d, low, high = (100 * part[name].to_numpy(float) for name in ("difference", "low", "high"))
        fig.add_trace(
            go.Scatter(
                x=part["step"],
                y=d,
                mode="lines+markers",
                name=plain(str(part["run"].iloc[0])),
                line={"color": colour(number), "dash": DASHES[number % len(DASHES)], "width": 1.5},
                marker={"symbol": [symbol if f else f"{symbol}-open" for f in found], "size": 9},
                error_y={"array": high - d, "arrayminus": d - low, "thickness": 1, "width": 3},
                customdata=np.stack([low, high, part["p_holm"].to_numpy(float)], axis=1),
                hovertemplate="step %{x}: %{y:+.2f} [%{customdata[0]:+.2f}, %{customdata[1]:+.2f}], p %{customdata[2]:.3~g} (Holm)",
            )
        )
    return finish(fig, x="step", y="difference to step 0 (points)", height=360)


def stacked(charts: Sequence[tuple[Panel, Curve]], x: str) -> go.Figure:
    """Curves of one run, each under its title, one above the other on one `x`."""
    fig = make_subplots(
        rows=len(charts),
        cols=1,
        shared_xaxes=True,
        subplot_titles=[plain(_short(panel.title, 80)) for panel, _ in charts],
        vertical_spacing=0.27 / len(charts),
    )
    for row, (panel, curve) in enumerate(charts, 1):
        fig.add_traces(_layers([curve], MOST_POINTS, ()), rows=row, cols=1)
        fig.update_yaxes(**y_axis(panel.name, [curve]), row=row, col=1)
    finish(fig, height=20 + 180 * len(charts))
    fig.update_annotations(font_size=13)
    fig.update_layout(showlegend=False)
    fig.update_xaxes(title_text=plain(x), row=len(charts), col=1)
    return fig


def per_trace(charts: Sequence[Chart]) -> int:
    """Points per trace that keep all the charts of a page together below ALL_POINTS."""
    return max(100, min(MOST_POINTS, ALL_POINTS // max(sum(traces(curves) for _, curves in charts), 1)))


def _short(title: str, most: int = 36) -> str:
    return title if len(title) <= most else f"{title[: most // 2]}…{title[-(most // 2 - 1) :]}"


def _short_floats(values: np.ndarray) -> np.ndarray:
    """Half the bytes: a screen does not show more than seven digits."""
    return values.astype("float32")
