"""The next token: hand-worked draws, transformers' own filters as an independent check, noise that belongs to a seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evalsuite.errors import UnavailableError  # noqa: E402
from evalsuite.models.sampler import BLOCK, Knobs, Noise, _filtered, next_tokens  # noqa: E402
from evalsuite.words.completion import Sampling  # noqa: E402


class Fixed:
    """Noise with chosen numbers."""

    def __init__(self, *numbers: float) -> None:
        self._numbers = np.array(numbers)

    def next(self) -> np.ndarray:
        return self._numbers


def knobs(*samplings: Sampling) -> Knobs:
    return Knobs.of(samplings, torch.device("cpu"))


def test_a_draw_is_the_inverse_of_the_cumulative_distribution() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.0, 0.25]] * 6))
    tokens, logprobs = next_tokens(
        logits, knobs(*[Sampling(temperature=1.0)] * 6), Fixed(0.0, 0.4999, 0.5001, 0.7499, 0.7501, 1 - 1e-7), True
    )
    assert tokens.tolist() == [0, 0, 1, 1, 3, 3]
    assert logprobs.tolist() == pytest.approx([math.log(p) for p in (0.5, 0.5, 0.25, 0.25, 0.25, 0.25)])


def test_rows_keep_their_own_settings() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0]] * 3)
    rows = knobs(Sampling(), Sampling(temperature=2.0), Sampling(temperature=1.0, top_k=1))
    tokens, logprobs = next_tokens(logits, rows, Fixed(0.999, 0.999, 0.999), True)
    assert tokens.tolist() == [1, 2, 1]
    half = [math.exp(x / 2) for x in (0.0, 2.0, 1.0)]
    whole = [math.exp(x) for x in (0.0, 2.0, 1.0)]
    # Greedy at temperature 1; sampled ones at their temperature and before top-k.
    expected = [math.log(whole[1] / sum(whole)), math.log(half[2] / sum(half)), math.log(whole[1] / sum(whole))]
    assert logprobs.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("vocabulary", [50, 5000])
@pytest.mark.parametrize(
    "settings", [{"top_k": 7}, {"top_p": 0.8}, {"min_p": 0.1}, {"top_k": 20, "top_p": 0.6, "min_p": 0.05}, {"top_p": 0.999}]
)
def test_filters_keep_what_transformers_keeps(vocabulary: int, settings: dict[str, float]) -> None:
    from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(8, vocabulary, generator=torch.Generator().manual_seed(3)) * 3
    expected = logits
    if "top_k" in settings:
        expected = TopKLogitsWarper(settings["top_k"])(None, expected)
    if "top_p" in settings:
        expected = TopPLogitsWarper(settings["top_p"])(None, expected)
    if "min_p" in settings:
        expected = MinPLogitsWarper(settings["min_p"])(None, expected)
    probabilities = logits.softmax(-1)
    kept = _filtered(probabilities, knobs(*[Sampling(temperature=1.0, **settings)] * 8))
    # They sum from the other end: the last tokens at the edge of the nucleus may differ by rounding.
    disagreed = probabilities.masked_fill((kept > 0) == expected.isfinite(), 0.0)
    assert disagreed.sum(-1).max() < 1e-5
    assert not expected.isfinite().all() and expected.isfinite().any(-1).all()


def test_frequencies_follow_the_distribution() -> None:
    probabilities = [0.05, 0.6, 0.0, 0.35]
    logits = torch.log(torch.tensor([probabilities] * 20_000))
    sampling = Sampling(temperature=1.0)
    tokens, _ = next_tokens(logits, knobs(*[sampling] * 20_000), Noise(range(20_000)), False)
    counts = np.bincount(tokens.numpy(), minlength=4) / 20_000
    # Four standard errors of a share are at most 4 * sqrt(.24 / 20000) = .0139.
    assert counts == pytest.approx(probabilities, abs=0.0139)
    assert counts[2] == 0


def test_noise_belongs_to_the_seed() -> None:
    steps = 2 * BLOCK + 3
    together, alone = Noise([5, 6, 7]), Noise([7])
    rows = []
    for step in range(steps):
        rows.append(together.next()[-1])
        if step == BLOCK // 2:
            together.keep([1, 2])
    assert rows == [alone.next()[0] for _ in range(steps)]
    assert len(set(rows)) == steps
    assert 0.4 < float(np.mean(rows)) < 0.6


@pytest.mark.parametrize("top_k", [4, 99, 10**30])
def test_top_k_above_the_vocabulary_keeps_all(top_k: int) -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.05, 0.2]])
    assert _filtered(probabilities, knobs(Sampling(temperature=1.0, top_k=top_k))).equal(probabilities)
    both = _filtered(probabilities, knobs(Sampling(temperature=1.0, top_k=top_k, top_p=0.7)))
    assert both.equal(torch.tensor([[0.5, 0.25, 0.0, 0.0]]))


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.0), Sampling(temperature=0.7, top_k=2)])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_not_finite_give_no_token(bad: float, sampling: Sampling) -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.0, bad, 2.0]])
    with pytest.raises(UnavailableError, match="not finite: its weights are broken"):
        next_tokens(logits, knobs(sampling, sampling), Fixed(0.5, 0.5) if sampling.temperature else None, False)
    masked = torch.tensor([[0.0, -math.inf, 2.0]])  # a token that the model rules out
    assert next_tokens(masked, knobs(Sampling()), None, False)[0].tolist() == [2]
