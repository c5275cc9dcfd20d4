"""Rollouts with images: log-probabilities, gradients, checkpoints and whole runs of tiny image-text models."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from shapes import SHAPES, main, vlms
from test_ranks import launch

from evalsuite import Image, Message, Request, Sample, Sampling, Score, run
from evalsuite.errors import UsageError
from evalsuite.models.hf import HFModel
from evalsuite.models.loading import Checkpoint
from evalsuite.trainers import Setup, train
from evalsuite.trainers.journal import read_scalars
from evalsuite.trainers.micro import micro_batches
from evalsuite.trainers.policy import Policy, load
from evalsuite.trainers.rows import Rollout

RED, BLUE, WIDE = (Image(vlms.png(*size)) for size in ((24, 17, 1), (16, 16, 2), (40, 13, 3)))
TURNS: tuple[tuple[str | Image, ...], ...] = (
    ("what is it", RED),
    (BLUE, "and here", WIDE, "which?"),
    ("no image at all",),
    (BLUE, "what is it"),
    (WIDE, "w"),
)


@pytest.fixture(autouse=True)
def _no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    vlms.without_video(monkeypatch)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    with pytest.MonkeyPatch.context() as patch:
        vlms.without_video(patch)
        return {name: vlms.save(name, tmp_path_factory.mktemp(name)) for name in vlms.FAMILIES}


def sampled(module: Any, folder: Path, n: int = 3) -> list[Rollout]:
    """Three samples of each prompt from the decode loop, some of them short."""
    model = HFModel.live(module, folder)
    seeds = tuple(range(n))

    def ask(i: int, parts: tuple[str | Image, ...]) -> Request:
        sampling = Sampling(temperature=0.8, max_tokens=4 + 2 * i)
        return Request(messages=(Message("user", parts),), sampling=sampling, seeds=seeds, indices=seeds, logprobs=True)

    async def go() -> list[Rollout]:
        requests = [ask(i, parts) for i, parts in enumerate(TURNS)]
        model.expect(len(requests))
        made = await asyncio.gather(*map(model.generate, requests))
        rows = [
            Rollout(
                task="t",
                sample=Sample(id=str(g), messages=request.messages),
                group=g,
                index=i,
                prompt_ids=model.prompt_ids(request),
                completion=completion,
                score=Score(1.0),
                images=model.image_prompt(request),
            )
            for g, (request, completions) in enumerate(zip(requests, made, strict=True))
            for i, completion in enumerate(completions)
        ]
        await model.close()
        return rows

    rows = asyncio.run(go())
    module.train()
    return rows


def alone(policy: Policy, row: Rollout) -> torch.Tensor:
    """Reference: transformers' own forward over the prompt, then over the response, at the positions that the model makes."""
    model = policy.model.get_base_model() if hasattr(policy.model, "get_base_model") else policy.model
    prompt, response = torch.tensor([row.prompt_ids]), torch.tensor([row.completion.token_ids])
    extra: dict[str, Any] = {}
    if row.images is not None and policy.vision is not None:
        inputs = policy.vision.inputs([(row.prompt_ids, row.images)], "cpu")
        extra = inputs.taken(inspect.signature(model.forward).parameters, model.dtype)
    else:
        model.base_model.rope_deltas = None  # what an earlier call left
    training = policy.model.training
    policy.model.eval()  # gradient checkpointing would keep no cache
    first = policy.model(input_ids=prompt, use_cache=True, **extra)
    rest = policy.model(input_ids=response, past_key_values=first.past_key_values, use_cache=True)
    policy.model.train(training)
    logits = torch.cat([first.logits[:, -1:], rest.logits[:, :-1]], 1).float() / policy.temperature
    return logits.log_softmax(-1).gather(-1, response[..., None])[0, :, 0]


def weighed(rows: list[torch.Tensor]) -> torch.Tensor:
    weights = torch.arange(1.0, 50.0)
    return torch.stack([(weights[: len(row)] * row).sum() for row in rows]).sum()


