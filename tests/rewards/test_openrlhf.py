"""OpenRLHF's Python reward, loaded and called as OpenRLHF 0.11 does it (utils/agent.py, SingleTurnAgentExecutor)."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obedient import Obedient

import evalsuite
from evalsuite import Completion, Prompt, Task, ask
from evalsuite.cli import main
from evalsuite.errors import IncompleteError, UsageError
from evalsuite.plan import Settings, make_plans
from evalsuite.rewards import named, openrlhf
from evalsuite.rewards.core import Reward
from evalsuite.rewards.openrlhf import completion, make, score_batch, strip_prompt
from evalsuite.runlog import RunDir

EOS = ("<|im_end|>", "<|endoftext|>")


@given(st.text(), st.text())
def test_the_prompt_is_a_prefix_and_nothing_else(prompt: str, rest: str) -> None:
    assert strip_prompt(prompt + rest, prompt) == rest
    if not rest.startswith(prompt):
        with pytest.raises(UsageError):
            strip_prompt(rest, prompt)


def test_a_wrong_prefix_shows_where_it_differs() -> None:
    with pytest.raises(
        UsageError, match=r"after 6 of 9 characters the prompt goes on with 'wo:' and the query with 'hree: one two:1'"
    ):
        strip_prompt("one: three: one two:1", "one: two:")
    with pytest.raises(UsageError, match=r"after 3 of 4 characters the prompt goes on with ':' and the query with ''"):
        strip_prompt("one", "one:")


@pytest.mark.parametrize(
    ("said", "text", "finish"),
    [
        ("1<|im_end|>", "1", "stop"),
        ("1<|endoftext|>", "1", "stop"),
        ("<|im_end|>", "", "stop"),
        ("1<|im_end|><|im_end|>", "1<|im_end|>", "stop"),  # one only: the engine stops at the first
        ("1<|im_end|>\n", "1<|im_end|>\n", "length"),
        ("a<|im_end|>1", "a<|im_end|>1", "length"),
        ("1", "1", "length"),
        ("", "", "length"),
    ],
)
def test_the_end_token_says_how_it_ended_and_is_no_part_of_the_answer(said: str, text: str, finish: str) -> None:
    assert completion("Q<|im_end|>" + said, "Q<|im_end|>", EOS) == Completion(text, finish_reason=finish)
    assert completion("Q<think>\n" + said, "Q<think>\n", EOS) == Completion(text, finish_reason=finish, opened=True)


def test_the_longer_of_two_end_texts_is_the_token() -> None:
    assert completion("Q1</s></s>", "Q", ("</s>", "1</s></s>")).text == ""


@pytest.mark.parametrize("eos", [(), ("",)])
def test_without_end_tokens_nothing_is_guessed(eos: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"EVALSUITE_REWARD_EOS='<\|im_end\|>'"):
        completion("Q1", "Q", eos)


TASK = Task(
    name="obey",
    samples=(ask("1?", id="a", target="1"), ask("2?", id="b", target="2")),
    prompt=Prompt(name="bare"),
    verifier=Obedient(),
)


@pytest.fixture(scope="module")
def obey() -> Reward:
    return Reward(make_plans([TASK], Settings())[0], weights={"obey": 3.0})


LABEL = json.dumps({"task": "obey", "id": "a"})


def test_rewards_have_weights_and_scores_have_none(obey: Reward) -> None:
    batch = score_batch(obey, ["Q1<|im_end|>", "Q2<|im_end|>", "Q1"], ["Q"] * 3, [LABEL] * 3, EOS)
    assert batch["rewards"] == [3.0, 0.0, 0.0]
    assert batch["scores"] == [1.0, 0.0, 0.0]
    assert batch["extra_logs"]["verifier_truncated"] == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("", "--data.label_key"),
        ("42", "--data.label_key"),
        (None, "--data.label_key"),
        ('{"task": "obey"}', "--data.label_key"),
        ('{"task": ["obey"], "id": "a"}', "--data.label_key"),
        ("[" * 100_000, "--data.label_key"),
        ('{"task": "obey", "id": "z"}', "no sample 'z'.*give a label of `evalsuite reward dataset --format openrlhf`"),
    ],
)
def test_a_label_of_something_else_is_an_error(obey: Reward, label: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        score_batch(obey, ["Q1<|im_end|>"], ["Q"], [label], EOS)


def test_columns_must_have_one_length(obey: Reward) -> None:
    with pytest.raises(UsageError, match="2 queries, 1 prompts and 1 labels"):
        score_batch(obey, ["Q1", "Q2"], ["Q"], [LABEL], EOS)


def test_our_failure_is_an_exception_and_an_error_in_the_log(obey: Reward, caplog: pytest.LogCaptureFixture) -> None:
    function = make(obey, EOS)
    assert function(["Q1<|im_end|>"], ["Q"], [LABEL])["rewards"].tolist() == [3.0]
    with caplog.at_level(logging.ERROR), pytest.raises(IncompleteError, match=r"obey a: could not be scored.*own mistake"):
        function(["Qbug<|im_end|>"], ["Q"], [LABEL])
    assert [(r.levelname, "could not be scored" in r.message) for r in caplog.records] == [("ERROR", True)]


def test_the_signature_is_that_of_openrlhf() -> None:
    for function in (openrlhf.reward_func, make(None, EOS)):  # type: ignore[arg-type]
        names = list(inspect.signature(function).parameters.values())
        assert [p.name for p in names[:3]] == ["queries", "prompts", "labels"]
        assert names[3].kind is inspect.Parameter.VAR_KEYWORD


def test_the_file_itself_is_a_reward_and_agrees_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of `evalsuite reward dataset`, completions of a run, the file loaded by its path, one call per thread."""
    import torch

    tasks = ["sort_letters@size=8", "arithmetic@size=8"]
    out = tmp_path / "prompts.jsonl"
    assert main(["reward", "dataset", ",".join(tasks), "--format", "openrlhf", "--out", str(out)]) == 0
    data = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(data) == 16
    result = evalsuite.run("scripted:noisy:0.5", tasks, output=tmp_path / "runs", progress=None)
    run = RunDir(Path(result.path))
    scored = {(name, row["id"]): row for name in tasks for row in run.rows(name)}

    monkeypatch.setenv(named.TASKS, ", ".join(tasks))
    monkeypatch.setenv(openrlhf.EOS, " ".join(EOS))
    spec = importlib.util.spec_from_file_location("reward_func", openrlhf.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    async def rewards() -> list[dict[str, Any]]:
        calls = []
        for row in data:
            label = json.loads(row["label"])
            said = scored[label["task"], label["id"]]["completion"]["text"]
            prompt = f"<|im_start|>user\n{row['input']}<|im_end|>\n<|im_start|>assistant\n"
            calls.append(asyncio.to_thread(module.reward_func, [f"{prompt}{said}<|im_end|>"], [prompt], [row["label"]]))
        return await asyncio.gather(*calls)

    got = asyncio.run(rewards())
    assert all(torch.is_tensor(g["rewards"]) and g["rewards"].shape == (1,) for g in got)
    assert all(column.shape == (1,) for g in got for column in g["extra_logs"].values())
    recorded = [scored[label["task"], label["id"]]["score"]["value"] for label in (json.loads(row["label"]) for row in data)]
    assert [g["rewards"].item() for g in got] == [g["scores"].item() for g in got] == recorded
    assert set(recorded) == {0.0, 1.0}


def test_without_tasks_it_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(named.TASKS, raising=False)
    with pytest.raises(UsageError, match="EVALSUITE_REWARD_TASKS"):
        openrlhf.reward_func(["Q1"], ["Q"], [LABEL])
