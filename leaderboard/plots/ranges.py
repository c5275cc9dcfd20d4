"""The range of a chart's y axis, where Plotly's own would show what is not there: shares below 0, noise as if it were signal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.training import EVAL, Curve, bare, section_of

_SHARE = re.compile(r"frac_|.*clip(ped)?_?(ratio|frac)|ratio/(outside|effective_share)$")
# The ranges that scalars have at least that only rounding moves while the policy is the one that sampled.
_LEAST = (
    (re.compile(r"ratio/|sampling/.*ratio"), (0.99, 1.01)),
    (re.compile(r"sampling/.*difference"), (0.0, 0.01)),
)


def y_axis(name: str, curves: Sequence[Curve]) -> dict[str, Any]:
    """Properties of the y axis of a chart of the scalar `name`.

    Shares begin at 0, evaluations do not go below it where no value does, ratios of probabilities that stay within 0.01 of 1 show
    just that, and where there is but one value the axis goes from 0 to twice that value.
    """
    if _SHARE.match(bare(name)):
        return {"rangemode": "tozero"}
    drawn = [part for c in curves for part in (c.y, *(end for band in c.bands for end in band[1:]), *(c.whiskers or ()))]
    values = np.concatenate([np.empty(0), *drawn])
    values = values[~np.isnan(values)]
    if not len(values):
        return {}
    low, high = float(values.min()), float(values.max())
    for pattern, (least, most) in _LEAST:
        if pattern.match(bare(name)) and least <= low and high <= most:
            return {"range": [least, most]}
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        return {"range": sorted([0.0, 2 * low or 1.0])}
    return {"rangemode": "nonnegative"} if section_of(name) == EVAL and low >= 0 else {}