def check(policy: Policy, rows: list[Rollout], budget: int, tolerance: float = 1e-4) -> None:
    """Log-probabilities in micro-batches are the sampler's and those of each row alone; so are the gradients."""
    policy.zero_grad()
    expected = [alone(policy, row) for row in rows]
    weighed(expected).backward()
    gradients = {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}
    policy.zero_grad()
    found: dict[int, torch.Tensor] = {}
    for micro in micro_batches(rows, range(len(rows)), budget, pad=0, shared=policy.shares):
        scored = policy(micro)
        own = {i: scored.logp[k][micro.mask[k]] for k, i in enumerate(micro.index)}
        weighed(list(own.values())).backward()
        found |= {i: row.detach() for i, row in own.items()}
    for i, (row, rollout) in enumerate(zip(expected, rows, strict=True)):
        torch.testing.assert_close(found[i], row.detach(), rtol=tolerance, atol=tolerance)
        behaviour = torch.tensor(rollout.completion.logprobs)
        torch.testing.assert_close(found[i], behaviour, rtol=tolerance, atol=tolerance)
    assert any("vis" in name for name in gradients)  # the images' own weights learn too
    for name, p in policy.named_parameters():
        if name in gradients:
            scale = max(1.0, float(gradients[name].abs().max()))
            torch.testing.assert_close(p.grad / scale, gradients[name] / scale, rtol=1e-3, atol=tolerance)


@pytest.mark.parametrize("budget", [1, 260, 100_000])
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("name", ["qwen2_vl", "llava"])
def test_rows_are_scored_as_they_were_sampled(name: str, share: bool, budget: int, folders: dict[str, Path]) -> None:
    policy = Policy(load(folders[name]), 0.8, share=share, vision=Checkpoint(folder=folders[name]).vision)
    assert policy.shares == share
    check(policy, sampled(policy.model, folders[name]), budget)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl", "idefics3", "gemma3"])
def test_other_families(name: str, folders: dict[str, Path]) -> None:
    policy = Policy(load(folders[name]), 0.8, vision=Checkpoint(folder=folders[name]).vision)
    assert policy.shares == (name != "gemma3")  # it has sliding windows, and masks by token types
    check(policy, sampled(policy.model, folders[name]), 600)


@pytest.mark.parametrize("name", ["qwen2_vl", "idefics3"])
def test_adapters_and_gradient_checkpointing(name: str, folders: dict[str, Path]) -> None:
    model = load(folders[name], lora=4, gradient_checkpointing=True).train()
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_B" in n:
                p.normal_(std=0.1)
    policy = Policy(model, 0.8, share=False, vision=Checkpoint(folder=folders[name]).vision)
    check(policy, sampled(model, folders[name]), 600)


def test_bfloat16(folders: dict[str, Path]) -> None:
    """The pixels come in the weights' format. Batch and single differ by rounding only."""
    folder = folders["llava"]
    policy = Policy(load(folder, dtype="bfloat16"), 0.8, vision=Checkpoint(folder=folder).vision)
    rows = sampled(policy.model, folder)
    with torch.no_grad():
        for micro in micro_batches(rows, range(len(rows)), 600, pad=0):
            for k, i in enumerate(micro.index):
                torch.testing.assert_close(policy(micro).logp[k][micro.mask[k]], alone(policy, rows[i]), rtol=0.1, atol=0.2)


def test_equal_tokens_of_different_images_are_different_prompts(folders: dict[str, Path]) -> None:
    """LLaVA gives every image as many tokens: `BLUE, what is it` and `what is it` before another image must not be mixed up."""
    folder = folders["llava"]
    policy = Policy(load(folder), 0.8, vision=Checkpoint(folder=folder).vision)
    first, *_ = sampled(policy.model, folder)
    assert first.images is not None
    other = replace(first, group=1, images=first.images._replace(images=(BLUE,)))
    (micro,) = micro_batches([first, other, first], [0, 1, 2], 100_000, pad=0)
    assert len(micro.prompt) == 2 and micro.parent.tolist() == [0, 0, 1]
    scored = policy(micro).logp
    assert not torch.equal(scored[0], scored[2]) and torch.equal(scored[0], scored[1])


