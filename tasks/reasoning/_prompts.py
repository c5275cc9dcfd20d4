"""Prompts that several generated families share."""

from __future__ import annotations

from evalsuite import Prompt

BOXED = Prompt(
    name="boxed",
    user="{problem}\n\nWork step by step, then give the final answer in \\boxed{}.",
    plain="Problem: {problem}\nAnswer:",
    plain_stop=("\nProblem:",),
)
