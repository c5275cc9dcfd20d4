"""How tokens become one number, in parts that add up."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import UsageError
from evalsuite.trainers.objectives.aggregate import Normaliser, aggregate

MODES = ("sequence_mean", "token_mean", "sequence_sum")
VALUES = torch.tensor([[1.0, 2.0, 3.0, math.nan], [8.0, math.inf, math.nan, 5.0], [math.nan] * 4])
MASK = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=torch.bool)


def test_by_hand():
    """Three sequences, one of them empty: (2 + 8 + 0) / 3, (6 + 8) / 4, (6 + 8) / (3 x 10)."""
    normaliser = Normaliser.of(MASK, 10)
    assert normaliser == Normaliser(sequences=3, tokens=4.0, max_tokens=10)
    assert [aggregate(VALUES, MASK, mode, normaliser).item() for mode in MODES] == pytest.approx([10 / 3, 3.5, 14 / 30])
    assert Normaliser.of(MASK).max_tokens == 4


def test_one_value_per_sequence():
    """Float (B, 1) is the same value at every token."""
    column = torch.tensor([[2.0], [8.0], [math.nan]])
    for mode in MODES:
        whole = aggregate(column.expand(3, 4), MASK, mode, Normaliser.of(MASK))
        assert torch.equal(aggregate(column, MASK, mode, Normaliser.of(MASK)), whole) and whole.isfinite()


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_zero(mode):
    empty = torch.zeros_like(MASK)
    values = VALUES.clone().requires_grad_()
    loss = aggregate(values, empty, mode, Normaliser(0, 0, 0))
    loss.backward()
    assert loss.item() == 0 and not values.grad.any()
    assert aggregate(VALUES, empty, mode, Normaliser.of(empty)).item() == 0


def test_unknown_mode():
    with pytest.raises(UsageError, match="sequence_mean, token_mean, sequence_sum"):
        aggregate(VALUES, MASK, "mean", Normaliser.of(MASK))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.data())
def test_parts_sum_to_the_whole(lengths, data):
    """Rows in parts of any size, each cut to its own longest: the same loss and gradient."""
    n = len(lengths)
    values = torch.randn(n, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(n)).requires_grad_()
    mask = torch.arange(6) < torch.tensor(lengths)[:, None]
    normaliser = Normaliser.of(mask, 9)
    part = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    for mode in MODES:
        whole = aggregate(values, mask, mode, normaliser)
        pieces = []
        for p in range(4):
            own = part == p
            width = int(mask[own].sum(-1).max()) if own.any() else 0
            pieces.append(aggregate(values[own, :width], mask[own, :width], mode, normaliser))
        torch.testing.assert_close(sum(pieces), whole)
        left, right = (torch.autograd.grad(loss, values)[0] for loss in (sum(pieces), whole))
        torch.testing.assert_close(left, right)