def test_rows_with_images_are_in_micro_batches_of_their_own_and_carry_no_pixels(folders: dict[str, Path]) -> None:
    folder = folders["qwen2_vl"]
    rows = sampled(load(folder), folder)
    for micro in micro_batches(rows, range(len(rows)), 100_000, pad=0, packed=True):
        seen = {rows[i].images is not None for i in micro.index}
        assert len(seen) == 1 and len(micro.images) == (len(micro.prompt) if seen == {True} else 0)
    sizes = [len(pickle.dumps(row)) for row in rows if row.images is not None]
    assert max(sizes) < 20_000  # two encoded images, not their tensors
    again = pickle.loads(pickle.dumps(rows))
    assert [r.images for r in again] == [r.images for r in rows]


def trained(folder: Path, out: Path, steps: int, recipe: str = "grpo", setup: Setup | None = None, **settings: Any) -> Any:
    settings = {"rollout.prompts": 3, "rollout.group": 4, "optim.lr": 1e-2} | settings
    return train(recipe, str(folder), SHAPES, steps=steps, save_every=1, settings=settings, output=out, setup=setup)


@pytest.mark.parametrize("name", ["qwen2_vl", "llava"])
def test_a_run_on_images_goes_on_where_it_was_stopped(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    """Two updates per rollout batch: the checkpoint in the middle holds rollouts with images that are still to be learnt from."""
    settings = {"rollout.updates": 2, "rollout.prompts": 2, "loss.kl": 0.01}
    whole = trained(folders[name], tmp_path / "whole", 4, **settings)
    trained(folders[name], tmp_path / "parts", 1, **settings)
    parts = trained(folders[name], tmp_path / "parts", 4, **settings)
    timeless = [{k: v for k, v in row.items() if "time" not in k} for row in whole.history]
    assert timeless == [{k: v for k, v in row.items() if "time" not in k} for row in parts.history]
    assert any(row["grad_norm"] > 0 for row in timeless)
    first, second = (torch.load(r.checkpoint / "trainer" / "state-0.pt", weights_only=False)["step"] for r in (whole, parts))
    assert first == second == 4
    from safetensors.torch import load_file

    a, b = (load_file(r.checkpoint / "model.safetensors") for r in (whole, parts))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize(("name", "setup"), [("qwen2_vl", Setup()), ("idefics3", Setup(lora=4)), ("gemma3", Setup(bf16=True))])
def test_a_checkpoint_is_a_whole_model_that_reads_images(
    name: str, setup: Setup, folders: dict[str, Path], tmp_path: Path
) -> None:
    result = trained(folders[name], tmp_path / "train", 2, setup=setup)
    assert (result.checkpoint / "processor_config.json").is_file()
    module = load(folders[name])
    changed = load(result.checkpoint) if not setup.lora else None
    if changed is not None:
        after = dict(changed.named_parameters())
        assert any(not torch.equal(p, after[n]) for n, p in module.named_parameters() if "vis" in n)
    results = run(str(result.checkpoint), SHAPES, output=tmp_path / "runs")
    assert results.tasks["shapes"].coverage == 1.0


def test_rows_with_images_are_not_packed(folders: dict[str, Path], tmp_path: Path) -> None:
    result = trained(folders["llava"], tmp_path, 2, setup=Setup(pack=True))
    assert all(row["sampling/sampling_logp_difference/mean"] < 1e-4 for row in result.history)
    with pytest.raises(UsageError, match="lets packed rows see each other"):
        trained(folders["qwen2_vl"], tmp_path, 1, setup=Setup(pack=True))


def test_demonstrations_with_images(folders: dict[str, Path], tmp_path: Path) -> None:
    import json

    demos = tmp_path / "demos.jsonl"
    rows = [{"task": "shapes", "id": str(i), "completion": "abce"} for i in range(6)]
    demos.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"rollout.demos": str(demos), "rollout.prompts": 3, "optim.lr": 3e-3}
    result = train("sft", str(folders["llava"]), SHAPES, steps=8, settings=settings, eval_tasks=SHAPES, output=tmp_path)
    losses = [row["loss"] for row in result.history if "loss" in row]
    assert losses[-1] < losses[0]
    assert [row["eval/shapes/coverage"] for row in result.history if "eval/shapes/coverage" in row] == [1.0, 1.0]


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("name", ["qwen2_vl", "llava", "gemma3"])
def test_an_image_token_that_the_policy_wrote_is_text(name: str, share: bool, folders: dict[str, Path]) -> None:
    """It announces no image, neither when it is sampled nor when it is learnt from; its embedding learns as any other's."""
    source = Checkpoint(folder=folders[name])
    policy = Policy(load(folders[name]), share=share, vision=source.vision)
    token = policy.model.config.image_token_id
    (row,) = [r for r in sampled(policy.model, folders[name]) if r.group == 1 and r.index == 0]
    ids = (5, token, 6, token, token, 7)
    row = replace(row, completion=replace(row.completion, token_ids=ids, logprobs=(0.0,) * len(ids)))
    rows = [row, replace(row, index=1)]
    (micro,) = micro_batches(rows, [0, 1], 100_000, pad=0, shared=policy.shares)
    policy(micro).logp.sum().backward()
    gradient = policy.model.get_input_embeddings().weight.grad.clone()
    policy.zero_grad()
    expected = alone(policy, row)
    (2 * expected.sum()).backward()
    torch.testing.assert_close(policy(micro).logp[1], expected, rtol=1e-4, atol=1e-4)
    own = policy.model.get_input_embeddings().weight.grad
    torch.testing.assert_close(gradient, own, rtol=1e-3, atol=1e-3)
    assert bool(own[token].any())


