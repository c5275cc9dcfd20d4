"""Log-probabilities of a sample's tokens."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from .style import PALETTE, decimated, finish


def token_logprobs(logprobs: Sequence[float]) -> go.Figure:
    """A line over the tokens of one sample; natural logarithms."""
    x, y = decimated(range(len(logprobs)), logprobs)
    fig = go.Figure(go.Scatter(x=x, y=y, mode="lines", line={"width": 1.2, "color": PALETTE[0]}, showlegend=False))
    return finish(fig, x="token", y="log-probability (nats)", height=220)
