"""Accuracy against what it costs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from .style import GREY, colours, finish, hover, interval, plain

_PATHS = 40  # training runs whose checkpoints are joined by arrows, at most
_HEIGHT, _TALL, _WIDE = 520, 400, 640  # pixels: of the figure, and of its axes at the width of 800 that labels are placed for
_CHARACTER = 5.8  # pixels, on average
_PAD_X, _PAD_Y = 0.12, 0.05  # of what is drawn, on each side of it: labels of the outermost points have to stand there
_PLACES = (
    ("middle right", 1, 0), ("middle left", -1, 0), ("top right", 1, 12), ("top left", -1, 12),
    ("bottom right", 1, -12), ("bottom left", -1, -12), ("top center", 0, 14), ("bottom center", 0, -14),
)  # fmt: skip

Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels


def pareto_figure(points: pd.DataFrame, *, spent: str, value: str) -> tuple[go.Figure, int]:
    """`points` as `data.efficiency.efficiency` gives them; `spent` and `value` are the titles of the axes. Also returns for how many
    points there was no room for a label.

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
    shown_x = np.log10(points["spent"].to_numpy(dtype=float)) if wide else points["spent"].to_numpy(dtype=float)
    bars = points[["value", "low", "high"]].astype(float)
    range_x, range_y = _range(shown_x, _PAD_X), _range(100 * bars.to_numpy().ravel(), _PAD_Y)
    texts = _places(
        points, _pixels(shown_x, range_x, _WIDE), {n: _pixels(100 * bars[n].to_numpy(), range_y, _TALL) for n in bars}
    )
    kinds = {
        "on the front": (points["front"].astype(bool), "circle"),
        "dominated": (points["comparable"].astype(bool) & ~points["front"].astype(bool), "circle-open"),
        "other settings, not comparable": (~points["comparable"].astype(bool), "x-thin-open"),
    }
    for name, (which, symbol) in kinds.items():
        rows = points[which]
        if len(rows):
            _dots(fig, rows, [texts[i] for i in rows.index], palette, name, symbol, spent, value)
    finish(fig, x=spent + (" (log scale)" if wide else ""), y=f"{value}, %", height=_HEIGHT)
    fig.update_xaxes(range=range_x).update_yaxes(range=range_y)
    if wide:
        ticks = _ticks(*range_x)
        fig.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{v:,.12g}" for v in ticks])
    return fig, sum(not text for text, _ in texts.values())


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


def _places(points: pd.DataFrame, x: np.ndarray, y: dict[str, np.ndarray]) -> dict[int, tuple[str, str]]:
    """A label and where it stands for every point, clear of points, other labels, bars and the front's line; an empty one where there
    is no room. The front goes first, and over bars rather than without labels; then from the highest down. `x` and `y` (value,
    low, high) are in pixels."""
    labels = _labels(points)
    value, low, high = (y[n] for n in ("value", "low", "high"))
    taken = [(a - 7, b - 7, a + 7, b + 7) for a, b in zip(x, value)]
    front = points["front"].to_numpy(dtype=bool)
    lines = [(a - 4, b, a + 4, c) for a, b, c in zip(x, low, high) if b == b and c == c] + _steps(x[front], value[front])
    out: dict[int, tuple[str, str]] = {}
    for i in np.lexsort((-value, ~front)):
        a, b, text = x[i], value[i], labels[i]
        short = text if len(text) <= 28 else text[:27] + "…"
        width = _CHARACTER * len(short)
        out[points.index[i]] = ("", "top center")
        for of_lines, (place, side, up) in itertools.product((lines, [])[: 1 + front[i]], _PLACES):
            left = a + 9 if side > 0 else a - 9 - width if side < 0 else a - width / 2
            box = (left, b + up - 7, left + width, b + up + 7)
            if box[0] >= 0 and box[2] <= _WIDE and not any(_meet(box, t) for t in (*taken, *of_lines)):
                taken.append(box)
                out[points.index[i]] = (short, place)
                break
    return out


def _steps(x: np.ndarray, y: np.ndarray) -> list[Box]:
    """The lines of the front: across to the next point, then up."""
    order = np.argsort(x, kind="stable")
    ends = list(itertools.pairwise(zip(x[order], y[order])))
    return [(a - 1, b - 1, c + 1, b + 1) for (a, b), (c, _) in ends] + [(c - 1, b - 1, c + 1, d + 1) for (_, b), (c, d) in ends]


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _labels(points: pd.DataFrame) -> list[str]:
    """The run; only the step for all but the last checkpoint of a training run."""
    steps = points["step"].astype(float)  # NaN for none
    last = steps.groupby(points["training"]).transform("max")
    return [run if not step < end else f"@{int(step)}" for run, step, end in zip(points["run"], steps, last)]


def _range(values: np.ndarray, share: float) -> list[float]:
    """An axis that has all values (NaN is none) and some room beside them."""
    if np.isnan(values).all():
        return [0.0, 1.0]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    pad = share * (high - low) or 0.1 * abs(high) or 1.0
    return [low - pad, high + pad]


def _pixels(values: np.ndarray, ends: Sequence[float], size: int) -> np.ndarray:
    return (values - ends[0]) / (ends[1] - ends[0]) * size


def _ticks(low: float, high: float) -> list[float]:
    """Values 1, 2 and 5 times powers of ten from 10^low to 10^high; powers only where that would be more than a dozen."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    found = [m * 10.0**p for p in powers for m in (1, 2, 5) if low <= math.log10(m) + p <= high]
    return found if len(found) <= 12 else [10.0**p for p in powers if low <= p <= high]
