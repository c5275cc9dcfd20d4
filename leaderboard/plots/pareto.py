"""Accuracy against what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .style import GREY, colours, finish, hover, interval, plain

_PATHS = 40  # training runs whose checkpoints are joined by arrows, at most
_HEIGHT, _WIDTH = 520, 750  # pixels that labels are placed for
_PLACES = (
    ("top center", 0, 14), ("bottom center", 0, -14), ("middle right", 1, 0), ("middle left", -1, 0),
    ("top right", 1, 12), ("top left", -1, 12), ("bottom right", 1, -12), ("bottom left", -1, -12),
)  # fmt: skip


def pareto_figure(points: pd.DataFrame, *, spent: str, value: str) -> go.Figure:
    """`points` as `data.efficiency.efficiency` gives them; `spent` and `value` are the titles of the axes.

    Filled: on the front. Hollow: dominated. Crosses: other settings, on no front. Arrows lead from checkpoint to checkpoint of a
    training run. The x axis is logarithmic where its values span a factor of 10 or more.
    """
    fig = go.Figure()
    wide = bool(len(points)) and points["spent"].min() > 0 and points["spent"].max() >= 10 * points["spent"].min()
    checkpoints = points.dropna(subset=["training", "step"])
    palette = colours(checkpoints["training"])
    ways = [
        rows.sort_values("step").drop_duplicates("step")
        for _, rows in checkpoints.groupby(["training", "fingerprint"], sort=False)
    ]
    for steps in [way for way in ways if len(way) > 1][:_PATHS]:
        _arrows(fig, steps, palette[steps["training"].iloc[0]])
    front = points[points["front"].astype(bool)].sort_values("spent")
    if len(front):
        fig.add_scatter(
            x=front["spent"],
            y=100 * front["value"],
            mode="lines",
            line={"shape": "hv", "dash": "dot", "color": GREY},
            name="Pareto front",
            hoverinfo="skip",
        )
    texts = _places(points, log=wide)
    kinds = {
        "on the front": (points["front"].astype(bool), "circle"),
        "dominated": (points["comparable"].astype(bool) & ~points["front"].astype(bool), "circle-open"),
        "other settings, not comparable": (~points["comparable"].astype(bool), "x-thin-open"),
    }
    for name, (which, symbol) in kinds.items():
        rows = points[which]
        if len(rows):
            _dots(fig, rows, [texts[i] for i in rows.index], palette, name, symbol, spent, value)
    finish(fig, x=spent, y=f"{value}, %", height=_HEIGHT)
    return fig.update_xaxes(type="log", dtick="D2") if wide else fig


def _arrows(fig: go.Figure, steps: pd.DataFrame, colour: str) -> None:
    fig.add_scatter(
        x=steps["spent"],
        y=100 * steps["value"],
        mode="lines+markers",
        line={"color": colour, "width": 1.5},
        marker={
            "symbol": "arrow",
            "angleref": "previous",
            "standoff": 6,
            "size": [0, *[11] * (len(steps) - 1)],
            "color": colour,
            "opacity": 1,
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _dots(
    fig: go.Figure,
    rows: pd.DataFrame,
    texts: Sequence[tuple[str, str]],
    palette: dict[str, str],
    name: str,
    symbol: str,
    spent: str,
    value: str,
) -> None:
    told = [
        hover(
            {
                "run": r.run,
                **({"step": int(r.step)} if r.step == r.step and r.step is not None else {}),
                r.metric: interval(r.value, r.low, r.high),
                spent: f"{r.spent:.4g}",
                **({"dominated by": r.dominated_by} if r.dominated_by else {}),
            }
        )
        for r in rows.itertuples()
    ]
    fig.add_scatter(
        x=rows["spent"],
        y=100 * rows["value"],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": 100 * (rows["high"].astype(float) - rows["value"]),
            "arrayminus": 100 * (rows["value"] - rows["low"].astype(float)),
            "color": "rgba(128,128,128,0.45)",
            "thickness": 1.2,
            "width": 3,
        },
        mode="markers+text",
        marker={"symbol": symbol, "size": 11, "color": [palette.get(t, GREY) for t in rows["training"]], "line": {"width": 2}},
        text=[plain(text) for text, _ in texts],
        textposition=[place for _, place in texts],
        textfont={"size": 11},
        cliponaxis=False,
        name=name,
        hovertext=told,
        hoverinfo="text",
    )


def _places(points: pd.DataFrame, *, log: bool) -> dict[int, tuple[str, str]]:
    """A label and where it stands for every point; an empty one where there is no room: front first, then from the highest down."""
    order = points.assign(label=_labels(points)).sort_values(["front", "value"], ascending=False)
    xs = np.log(order["spent"]) if log else order["spent"]
    x, y = (_pixels(v, size) for v, size in ((xs, _WIDTH), (order["value"], _HEIGHT - 120)))
    taken = [(a - 7, b - 7, a + 7, b + 7) for a, b in zip(x, y)]
    out: dict[int, tuple[str, str]] = {}
    for index, a, b, text in zip(order.index, x, y, order["label"]):
        short = text if len(text) <= 28 else text[:27] + "…"
        width = 6.5 * len(short)
        out[index] = ("", "top center")
        for place, side, up in _PLACES:
            left = a + 9 if side > 0 else a - 9 - width if side < 0 else a - width / 2
            box = (left, b + up - 7, left + width, b + up + 7)
            inside = box[0] >= -40 and box[2] <= _WIDTH + 40
            if inside and not any(box[0] < t[2] and t[0] < box[2] and box[1] < t[3] and t[1] < box[3] for t in taken):
                taken.append(box)
                out[index] = (short, place)
                break
    return out


def _labels(points: pd.DataFrame) -> list[str]:
    """The run; only the step for all but the last checkpoint of a training run."""
    steps = points["step"].astype(float)  # NaN for none
    last = steps.groupby(points["training"]).transform("max")
    return [run if not step < end else f"@{int(step)}" for run, step, end in zip(points["run"], steps, last)]


def _pixels(values: pd.Series, size: float) -> np.ndarray:
    v = values.to_numpy(dtype=float)
    span = float(np.ptp(v)) if len(v) else 0.0
    return np.full(len(v), size / 2) if not span or math.isnan(span) else (v - v.min()) / span * size
