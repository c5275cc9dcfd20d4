"""Colours and layout that all figures share. Backgrounds are clear, so that a figure stands on a light and on a dark page."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

# Okabe and Ito's palette without its black and yellow, which one of the two themes would swallow, and four that stay apart from it.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#A6761D", "#7F7F7F", "#66A61E")
GREY = "#888888"
RIGHT, WRONG = "#009E73", "#D55E00"  # told apart by people who do not see red and green
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagon", "star", "cross", "hourglass")
MOST_POINTS = 2000  # per trace
MOST_TRACES = 60  # per figure


def colours(keys: Iterable[str]) -> dict[str, str]:
    """A colour for each key, in their order."""
    return {key: PALETTE[i % len(PALETTE)] for i, key in enumerate(dict.fromkeys(keys))}


def faint(colour: str, alpha: float = 0.18) -> str:
    """`#RRGGBB` as a see-through one, for bands."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def finish(fig: go.Figure, *, title: str = "", x: str = "", y: str = "", height: int = 420, **layout: Any) -> go.Figure:
    """The common layout: clear background, horizontal legend below the title, units on the axes. Returns `fig`."""
    fig.update_layout(
        title={"text": plain(title), "x": 0, "xanchor": "left"} if title else None,
        height=height,
        margin={"l": 10, "r": 10, "t": 60 if title else 30, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0},
        hoverlabel={"namelength": -1},
        colorway=list(PALETTE),
        **layout,
    )
    grid = {
        "showgrid": True,
        "gridcolor": "rgba(128,128,128,0.25)",
        "zeroline": False,
        "automargin": True,
        "exponentformat": "e",
    }
    fig.update_xaxes(**({"title": {"text": plain(x)}} if x else {}), **grid)
    fig.update_yaxes(**({"title": {"text": plain(y)}} if y else {}), **grid)
    return fig


def plain(text: str) -> str:
    """Text for a label of a figure: Plotly reads some HTML in them, and names come from elsewhere."""
    return re.sub(r"[<>&]", lambda m: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}[m[0]], text)


def decimated(x: Sequence[float], y: Sequence[float], most: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` of the points, lowest and highest of every bucket, so that no spike is lost. x ascending; NaN in y is left out."""
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    there = ~np.isnan(ys)
    xs, ys = xs[there], ys[there]
    if len(xs) <= most:
        return xs, ys
    edges = np.linspace(0, len(xs), most // 2 + 1).astype(int)
    keep: set[int] = set()
    for start, end in itertools.pairwise(edges):
        part = ys[start:end]
        keep |= {start + int(part.argmin()), start + int(part.argmax())}
    at = np.array(sorted(keep))
    return xs[at], ys[at]


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent; '' for none."""
    return "" if value is None or value != value else f"{100 * value:.{digits}f}"


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """`61.3 [57.0, 65.4]`, in per cent; without brackets where there is no interval."""
    if value is None or value != value:
        return ""
    if low is None or high is None or low != low or high != high:
        return percent(value)
    return f"{percent(value)} [{percent(low)}, {percent(high)}]"


def hover(values: Mapping[str, Any]) -> str:
    """Lines of a hover text, names and values escaped."""
    return "<br>".join(f"{plain(str(name))}: {plain(str(value))}" for name, value in values.items())
