"""Ratio reports against numpy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from evalsuite.trainers.objectives.diagnostics import QUANTILES, effective_share, ratio_report, sampler_difference

MASK = torch.arange(40) < torch.tensor([40, 7, 0])[:, None]


def test_quantiles_against_numpy():
    x = torch.randn(3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w = np.exp(x[MASK].numpy())
    report = ratio_report(x, MASK, low=0.3, high=0.5)
    for name, q in QUANTILES.items():
        assert report[f"ratio/{name}"] == pytest.approx(np.quantile(w, q))
    assert (report["ratio/min"], report["ratio/max"]) == pytest.approx((w.min(), w.max()))
    assert report["ratio/outside"] == pytest.approx(((w < 0.7) | (w > 1.5)).mean())
    first, second = (math.exp(x[i][MASK[i]].sum()) for i in (0, 1))
    assert report["ratio/effective_share"] == pytest.approx((first + second) ** 2 / (2 * (first**2 + second**2)))


def test_one_token_and_none():
    x = torch.full((3, 40), math.log(2.0))
    one = torch.zeros_like(MASK)
    one[1, 3] = True
    report = ratio_report(x, one)
    assert [report[f"ratio/{name}"] for name in ("min", "p01", "p50", "p99", "max")] == pytest.approx([2.0] * 5)
    assert report["ratio/outside"] == 1.0 and report["ratio/effective_share"] == 1.0
    assert ratio_report(x, torch.zeros_like(MASK)) == {}


def test_effective_share():
    assert effective_share(torch.zeros(5, 1)) == pytest.approx(1.0)
    assert effective_share(torch.tensor([1000.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)
    assert effective_share(torch.tensor([3.0, 1.0]).log()) == pytest.approx(16 / 20)
    assert math.isnan(effective_share(torch.zeros(0)))


def test_sampler():
    old = torch.tensor([[-1.0, -1.0, -1.0, 7.0]])
    sampler = torch.tensor([[-1.0 - math.log(2), -1.0 + math.log(4), math.nan, 0.0]])
    mask = torch.tensor([[True, True, True, False]])
    assert sampler_difference(old, sampler, mask) == pytest.approx(
        {
            "sampling/sampling_logp_difference/mean": 1.5 * math.log(2),
            "sampling/sampling_logp_difference/max": math.log(4),
            "sampling/importance_sampling_ratio/min": 0.25,
            "sampling/importance_sampling_ratio/mean": 1.125,
            "sampling/importance_sampling_ratio/max": 2.0,
        },
        rel=1e-6,
    )
    assert sampler_difference(old, sampler, mask, cap=1.5)["sampling/importance_sampling_ratio/max"] == 1.5
    assert sampler_difference(old, sampler, torch.zeros_like(mask)) == {}
