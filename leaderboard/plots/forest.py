"""The forest plot: values with their intervals, one line per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from .style import GREY, finish, hover, interval, plain

MOST = 60  # lines of the plot; a longer table is cut, and its caption says so
HEAD, LINE = 38, 35  # pixels: heading and line of a Streamlit table, so that beside one the lines meet
FOOT = 75  # pixels below the last line
BLUE = "#2B82C9"  # 4:1 against the white and against the dark page


@dataclass(frozen=True)
class Point:
    """A line of the plot. `low` and `high` are None without an interval, `rank` is '' for one without."""

    name: str
    value: float
    low: float | None
    high: float | None
    rank: str = ""
    n: int = 0


def forest(points: Sequence[Point], *, x: str, chance: float | None = None, per_cent: bool = True) -> go.Figure:
    """`points` (at least one) from top to bottom as given, at most MOST of them; filled dots have a rank, open ones have none.

    `x` is the axis' title, `chance` what guessing scores, `per_cent` says that values are shares.
    """
    points = points[:MOST]
    scale = 100 if per_cent else 1
    fig = go.Figure()
    for ranked, label, colour, symbol in ((True, "ranked", BLUE, "circle"), (False, "no rank", GREY, "diamond-open")):
        some = [(i, p) for i, p in enumerate(points) if bool(p.rank) == ranked]
        if not some:
            continue
        fig.add_scatter(
            x=[p.value * scale for _, p in some],
            y=[i for i, _ in some],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [0 if p.high is None else (p.high - p.value) * scale for _, p in some],
                "arrayminus": [0 if p.low is None else (p.value - p.low) * scale for _, p in some],
                "color": colour,
                "thickness": 1.5,
                "width": 4,
            },
            mode="markers",
            name=label,
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertemplate=[_told(p, per_cent) + "<extra></extra>" for _, p in some],
        )
    if chance is not None:
        fig.add_scatter(
            x=[chance * scale] * 2,
            y=[-0.5, len(points) - 0.5],
            mode="lines",
            name=f"guessing {chance * scale:.3g}",
            line={"dash": "dash", "color": GREY, "width": 1.5},
            hoverinfo="name",
        )
    # What the marks are stands below the axis: a legend has no room beside long names, and would move lines away from the table's.
    marks = [f"dashed: guessing {chance * scale:.3g}"] if chance is not None else []
    marks += ["open: no rank"] if any(not p.rank for p in points) else []
    finish(fig, height=HEAD + LINE * len(points) + FOOT)
    fig.update_layout(margin={"t": HEAD, "b": FOOT}, showlegend=False)
    ends = [v * scale for p in points for v in (p.low, p.value, p.high, chance) if v is not None]
    pad = 0.04 * (max(ends) - min(ends)) or 1.0
    fig.update_xaxes(
        title={"text": plain(x) + (f"<br><sup>{', '.join(marks)}</sup>" if marks else "")},
        automargin=False,
        range=[min(ends) - pad, max(ends) + pad],
    )
    fig.update_yaxes(
        tickvals=list(range(len(points))),
        ticktext=[plain(_short(p.name)) for p in points],
        range=[len(points) - 0.5, -0.5],
        showgrid=False,
    )
    return fig


def _told(p: Point, per_cent: bool) -> str:
    value = interval(p.value, p.low, p.high) if per_cent else f"{p.value:.3g} [{p.low}, {p.high}]"
    return hover({"run": p.name, "value": value, "rank": p.rank or "none", "questions": p.n})


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"
