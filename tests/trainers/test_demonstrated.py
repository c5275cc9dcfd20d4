"""Demonstrations and the context: what does not fit is left out and said, and a run on a table of positions goes through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small import small

from evalsuite.errors import UsageError
from evalsuite.models.loading import Checkpoint
from evalsuite.plan import Settings, make_plan
from evalsuite.registry.recipes import load_recipe
from evalsuite.trainers import train
from evalsuite.trainers.demonstrated import Demonstrated
from evalsuite.trainers.demos import Demo
from evalsuite.trainers.hf_rollouts import LiveSampler
from evalsuite.trainers.policy import load
from evalsuite.trainers.watch import Silent

CONTEXT = 24


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained GPT-2 with a table of 24 positions."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from evalsuite.demo import tokenizer

    folder, characters = tmp_path_factory.mktemp("table"), tokenizer()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(characters), n_positions=CONTEXT, n_embd=16, n_layer=1, n_head=2, bos_token_id=None, eos_token_id=1
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    characters.save_pretrained(folder)
    return folder


def made(folder: Path, lengths: list[int]) -> Demonstrated:
    """The prompt `say a=` has 6 tokens, `say bb=` 7, `say ccc=` 8; an end token is added to every text."""
    plan = make_plan(small(), Settings())
    demos = [Demo(plan.name, plan.samples[i], "x" * n) for i, n in enumerate(lengths)]
    return Demonstrated(demos, [plan], LiveSampler(load(folder), folder, label="t"), Checkpoint(folder=folder), 0)


def test_what_does_not_fit_is_left_out_and_counted(table: Path) -> None:
    source = made(table, [CONTEXT - 7, CONTEXT - 7, 99])
    assert len(source) == 1  # 6 + 17 + 1 tokens fill the context, 7 + 17 + 1 do not fit
    assert source.note == (
        f"2 of 3 demonstrations left out as too long; the longest is of small, 2: 108 tokens with its prompt, and the context has {CONTEXT}"
    )
    rows = source.rollouts(3, lambda n: None)
    assert {row.sample.id for row in rows} == {"0"} and len(rows[0].prompt_ids) + rows[0].length == CONTEXT
    assert made(table, [3, 3]).note == "" and len(made(table, [3, 3])) == 2


def test_nothing_left_is_an_error_that_names_the_longest(table: Path) -> None:
    with pytest.raises(
        UsageError, match=rf"no demonstration fits .*, of 2; the longest is of small, 1: 48 tokens .* has {CONTEXT}"
    ):
        made(table, [30, 40])


def test_a_run_with_a_text_beyond_the_table(table: Path, tmp_path: Path) -> None:
    """It would end in an IndexError of the embedding. The one that stays fills the context: 6 + a blank + 16 + 1 tokens."""
    rows = [{"id": "0", "text": "x" * (CONTEXT - 8)}, {"id": "1", "text": "y" * 60}]
    path = tmp_path / "demos.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sft = load_recipe("sft")({"rollout.demos": str(path), "rollout.verify": False, "rollout.prompts": 4})
    result = train(sft, str(table), small(), steps=2, output=tmp_path / "runs", watch=Silent())
    samples = [json.loads(line) for line in (result.path / "samples.jsonl").read_text().splitlines()][1:]
    assert result.steps == 2 and {sample["id"] for sample in samples} == {"0"}
