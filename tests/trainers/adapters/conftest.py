"""A GRPOTrainer of a second: the tiny model, prompts as plain text, a reward that an untrained model can earn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROMPTS = [f"say {letter * (1 + i % 3)}=" for i, letter in enumerate("abcdefghijkl")]


def small_letters(completions: list[str], **_: Any) -> list[float]:
    """The share of small letters, in quarters."""
    return [min(4, sum(c.islower() for c in text)) / 4 for text in completions]


@pytest.fixture
def common(tmp_path: Path) -> dict[str, Any]:
    """GRPOConfig's own arguments."""
    return {
        "output_dir": str(tmp_path / "out"),
        "max_steps": 4,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "seed": 3,
        "disable_tqdm": True,
    }


@pytest.fixture
def make(tiny: Path) -> Callable[..., Any]:
    """`make(kind, *first, args=...)` is `kind(*first, model, reward, args, ...)`."""
    pytest.importorskip("trl", reason="trl is not installed")
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def made(kind: Any, *first: Any, args: Any, reward: Any = small_letters, prompts: Any = None, **others: Any) -> Any:
        return kind(
            *first,
            AutoModelForCausalLM.from_pretrained(tiny),
            reward,
            args,
            train_dataset=Dataset.from_dict(prompts or {"prompt": PROMPTS}),
            processing_class=AutoTokenizer.from_pretrained(tiny),
            **others,
        )

    return made


def history(trainer: Any, *names: str) -> list[tuple[float, ...]]:
    """These scalars of every step."""
    return [tuple(row[name] for name in names) for row in trainer.state.log_history if "loss" in row]
