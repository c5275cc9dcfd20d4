"""The entropy band and the high-entropy tokens. The bonus is tested in test_total.py."""

from __future__ import annotations

import pytest
import torch

from evalsuite.trainers.objectives.entropy import band, high_entropy


def test_band():
    assert band(0.01, 0.1, target=0.2) == pytest.approx(0.015)
    assert band(0.01, 0.2, target=0.2) == pytest.approx(0.015)
    assert band(0.01, 0.3, target=0.2) == pytest.approx(0.005)
    assert band(0.002, 0.3, target=0.2) == 0.0
    assert band(0.03, 0.1, target=0.2, delta=0.05, high=0.04) == 0.04
    assert band(0.03, 0.9, target=0.2, delta=0.05, low=0.01) == 0.01


def test_band_settles():
    """Entropy that rises with the coefficient is brought to the target and held there."""
    coef, seen = 0.0, []
    for _ in range(400):
        entropy = 0.1 + 2 * coef
        coef = band(coef, entropy, target=0.5)
        seen.append(entropy)
    assert all(abs(e - 0.5) <= 0.011 for e in seen[100:])


def test_high_entropy():
    entropy = torch.tensor([[0.1, 0.9, 0.5, 9.0], [0.7, 0.3, 9.0, 9.0]])
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    assert high_entropy(entropy, mask, 0.4).tolist() == [[False, True, False, False], [True, False, False, False]]
    assert torch.equal(high_entropy(entropy, mask, 1.0), mask)
    assert high_entropy(entropy, mask, 1e-9).sum() == 1
    assert torch.equal(high_entropy(torch.ones(2, 4), mask, 0.2), mask)
    assert not high_entropy(entropy, torch.zeros_like(mask), 0.2).any()