@pytest.mark.slow  # three processes that import everything
def test_two_ranks_with_and_without_images(folders: dict[str, Path], tmp_path: Path) -> None:
    """LLaVA never uses the last layer of its sight, and a micro-batch of text none of it."""
    main(str(folders["llava"]), str(tmp_path / "one"), 2)
    for process in launch(folders["llava"], tmp_path / "two", 2, 2, script="shapes.py"):
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors[-1500:]
    one, two = (read_scalars(next((tmp_path / name).glob("grpo-*"))) for name in ("one", "two"))
    for a, b in zip([row for row in one if "loss" in row], [row for row in two if "loss" in row], strict=True):
        for name in ("loss", "grad_norm", "reward", "num_tokens"):
            assert a[name] == pytest.approx(b[name], rel=2e-3, abs=1e-5), (a["step"], name)


def test_the_recipe_inside_trl(folders: dict[str, Path], tmp_path: Path) -> None:
    """TRL opens the images of its data set; the adapter's loss sees them as the stock trainer's does."""
    pytest.importorskip("trl")
    from datasets import Dataset
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import GRPOTrainer

    from evalsuite.models.vision import opened
    from evalsuite.trainers.adapters import trl as adapter

    def reward(completions: list[Any], **_: Any) -> list[float]:
        return [float(sum(map(ord, turns[0]["content"])) % 2) for turns in completions]

    rows = [
        {"prompt": [{"role": "user", "content": f"say {s.id}"}], "images": [opened(s.messages[0].content[0])]}  # type: ignore[arg-type]
        for s in SHAPES.samples * 4
    ]
    recipe = adapter.load("grpo", {"rollout.group": 4, "rollout.max_tokens": 3, "optim.lr": 1e-2, "optim.eps": 1e-3})
    args = adapter.config(
        recipe,
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=8,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
    )
    histories = []
    for make in (GRPOTrainer, lambda *given, **more: adapter.RecipeTrainer(recipe, *given, **more)):
        model = AutoModelForImageTextToText.from_pretrained(folders["llava"])
        reader = AutoProcessor.from_pretrained(folders["llava"])
        trainer = make(model, reward, args=args, train_dataset=Dataset.from_list(rows), processing_class=reader)
        trainer.train()
        histories.append([(row["loss"], row["grad_norm"]) for row in trainer.state.log_history if "loss" in row])
    torch.testing.assert_close(torch.tensor(histories[0]), torch.tensor(histories[1]), rtol=1e-5, atol=1e-6)
    assert all(norm > 1e-2 for _, norm in histories[0])
