"""TRL itself: a GRPOTrainer run, and what it logged scored again from its record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import evalsuite
from evalsuite import demo
from evalsuite.cli import main
from evalsuite.plan import Settings
from evalsuite.rescore import rescore_file

TASK = "sort_letters@split=train"
LONGEST = 5  # new tokens: four letters and the end token just fit
TEMPLATE = "{% for m in messages %}{{ m['content'].split('\n\n')[-1] }}{% endfor %}"  # the bare problem, as it was trained


class Trained(dict[str, Any]):
    """What a run left behind."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Two steps of GRPO with three reward functions: ours, ours as an async function, and one that records its arguments."""
    import pandas as pd
    import torch
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trl")
    demo.train(folder / "model", steps=100)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    tokenizer.chat_template = TEMPLATE
    assert main(["reward", "dataset", TASK, "--format", "trl", "--out", str(folder / "prompts.parquet"), "-L", "8"]) == 0
    batches: list[dict[str, Any]] = []

    def record(**batch: Any) -> list[float]:
        batches.append({k: v for k, v in batch.items() if isinstance(v, list)})
        return [0.0] * len(batch["completions"])

    reward = evalsuite.reward(TASK)
    twin = evalsuite.reward(TASK, weights={TASK: 2})
    twin.__name__ = "twin"
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder / "model"),
        processing_class=tokenizer,
        reward_funcs=[reward, twin.asynchronous, record],
        train_dataset=load_dataset("parquet", data_files=str(folder / "prompts.parquet"), cache_dir=str(folder))["train"],
        args=GRPOConfig(
            output_dir=str(folder / "out"),
            max_steps=2,
            temperature=1.25,
            per_device_train_batch_size=16,
            num_generations=4,
            max_completion_length=LONGEST,
            log_completions=True,
            num_completions_to_print=0,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            seed=1,
            disable_tqdm=True,
        ),
    )
    try:
        trainer.train()
    finally:
        torch.set_num_threads(threads)
    tables = [pd.read_parquet(path) for path in sorted((folder / "out" / "completions").glob("*.parquet"))]
    yield Trained(
        model=folder / "model",
        name=reward.__name__,
        rows=pd.concat(tables),
        batches=batches,
        logs=trainer.state.log_history,
        eos=tokenizer.eos_token_id,
    )


def test_the_rewards_of_a_run_are_what_score_gives(trained: Trained, tmp_path: Path) -> None:
    """`evalsuite score` of what was said, with finish reasons from the token ids, and its own values against the trainer's."""
    rows = trained["rows"]
    said: dict[str, dict[str, list[Any]]] = {}
    rewards = iter(rows[trained["name"]])
    for batch in trained["batches"]:
        for sample_id, turns, ids in zip(batch["id"], batch["completions"], batch["completion_ids"]):
            row = said.setdefault(sample_id, {"completions": [], "finish_reason": [], "scores": []})
            row["completions"].append(turns[0]["content"])
            row["finish_reason"].append("stop" if ids[-1] == trained["eos"] else "length")
            row["scores"].append(next(rewards))
    assert next(rewards, None) is None and len(rows) == 32
    path = tmp_path / "said.jsonl"
    path.write_text("".join(json.dumps({"id": key, **row}) + "\n" for key, row in said.items()))
    result, changes = rescore_file(path, [TASK], Settings(limit=8))
    assert changes == [] and result.tasks[TASK].errors == 0
    reasons = [reason for row in said.values() for reason in row["finish_reason"]]
    values = [value for row in said.values() for value in row["scores"]]
    assert {"stop", "length"} == set(reasons) and {0.0, 1.0} == set(values), "the run shows every kind of completion"
    assert list(rows[f"{trained['name']}/outcome"]).count("truncated") == reasons.count("length")

    flipped = [{"id": key, **row, "scores": [1 - v for v in row["scores"]]} for key, row in said.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in flipped))
    assert len(rescore_file(path, [TASK], Settings(limit=8))[1]) == 32


def test_the_async_form_gives_the_same_times_its_weight(trained: Trained) -> None:
    rows = trained["rows"]
    assert list(rows["twin"]) == [2 * value for value in rows[trained["name"]]]


