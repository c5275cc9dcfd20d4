"""The embedded default: trained end to end, loaded as any checkpoint, and (slow) as good as the documentation says."""

from __future__ import annotations

import argparse
import asyncio
import itertools
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from evalsuite import demo
from evalsuite.cli import demo as command
from evalsuite.errors import UsageError


def test_one_bubble_pass() -> None:
    assert demo.bubble_pass("dbca") == "bcad"
    assert demo.bubble_pass("abcd") == "abcd"
    assert demo.bubble_pass("badc") == "abcd"
    assert demo.bubble_pass("jjaa") == "jaaj"


def test_it_never_trains_on_the_benchmarks_questions() -> None:
    from evalsuite.tasks.reasoning.sort_letters import held_out

    strings = demo.questions()
    assert 8800 < len(strings) < 9200 and not any(map(held_out, strings))


def test_the_prompt_is_the_tasks_own_text() -> None:
    from evalsuite.registry import load_task

    task = load_task("sort_letters")
    samples = list(task.samples() if callable(task.samples) else task.samples)
    for sample in samples[:20]:
        letters = sample.problem.removeprefix("sort ").removesuffix("=")
        rendered = task.prompt.render(sample)
        assert rendered.plain == demo.prompt(letters) and sample.target == "".join(sorted(letters))
        assert letters not in demo.questions()


def test_the_tokenizer_has_one_token_per_character() -> None:
    characters = demo.tokenizer()
    assert len(characters) == 88 and len(demo.CHARACTERS) == 85
    ids = characters("sort dbca=\n")["input_ids"]
    assert len(ids) == 11 and characters.decode(ids) == "sort dbca=\n"
    assert characters("é")["input_ids"] == [characters.unk_token_id]


def test_an_ordinary_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    parser = argparse.ArgumentParser()
    command.configure(parser)
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    out = tmp_path / "nested" / "demo"
    assert command.main(parser.parse_args(["--out", str(out), "--steps", "4", "--rl-steps", "0"])) == 0
    assert torch.get_num_threads() == threads and torch.equal(torch.random.get_rng_state(), state)
    printed = capsys.readouterr()
    assert f"evalsuite run --model {out} --tasks sort_letters,arithmetic -n 8" in printed.out
    assert printed.err.count("demo: step") == 4
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.num_parameters() == 137_152 and model.dtype == torch.float32
    characters = AutoTokenizer.from_pretrained(out)
    assert characters.eos_token_id == model.generation_config.eos_token_id == 1
    with torch.inference_mode():
        logits = model(torch.tensor([characters("sort dbca=")["input_ids"]])).logits
    assert logits.shape == (1, 10, 88) and logits.isfinite().all()


def test_a_seed_gives_the_same_weights(tmp_path: Path) -> None:
    made = [demo.train(tmp_path / str(i), steps=3, seed=seed) for i, seed in enumerate((5, 5, 6))]
    first, second, other = ((tmp_path / str(i) / "model.safetensors").read_bytes() for i in range(3))
    assert first == second != other
    assert made[0]["loss"] == made[1]["loss"] != made[2]["loss"]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_that_no_generator_takes(tmp_path: Path, seed: int) -> None:
    with pytest.raises(UsageError, match="--seed"):
        demo.train(tmp_path / "demo", seed=seed)
    assert not (tmp_path / "demo").exists()


def test_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        demo.train(tmp_path, steps=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--out"):
        demo.train(tmp_path / "file" / "below")


@pytest.mark.slow
def test_what_the_documentation_says(tmp_path: Path) -> None:
    """Greedy about .43, pass@1 about .33, pass@8 about .63 on the held-out strings."""
    from evalsuite.models.hf import HFModel
    from evalsuite.tasks.reasoning.sort_letters import held_out
    from evalsuite.words.completion import Request, Sampling
    from evalsuite.words.sample import Message

    made = demo.train(tmp_path / "demo")
    strings = [s for s in map("".join, itertools.product(demo.LETTERS, repeat=4)) if held_out(s)]

    def ask(letters: str, temperature: float, n: int) -> Request:
        sampling = Sampling(temperature=temperature, max_tokens=16)
        text = demo.prompt(letters)
        return Request(
            messages=(Message("user", text),), sampling=sampling, seeds=tuple(range(n)), indices=tuple(range(n)), plain=text
        )

    async def go() -> tuple[float, float, float]:
        model = HFModel(tmp_path / "demo")
        greedy = await asyncio.gather(*(model.generate(ask(s, 0.0, 1)) for s in strings))
        drawn = await asyncio.gather(*(model.generate(ask(s, 1.0, 8)) for s in strings))
        await model.close()
        right = [[c.text == "".join(sorted(s)) for c in row] for s, row in zip(strings, drawn, strict=True)]
        return (
            sum(row[0].text == "".join(sorted(s)) for s, row in zip(strings, greedy, strict=True)) / len(strings),
            sum(map(sum, right)) / (8 * len(strings)),
            sum(map(any, right)) / len(strings),
        )

    greedy, one, eight = asyncio.run(go())
    print(f"greedy {greedy:.3f}, pass@1 {one:.3f}, pass@8 {eight:.3f}, {made['seconds']:.1f} s")
    assert 0.37 < greedy < 0.52 and 0.2 < one < 0.45 and 0.5 < eight < 0.8
