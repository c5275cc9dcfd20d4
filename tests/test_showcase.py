"""What the demo says of RL and its controls: no more than the paired differences show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from evalsuite.api import compare
from evalsuite.evaluate import run
from evalsuite.models import load
from evalsuite.showcase import TEST, Gap, Showcase, arms, verdict


def gap(value: float, half: float = 2.0, p: float | None = None) -> Gap:
    """In points; significant where the interval leaves 0 out, unless `p` says otherwise."""
    low, high = value - half, value + half
    return Gap(value / 100, low / 100, high / 100, (0.2 if low <= 0 <= high else 0.001) if p is None else p)


def said(gain: Gap, flawed: Gap, coin: Gap, labels: Gap, steps: int = 50) -> str:
    above: Mapping[str, Gap] = {"flawed": flawed, "coin": coin}
    text = verdict(steps, gain, above, labels)
    assert text.startswith(f"{steps} step{'' if steps == 1 else 's'} of RL") and "One seed and one small model" in text
    assert "% of it" not in text and "real" not in text
    return text


ABOVE = "RL is above the model and above every control that needs no verifier."


def test_a_gain_beyond_all_controls() -> None:
    text = said(gap(42.2), gap(34.8), gap(74.1), gap(-7.2))
    assert "+42.2 [+40.2, +44.2] points against the model, a gain." in text
    assert (
        "`flawed` +34.8 [+32.8, +36.8], above; `coin` +74.1 [+72.1, +76.1], above; `labels` -7.2 [-9.2, -5.2], below." in text
    )
    assert ABOVE in text and "Right answers to imitate do better than RL." in text


def test_a_small_gain_that_coin_tosses_bring_as_well() -> None:
    """+1.8 after one step, and +0.8 by coins: the gain is one, and nothing says that the verifier brought it."""
    text = said(gap(1.8, 1.0), gap(1.5, 0.9), gap(1.0, 1.2), gap(-0.5, 1.1), steps=1)
    assert "+1.8 [+0.8, +2.8] points against the model, a gain." in text and "`coin` +1.0 [-0.2, +2.2], not told apart" in text
    assert ABOVE not in text
    assert "RL is not shown to be above `coin`: that a gain comes from the verifier is not shown." in text
    assert "Right answers to imitate and RL cannot be told apart." in text


def test_no_gain() -> None:
    text = said(gap(0.4), gap(0.6), gap(0.1), gap(-5))
    assert "not to be told from none" in text and "a gain." not in text
    assert "RL is not shown to be above `flawed` and `coin`: that" in text


def test_harm_beside_an_imitation_that_helps() -> None:
    text = said(gap(-5), gap(-15), gap(0.5), gap(-20))
    assert "-5.0 [-7.0, -3.0] points against the model, a loss." in text
    assert "`flawed` -15.0 [-17.0, -13.0], below" in text
    assert "not shown to be above `flawed` and `coin`" in text


def test_an_imitation_that_brings_more_than_rl() -> None:
    text = said(gap(1, 0.5), gap(-4), gap(9), gap(-9))
    assert "points against the model, a gain." in text and "not shown to be above `flawed`: that" in text


def test_controls_that_harm_make_no_gain_of_rl() -> None:
    text = said(gap(0.3), gap(8), gap(30), gap(4))
    assert "RL is above the controls that need no verifier, and not shown to be above the model." in text
    assert "Right answers to imitate do worse than RL." in text


@pytest.mark.parametrize("p", [0.06, float("nan")])
def test_an_interval_beyond_0_is_not_enough(p: float) -> None:
    """P-values are corrected for all that was tested at once, intervals are not; NaN is too few questions."""
    text = said(gap(3, 2.5, p), gap(9), gap(9), gap(-9))
    assert "+3.0 [+0.5, +5.5] points against the model, not to be told from none." in text


def test_a_gap_turned_round() -> None:
    assert -Gap(0.02, 0.01, 0.04, 0.03) == Gap(-0.02, -0.04, -0.01, 0.03)
    assert str(-Gap(0.0, -0.01, 0.01, 1.0)) == "+0.0 [-1.0, +1.0]"


def test_signs_and_columns_of_real_comparisons(tmp_path: Path) -> None:
    """Scripted runs of known order stand for the arms: the model, RL above it, a worse teacher, right answers, coins."""
    found = []
    for name, share in (("demo", 0.3), ("dapo", 0.7), ("flawed", 0.3), ("labels", 0.95), ("coin", 0.05)):
        model = load(f"scripted:noisy:{share}")
        model.name = name
        found.append(Path(run(model, TEST, repeats=8, limit=100, output=tmp_path, progress=None).path))
    comparison = compare(*found, metrics=("avg", "pass@8"), tasks=[TEST], moved=0)
    beside = compare(*found[1:], metrics=("avg",), tasks=[TEST], moved=0)
    shown = Showcase(comparison, beside, arms(tmp_path / "flawed.jsonl"), {}, 50)
    text = shown.verdict()
    assert str(shown).endswith(text)
    assert text.startswith("50 steps of RL on the verifier's rewards: +") and "points against the model, a gain." in text
    assert text.count(", above;") == 2 and text.count(", below.") == 1 and ABOVE in text
    means = [100 * contrast.rows[0].difference.mean_b for contrast in comparison.contrasts]
    for name, mean in zip(("flawed", "labels", "coin"), means[1:], strict=True):
        assert f"`{name}` {means[0] - mean:+.1f} [" in text
