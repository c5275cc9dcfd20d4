from __future__ import annotations

import pytest

import evalsuite
from evalsuite.errors import UsageError


@pytest.mark.parametrize(
    ("verifier", "fields", "value"),
    [
        ("math", {"target": "1/2", "text": "so \\boxed{0.5}"}, 1.0),
        ("math", {"target": "1/2", "text": "so \\boxed{0.51}"}, 0.0),
        ("text", {"target": ("Paris", "City of Light"), "text": "Answer: paris"}, 1.0),
        ("choice", {"target": "B", "choices": ("red", "blue"), "text": "The answer is (B)."}, 1.0),
        ("choice", {"target": "B", "choices": ("red", "blue"), "text": "The answer is (A)."}, 0.0),
        ("judge", {"target": "Paris", "problem": "Capital of France?", "text": ""}, 0.0),
    ],
)
def test_one_call_serves_every_verifier(verifier, fields, value):
    assert evalsuite.score(verifier, **fields).value == value


def test_fields_of_the_sample_and_settings_of_the_verifier_are_told_apart():
    with pytest.raises(UsageError, match="colour"):
        evalsuite.score("math", target="1", text="1", metadata={"unit": "m"}, colour="red")
    with pytest.raises(UsageError, match="did you mean math"):
        evalsuite.score("mathh", target="1", text="1")
    assert evalsuite.score("judge", target="1", text="1", rounds=2).outcome == "error"  # no judge to ask
