"""Rows end to end in one sequence: the numbers of rows that are padded, and no row that sees another."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import curve, go
from test_policy import ROWS, rollout

from evalsuite.cli import main
from evalsuite.errors import UsageError
from evalsuite.trainers import Setup
from evalsuite.trainers.micro import micro_batches
from evalsuite.trainers.policy import Policy, Scored, check_packing, load
from evalsuite.trainers.rows import Rollout

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
MODELS: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "qwen3": {},
    "llama": {},
    "mistral": {"sliding_window": 4},
    "gemma3_text": {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
    "mixtral": {"num_local_experts": 3},
    "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
}
UNFIT = {
    "mamba": "takes no position_ids",
    "bloom": "takes no position_ids",
    "opt": "opt with sdpa attention lets packed rows see each other",
    "gpt_oss": "gpt_oss with eager attention lets packed rows see each other",
    "lfm2": "lfm2 with sdpa attention lets packed rows see each other",
}
LONG = [*ROWS, rollout(3, 0, list(range(3, 50)), list(range(2, 40))), rollout(4, 0, [9, 8], [7, 6, 5])]


def random_model(kind: str, **settings: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**SIZES, **settings})
    model = AutoModelForCausalLM.from_config(config).float().train()
    for p in model.parameters():  # weights of a size at which rows that see each other would show
        torch.nn.init.normal_(p, std=0.2)
    return model


def scored(policy: Policy, rows: list[Rollout], budget: int) -> tuple[dict[int, Scored], list[torch.Tensor]]:
    """Log-probabilities and entropies by row, and the gradient of a weighted sum of them."""
    policy.zero_grad()
    found: dict[int, Scored] = {}
    weights = torch.arange(1.0, 50.0)
    for micro in micro_batches(rows, range(len(rows)), budget, pad=0, packed=policy._pack):
        logp, entropy = policy(micro)
        assert logp.shape == entropy.shape == micro.mask.shape
        ((logp + 0.5 * entropy) * micro.mask * weights[: logp.shape[1]]).sum().backward()
        for k, i in enumerate(micro.index):
            found[i] = Scored(logp[k][micro.mask[k]].detach(), entropy[k][micro.mask[k]].detach())
    return found, [p.grad.clone() for p in policy.parameters() if p.grad is not None]


@pytest.mark.parametrize("kind", MODELS)
def test_packed_rows_have_the_numbers_of_padded_ones(kind: str) -> None:
    model = random_model(kind, **MODELS[kind])
    check_packing(model)
    plain = Policy(model, 0.7, entropy_gradient=True, share=False)
    packed = Policy(model, 0.7, entropy_gradient=True, pack=True)
    rows, gradients = scored(plain, LONG, 1)
    largest = max(float(g.abs().max()) for g in gradients)
    for budget in (1, 40, 10_000):
        ours, own = scored(packed, LONG, budget)
        assert ours.keys() == rows.keys()
        for i, row in rows.items():
            torch.testing.assert_close(ours[i].logp, row.logp, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(ours[i].entropy, row.entropy, rtol=1e-5, atol=1e-5)
        for a, b in zip(own, gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * largest)


@pytest.mark.parametrize("kind", ["qwen3", "mistral", "gemma3_text"])
def test_a_row_does_not_notice_its_neighbours(kind: str) -> None:
    policy = Policy(random_model(kind, **MODELS[kind]), pack=True)
    before, _ = scored(policy, LONG, 10_000)
    changed = [*LONG]
    changed[0] = rollout(0, 0, [40, 41, 42], [43, 44, 45, 46])
    changed[6] = rollout(3, 0, list(range(49, 2, -1)), [30] * 38)
    after, _ = scored(policy, changed, 10_000)
    for i in range(len(LONG)):
        if i in (0, 6):
            assert (before[i].logp - after[i].logp).abs().max() > 1e-2
        else:
            torch.testing.assert_close(before[i].logp, after[i].logp, rtol=0, atol=1e-6)


def test_flash_attention_is_told_where_rows_end(tiny: Path) -> None:
    """Its kernel needs a GPU; the lengths that transformers would hand to it do not."""
    from transformers.modeling_flash_attention_utils import _is_packed_sequence, prepare_fa_kwargs_from_position_ids

    policy, told = Policy(load(tiny), pack=True), []
    policy.model.register_forward_pre_hook(lambda _, __, given: told.append(given), with_kwargs=True)
    (micro,) = micro_batches(LONG, range(len(LONG)), 10_000, pad=0, packed=True)
    policy(micro)
    read = [len(LONG[i].prompt_ids) + max(0, LONG[i].length - 1) for i in micro.index]
    positions = told[0]["position_ids"]
    (starts, _), (longest, _) = prepare_fa_kwargs_from_position_ids(positions)
    assert _is_packed_sequence(positions, 1) and "attention_mask" not in told[0]
    assert starts.tolist() == [0, *itertools.accumulate(read)] and int(longest) == max(read)


@pytest.mark.parametrize("kind", UNFIT)
def test_a_model_that_would_mix_rows_is_refused(kind: str) -> None:
    settings: dict[str, Any] = {"n_head": 4} if kind == "bloom" else {}
    if kind == "opt":
        settings = {"word_embed_proj_dim": 32, "ffn_dim": 48}
    if kind == "lfm2":
        settings = {"layer_types": ["conv", "full_attention", "conv"]}
    if kind == "gpt_oss":
        settings = {"num_local_experts": 2, "num_experts_per_tok": 1, "layer_types": ["full_attention"] * 3}
    with pytest.raises(UsageError, match=f"--pack: .*{UNFIT[kind]}"):
        check_packing(random_model(kind, **settings))


def test_nothing_to_score_is_a_loss_of_zero_with_a_gradient_of_zero(tiny: Path) -> None:
    policy = Policy(load(tiny), pack=True)
    empty = [rollout(0, 0, [5, 6], []), rollout(1, 0, [7], [])]
    idle = micro_batches(LONG, [0, 1], 10_000, pad=0, packed=True)[0].idle()
    for micro in (micro_batches(empty, [0, 1], 10_000, pad=0, packed=True)[0], idle):
        policy.zero_grad()
        logp, entropy = policy(micro)
        assert not logp.any() and not entropy.any() and logp.shape == micro.mask.shape
        (logp * micro.mask).sum().backward()
        assert all(p.grad is not None and not p.grad.any() for p in policy.parameters())


def test_the_budget_counts_the_tokens_that_are_there() -> None:
    sizes = [len(r.prompt_ids) + r.length for r in LONG]
    for budget in (1, 8, 16, 40):
        micros = micro_batches(LONG, range(len(LONG)), budget, pad=0, packed=True)
        assert sorted(i for m in micros for i in m.index) == list(range(len(LONG)))
        totals = [sum(sizes[i] for i in m.index) for m in micros]
        assert all(total <= budget or len(m.index) == 1 for total, m in zip(totals, micros, strict=True))
        assert all(total + sizes[m.index[0]] > budget for total, m in zip(totals, micros[1:], strict=False))
    assert len(micro_batches(LONG, range(len(LONG)), sum(sizes), pad=0, packed=True)) == 1
    assert len(micro_batches(LONG, range(len(LONG)), sum(sizes), pad=0)) > 1


def test_a_packed_run_is_the_padded_one(tiny: Path, tmp_path: Path) -> None:
    settings = {"loss.kl": 0.05, "loss.entropy": 0.01, "rollout.updates": 2}
    padded = go(tiny, tmp_path / "padded", steps=4, settings=settings)
    packed = go(tiny, tmp_path / "packed", steps=4, settings=settings, setup=Setup(pack=True, micro_tokens=64))
    assert packed.path.name == padded.path.name  # how it computes is not what it is
    for a, b in zip(curve(packed.path), curve(padded.path), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4, abs=1e-6)
        assert a["kl"] == pytest.approx(b["kl"], rel=1e-4, abs=1e-6)
        assert a["grad_norm"] == pytest.approx(b["grad_norm"], rel=1e-4)


@pytest.mark.parametrize(
    "setup", [Setup(pack=True), Setup(pack=True, lora=4, gradient_checkpointing=True)], ids=["full", "lora"]
)
def test_a_packed_run_goes_on_where_it_was(tiny: Path, tmp_path: Path, setup: Setup) -> None:
    whole = go(tiny, tmp_path / "whole", steps=4, save_every=2, setup=setup)
    go(tiny, tmp_path / "parts", steps=2, save_every=2, setup=setup)
    assert curve(go(tiny, tmp_path / "parts", steps=4, save_every=2, setup=setup).path) == curve(whole.path)


def test_attention_has_a_name(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "grpo", "--model", str(tiny), "--tasks", "sort_letters@split=train:size=20", "-o", str(tmp_path)]
    words += ["--set", "rollout.prompts=2,rollout.group=2", "--steps", "1"]
    assert main([*words, "--attn-implementation", "flash_attention_2"]) == 2
    assert "--dtype bfloat16" in capsys.readouterr().err
    assert main([*words, "--attn-implementation", "glance"]) == 4
    assert "glance" in capsys.readouterr().err
    assert main([*words, "--attn-implementation", "eager", "--pack"]) == 0
    assert Setup(pack=True).budget(60) == 1024
    assert Setup(pack=True, dtype="bfloat16", attn_implementation="flash_attention_2").budget(1 << 20) == 1024
    assert Setup(pack=True, dtype="bfloat16", attn_implementation="flash_attention_2").budget(1 << 10) == 1 << 20
    assert Setup(pack=True, micro_tokens=7).budget(60) == 7
