"""A tiny random model over characters, and a task whose reward it can earn from the first step on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

torch = pytest.importorskip("torch")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint of 30,000 parameters with the demo's tokenizer."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from evalsuite.demo import tokenizer
    from evalsuite.models.loading import no_bars

    folder = tmp_path_factory.mktemp("tiny")
    characters = tokenizer()
    config = Qwen3Config(
        vocab_size=len(characters),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        tie_word_embeddings=False,  # a tied head would copy the last character
        max_position_embeddings=128,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        dtype="float32",
    )
    torch.manual_seed(0)
    with no_bars():
        Qwen3ForCausalLM(config).save_pretrained(folder)
        characters.save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Sums in one order, and no thread that waits for another test's."""
    torch.set_num_threads(1)
