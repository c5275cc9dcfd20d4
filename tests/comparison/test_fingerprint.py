"""What makes two runs not comparable, and what is only mentioned."""

from __future__ import annotations

from typing import Any

import pytest

from evalsuite.comparison.fingerprint import FIELDS, mentions, mismatches


def manifest(judge: Any = None, environment: Any = None, **identity: Any) -> dict[str, Any]:
    of_task = {
        "version": "1",
        "data": "d",
        "prompt": {"name": "cot", "hash": "h"},
        "num_fewshot": 0,
        "sampling": {"temperature": 0.6, "stop": []},
        "verifier": {"name": "math", "version": 1},
        "seed": 0,
    }
    return {
        "identity": {"judge": judge},
        "environment": environment or {},
        "model": {"name": "m", "backend": "hf", "dtype": "bfloat16"},
        "tasks": {"t": {"identity": of_task | identity}},
    }


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"version": "2"}, "version", "1 -> 2"),
        ({"data": "e"}, "data", "d -> e"),
        ({"num_fewshot": 5}, "prompt", "num_fewshot 0 -> 5"),
        ({"prompt": {"name": "cot", "hash": "i"}}, "prompt", "hash h -> i"),
        ({"sampling": {"temperature": 1.0, "stop": []}}, "sampling", "temperature 0.6 -> 1.0"),
        ({"sampling": {"temperature": 0.6, "stop": [], "top_k": 5}}, "sampling", "top_k (none) -> 5"),
        ({"verifier": {"name": "math", "version": 2}}, "verifier", "version 1 -> 2"),
    ],
)
def test_each_field_is_found_and_put_in_words(change: dict[str, Any], field: str, text: str) -> None:
    assert field in FIELDS
    assert mismatches(manifest(), manifest(**change), "t") == {field: text}


def test_a_seed_is_no_mismatch() -> None:
    assert mismatches(manifest(), manifest(seed=1), "t") == {}


def test_the_judge_counts_where_it_judged() -> None:
    one, two = {"model": "x"}, {"model": "y"}
    assert mismatches(manifest(one), manifest(two), "t") == {}  # a rule: other tasks of the run were judged
    for name in ("judge", "my_rubric"):
        verifier = {"name": name, "version": 1}
        found = mismatches(manifest(one, verifier=verifier), manifest(two, verifier=verifier), "t")
        assert found == {"judge": "model x -> y"}


def test_environment_and_engine_are_mentioned_the_host_is_not() -> None:
    one = manifest(environment={"packages": {"torch": "2.4", "numpy": "2"}, "host": "a"})
    two = manifest(environment={"packages": {"torch": "2.5", "numpy": "2"}, "host": "b"})
    two["model"]["dtype"] = "float16"
    assert mentions(one, two) == ("packages.torch 2.4 -> 2.5", "dtype bfloat16 -> float16")
    assert mentions(one, one) == ()