def test_the_completions_table_has_answer_outcome_and_feedback(trained: Trained) -> None:
    rows = trained["rows"]
    for value, outcome, answer, turns in zip(
        rows[trained["name"]], rows[f"{trained['name']}/outcome"], rows["twin/answer"], rows["completion"]
    ):
        assert (outcome == "ok") == (answer is not None) or outcome in ("truncated", "no_answer")
        if value == 1:
            assert answer == turns[0]["content"].strip()
    assert set(rows["twin/feedback"]) - {""}


def test_the_metrics_have_shares(trained: Trained) -> None:
    logs = [log for log in trained["logs"] if "reward" in log]
    rows = trained["rows"]
    assert len(logs) == 2
    for step, log in enumerate(logs, 1):
        of_step = rows[rows["step"] == step]
        outcomes = list(of_step[f"{trained['name']}/outcome"])
        for outcome, share in (
            ("truncated", "truncated"),
            ("no_answer", "no_answer"),
            ("error", "unscorable"),
            ("timeout", "timeout"),
        ):
            assert log[f"rewards/{trained['name']}/{share}"] == pytest.approx(outcomes.count(outcome) / 16)
        assert log[f"rewards/{trained['name']}/truncated"] == pytest.approx(log["completions/clipped_ratio"])
        assert log[f"rewards/{trained['name']}/mean"] == pytest.approx(of_step[trained["name"]].mean())


def test_trl_sees_the_name_and_which_form_is_async() -> None:
    from trl.trainer.utils import get_callable_name, is_async_callable

    reward = evalsuite.reward("sort_letters", "arithmetic")
    for form, is_async in ((reward, False), (reward.asynchronous, True)):
        assert (get_callable_name(form), is_async_callable(form)) == ("sort_letters+arithmetic", is_async)


def test_stop_strings_end_a_completion_in_the_way_that_the_data_set_command_says(trained: Trained, tmp_path: Path) -> None:
    import functools

    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = (cls.from_pretrained(trained["model"]) for cls in (AutoModelForCausalLM, AutoTokenizer))
    model.generate = functools.partial(model.generate, tokenizer=tokenizer)
    reward, ends = evalsuite.reward("sort_letters", limit=4), ["b", "c", "d", "e"]
    said: list[str] = []

    def record(completions: list[str], **_: Any) -> list[float]:
        said.extend(completions)
        return [0.0] * len(completions)

    plan = reward.plans["sort_letters"]
    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=[reward, record],
        train_dataset=Dataset.from_list([{"prompt": plan.render(sample).plain} for sample in plan.samples]),
        args=GRPOConfig(
            str(tmp_path),
            max_steps=1,
            logging_steps=1,
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=6,
            generation_kwargs={"stop_strings": ends},
            log_completions=True,
            num_completions_to_print=0,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
        ),
    )
    trainer.train()
    import pandas as pd

    outcomes = list(pd.read_parquet(next((tmp_path / "completions").glob("*.parquet")))["sort_letters/outcome"])
    stopped = [outcome for outcome, text in zip(outcomes, said, strict=True) if text and text[-1] in ends]
    assert len(stopped) > 0 and set(stopped) == {"ok"}


def test_rloo_trainer_calls_it_the_same_way(trained: Trained, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import RLOOConfig, RLOOTrainer

    reward = evalsuite.reward("sort_letters", limit=4)
    plan = reward.plans["sort_letters"]
    trainer = RLOOTrainer(
        model=str(trained["model"]),
        reward_funcs=reward,
        train_dataset=Dataset.from_list([{"prompt": plan.render(sample).plain} for sample in plan.samples]),  # no other column
        args=RLOOConfig(
            str(tmp_path),
            max_steps=1,
            logging_steps=1,
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=8,
            generation_kwargs={"max_new_tokens": 1},  # cut off long before that
            save_strategy="no",
            report_to="none",
            use_cpu=True,
        ),
    )
    trainer.train()
    log = next(log for log in trainer.state.log_history if "reward" in log)
    assert log["rewards/sort_letters/truncated"] == pytest.approx(log["completions/clipped_ratio"])
    assert log["rewards/sort_letters/mean"] == 0.0 and log["rewards/sort_letters/truncated"] > 0
