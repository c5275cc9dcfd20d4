"""The decode loop on other architectures: sliding windows, learned positions, alibi, convolution, recurrence, experts.

Random weights; prompts of several lengths in one batch, with shared prefill, against transformers one prompt at a time.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from evalsuite.errors import UsageError  # noqa: E402
from evalsuite.models.hf import HFModel  # noqa: E402
from evalsuite.models.loading import Checkpoint  # noqa: E402
from evalsuite.words.completion import Completion, Request, Sampling  # noqa: E402
from evalsuite.words.sample import Message  # noqa: E402

ENDS = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 256,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32}
LINEAR = {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 16, "linear_value_head_dim": 16}
HYBRID = {"layer_types": ["linear_attention", "full_attention"], "head_dim": 16}
CONFIGS = {
    "MistralConfig": SMALL | {"sliding_window": 8},
    "Gemma3TextConfig": SMALL | {"head_dim": 16, "sliding_window": 8},
    "GPT2Config": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256},
    "BloomConfig": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
    "Lfm2Config": SMALL | {"layer_types": ["conv", "full_attention"]},
    "MambaConfig": {"hidden_size": 32, "num_hidden_layers": 2},
    "Qwen3NextConfig": SMALL | EXPERTS | LINEAR | HYBRID,
}


@pytest.mark.parametrize("name", CONFIGS)
def test_as_transformers_one_by_one(name: str, tmp_path: Path) -> None:
    from evalsuite.demo import tokenizer

    if not hasattr(transformers, name):
        pytest.skip(f"transformers {transformers.__version__} has no {name}")
    characters = tokenizer()
    torch.manual_seed(0)
    config = getattr(transformers, name)(vocab_size=len(characters), initializer_range=0.2, **CONFIGS[name], **ENDS)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    model.save_pretrained(tmp_path)
    characters.save_pretrained(tmp_path)
    rng = random.Random(1)
    texts = ["".join(rng.choice("abcdefghij= ") for _ in range(rng.randint(4, 30))) for _ in range(5)]

    async def go() -> list[list[Completion]]:
        ours = HFModel(tmp_path, max_length=256, device="cpu")
        made = await asyncio.gather(*(ours.generate(_ask(t, n)) for t in texts for n in (1, 3)))
        await ours.close()
        return list(made)

    made = asyncio.run(go())
    for text, (greedy,), sampled in zip(texts, made[::2], made[1::2], strict=True):
        prompt = characters(text, return_tensors="pt")["input_ids"]
        theirs = model.generate(input_ids=prompt, max_new_tokens=10, do_sample=False)[0, prompt.shape[1] :]
        assert list(greedy.token_ids) == theirs.tolist()
        for c in sampled:
            assert c.logprobs == pytest.approx(_logprobs(model, prompt, c.token_ids), abs=1e-3)


def test_nothing_leaves_a_table_of_positions(tmp_path: Path) -> None:
    from evalsuite.demo import tokenizer

    characters = tokenizer()
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=len(characters), n_embd=32, n_layer=2, n_head=2, n_positions=64, **ENDS)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    characters.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"max_length=65: .* has a table of 64 positions"):
        HFModel(tmp_path, max_length=65).identity()
    model = HFModel(tmp_path, device="cpu")

    async def go(*lengths: int) -> list[int]:
        made = await asyncio.gather(*(model.generate(_ask("a" * n, 1, room=40)) for n in lengths))
        return [c.completion_tokens for (c,) in made]

    # The first is finished after four tokens and stays in the batch, since the others go on.
    assert asyncio.run(go(60, *[3] * 8)) == [4, *[40] * 8]
    asyncio.run(model.close())


@pytest.mark.parametrize(("name", "extends"), [("MistralConfig", True), ("Gemma3TextConfig", True), ("GPT2Config", False)])
def test_rotary_positions_go_on(name: str, extends: bool, tmp_path: Path) -> None:
    getattr(transformers, name)(**CONFIGS[name]).save_pretrained(tmp_path)
    checkpoint = Checkpoint(folder=tmp_path)
    assert (checkpoint.positions, checkpoint.extends) == (256, extends)


def _ask(text: str, n: int, room: int = 10) -> Request:
    sampling = Sampling(temperature=0.0 if n == 1 else 1.0, max_tokens=room)
    seeds = tuple(range(n))
    return Request(messages=(Message("user", text),), sampling=sampling, seeds=seeds, indices=seeds, plain=text, logprobs=True)


def _logprobs(model: Any, prompt: Any, tokens: Any) -> list[float]:
    ids = torch.cat([prompt[0], torch.tensor(tokens)])[None]
    with torch.inference_mode():
        logits = model(ids).logits[0, prompt.shape[1] - 1 : -1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(tokens)[:, None])[:, 0].tolist()
